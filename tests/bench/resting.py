"""Waits for a machine at rest between two runs of a bench."""

import pathlib
import time

IDLE_SHARE = 0.75
"""Of all processors' time, over a second."""


def await_idle(patience_s: float) -> None:
    """Wait until the machine rests: of what was undone no alarm tells the end.

    Ceilometer and Aodh take longer over many instances' events than Nova.
    """
    deadline = time.monotonic() + patience_s
    before = _ticks()
    while time.monotonic() < deadline:
        time.sleep(1.0)
        now = _ticks()
        if now[0] - before[0] >= IDLE_SHARE * (now[1] - before[1]):
            return
        before = now
    raise RuntimeError("the machine does not come to rest")


def _ticks() -> tuple[int, int]:
    """Return ticks of idleness and all ticks, over all processors."""
    first = pathlib.Path("/proc/stat").read_text().split("\n", 1)[0]
    found = [int(each) for each in first.split()[1:9]]
    return found[3] + found[4], sum(found)
