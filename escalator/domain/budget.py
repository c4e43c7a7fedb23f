"""Redundancy limits as tokens: what may be down now, and why something waits.

A target takes a token of every key it stands under (its rack, its server
groups, ...) or none at all.  Headroom is counted in a capacity fact: what is left
of it, once the target is out, must hold the load of all and what is to be kept
(``domain.headroom``).  Source: P-4b, P-2, architecture section 3.
"""

import dataclasses
import math
from collections.abc import Collection, Iterable, Mapping

from escalator.domain import headroom, selector
from escalator.domain.plan import Budget, Kind, Target

EVERYTHING = "all"
"""The one key of a budget with scope ``all``."""

UNKNOWN = "(unknown)"
"""Key of targets without the fact: they share one limit, to be safe."""

_MANY_VALUED = frozenset({"tag", "group"})
_NAMED_HOLDERS = 5
_ALIVE = frozenset({Kind.MIGRATIONS, Kind.PARALLEL})
"""What is dead is neither being drained nor worked on."""

_Token = tuple[str, str]
_Needed = tuple[Target, list[_Token]]


@dataclasses.dataclass(frozen=True, slots=True)
class Hold:
    """A token in a target's hand."""

    target: str
    budget: str
    key: str


@dataclasses.dataclass(frozen=True, slots=True)
class Refusal:
    """Why a target must wait.

    :ivar used: targets that hold the key's tokens, are down or quarantined.
    :ivar holders: their names, sorted.
    :ivar detail: of headroom: what is free, and what has to be.
    :ivar need: how much of the key the target needs.
    """

    budget: str
    key: str
    used: int
    limit: int
    holders: tuple[str, ...]
    detail: str = ""
    need: float = 1.0

    def text(self) -> str:
        """Say it in one line; of many holders only the first are named."""
        named = ", ".join(self.holders[:_NAMED_HOLDERS]) or "nobody"
        if len(self.holders) > _NAMED_HOLDERS:
            named += f" and {len(self.holders) - _NAMED_HOLDERS} more"
        amount = self.detail or f"{self.used}/{self.limit}"
        return f"waits: budget {self.budget} {self.key} {amount} held by {named}"


def keys(budget: Budget, target: Target) -> tuple[str, ...]:
    """Return the keys of ``budget`` that ``target`` takes a token of.

    Many-valued facts (groups, tags, server groups) give one key a value and
    none if there is none; a missing single-valued fact gives ``UNKNOWN``.
    """
    if budget.scope == "all":
        return (EVERYTHING,)
    if budget.scope == "server_group":
        return tuple(dict.fromkeys(target.server_groups))
    if budget.scope == "owner":
        return tuple(owner for owner, _ in target.declared)
    values = tuple(dict.fromkeys(selector.values_of(target, budget.fact)))
    if values or budget.fact in _MANY_VALUED:
        return values
    return (UNKNOWN,)


def limit_of(budget: Budget, population: int) -> int:
    """Return how many of a key's ``population`` may be down at once.

    Of a quorum that can be none at all.
    """
    if budget.kind == Kind.QUORUM:
        keep = budget.keep or population // 2 + 1
        return max(0, population - int(keep))
    if not budget.max_percent:
        return budget.max_down
    return max(1, math.floor(population * budget.max_percent / 100))


class _Limits:
    """What a target needs, and how much of each key there is.

    :param budgets: by id.
    """

    def __init__(self, budgets: Mapping[str, Budget]) -> None:
        self._budgets = budgets
        self._sizes: dict[_Token, int] = {}
        self._declared: dict[_Token, int] = {}
        self._most: dict[_Token, int] = {}
        self._needed: dict[tuple[str, tuple[str, ...]], _Needed] = {}

    def count(self, target: Target) -> list[_Token]:
        """Add a target to the population; returns every token it stands under.

        All targets are counted before the first limit is asked for.
        """
        tokens = self.tokens(target, self._budgets)
        for token in tokens:
            self._sizes[token] = self._sizes.get(token, 0) + 1
        for budget in self._budgets.values() if target.declared else ():
            for owner, most in target.declared if budget.scope == "owner" else ():
                token = (budget.id, owner)
                self._declared[token] = min(self._declared.get(token, most), most)
        return tokens

    def tokens(self, target: Target, budget_ids: Iterable[str]) -> list[_Token]:
        """Return the tokens that a target needs; not to be changed."""
        ids = tuple(budget_ids)
        found = self._needed.get((target.name, ids))
        if found is None or found[0] is not target:
            tokens = [
                (budget_id, key)
                for budget_id in ids
                for key in keys(self._budgets[budget_id], target)
            ]
            found = self._needed[target.name, ids] = (target, tokens)
        return found[1]

    def size(self, token: _Token) -> int:
        """Return how many targets stand under a key."""
        return self._sizes.get(token, 0)

    def most(self, token: _Token) -> int:
        """Return how many of them may be out at once."""
        limit = self._most.get(token)
        if limit is None:
            limit = limit_of(self._budgets[token[0]], self.size(token))
            if self._budgets[token[0]].scope == "owner":
                limit = self._declared.get(token, 1)
            self._most[token] = limit
        return limit


class Ledger:
    """Counts tokens in memory; the database's rows are its truth.

    Every call costs as much as the target has keys, whatever the fleet's
    size.  Not thread-safe: one ledger belongs to one pass of admission.

    :param population: every target that budgets may count, chosen or not;
        one that is down or quarantined uses up its keys without holding
        them, and is counted once if it does both.
    :param holds: tokens out there; those of vanished targets count too.
    """

    def __init__(
        self,
        budgets: Iterable[Budget],
        population: Iterable[Target],
        holds: Iterable[Hold],
    ) -> None:
        self._budgets = {budget.id: budget for budget in budgets}
        self._limits = _Limits(self._budgets)
        self._users: dict[_Token, set[str]] = {}
        self._held: dict[str, dict[_Token, None]] = {}
        self._lost: dict[str, frozenset[_Token]] = {}
        self._sorted: dict[_Token, tuple[str, ...]] = {}
        self._weights: dict[_Token, float] = {}
        self._room = headroom.Room(self._budgets.values())
        for target in population:
            self._count(target)
        for hold in holds:
            self._give(hold.target, (hold.budget, hold.key))

    def refusals(
        self, target: Target, budget_ids: Iterable[str]
    ) -> tuple[Refusal, ...]:
        """Return every key without room for ``target``; empty: it may go.

        Tokens that the target holds, or uses up by being down, are no
        hindrance to itself.

        :raises KeyError: no budget of that id.
        """
        found = []
        for token in self._limits.tokens(target, budget_ids):
            users = self._users.get(token, set())
            if target.name in users:
                continue
            limit, detail, need = self._limits.most(token), "", 1.0
            if token[0] in self._room:
                detail = self._room.lack(token, target)
                need = self._room.need(token, target)
            if detail or (token[0] not in self._room and len(users) >= limit):
                holders = self._holders(token, users)
                found.append(Refusal(*token, len(users), limit, holders, detail, need))
        return tuple(found)

    def _holders(self, token: _Token, users: set[str]) -> tuple[str, ...]:
        if token not in self._sorted:
            self._sorted[token] = tuple(sorted(users))
        return self._sorted[token]

    def contention(self, target: Target, budget_ids: Iterable[str]) -> float:
        """Return how hard it is to place ``target``: the sum of population/limit.

        Those that stand in many or large groups go first; left for the end they
        would go out one after another.

        :raises KeyError: no budget of that id.
        """
        tokens = self._limits.tokens(target, budget_ids)
        return sum(self._weight(token) for token in tokens)

    def take(self, target: Target, budget_ids: Iterable[str]) -> tuple[Hold, ...]:
        """Take a token of every key, or none.

        Idempotent: a target that has them gets the same again.

        :raises ValueError: there is no room; nothing was taken.
        :raises KeyError: no budget of that id.
        """
        ids = tuple(budget_ids)
        refused = self.refusals(target, ids)
        if refused:
            raise ValueError("; ".join(each.text() for each in refused))
        tokens = self._limits.tokens(target, ids)
        for token in tokens:
            self._give(target.name, token)
        return tuple(Hold(target.name, *token) for token in tokens)

    def give_back(self, target: str, budget_ids: Collection[str] | None = None) -> None:
        """Return every token of the target of that name; idempotent.

        If it is down or quarantined, it goes on using up its keys.

        :param budget_ids: only those of these budgets.
        """
        lost = self._lost.get(target, frozenset())
        held = self._held.get(target, {})
        for token in list(held):
            if budget_ids is not None and token[0] not in budget_ids:
                continue
            del held[token]
            if token not in lost:
                self._users[token].discard(target)
                self._room.leave(token, target)
                self._sorted.pop(token, None)

    def lose(self, target: Target) -> None:
        """Count a target as down from now on; idempotent."""
        tokens = self._limits.tokens(target, self._budgets)
        lost = [token for token in tokens if self._counts_lost(token)]
        self._lost[target.name] = frozenset(lost)
        for token in lost:
            self._use(target.name, token)

    def used(self, target: Target) -> dict[_Token, int]:
        """Return how many use up each key that ``target`` stands under."""
        tokens = self._limits.tokens(target, self._budgets)
        return {token: len(self._users.get(token, ())) for token in tokens}

    def _count(self, target: Target) -> None:
        tokens = self._limits.count(target)
        for token in tokens:
            self._room.count(token, target)
        if target.is_quarantined or not target.is_up:
            self.lose(target)

    def _counts_lost(self, token: _Token) -> bool:
        """What is dead is neither being drained nor worked on."""
        return self._budgets[token[0]].kind not in (Kind.MIGRATIONS, Kind.PARALLEL)

    def _weight(self, token: _Token) -> float:
        weight = self._weights.get(token)
        if weight is None:
            weight = self._limits.size(token) / max(self._limits.most(token), 1)
            if token[0] in self._room:
                weight = self._room.scarcity(token)
            self._weights[token] = weight
        return weight

    def _give(self, target: str, token: _Token) -> None:
        self._held.setdefault(target, {})[token] = None
        self._use(target, token)

    def _use(self, target: str, token: _Token) -> None:
        self._users.setdefault(token, set()).add(target)
        self._room.enter(token, target)
        self._sorted.pop(token, None)
