"""Several campaigns at once: the strictest limit holds for all of them (CM-5, P-4b).

A limit says what the cloud can spare, whoever takes it.  So the budgets of every
other campaign under way hold for this one's targets as well, and what the others
have out counts for this one's budgets.  Pure.
"""

import dataclasses
from collections.abc import Collection, Iterable, Mapping

from escalator.domain import budget, draining, invariants
from escalator.domain.plan import Budget, Kind, Plan, Procedure, Target


@dataclasses.dataclass(frozen=True, slots=True)
class Others:
    """:ivar budgets: theirs, with the campaign in their ids.
    :ivar out: hosts that they have out.
    """

    budgets: tuple[Budget, ...] = ()
    out: tuple[invariants.Out, ...] = ()

    def limit(self, procedure: Procedure) -> Procedure:
        """Return a procedure that needs tokens of the others' budgets, too."""
        drains = any(step.action in draining.ACTIONS for step in procedure.steps)
        ids = tuple(e.id for e in self.budgets if drains or e.kind != Kind.MIGRATIONS)
        return dataclasses.replace(procedure, budgets=(*procedure.budgets, *ids))

    def join(self, made: Plan) -> Plan:
        """Return the plan with the others' limits."""
        procedures = tuple(self.limit(each) for each in made.procedures)
        budgets = (*made.budgets, *self.budgets)
        return dataclasses.replace(made, budgets=budgets, procedures=procedures)


def limits_of(campaign_id: str, made: Plan) -> tuple[Budget, ...]:
    """Return what a campaign limits for others: all but its own parallelism."""
    return tuple(
        dataclasses.replace(each, id=f"{each.id} of campaign {campaign_id}")
        for each in made.budgets
        if each.kind != Kind.PARALLEL
    )


def holds(
    budgets: Collection[Budget],
    out: Iterable[invariants.Out],
    targets: Mapping[str, Target],
) -> list[budget.Hold]:
    """Return the tokens of hosts that are out, as if they had been taken.

    :param out: those that left the inventory hold none.
    """
    shared = [each for each in budgets if each.kind != Kind.PARALLEL]
    return [
        budget.Hold(each.host, limit.id, key)
        for each in out
        if each.host in targets
        for limit in shared
        if each.is_draining or limit.kind != Kind.MIGRATIONS
        for key in budget.keys(limit, each.as_it_was(targets[each.host]))
    ]
