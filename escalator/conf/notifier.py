"""The one who tells the owners."""

from typing import Any

from oslo_config import cfg

GROUP = "notifier"

OPTS = [
    cfg.IntOpt("workers", default=1, min=1, help="Worker processes."),
    cfg.BoolOpt(
        "realtime",
        default=True,
        help="Run the threads that pass a fault on under SCHED_RR where the kernel"
        " allows it.",
    ),
    cfg.ListOpt(
        "sinks",
        default=["webhook"],
        help="Ways by which owners are told: webhook (subscriptions), aodh (event "
        "alarms). The first named is told first.",
    ),
    cfg.StrOpt(
        "signing_key",
        secret=True,
        help="Key from which each subscription's webhook secret is derived; the same "
        "in the API's and the notifier's file, at least 32 characters.",
    ),
    cfg.FloatOpt(
        "timeout_s",
        default=2.0,
        min=0.05,
        help="Seconds one webhook attempt may take, connection included.",
    ),
    cfg.IntOpt(
        "attempts",
        default=5,
        min=1,
        help="Attempts before a notice becomes a dead letter.",
    ),
    cfg.FloatOpt(
        "backoff_s",
        default=0.5,
        min=0.0,
        help="First pause between attempts; doubles up to backoff_max_s.",
    ),
    cfg.FloatOpt(
        "backoff_max_s", default=10.0, min=0.0, help="Longest pause between attempts."
    ),
    cfg.IntOpt(
        "connections_per_consumer",
        default=4,
        min=1,
        help="Notices under way to one consumer at once.",
    ),
    cfg.ListOpt(
        "allowed_networks",
        default=[],
        help="Loopback, link-local and other special networks (CIDR) that webhooks may"
        " point at all the same.",
    ),
    cfg.FloatOpt(
        "subscriptions_interval_s",
        default=5.0,
        min=0.05,
        help="Seconds between two readings of all subscriptions; changes are also told"
        " at once.",
    ),
    cfg.StrOpt(
        "ca_file",
        help="PEM file of the authorities that consumers' certificates are checked "
        "against; empty: the system's.",
    ),
    cfg.StrOpt(
        "aodh_transport_url",
        secret=True,
        help="Aodh's message bus; empty: transport_url. ?ssl=1&ssl_ca_file=... at its "
        "end applies to this broker alone.",
    ),
    cfg.StrOpt(
        "aodh_topic",
        default="alarm.all",
        help="The value of [listener] event_alarm_topic in aodh.conf.",
    ),
    cfg.StrOpt(
        "aodh_instance_events",
        default="direct",
        choices=[
            ("direct", "Escalator sends compute.instance.update itself"),
            ("nova", "left to Nova's own notification, by way of Ceilometer"),
        ],
        help="Who tells Aodh of each instance; the event for the whole host always "
        "goes directly.",
    ),
    cfg.FloatOpt(
        "aodh_canary_s",
        default=30.0,
        min=0.0,
        help="Seconds between two events that nobody has an alarm on; they keep Aodh's"
        " listener warm. 0 sends none.",
    ),
    cfg.IntOpt(
        "aodh_connections",
        default=2,
        min=1,
        max=4,
        help="Connections to Aodh's broker, each with a thread.",
    ),
    cfg.FloatOpt(
        "aodh_timeout_s",
        default=2.0,
        min=0.05,
        help="Seconds in which Aodh's broker must confirm.",
    ),
    cfg.FloatOpt(
        "aodh_retry_s",
        default=300.0,
        min=0.0,
        help="Seconds after which a message that Aodh's broker did not take becomes a "
        "dead letter.",
    ),
]


def register_opts(conf: cfg.ConfigOpts) -> None:
    """Register this section's options on ``conf``."""
    conf.register_opts(OPTS, group=GROUP)


def list_opts() -> list[tuple[str, list[Any]]]:
    """Return the section for the sample generator."""
    return [(GROUP, OPTS)]
