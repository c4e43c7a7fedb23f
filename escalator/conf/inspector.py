"""From a host to those it affects."""

from typing import Any

from oslo_config import cfg

GROUP = "inspector"

OPTS = [
    cfg.IntOpt("workers", default=1, min=1, help="Worker processes."),
    cfg.BoolOpt(
        "realtime",
        default=True,
        help="Run the threads that pass a fault on under SCHED_RR where the kernel"
        " allows it.",
    ),
    cfg.FloatOpt(
        "map_interval_s",
        default=0.2,
        min=0.02,
        help="Seconds between two questions whether the VIM's map changed.",
    ),
    cfg.FloatOpt(
        "mark_down_timeout_s",
        default=0.3,
        min=0.01,
        help="Deadline for marking a host down; after it the notice goes out and says "
        "so.",
    ),
]


def register_opts(conf: cfg.ConfigOpts) -> None:
    """Register this section's options on ``conf``."""
    conf.register_opts(OPTS, group=GROUP)


def list_opts() -> list[tuple[str, list[Any]]]:
    """Return the section for the sample generator."""
    return [(GROUP, OPTS)]
