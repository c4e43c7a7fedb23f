"""Read what BIRD's BFD sessions know of the targets.

BIRD does the probing (50 ms times 3 is usual); this driver asks its control
socket for the sessions and takes a session that is up as an answer of its
address.  It has counted the misses: the first round without a session is a
fault.  A restarted or absent BIRD answers nothing: let it never vote alone.
"""

import contextlib
import ipaddress
import socket
import time
from collections.abc import Callable, Mapping
from typing import Final

from escalator.drivers import base

COMMAND: Final = b"show bfd sessions\n"
LIMIT_S: Final = 0.05
"""BIRD answers from memory; one that does not is as good as absent."""

PATIENCE: Final = 2
"""So many questions in a row may stay without any answer: BIRD is busy, and what it
said last still counts.  After that it is absent."""

PIECE_BYTES: Final = 1 << 16


class Bfd(base.Probe):
    """One question a round for all targets."""

    options = ("bfd_socket",)
    misses = 1

    def __init__(
        self, bfd_socket: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._path = bfd_socket
        self._clock = clock
        self._targets: dict[str, list[str]] = {}
        self._sock: socket.socket | None = None
        self._is_due = False
        self._up: list[str] = []
        self._asked_at = 0.0
        self._open = 0

    def set_targets(self, targets: Mapping[str, str]) -> None:
        """Look for these from now on: target -> address of its session.

        :raises ValueError: an address is none; nothing is changed then.
        """
        found: dict[str, list[str]] = {}
        for name, address in targets.items():
            found.setdefault(str(ipaddress.ip_address(address)), []).append(name)
        self._targets = found
        self._is_due = False

    def send(self) -> None:
        """Begin a round: BIRD is asked at its end, for what is true then."""
        self._is_due = True

    def receive(self, timeout_s: float) -> list[base.Reply]:
        """Return those whose session is up, once a round, or wait and return none.

        BIRD is asked when nothing is waited for any more, right before the judgement:
        a session that ends within the round is then found in this one.
        """
        if timeout_s > 0:
            time.sleep(timeout_s)
            return []
        if not self._is_due:
            return []
        self._is_due = False
        self._look()
        return [
            base.Reply(name, self._asked_at)
            for address in self._up
            for name in self._targets.get(address, ())
        ]

    def close(self) -> None:
        """Leave BIRD; the round is over."""
        self._is_due = False
        self._leave()

    def _look(self) -> None:
        try:
            self._up = read_up(self._ask())
            self._asked_at, self._open = self._clock(), 0
        except OSError:
            self._leave()
            self._open += 1
            if self._open > PATIENCE:
                self._up = []

    def _leave(self) -> None:
        if self._sock is not None:
            with contextlib.suppress(OSError):
                self._sock.close()
            self._sock = None

    def _ask(self) -> str:
        if self._sock is None:
            made = self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            made.settimeout(LIMIT_S)
            made.connect(self._path)
            self._read(made)
        self._sock.sendall(COMMAND)
        return self._read(self._sock)

    def _read(self, sock: socket.socket) -> str:
        """Read one reply: its last line has a code and no hyphen after it."""
        text = b""
        while True:
            piece = sock.recv(PIECE_BYTES)
            if not piece:
                raise ConnectionError("BIRD closed its control socket")
            text += piece
            last = text.rstrip(b"\n").rsplit(b"\n", 1)[-1]
            if text.endswith(b"\n") and last[:4].isdigit() and last[4:5] != b"-":
                return text.decode("ascii", "replace")


def read_up(text: str) -> list[str]:
    """Return the addresses whose session is up in ``show bfd sessions``."""
    found = []
    for line in text.splitlines():
        words = line[5:].split() if line[:4].isdigit() else line.split()
        if len(words) >= 3 and words[2] == "Up":
            with contextlib.suppress(ValueError):
                found.append(str(ipaddress.ip_address(words[0])))
    return found
