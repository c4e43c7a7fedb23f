"""Policy rules; entry points ``oslo.policy.policies`` and ``.enforcer``."""

from oslo_config import cfg
from oslo_policy import policy

from escalator.api.policies import (
    alarms,
    campaigns,
    faults,
    hosts,
    notices,
    services,
    subscriptions,
)

_NOUNS = (campaigns, hosts, faults, notices, subscriptions, alarms, services)


def list_rules() -> list[policy.DocumentedRuleDefault]:
    """Return every rule, for the generators and the enforcer."""
    return [rule for noun in _NOUNS for rule in noun.list_rules()]


def make_enforcer(conf: cfg.ConfigOpts) -> policy.Enforcer:
    """Return an enforcer of these rules and of the operator's policy file."""
    enforcer = policy.Enforcer(conf)
    enforcer.register_defaults(list_rules())
    return enforcer


def get_enforcer() -> policy.Enforcer:
    """Return an enforcer for the tools of oslo.policy."""
    cfg.CONF([], project="escalator")
    return make_enforcer(cfg.CONF)
