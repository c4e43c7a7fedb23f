"""Percentiles, and what the machine was like, for the reports of the benches."""

import datetime
import math
import os
from collections.abc import Sequence
from typing import Any

SCHEDULERS = {os.SCHED_OTHER: "other", os.SCHED_FIFO: "fifo", os.SCHED_RR: "rr"}


def percentile(values: Sequence[float], share: float) -> float:
    """Return the nearest-rank percentile; the maximum if samples are few."""
    ordered = sorted(values)
    rank = max(math.ceil(share * len(ordered)), 1)
    return ordered[rank - 1]


def spread(seconds: Sequence[float]) -> dict[str, float | int]:
    """Return count, first, p50, p95, p99 and last in milliseconds."""
    if not seconds:
        return {"count": 0}
    named = {
        "first": min(seconds),
        "p50": percentile(seconds, 0.50),
        "p95": percentile(seconds, 0.95),
        "p99": percentile(seconds, 0.99),
        "last": max(seconds),
    }
    return {"count": len(seconds)} | {k: round(v * 1e3, 3) for k, v in named.items()}


def machine() -> dict[str, Any]:
    """Return what a reader must know to judge the figures."""
    return {
        "at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "cores": os.cpu_count(),
        "scheduler": SCHEDULERS.get(os.sched_getscheduler(0), "another"),
        "load": [round(value, 2) for value in os.getloadavg()],
        "unit": "milliseconds",
    }
