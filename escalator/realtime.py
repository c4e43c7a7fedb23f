"""Real time for the few threads between a missed answer and the owner's handler.

A loaded machine is when faults happen; there a normal thread was measured to
wait 10 ms at the median, and up to half a second, for its turn.  On an idle one
it waits too: since Linux 6.6 whoever runs may finish a slice of 3 ms, while
another core has nothing to do.  A thread in real time is put on that core.
Only these few: a map of ten thousand instances, read in real time, would keep
the broker waiting.
"""

import contextlib
import os
from collections.abc import Iterator

PROBING = 10
TELLING = 5
PASSING_ON = 1


def take(priority: int) -> bool:
    """Put the calling thread under SCHED_FIFO; returns False if refused.

    What it starts is of normal priority again.
    """
    policy = os.SCHED_FIFO | os.SCHED_RESET_ON_FORK
    try:
        os.sched_setscheduler(0, policy, os.sched_param(priority))
    except OSError:
        return False
    return True


@contextlib.contextmanager
def threads(is_wanted: bool) -> Iterator[None]:
    """Put the threads that are started within, and theirs, under SCHED_RR.

    Where the kernel refuses (CAP_SYS_NICE), or not wanted, they are as others.
    """
    param = os.sched_param(PASSING_ON)
    try:
        if is_wanted:
            os.sched_setscheduler(0, os.SCHED_RR, param)
    except PermissionError:
        is_wanted = False
    try:
        yield
    finally:
        if is_wanted:
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
