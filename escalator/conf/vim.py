"""The virtual infrastructure manager."""

from typing import Any

from keystoneauth1 import loading
from oslo_config import cfg

GROUP = "vim"

SCALING_ACTIONS = [
    r"^(trust\+)?https?://[^?#]*/stacks/[^/?#]+/[^/?#]+/resources/[^/?#]+/signal"
    r"(?![^?#])",
    r"^(trust\+)?https?://[^?#]*/v1/signal/arn(:|%3A)openstack(:|%3A)heat(:|%3A)",
    r"^(trust\+)?https?://[^?#]*/v1/webhooks/[^/?#]+/trigger(?![^?#])",
]
"""A signal to a resource of Heat, plain or signed as CloudFormation does
(``alarm_url``); a receiver of Senlin."""

OPTS = [
    cfg.StrOpt("driver", default="simulated", help="Entry point in escalator.vim."),
    cfg.StrOpt(
        "host_facts",
        help="YAML file of what the VIM does not know of its hosts: address, rack,"
        " role, tags, groups, facts, and owners' limits; may name hosts that the VIM"
        " has not.",
    ),
    cfg.StrOpt(
        "simulated_path",
        default="/var/lib/escalator/vim.sqlite",
        help="File of the simulated VIM, shared by the processes of one machine.",
    ),
    cfg.StrOpt(
        "simulated_inventory",
        help="YAML file of hosts and instances that fills a new simulated VIM.",
    ),
    cfg.StrOpt(
        "cloud",
        help="openstack: a cloud of clouds.yaml, instead of auth_type and the like.",
    ),
    cfg.StrOpt("region_name", help="openstack: region of Nova's endpoint."),
    cfg.StrOpt(
        "interface",
        default="internal",
        choices=["admin", "internal", "public"],
        help="openstack: which of Nova's endpoints is used.",
    ),
    cfg.FloatOpt(
        "timeout_s",
        default=5.0,
        min=0.05,
        help="openstack: deadline of one attempt of one call.",
    ),
    cfg.FloatOpt(
        "snapshot_interval_s",
        default=60.0,
        min=0.5,
        help="openstack: seconds between two readings of all hosts, and of instances"
        " that changed; they repair what notifications missed.",
    ),
    cfg.FloatOpt(
        "whole_snapshot_interval_s",
        default=600.0,
        min=0.5,
        help="openstack: seconds between two readings of all instances.",
    ),
    cfg.StrOpt(
        "notifications_url",
        secret=True,
        help="openstack: transport URL of Nova's message bus; empty: snapshots only.",
    ),
    cfg.StrOpt(
        "notifications_exchange",
        default="nova",
        help="openstack: Nova's control_exchange.",
    ),
    cfg.StrOpt(
        "notifications_topic",
        default="versioned_notifications",
        help="openstack: one of Nova's [notifications] versioned_notifications_topics.",
    ),
    cfg.BoolOpt(
        "reset_states",
        default=True,
        help="openstack: set the instances of a dead host to error, and back.",
    ),
    cfg.IntOpt(
        "reset_states_at_once",
        default=4,
        min=1,
        max=64,
        help="openstack: such calls under way.",
    ),
    cfg.FloatOpt(
        "reset_states_delay_s",
        default=1.0,
        min=0.0,
        help="openstack: from a host's death to the first of them: owners are told"
        " first. 0 where they are told by Nova and Ceilometer.",
    ),
    cfg.ListOpt(
        "drain_methods",
        default=["live"],
        help="openstack: how active instances are moved, tried in this order: live,"
        " cold. Stopped ones are moved cold.",
    ),
    cfg.IntOpt(
        "migrations_at_once",
        default=2,
        min=1,
        help="openstack: migrations under way from one host.",
    ),
    cfg.FloatOpt(
        "migration_timeout_s",
        default=600.0,
        min=1.0,
        help="openstack: longest wait for one migration.",
    ),
    cfg.MultiStrOpt(
        "scaling_actions",
        default=SCALING_ACTIONS,
        help="openstack: regular expressions; an alarm of Aodh with an action URL in"
        " which one is found lets something scale, and is held by scaling.hold. May be"
        " given several times; in place of those for Heat and Senlin.",
    ),
    cfg.FloatOpt(
        "scaling_settle_s",
        default=70.0,
        min=0.0,
        help="openstack: scaling.hold looks again after so long whether Aodh wrote old"
        " copies of alarms back; more than its evaluation_interval and its"
        " event_alarm_cache_ttl. 0: it does not wait.",
    ),
]


def register_opts(conf: cfg.ConfigOpts) -> None:
    """Register this section's options on ``conf``."""
    conf.register_opts(OPTS, group=GROUP)
    loading.register_session_conf_options(conf, GROUP)
    loading.register_auth_conf_options(conf, GROUP)


def list_opts() -> list[tuple[str, list[Any]]]:
    """Return the section for the sample generator."""
    session = loading.get_session_conf_options()
    return [(GROUP, [*OPTS, *session, *loading.get_auth_common_conf_options()])]
