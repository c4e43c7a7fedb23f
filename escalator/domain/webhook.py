"""Signatures of webhooks, and where a webhook may point.

Shared by the API (refuses a bad URL at once) and the notifier (checks every
address again when it connects, because a name may change its meaning).
Pure.  Source: issue 2, part 6; ADR 13.
"""

import hashlib
import hmac
import ipaddress
import urllib.parse
from collections.abc import Sequence

from escalator import errors

EVENT_ID_HEADER = "X-Escalator-Event-Id"
NOTICE_ID_HEADER = "X-Escalator-Notice-Id"
TIMESTAMP_HEADER = "X-Escalator-Timestamp"
SIGNATURE_HEADER = "X-Escalator-Signature"

SIGNING_KEY_MIN_CHARS = 32
TOLERANCE_S = 300.0

_SCHEMES = {"http": 80, "https": 443}
_PURPOSE = b"escalator webhook v1\0"
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_COMPATIBLE = ipaddress.IPv6Network("::/96")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def secret_for(signing_key: str, subscription_id: str) -> str:
    """Return a subscription's secret: 64 hexadecimal characters.

    Derived, so that it need not be stored and no subscriber can guess
    another's.  The text itself is the HMAC key of :func:`sign`.
    """
    purpose = _PURPOSE + subscription_id.encode()
    return hmac.new(signing_key.encode(), purpose, hashlib.sha256).hexdigest()


def sign(secret: str, timestamp: str, body: bytes) -> str:
    """Return the signature header's value for one attempt.

    :param timestamp: the timestamp header's value; signed together with the
        body, so that an old message cannot be sent again as a new one.
    """
    signed = timestamp.encode() + b"." + body
    digest = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
    return "v1=" + digest


def verify(secret: str, timestamp: str, body: bytes, header: str, now: float) -> bool:
    """Tell a consumer whether a message is ours and fresh.

    :param now: epoch seconds; more than ``TOLERANCE_S`` away is stale.
    """
    try:
        is_fresh = abs(now - float(timestamp)) <= TOLERANCE_S
    except ValueError:
        return False
    expected = sign(secret, timestamp, body)
    return is_fresh and hmac.compare_digest(expected.encode(), header.encode())


def lane_of(url: str) -> str:
    """Return ``host:port``: what one consumer is, however many its URLs."""
    try:
        parts = urllib.parse.urlsplit(url)
        return f"{parts.hostname}:{parts.port or _SCHEMES.get(parts.scheme, 0)}"
    except ValueError:
        return url


def parse_networks(texts: Sequence[str]) -> tuple[Network, ...]:
    """Return networks from CIDR texts.

    :raises ValueError: one of them is not a network.
    """
    return tuple(ipaddress.ip_network(text.strip()) for text in texts)


def check_url(url: str, allowed: Sequence[Network] = ()) -> None:
    """Refuse a URL that no notice will be sent to.

    Names are judged when they are resolved, by :func:`check_address`; a
    literal address and ``localhost`` are judged here as well.

    :raises UnsafeUrl: scheme, credentials, host, port or address are bad.
    """
    reason = _url_reason(url)
    if reason:
        raise errors.UnsafeUrl(url=_shown(url), reason=reason)
    host = urllib.parse.urlsplit(url).hostname or ""
    if host == "localhost" or host.endswith(".localhost"):
        host = "127.0.0.1"
    if _as_address(host) is not None:
        check_address(host, allowed)


def check_address(text: str, allowed: Sequence[Network] = ()) -> None:
    """Refuse an address at which the operator's own services may listen.

    Private networks (RFC 1918, unique local) are fine: consumers live there.
    An IPv4 address wrapped in an IPv6 one is judged as what it wraps.

    :param text: literal address; a zone (``%eth0``) is ignored.
    :param allowed: networks that are fine all the same.
    :raises UnsafeUrl: loopback, link-local, multicast, unspecified,
        reserved, or no address at all.
    """
    address = _as_address(text)
    if address is None:
        raise errors.UnsafeUrl(url=text, reason="not an address")
    forms = (address, *_embedded(address))
    if any(form in network for form in forms for network in allowed):
        return
    for form in forms:
        kind = _special_kind(form)
        if kind:
            raise errors.UnsafeUrl(url=text, reason=f"{kind} address")


def _url_reason(url: str) -> str:
    if any(ord(char) <= 0x20 or ord(char) == 0x7F or char == "\\" for char in url):
        return "white space, control character or backslash"
    try:
        parts = urllib.parse.urlsplit(url)
        port = parts.port
    except ValueError as error:
        return str(error)
    if parts.scheme not in _SCHEMES:
        return "only http and https"
    if "@" in parts.netloc:
        return "user or password in the URL"
    if not parts.hostname:
        return "no host"
    return "port 0" if port == 0 else ""


def _shown(url: str) -> str:
    """Return the URL without credentials, for messages."""
    head, at, tail = url.rpartition("@")
    return "..." + tail if at and head else url


def _as_address(text: str) -> Address | None:
    try:
        return ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None


def _embedded(address: Address) -> tuple[Address, ...]:
    if not isinstance(address, ipaddress.IPv6Address):
        return ()
    low = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    found: list[Address] = []
    if address.ipv4_mapped is not None:
        found.append(address.ipv4_mapped)
    if address.sixtofour is not None:
        found.append(address.sixtofour)
    if address.teredo is not None:
        found.extend(address.teredo)
    if address in _NAT64 or (address in _COMPATIBLE and int(address) > 0xFFFF):
        found.append(low)
    return tuple(found)


def _special_kind(address: Address) -> str:
    """Return what makes an address special, or an empty text.

    An IPv4 address in IPv6 clothes is judged by its IPv4 form alone: the
    standard library calls all of ``::ffff:0:0/96`` reserved.
    """
    if address in _COMPATIBLE and int(address) > 0xFFFF:
        return ""
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        return ""
    kinds = {
        "loopback": address.is_loopback,
        "link-local": address.is_link_local,
        "multicast": address.is_multicast,
        "unspecified": address.is_unspecified or _is_this_network(address),
        "reserved": address.is_reserved and address not in _NAT64,
    }
    return next((kind for kind, is_so in kinds.items() if is_so), "")


def _is_this_network(address: Address) -> bool:
    """Linux takes all of 0.0.0.0/8 for itself in places: treat as such."""
    return address.version == 4 and int(address) < 1 << 24
