"""Ask a service of every target: connect to a port, or GET a page.

A target answers if its service does: a refused connection is no answer.  All
connections of a round are under way at once; the next round abandons those
that are not done.
"""

import contextlib
import errno
import ipaddress
import re
import select
import socket
import time
from collections.abc import Callable, Mapping
from typing import ClassVar, Final

from escalator.drivers import base

HEAD_BYTES: Final = 64
"""Enough for the status line's code."""

_STATUS: Final = re.compile(rb"HTTP/1\.[01] ([1-5][0-9][0-9])[ \r]")
_UNDER_WAY: Final = (0, errno.EINPROGRESS)


class _Attempt:
    """One connection: connecting, then, with a request, reading."""

    __slots__ = ("asked", "head", "sock", "target")

    def __init__(self, target: str, sock: socket.socket) -> None:
        self.target = target
        self.sock = sock
        self.asked = False
        self.head = b""


class Tcp(base.Probe):
    """Connects to one port of every target."""

    options: ClassVar[tuple[str, ...]] = ("tcp_port",)

    def __init__(
        self, tcp_port: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._port = tcp_port
        self._clock = clock
        self._targets: dict[str, str] = {}
        self._poll = select.epoll()
        self._attempts: dict[int, _Attempt] = {}

    def set_targets(self, targets: Mapping[str, str]) -> None:
        """Ask these from now on: target -> IPv4 or IPv6 address.

        :raises ValueError: an address is none; nothing is changed then.
        """
        self._targets = {
            name: str(ipaddress.ip_address(address))
            for name, address in targets.items()
        }
        self._abandon()

    def send(self) -> None:
        """Begin one connection to every target."""
        self._abandon()
        for name, address in self._targets.items():
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
            if sock.connect_ex((address, self._port)) not in _UNDER_WAY:
                sock.close()
                continue
            self._attempts[sock.fileno()] = _Attempt(name, sock)
            self._poll.register(sock, select.EPOLLOUT)

    def receive(self, timeout_s: float) -> list[base.Reply]:
        """Return who answered within ``timeout_s``; ends early once all did."""
        replies: list[base.Reply] = []
        deadline = self._clock() + timeout_s
        left = timeout_s
        while self._attempts:
            for fd, _ in self._poll.poll(max(0.0, left)):
                target = self._go_on(self._attempts[fd])
                if target is not None:
                    replies.append(base.Reply(target, self._clock()))
            left = deadline - self._clock()
            if left <= 0:
                return replies
        if left > 0 and not replies:
            time.sleep(left)
        return replies

    def close(self) -> None:
        """Close every connection."""
        self._abandon()
        self._poll.close()

    def _go_on(self, attempt: _Attempt) -> str | None:
        """Take what happened; returns the target if it has answered."""
        if attempt.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self._end(attempt)
            return None
        if self._is_answered(attempt):
            self._end(attempt)
            return attempt.target
        return None

    def _is_answered(self, attempt: _Attempt) -> bool:
        return True

    def _end(self, attempt: _Attempt) -> None:
        if self._attempts.pop(attempt.sock.fileno(), None) is not None:
            self._poll.unregister(attempt.sock)
            attempt.sock.close()

    def _abandon(self) -> None:
        for attempt in list(self._attempts.values()):
            self._end(attempt)


class Http(Tcp):
    """GETs one page of every target; any status below 500 is an answer."""

    options = ("http_port", "http_path")

    def __init__(
        self,
        http_port: int,
        http_path: str = "/",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(http_port, clock)
        self._path = http_path

    def _is_answered(self, attempt: _Attempt) -> bool:
        try:
            if not attempt.asked:
                attempt.asked = True
                attempt.sock.send(self._request(attempt))
                self._poll.modify(attempt.sock, select.EPOLLIN)
                return False
            piece = attempt.sock.recv(HEAD_BYTES)
        except BlockingIOError:
            return False
        except OSError:
            piece = b""
        attempt.head += piece
        found = _STATUS.match(attempt.head)
        if found is None and (not piece or len(attempt.head) >= HEAD_BYTES):
            self._end(attempt)
        return found is not None and int(found[1]) < 500

    def _go_on(self, attempt: _Attempt) -> str | None:
        target = super()._go_on(attempt)
        if target is None and _STATUS.match(attempt.head):
            # It did answer: that it is broken.
            self._end(attempt)
        return target

    def _request(self, attempt: _Attempt) -> bytes:
        host = "localhost"
        with contextlib.suppress(OSError):
            host = attempt.sock.getpeername()[0]
        host = f"[{host}]" if ":" in host else host
        head = f"GET {self._path} HTTP/1.1\r\nHost: {host}:{self._port}\r\n"
        return f"{head}User-Agent: escalator\r\nConnection: close\r\n\r\n".encode()
