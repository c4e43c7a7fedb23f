"""A project keeps its own webhooks."""

from oslo_policy import policy

from escalator.api.policies.roles import ADMIN, OVERSEER, PROJECT_MEMBER, PROJECT_READER
from escalator.api.policies.rule import rule

_MANY, _ONE = "/v1/subscriptions", "/v1/subscriptions/{subscription_id}"


def list_rules() -> list[policy.DocumentedRuleDefault]:
    """Return the rules of subscriptions."""
    return [
        rule("subscriptions:create", PROJECT_MEMBER, "Subscribe.", "POST", _MANY),
        rule("subscriptions:list", PROJECT_READER, "List own ones.", "GET", _MANY),
        rule("subscriptions:show", PROJECT_READER, "Show an own one.", "GET", _ONE),
        rule("subscriptions:delete", PROJECT_MEMBER, "Unsubscribe.", "DELETE", _ONE),
        rule(
            "subscriptions:create_all",
            ADMIN,
            "Subscribe for another project, or for all of them.",
            "POST",
            _MANY,
        ),
        rule("subscriptions:list_all", OVERSEER, "List every project's.", "GET", _MANY),
        rule("subscriptions:show_all", OVERSEER, "Show any project's.", "GET", _ONE),
        rule("subscriptions:delete_all", ADMIN, "Delete any.", "DELETE", _ONE),
    ]
