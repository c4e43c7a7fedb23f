"""SCHED_FIFO for the few threads between a missed answer and the broker.

A loaded machine is when faults happen; there a normal thread was measured to
wait 10 ms at the median, and up to half a second, for its turn.
"""

import os

PROBING = 10
TELLING = 5


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
