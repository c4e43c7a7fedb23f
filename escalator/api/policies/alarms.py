"""A project binds alarms to its own campaigns; hosts are the operator's."""

from oslo_policy import policy

from escalator.api.policies.roles import ADMIN, OVERSEER, PROJECT_MEMBER, PROJECT_READER
from escalator.api.policies.rule import rule

_MANY, _ONE = "/v1/alarms", "/v1/alarms/{alarm_id}"


def list_rules() -> list[policy.DocumentedRuleDefault]:
    """Return the rules of alarms."""
    return [
        rule(
            "alarms:create",
            PROJECT_MEMBER,
            "Bind an alarm to a campaign of the project, or to nothing.",
            "POST",
            _MANY,
        ),
        rule("alarms:list", PROJECT_READER, "List own ones.", "GET", _MANY),
        rule(
            "alarms:show",
            PROJECT_READER,
            "Show an own one and what was observed.",
            "GET",
            _ONE,
        ),
        rule("alarms:delete", PROJECT_MEMBER, "Revoke an own one.", "DELETE", _ONE),
        rule(
            "alarms:create_all",
            ADMIN,
            "Bind an alarm to any host or campaign, or for another project.",
            "POST",
            _MANY,
        ),
        rule("alarms:list_all", OVERSEER, "List every project's.", "GET", _MANY),
        rule("alarms:show_all", OVERSEER, "Show any project's.", "GET", _ONE),
        rule("alarms:delete_all", ADMIN, "Revoke any.", "DELETE", _ONE),
    ]
