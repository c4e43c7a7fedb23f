"""The owner of campaigns and of the database."""

from typing import Any

from oslo_config import cfg

GROUP = "conductor"

OPTS = [
    cfg.IntOpt("workers", default=1, min=1, help="Worker processes."),
    cfg.FloatOpt(
        "tick_s",
        default=0.5,
        min=0.01,
        help="Longest pause between two looks at the running campaigns.",
    ),
    cfg.FloatOpt(
        "lease_s",
        default=10.0,
        min=0.2,
        help="Seconds without a report after which a dispatched step is probed.",
    ),
    cfg.FloatOpt(
        "probe_interval_s",
        default=2.0,
        min=0.1,
        help="Seconds between two probes of the same step.",
    ),
    cfg.IntOpt(
        "batch",
        default=64,
        min=1,
        help="Steps claimed, or reports applied, in one transaction.",
    ),
    cfg.FloatOpt(
        "outbox_retry_s",
        default=1.0,
        min=0.05,
        help="Seconds before an unsent message is tried again.",
    ),
    cfg.FloatOpt(
        "inventory_interval_s",
        default=5.0,
        min=0.1,
        help="Seconds between two readings of the VIM's inventory.",
    ),
    cfg.FloatOpt(
        "agent_silent_s",
        default=10.0,
        min=0.2,
        help="Seconds without a heartbeat after which no new step is given to an "
        "agent.",
    ),
]


def register_opts(conf: cfg.ConfigOpts) -> None:
    """Register this section's options on ``conf``."""
    conf.register_opts(OPTS, group=GROUP)


def list_opts() -> list[tuple[str, list[Any]]]:
    """Return the section for the sample generator."""
    return [(GROUP, OPTS)]
