"""C711, C712: a budget says one limit, and one that somebody can meet."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from escalator.domain import budget, plan, selector
from escalator.domain import document as doc
from escalator.domain.finding import Finding, point

LIMITS = ("max_down", "max_migrations", "quorum", "headroom")

Refused = dict[tuple[str, str], budget.Refusal]


def find(filled: Mapping[str, Any]) -> Iterator[Finding]:
    """Find budgets with several limits, or with none."""
    for path, body in doc.rows(filled, "budgets"):
        said = [key for key in LIMITS if key in body]
        is_owners = body.get("scope") == "owner"
        if len(said) == (0 if is_owners else 1):
            continue
        wanted = "no limit: owners declare theirs" if is_owners else "one limit"
        remedy = f"write one of {', '.join(LIMITS)}"
        yield Finding(
            "C711",
            point(*path),
            f"a budget of this scope says {wanted}; found {', '.join(said) or 'none'}",
            "take the limit out" if is_owners else remedy,
        )


def facts_used(filled: Mapping[str, Any]) -> Iterator[tuple[doc.Path, str]]:
    """Yield every fact that a budget uses, with its path."""
    for path, body in doc.rows(filled, "budgets"):
        if by := doc.text(doc.table(body, "scope"), "by"):
            yield (*path, "scope", "by"), by
        room = doc.table(body, "headroom")
        for key in ("of", "used"):
            fact = doc.text(room, key)
            if fact and (key, fact) != ("of", "hosts"):
                yield (*path, "headroom", key), fact


def hopeless(understood: plan.Plan, targets: Sequence[plan.Target]) -> Refused:
    """Return what refuses a selected target though everybody is well and idle."""
    limits = [dataclasses.replace(each, load="") for each in understood.budgets]
    well = [
        dataclasses.replace(each, is_up=True, is_quarantined=False) for each in targets
    ]
    ledger = budget.Ledger(limits, well, ())
    chosen = {each.id: selector.select(each, targets) for each in understood.selectors}
    return {
        (refusal.budget, refusal.key): refusal
        for procedure in understood.procedures
        for target in chosen[procedure.selector]
        for refusal in ledger.refusals(target, procedure.budgets)
    }


def find_hopeless(understood: plan.Plan, refused: Refused) -> Iterator[Finding]:
    """Tell of those, each once."""
    places = {each.id: at for at, each in enumerate(understood.budgets)}
    for (name, key), refusal in refused.items():
        amount = refusal.detail or "all its hosts have to stay up"
        yield Finding(
            "C712",
            point("budgets", places[name]),
            f"budget {name} never admits a host of {key}: {amount}",
            "keep less, add hosts there, or select apart",
        )
