"""How soon the threads on the path of a fault get the processor.

Two things stand between a thread that was woken and its turn: Python, which
lets the running thread go on for 5 ms, and the kernel's fairness, which counts
the writing down of a fault as much as the telling of it.  Since Linux 6.6 that
costs up to a slice of 3 ms even with a better niceness, while another core is
idle.  A thread in real time is put on that core at once.
"""

import contextlib
import os
import sys

SWITCH_INTERVAL_S = 0.0005
"""Three services and three hand-overs each would be 45 ms with Python's own."""

NICENESS = -10
"""For who may not run in real time."""

PRIORITY = 1
"""Below the probe loop and whatever else the machine has in real time."""


def take(is_realtime: bool) -> None:
    """Let this thread, and those it starts, go before others.

    Needs CAP_SYS_NICE; without it nothing is refused: all of it works, and
    later under load.

    :param is_realtime: under SCHED_RR; otherwise with a better niceness only.
    """
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, NICENESS)
        if is_realtime:
            os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(PRIORITY))
