"""When a target is being drained: what budgets of migrations count (P-4b)."""

from collections.abc import Iterable

from escalator.domain.plan import Budget, Kind, Procedure

CORDON = "vim.disable_scheduling"
DRAIN = "vim.drain"
UNCORDON = "vim.enable_scheduling"

ACTIONS = frozenset({DRAIN, "vim.vacate"})
"""Actions that move instances off their target, on the way or back."""


def budgets(known: Iterable[Budget]) -> frozenset[str]:
    """Return the ids of those that limit migrations."""
    return frozenset(each.id for each in known if each.kind == Kind.MIGRATIONS)


def share(procedure: Procedure) -> float:
    """Return the part of a visit after which its last drain is over, 0 to 1."""
    times = [each.expected_s for each in procedure.steps]
    last = max(
        (at for at, each in enumerate(procedure.steps) if each.action in ACTIONS),
        default=-1,
    )
    whole = sum(times)
    return sum(times[: last + 1]) / whole if whole else 0.0
