"""Methods that are more than one procedure after another (P-1).

A parallel universe is built beside the old hosts, then all is switched over at
once, then the old ones are retired: three procedures, undone in reverse.  A single
step has its level for itself.
"""

import dataclasses
from collections.abc import Iterable, Iterator, Sequence

from escalator.domain import ordering
from escalator.domain.finding import Finding, point
from escalator.domain.plan import Method
from escalator.domain.subplans import Entry, unique

_PARTS = ("beside", "switch", "retire")
"""What a parallel universe has besides ``select`` and ``steps``."""


def find(entries: Iterable[Entry]) -> Iterator[Finding]:
    """Find universes that lack a part (C906), and parts without one (C908)."""
    for entry in entries:
        method = entry.body.get("method")
        idle = [part for part in _PARTS if part in entry.body]
        if idle and method in (Method.ROLLING, Method.SINGLE_STEP):
            yield Finding(
                "C908",
                point(*entry.place, idle[0]),
                f"{', '.join(idle)} are of a parallel universe; the method is {method}:"
                " nothing of them is done, nor looked at by the other rules",
                "write method: parallel_universe, or take them out",
                severity="warning",
            )
        if missing := _missing(entry):
            yield Finding(
                "C906",
                point(*entry.place),
                f"a parallel universe without {', '.join(missing)}",
                "name the new hosts (beside), the steps that switch over, and the"
                " steps that retire the old hosts",
            )


def _missing(entry: Entry) -> list[str]:
    if entry.body.get("method") != Method.PARALLEL_UNIVERSE:
        return []
    return [key for key in _PARTS if not entry.body.get(key)]


def spread(entries: Iterable[Entry]) -> list[Entry]:
    """Return procedures that the engine can carry out, in place of others."""
    made: list[Entry] = []
    became: dict[str, list[str]] = {}
    for entry in entries:
        parts = _split(entry)
        became[entry.id] = [part.id for part in parts]
        made += parts
    for entry in made:
        if entry.after:
            names = [each for name in entry.after for each in became.get(name, [name])]
            entry.body["after"] = unique(names)
    _isolate(made)
    return made


def _split(entry: Entry) -> list[Entry]:
    body = {key: value for key, value in entry.body.items() if key not in _PARTS}
    is_universe = body.get("method") == Method.PARALLEL_UNIVERSE
    if not is_universe or _missing(entry):
        return [dataclasses.replace(entry, body=body)]
    new, switch, old = (f"{entry.id}/{part}" for part in ("new", "switch", "old"))
    beside = entry.body["beside"]
    build = {**body, "id": new, "select": beside, "method": Method.ROLLING.value}
    turn = {
        **build,
        "id": switch,
        "method": Method.SINGLE_STEP.value,
        "steps": entry.body["switch"],
        "after": [*entry.after, new],
        "budgets": [],
    }
    leave = {**body, "id": old, "method": Method.ROLLING.value}
    leave |= {"steps": entry.body["retire"], "after": [*entry.after, switch]}
    return [
        Entry(build, entry.place, {"select": "beside"}),
        Entry(turn, entry.place, {"select": "beside", "steps": "switch"}),
        Entry(leave, entry.place, {"steps": "retire"}),
    ]


def _isolate(entries: Sequence[Entry]) -> None:
    """Let a single step wait for all of its level that does not wait for it."""
    for entry in entries:
        if entry.body.get("method") != Method.SINGLE_STEP:
            continue
        edges = {each.id: each.after for each in entries}
        before = ordering.earlier(edges)
        entry.wait_for(
            [
                each.id
                for each in entries
                if each.id != entry.id
                and each.level == entry.level
                and entry.id not in before[each.id]
                and each.id not in before[entry.id]
            ]
        )
