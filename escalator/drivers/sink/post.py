"""One HTTP POST of one notice, made safe."""

import socket
import ssl
import time
from collections.abc import Mapping, Sequence
from typing import Any

import aiohttp

from escalator.domain import webhook
from escalator.drivers.sink import lane

TRY_AGAIN = frozenset({408, 425, 429})
BODY_LIMIT = 65536
"""Bytes of an answer that are read, and dropped, to keep its connection."""

KEEPALIVE_S = 30.0
USER_AGENT = "escalator-notifier"


class Poster:
    """Posts over kept connections.  Lives in the sink's loop.

    Redirects, cookies and the environment's proxies are ignored, answers are
    not decompressed, and every address is checked in the moment of
    connecting: a name may point elsewhere than when it was stored.
    """

    def __init__(
        self,
        timeout_s: float,
        allowed: Sequence[webhook.Network],
        ca_file: str | None,
        resolver: aiohttp.abc.AbstractResolver | None = None,
    ) -> None:
        def open_socket(info: Any) -> socket.socket:
            webhook.check_address(str(info[4][0]), allowed)
            return socket.socket(info[0], info[1], info[2])

        connector = aiohttp.TCPConnector(
            limit=0,
            keepalive_timeout=KEEPALIVE_S,
            ssl=ssl.create_default_context(cafile=ca_file or None),
            resolver=resolver,
            happy_eyeballs_delay=None,
            socket_factory=open_socket,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            timeout=aiohttp.ClientTimeout(total=timeout_s),
            headers={"User-Agent": USER_AGENT, "Content-Type": "application/json"},
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
        )

    async def post(
        self, url: str, body: bytes, headers: Mapping[str, str]
    ) -> dict[str, float]:
        """Send once; return ``T8`` and ``T9``, epoch seconds.

        :raises Unanswered: worth another attempt.
        :raises Refused: the consumer does not want it.
        :raises UnsafeUrl: the address is one that notices must not reach.
        """
        sent_at, status, taken_at = time.time(), 0, 0.0
        try:
            async with self._session.post(
                url, data=body, headers=headers, allow_redirects=False
            ) as answer:
                status, taken_at = answer.status, time.time()
                await _drop(answer)
        except TimeoutError:
            if not status:
                raise lane.Unanswered("no answer in time") from None
        except (aiohttp.ClientError, OSError) as error:
            if not status:
                raise lane.Unanswered(f"{type(error).__name__}: {error}") from error
        _judge(status)
        return {"T8": sent_at, "T9": taken_at}

    async def close(self) -> None:
        """Close the kept connections."""
        await self._session.close()


async def _drop(answer: aiohttp.ClientResponse) -> None:
    """Read the answer's body off the wire; one that is too long ends it."""
    size = 0
    while size <= BODY_LIMIT and not answer.content.at_eof():
        size += len(await answer.content.readany())


def _judge(status: int) -> None:
    if 200 <= status < 300:
        return
    if status >= 500 or status in TRY_AGAIN:
        raise lane.Unanswered(f"answered {status}")
    if 300 <= status < 400:
        raise lane.Refused(f"answered {status}; redirects are not followed")
    raise lane.Refused(f"answered {status}")
