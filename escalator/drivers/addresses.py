"""Which addresses this host has now."""

import ipaddress
import json
import subprocess

from escalator import errors

ASK_S = 10.0

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def held() -> frozenset[Address]:
    """Ask ``ip`` for every address of every link.

    :raises ActionFailed: class ``permanent``: nobody can tell.
    """
    try:
        answer = subprocess.run(
            ["ip", "-json", "addr", "show"],
            capture_output=True,
            text=True,
            timeout=ASK_S,
            check=True,
            stdin=subprocess.DEVNULL,
        )
        return frozenset(
            ipaddress.ip_address(each["local"])
            for link in json.loads(answer.stdout)
            for each in link.get("addr_info", ())
            if "local" in each
        )
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        raise errors.ActionFailed(f"Addresses of this host: {error}") from error


def is_here(address: str) -> bool:
    """Return True if this host has the address.

    :raises ActionFailed: class ``permanent``: it is none, or nobody can tell.
    """
    try:
        wanted = ipaddress.ip_address(address)
    except ValueError as error:
        raise errors.ActionFailed(f"Address {address}: {error}") from error
    return wanted in held()
