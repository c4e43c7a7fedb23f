"""Escalator's own processes are the operator's."""

from oslo_policy import policy

from escalator.api.policies.roles import OVERSEER
from escalator.api.policies.rule import rule


def list_rules() -> list[policy.DocumentedRuleDefault]:
    """Return the rules of services."""
    return [rule("services:list", OVERSEER, "List services.", "GET", "/v1/services")]
