"""A project sees its own part of the faults that hit its own instances."""

from oslo_policy import policy

from escalator.api.policies.roles import OVERSEER, PROJECT_READER
from escalator.api.policies.rule import rule

_MANY, _ONE = "/v1/faults", "/v1/faults/{fault_id}"


def list_rules() -> list[policy.DocumentedRuleDefault]:
    """Return the rules of faults."""
    return [
        rule("faults:list", PROJECT_READER, "List own faults.", "GET", _MANY),
        rule("faults:show", PROJECT_READER, "Show own part of one.", "GET", _ONE),
        rule("faults:list_all", OVERSEER, "List every project's.", "GET", _MANY),
        rule("faults:show_all", OVERSEER, "Show the whole fault.", "GET", _ONE),
    ]
