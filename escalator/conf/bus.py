"""Facts over RabbitMQ.  The broker itself is named by transport_url."""

from typing import Any

from oslo_config import cfg

GROUP = "bus"

OPTS = [
    cfg.StrOpt(
        "instance",
        default="main",
        help="Tells two process groups of one service on one machine apart, for "
        "example the old and the new one during an upgrade.",
    ),
    cfg.BoolOpt(
        "quorum_queues",
        default=True,
        help="Quorum queues for facts; False: classic durable ones (a broker without "
        "quorum support).",
    ),
    cfg.FloatOpt(
        "publish_timeout_s",
        default=5.0,
        min=0.1,
        help="Seconds after which an unconfirmed publish raises.",
    ),
    cfg.FloatOpt(
        "call_timeout_s",
        default=10.0,
        min=0.1,
        help="Deadline of a remote call, also while the broker is away.",
    ),
    cfg.IntOpt(
        "prefetch",
        default=200,
        min=10,
        help="Unacknowledged facts a listener may hold; below 10 throughput collapses.",
    ),
    cfg.StrOpt(
        "prefix",
        default="escalator",
        help="First part of every exchange, queue and topic name; several clouds may "
        "share a broker.",
    ),
]


def register_opts(conf: cfg.ConfigOpts) -> None:
    """Register this section's options on ``conf``."""
    conf.register_opts(OPTS, group=GROUP)


def list_opts() -> list[tuple[str, list[Any]]]:
    """Return the section for the sample generator."""
    return [(GROUP, OPTS)]
