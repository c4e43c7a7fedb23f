"""How a rule is written down."""

from oslo_policy import policy

from escalator.api.policies import roles


def rule(
    name: str, who: str, what: str, method: str, path: str
) -> policy.DocumentedRuleDefault:
    """Return the rule ``escalator:<name>``.

    :param who: one of the check strings of ``roles``.
    """
    return policy.DocumentedRuleDefault(
        name=f"escalator:{name}",
        check_str=who,
        description=what,
        operations=[{"path": path, "method": method}],
        scope_types=list(roles.SCOPES),
    )
