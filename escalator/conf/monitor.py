"""The detector of faults."""

from typing import Any

from oslo_config import cfg

GROUP = "monitor"

OPTS = [
    cfg.ListOpt(
        "probes",
        default=["icmp"],
        deprecated_name="probe",
        help="Entry points in escalator.probe.  The first one probes every interval_s,"
        " the others every other_interval_s.",
    ),
    cfg.IntOpt(
        "votes",
        default=1,
        min=1,
        help="Probes that must find a target dead before that is believed.",
    ),
    cfg.FloatOpt(
        "other_interval_s",
        mutable=True,
        default=0.5,
        min=0.05,
        help="Seconds between two probes of a host by all but the first of probes.",
    ),
    cfg.PortOpt("tcp_port", default=22, help="What the probe tcp connects to."),
    cfg.PortOpt("http_port", default=80, help="What the probe http asks."),
    cfg.StrOpt("http_path", default="/", help="Path that the probe http asks for."),
    cfg.StrOpt(
        "bfd_socket",
        default="/run/bird/bird.ctl",
        help="Control socket of the BIRD daemon that the probe bfd reads.",
    ),
    cfg.ListOpt(
        "faults",
        default=["host.down", "link.down", "agent.silent", "monitor.isolated"],
        help="Fault types that are raised at all.",
    ),
    cfg.FloatOpt(
        "interval_s",
        mutable=True,
        default=0.1,
        min=0.01,
        help="Seconds between two probes of a host.",
    ),
    cfg.IntOpt(
        "misses",
        mutable=True,
        default=3,
        min=1,
        help="Unanswered probes in a row that make a fault.",
    ),
    cfg.IntOpt(
        "answers",
        mutable=True,
        default=3,
        min=1,
        help="Answered probes in a row that clear one.",
    ),
    cfg.FloatOpt(
        "storm_share",
        mutable=True,
        default=0.5,
        min=0.0,
        max=1.0,
        help="If more than this share of the hosts, and more than storm_min of them, "
        "fail at once, the monitor suspects itself and waits storm_hold_s.",
    ),
    cfg.IntOpt(
        "storm_min",
        mutable=True,
        default=3,
        min=1,
        help="So many failing hosts, or fewer, are never a storm.",
    ),
    cfg.FloatOpt(
        "storm_hold_s",
        mutable=True,
        default=0.3,
        min=0.0,
        help="Seconds a suspected storm is held before it is believed.",
    ),
    cfg.StrOpt(
        "storm_alone",
        default="hold",
        choices=[
            ("hold", "until the host's agent is silent as well"),
            ("tell", "believe it after storm_hold_s"),
        ],
        help="What becomes of a host that failed in a storm if no other monitor"
        " watches it.",
    ),
    cfg.FloatOpt(
        "vantage_timeout_s",
        default=0.5,
        min=0.3,
        help="Seconds that another monitor has to say what it sees in a storm.",
    ),
    cfg.FloatOpt(
        "member_interval_s",
        default=0.5,
        min=0.05,
        help="Seconds between two beats by which the monitors know each other.",
    ),
    cfg.FloatOpt(
        "member_timeout_s",
        default=2.0,
        min=0.2,
        help="Silence after which another monitor takes over the hosts.",
    ),
    cfg.FloatOpt(
        "flap_window_s",
        mutable=True,
        default=60.0,
        min=0.0,
        help="Each further fault of a host within these seconds doubles the answers it"
        " owes before it counts as back; 0 switches that off.",
    ),
    cfg.BoolOpt(
        "realtime",
        default=True,
        help="Run the probe loop under SCHED_FIFO where the kernel allows it.",
    ),
    cfg.FloatOpt(
        "inventory_interval_s",
        default=2.0,
        min=0.05,
        help="Seconds between two readings of the hosts to probe.",
    ),
    cfg.IntOpt(
        "agent_beats_missed",
        default=5,
        min=2,
        help="Heartbeats an agent may miss before it is silent.",
    ),
]


def register_opts(conf: cfg.ConfigOpts) -> None:
    """Register this section's options on ``conf``."""
    conf.register_opts(OPTS, group=GROUP)


def list_opts() -> list[tuple[str, list[Any]]]:
    """Return the section for the sample generator."""
    return [(GROUP, OPTS)]
