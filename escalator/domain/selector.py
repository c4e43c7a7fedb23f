"""Late-bound selection of targets by their facts (P-4a).

A fact is named with dots: ``role``, ``rack``, ``availability_zone``, ``tag``,
``group``, ``state``, ``instances``, ``project``, ``server_group``, or ``facts.`` and
a path into what is told of the target by its agent, its VIM or an operator's file
(``facts.package.demo-service``).  ``chassis``, ``cell``, ``cluster`` and ``site``
are short for facts of that name.  There is no fact for a target's name: what
scales is never named.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from escalator.domain.plan import Condition, Order, Selector, Target

_Key = tuple[int, float, str]


def _states(target: Target) -> tuple[str, ...]:
    """Quarantine hides ``up``: such a target is not to be worked on."""
    if target.is_quarantined:
        return ("quarantined",) if target.is_up else ("quarantined", "down")
    return ("up",) if target.is_up else ("down",)


_FACTS: Mapping[str, Callable[[Target], tuple[Any, ...]]] = {
    "role": lambda target: (target.role,),
    "rack": lambda target: (target.rack,),
    "availability_zone": lambda target: (target.availability_zone,),
    "tag": lambda target: target.tags,
    "group": lambda target: target.groups,
    "state": _states,
    "instances": lambda target: (target.instances,),
    "project": lambda target: target.projects,
    "server_group": lambda target: target.server_groups,
    "chassis": lambda target: _told(target.facts, "chassis"),
    "cell": lambda target: _told(target.facts, "cell"),
    "cluster": lambda target: _told(target.facts, "cluster"),
    "site": lambda target: _told(target.facts, "site"),
}

KNOWN_FACTS = tuple(sorted(_FACTS))
"""Every fact but those under ``facts.``."""

OF_INSTANCES = frozenset({"project", "server_group"})
"""Facts that a drain takes away: a host is chosen by them, no budget counts by them."""

_TOLD = "facts."

TRUE = "true"


def is_fact(name: str, names: Collection[str] = KNOWN_FACTS) -> bool:
    """Say whether there is a fact of that name, told of or one of ``names``."""
    return name in names or (name.startswith(_TOLD) and len(name) > len(_TOLD))


def values_of(target: Target, fact: str) -> tuple[str, ...]:
    """Return the target's values of ``fact`` as text; empty if it has none."""
    return tuple(as_text(value) for value in _raw(target, fact))


def amount_of(target: Target, fact: str) -> float:
    """Return the target's value of ``fact`` as a number; 0 if it has none."""
    for value in _raw(target, fact):
        try:
            return float(value)
        except (TypeError, ValueError):
            return 0.0
    return 0.0


def as_text(value: object) -> str:
    """Return a fact's value as a campaign file spells it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def select(
    selector: Selector,
    targets: Iterable[Target],
    weight: Callable[[Target], float] = lambda target: 0.0,
) -> list[Target]:
    """Return the targets that match now, in the selector's order (pure).

    A fact that a target lacks never matches, neither to choose nor to
    exclude it, and sorts behind every value.  Ties are broken by ``weight``,
    heaviest first, then by name, so the order depends on nothing but the facts
    (P-0).
    """
    chosen = [target for target in targets if _is_chosen(selector, target)]
    chosen.sort(key=lambda target: (-weight(target), target.name))
    for order in reversed(selector.order_by):
        chosen = _ordered(order, chosen)
    return chosen


def uses(selectors: Iterable[Selector], fact: str) -> bool:
    """Say whether one of them chooses, leaves out or orders targets by ``fact``."""
    return any(
        fact in {part.fact for part in (*each.match, *each.exclude)}
        or fact in {part.fact for part in each.order_by}
        for each in selectors
    )


def _is_chosen(selector: Selector, target: Target) -> bool:
    return all(_holds(each, target) for each in selector.match) and not any(
        _holds(each, target) for each in selector.exclude
    )


def _holds(condition: Condition, target: Target) -> bool:
    return any(value in condition.values for value in values_of(target, condition.fact))


def is_true(target: Target, fact: str) -> bool:
    """Say whether the fact is told of the target, and true."""
    return TRUE in values_of(target, fact)


def _ordered(order: Order, targets: list[Target]) -> list[Target]:
    if order.is_last:
        return sorted(targets, key=lambda target: is_true(target, order.fact))
    known: list[tuple[_Key, Target]] = []
    unknown: list[Target] = []
    for target in targets:
        values = _raw(target, order.fact)
        if values:
            known.append((_sort_key(values[0]), target))
        else:
            unknown.append(target)
    known.sort(key=lambda pair: pair[0], reverse=order.is_descending)
    return [target for _, target in known] + unknown


def _sort_key(value: object) -> _Key:
    """Numbers by size, and before texts."""
    if isinstance(value, int | float):
        return (0, float(value), "")
    return (1, 0.0, str(value))


def _raw(target: Target, fact: str) -> tuple[Any, ...]:
    if fact.startswith(_TOLD):
        return _told(target.facts, fact.removeprefix(_TOLD))
    values = _FACTS[fact](target) if fact in _FACTS else ()
    return tuple(value for value in values if value not in ("", None))


def _told(facts: Any, path: str) -> tuple[Any, ...]:
    """Follow a dotted path; a key may itself contain dots (python3.11)."""
    if not isinstance(facts, Mapping):
        return ()
    if path in facts:
        return _leaf(facts[path])
    head, dot, tail = path.partition(".")
    while dot:
        if head in facts and (found := _told(facts[head], tail)):
            return found
        more, dot, tail = tail.partition(".")
        head = f"{head}.{more}"
    return ()


def _leaf(value: Any) -> tuple[Any, ...]:
    if value is None or isinstance(value, Mapping):
        return ()
    return tuple(value) if isinstance(value, list | tuple) else (value,)
