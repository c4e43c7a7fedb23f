"""Capacity that stays free while targets are out (P-2).

Of one key: the capacity of its targets that are in service, less the load of
all of them.  What runs on a target that is drained or dead has to be carried by
the others, so load is summed up over everybody, capacity only over who is left.
"""

from collections.abc import Iterable

from escalator.domain import selector
from escalator.domain.plan import Budget, Kind, Target

_Token = tuple[str, str]


class Room:
    """Sums up the capacity of every key of the budgets for headroom.

    Other budgets are passed over.
    """

    def __init__(self, budgets: Iterable[Budget]) -> None:
        self._budgets = {e.id: e for e in budgets if e.kind == Kind.HEADROOM}
        self._whole: dict[_Token, float] = {}
        self._load: dict[_Token, float] = {}
        self._of: dict[tuple[_Token, str], float] = {}
        self._out: dict[_Token, dict[str, float]] = {}
        self._gone: dict[_Token, float] = {}

    def __contains__(self, budget_id: str) -> bool:
        return budget_id in self._budgets

    def count(self, token: _Token, target: Target) -> None:
        """Add a target to one of its keys."""
        if token[0] not in self._budgets:
            return
        budget = self._budgets[token[0]]
        mine = capacity_of(budget, target)
        self._of[token, target.name] = mine
        self._whole[token] = self._whole.get(token, 0.0) + mine
        if budget.load:
            load = selector.amount_of(target, budget.load)
            self._load[token] = self._load.get(token, 0.0) + load

    def enter(self, token: _Token, name: str) -> None:
        """Note that a target is out; idempotent."""
        if token[0] not in self._budgets:
            return
        out = self._out.setdefault(token, {})
        if name not in out:
            out[name] = self._of.get((token, name), 0.0)
            self._gone[token] = self._gone.get(token, 0.0) + out[name]

    def leave(self, token: _Token, name: str) -> None:
        """Note that a target is back; idempotent."""
        if token[0] not in self._budgets:
            return
        mine = self._out.get(token, {}).pop(name, 0.0)
        self._gone[token] = self._gone.get(token, 0.0) - mine

    def lack(self, token: _Token, target: Target) -> str:
        """Return what is missing if ``target`` goes out too, or ""."""
        budget = self._budgets[token[0]]
        free = self._free(token) - self._gone.get(token, 0.0)
        mine = self.need(token, target)
        keep = self._keep(token)
        if free - mine >= keep:
            return ""
        unit = budget.capacity or "hosts"
        return f"{free:g} free, {keep:g} to be kept, {mine:g} needed of {unit}"

    def need(self, token: _Token, target: Target) -> float:
        """Return how much of a key's capacity goes out with a target."""
        return self._of.get((token, target.name), 0.0)

    def scarcity(self, token: _Token) -> float:
        """Return how many times the key's capacity exceeds what may go out."""
        spare = self._free(token) - self._keep(token)
        return self._whole.get(token, 0.0) / max(spare, 1.0)

    def _free(self, token: _Token) -> float:
        return self._whole.get(token, 0.0) - self._load.get(token, 0.0)

    def _keep(self, token: _Token) -> float:
        budget = self._budgets[token[0]]
        if budget.keep_percent:
            return self._whole.get(token, 0.0) * budget.keep_percent / 100
        return budget.keep


def capacity_of(budget: Budget, target: Target) -> float:
    """Return what a target counts for; one without the fact counts for nothing."""
    return selector.amount_of(target, budget.capacity) if budget.capacity else 1.0
