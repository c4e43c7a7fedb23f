"""The probe loop as a process of its own: ``python -m escalator.monitor.probing``.

It imports next to nothing, runs under SCHED_FIFO where allowed, without
garbage collection, and dies with its parent.  Standard input brings orders and
its end ends the process; standard output takes reports; a line of JSON each.
"""

import collections
import contextlib
import ctypes
import fcntl
import gc
import importlib
import json
import os
import signal
import sys
from collections.abc import Sequence
from typing import Any

from escalator import errors, realtime
from escalator.domain import fault
from escalator.monitor import report, rounds

PIPE_BYTES = 1 << 20
"""Room for the verdicts on more than 10,000 hosts at once."""

_PR_SET_PDEATHSIG = 1


class Inlet:
    """Orders from a pipe, read without waiting."""

    def __init__(self, fd: int) -> None:
        widen(fd)
        self._fd = fd
        self._rest = b""

    def read_order(self) -> rounds.Order | None:
        """Return the newest order, if one came.

        :raises EOFError: the parent closed the pipe.
        """
        with contextlib.suppress(BlockingIOError):
            while True:
                piece = os.read(self._fd, PIPE_BYTES)
                if not piece:
                    raise EOFError
                self._rest += piece
        if b"\n" not in self._rest:
            return None
        lines, self._rest = self._rest.rsplit(b"\n", 1)
        body = json.loads(lines.rsplit(b"\n", 1)[-1])
        # What this line left behind is the only garbage: clear it now.
        gc.collect()
        gc.freeze()
        return rounds.Order(body["targets"], frozenset(body["down"]))


class PipeOutlet:
    """Reports into a pipe; what the parent does not take yet waits here."""

    def __init__(self, fd: int) -> None:
        widen(fd)
        self._fd = fd
        self._backlog: collections.deque[bytes] = collections.deque()

    def judged(self, judged: report.Judged) -> None:
        """Write the verdicts of one round; none is ever dropped."""
        self._write(report.encode_judged(judged))

    def ticked(self, late_s: Sequence[float]) -> None:
        """Write lateness, unless the parent is behind already."""
        if not self.flush():
            return
        self._write(report.encode("ticked", [round(late, 6) for late in late_s]))

    def flush(self) -> bool:
        """Write what the pipe takes; returns True if nothing is left."""
        while self._backlog:
            line = self._backlog.popleft()
            try:
                done = os.write(self._fd, line)
            except BlockingIOError:
                done = 0
            if done < len(line):
                self._backlog.appendleft(line[done:])
                return False
        return True

    def _write(self, line: bytes) -> None:
        self._backlog.append(line)
        self.flush()


def widen(fd: int) -> None:
    """Make a pipe roomy and never wait for its other end."""
    os.set_blocking(fd, False)
    with contextlib.suppress(OSError):
        fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, PIPE_BYTES)


def die_with_parent(parent: int) -> None:
    """Ask the kernel to kill this process when the parent dies."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(0)


def load(path: str) -> Any:
    """Return what ``module:name`` names."""
    module, name = path.split(":")
    return getattr(importlib.import_module(module), name)


def main(settings: dict[str, Any]) -> int:
    """Run the loop; ``settings`` has probe, options, law, realtime and parent."""
    die_with_parent(settings["parent"])
    # The parent decides when this process ends, not a terminal's Ctrl-C.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    outlet = PipeOutlet(sys.stdout.fileno())
    inlet = Inlet(sys.stdin.fileno())
    try:
        probe = load(settings["probe"])(**settings["options"])
    except errors.ConfigError as error:
        os.write(sys.stdout.fileno(), report.encode("refused", error.fields))
        return 2
    is_realtime = bool(settings["realtime"]) and realtime.take(realtime.PROBING)
    os.write(sys.stdout.fileno(), report.encode("ready", {"realtime": is_realtime}))

    def read_order() -> rounds.Order | None:
        outlet.flush()
        return inlet.read_order()

    loop = rounds.Rounds(probe, fault.Law(**settings["law"]), read_order, outlet)
    gc.collect()
    gc.freeze()
    gc.disable()
    loop.run()
    return 0


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1])))
