"""A single step: all targets at once or none, and nothing else meanwhile (P-1)."""

from collections.abc import Collection, Iterable, Sequence

from escalator.domain import budget
from escalator.domain.plan import Method, Procedure, Target

Choice = tuple[Target, str]
"""A target, and why it must wait; "": it is begun."""

WHOLE = "waits: a single step begins on all its hosts at once"


def obstacle(
    ledger: budget.Ledger, targets: Iterable[Target], budget_ids: Sequence[str]
) -> str:
    """Return why the targets cannot go out all at once, or ""; takes nothing.

    :param targets: none of them holds a token.
    """
    taken: list[str] = []
    reason = ""
    for target in targets:
        refused = ledger.refusals(target, budget_ids)
        if refused:
            reason = f"{target.name} {refused[0].text()}"
            break
        ledger.take(target, budget_ids)
        taken.append(target.name)
    for name in taken:
        ledger.give_back(name)
    return reason


def decide(
    procedure: Procedure,
    waiting: Sequence[Choice],
    under_way: Collection[str],
    ledger: budget.Ledger,
) -> list[Choice]:
    """Let all begin, and take their tokens, or let all wait.

    :param waiting: targets not begun, with what stands in their own way.
    :param under_way: other procedures with targets that are out.
    """
    reason = next((f"{each.name} {why}" for each, why in waiting if why), "")
    if not reason and under_way:
        reason = f"{', '.join(sorted(under_way))} is under way"
    if not reason:
        targets = [each for each, _ in waiting]
        reason = obstacle(ledger, targets, procedure.budgets)
    if reason:
        return [(each, why or f"{WHOLE}; {reason}") for each, why in waiting]
    for each, _ in waiting:
        ledger.take(each, procedure.budgets)
    return list(waiting)


def shut_out(procedures: Iterable[Procedure], under_way: Collection[str]) -> str:
    """Return why nothing but a single step may begin now, or ""."""
    for each in procedures:
        if each.method == Method.SINGLE_STEP and each.id in under_way:
            return f"waits: nothing else begins during the single step {each.id}"
    return ""
