"""A project sees what it was told, and has its own dead letters sent again."""

from oslo_policy import policy

from escalator.api.policies.roles import ADMIN, OVERSEER, PROJECT_MEMBER, PROJECT_READER
from escalator.api.policies.rule import rule

_MANY, _ONE = "/v1/notices", "/v1/notices/{notice_id}"
_ACTIONS = f"{_ONE}/actions"


def list_rules() -> list[policy.DocumentedRuleDefault]:
    """Return the rules of notices."""
    return [
        rule("notices:list", PROJECT_READER, "List own ones.", "GET", _MANY),
        rule("notices:show", PROJECT_READER, "Show an own one.", "GET", _ONE),
        rule(
            "notices:resend",
            PROJECT_MEMBER,
            "Send an own dead letter again.",
            "POST",
            _ACTIONS,
        ),
        rule("notices:list_all", OVERSEER, "List every project's.", "GET", _MANY),
        rule("notices:show_all", OVERSEER, "Show any project's.", "GET", _ONE),
        rule(
            "notices:resend_all",
            ADMIN,
            "Send any project's dead letter again.",
            "POST",
            _ACTIONS,
        ),
    ]
