"""SIGTERM and the like: stop only where nothing is lost by it.

What is being made in the cloud is made to the end and taken away again; so a
signal ends waits, and nothing else.
"""

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from types import FrameType, TracebackType
from typing import Self

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Stopped(BaseException):
    """A signal asks the program to end; no ``except Exception`` takes it."""


class Stopping:
    """Handles the signals while it is entered, in the main thread.

    :ivar signum: the first signal that came, or 0.
    """

    def __init__(self) -> None:
        self.signum = 0
        self._may_raise = False
        self._before: dict[signal.Signals, object] = {}

    def __enter__(self) -> Self:
        for each in SIGNALS:
            # nohup, and a shell without job control, have some of them ignored.
            if signal.getsignal(each) is not signal.SIG_IGN:
                self._before[each] = signal.signal(each, self._take)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for each, before in self._before.items():
            signal.signal(each, before)  # type: ignore[arg-type]

    @property
    def reason(self) -> str:
        """Return what ended the program; empty if no signal did."""
        return f"stopped by {signal.Signals(self.signum).name}" if self.signum else ""

    @contextlib.contextmanager
    def allowed(self) -> Iterator[None]:
        """Let the first signal end the block, also if it came before.

        :raises Stopped: it did.
        """
        before = self._may_raise
        try:
            self._may_raise = True
            if self.signum:
                raise Stopped
            yield
        finally:
            self._may_raise = before

    def pause(self, seconds: float) -> None:
        """Sleep.

        :raises Stopped: a signal came, now or before.
        """
        with self.allowed():
            time.sleep(seconds)

    def _take(self, signum: int, frame: FrameType | None) -> None:
        name = signal.Signals(signum).name
        os.write(2, f"{name}: everything is being taken away\n".encode())
        is_first = not self.signum
        self.signum = self.signum or signum
        if self._may_raise and is_first:
            raise Stopped
