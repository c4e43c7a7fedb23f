"""C503, C702, C704, C705, C712, C722: what shows once a plan meets the inventory."""

import itertools
from collections.abc import Iterator, Sequence

from escalator.domain import (
    budget,
    lint_budgets,
    lint_stages,
    ordering,
    plan,
    selector,
    single_step,
)
from escalator.domain.finding import Finding, point

Chosen = dict[str, list[plan.Target]]


def find(understood: plan.Plan, targets: Sequence[plan.Target]) -> Iterator[Finding]:
    """Find empty selections, shared targets and used-up budgets."""
    chosen = {each.id: selector.select(each, targets) for each in understood.selectors}
    yield from _empty(understood, chosen)
    yield from _shared(understood, chosen)
    yield from lint_stages.find_fleet(understood, targets)
    refused = lint_budgets.hopeless(understood, targets)
    yield from lint_budgets.find_hopeless(understood, refused)
    yield from _used_up(understood, targets, chosen, refused)


def _empty(understood: plan.Plan, chosen: Chosen) -> Iterator[Finding]:
    for index, procedure in enumerate(understood.procedures):
        if not chosen[procedure.selector]:
            yield Finding(
                "C704",
                point("procedures", index, "select"),
                f"selector {procedure.selector} chooses no target now",
                "check its facts; targets that join later are picked up",
                severity="warning",
            )


def _shared(understood: plan.Plan, chosen: Chosen) -> Iterator[Finding]:
    places = {each.id: index for index, each in enumerate(understood.procedures)}
    names = {key: {target.name for target in found} for key, found in chosen.items()}
    before = ordering.earlier({each.id: each.after for each in understood.procedures})
    for one, other in itertools.combinations(understood.procedures, 2):
        is_ordered = one.id in before[other.id] or other.id in before[one.id]
        if one.level != other.level or is_ordered:
            continue
        both = names[one.selector] & names[other.selector]
        if both:
            yield Finding(
                "C503",
                point("procedures", places[other.id]),
                f"{one.id} and {other.id} may run at once on {len(both)} targets",
                "give one a higher level or an after edge, or select apart",
            )


def _used_up(
    understood: plan.Plan,
    targets: Sequence[plan.Target],
    chosen: Chosen,
    hopeless: lint_budgets.Refused,
) -> Iterator[Finding]:
    """A fault in a rack may leave no room there before the run begins."""
    ledger = budget.Ledger(understood.budgets, targets, ())
    for index, procedure in enumerate(understood.procedures):
        if procedure.method == plan.Method.SINGLE_STEP:
            fit = [t for t in chosen[procedure.selector] if t.is_up]
            reason = single_step.obstacle(ledger, fit, procedure.budgets)
            if reason:
                yield Finding(
                    "C705",
                    point("procedures", index, "budgets"),
                    f"a single step takes its {len(fit)} hosts at once: {reason}",
                    "widen the budget, or list none for a single step",
                    severity="warning",
                )
            continue
        full = {
            (refusal.budget, refusal.key): refusal
            for target in chosen[procedure.selector]
            for refusal in ledger.refusals(target, procedure.budgets)
            if (refusal.budget, refusal.key) not in hopeless
        }
        for refusal in full.values():
            yield Finding(
                "C702",
                point("procedures", index, "budgets"),
                f"nothing can start there: {refusal.text()}",
                "repair the hosts that are down, or widen the budget",
                severity="warning",
            )
