"""Hosts are the operator's."""

from oslo_policy import policy

from escalator.api.policies.roles import OVERSEER
from escalator.api.policies.rule import rule


def list_rules() -> list[policy.DocumentedRuleDefault]:
    """Return the rules of hosts."""
    return [rule("hosts:list", OVERSEER, "List hosts.", "GET", "/v1/hosts")]
