"""Hosts are the operator's."""

from oslo_policy import policy

from escalator.api.policies.roles import ADMIN, OVERSEER
from escalator.api.policies.rule import rule

_ONE = "/v1/hosts/{name}"


def list_rules() -> list[policy.DocumentedRuleDefault]:
    """Return the rules of hosts."""
    return [
        rule("hosts:list", OVERSEER, "List hosts.", "GET", "/v1/hosts"),
        rule("hosts:show", OVERSEER, "Show a host.", "GET", _ONE),
        rule(
            "hosts:quarantine",
            ADMIN,
            "Keep a host out of campaigns.",
            "POST",
            f"{_ONE}/actions",
        ),
        rule(
            "hosts:release",
            ADMIN,
            "Let a quarantined host in again.",
            "POST",
            f"{_ONE}/actions",
        ),
    ]
