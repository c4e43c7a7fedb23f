"""Procedures with ``visit: shared`` that work on the same hosts become one (P-1).

The plan then has one procedure ``kernel+agent`` in place of two, and each host is out
once instead of twice.  Admission, budgets, undo, rehearsal, forecast and guard treat
it as any other.  What holds for it is the stricter of what the file says of each: all
budgets, the smaller ``parallel``, the stages of whichever has some.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from escalator.domain import document as doc
from escalator.domain import ordering, visit
from escalator.domain.artifacts import Catalogue
from escalator.domain.finding import Finding, point
from escalator.domain.plan import Method
from escalator.domain.subplans import MAX_ID, Entry, unique

SHARED = "shared"

MOST = 40
"""Procedures of one file that may share visits: each is held against the others."""

MOST_STEPS = 300
"""Steps of one visit, as of one procedure of a file."""


@dataclasses.dataclass(frozen=True, slots=True)
class Coalesced:
    """:ivar findings: C507, of those that keep visits of their own."""

    entries: list[Entry]
    findings: list[Finding]


def coalesce(
    entries: Sequence[Entry], selectors: Mapping[str, Any], catalogue: Catalogue
) -> Coalesced:
    """Merge what may be merged; nothing while the procedures wait in a circle (pure).

    :param entries: the file's procedures, their order and methods settled.
    """
    is_circular = ordering.find_cycle({each.id: each.after for each in entries})
    ids = [each.id for each in entries]
    if is_circular or len(set(ids)) < len(ids):
        return Coalesced(list(entries), [])
    coalescing = _Coalescing(entries, selectors, catalogue)
    findings = list(coalescing.group())
    return Coalesced(coalescing.written(), findings)


class _Coalescing:
    def __init__(
        self,
        entries: Sequence[Entry],
        selectors: Mapping[str, Any],
        catalogue: Catalogue,
    ) -> None:
        self._entries = entries
        self._selectors = selectors
        self._catalogue = catalogue
        self._groups: list[list[Entry]] = []
        self._before = ordering.earlier({each.id: each.after for each in entries})

    def group(self) -> Iterator[Finding]:
        """Put each procedure to the first others that it can share visits with."""
        told: set[str] = set()
        willing = self._willing()
        for entry in willing[:MOST]:
            alike = [each for each in self._groups if self._is_alike(each[0], entry)]
            for group in alike:
                reason = self._obstacle([*group, entry])
                if not reason:
                    group.append(entry)
                    break
                told |= {entry.id, *(each.id for each in group)}
                names = ", ".join(each.id for each in group)
                yield _apart(entry, f"not with {names}: {reason}")
            else:
                self._groups.append([entry])
        for entry in willing[MOST:]:
            yield _apart(entry, f"no more than {MOST} procedures of a file may")
        for group in self._groups:
            if len(group) == 1 and group[0].id not in told:
                yield _apart(group[0], "no other that selects these hosts does")

    def _willing(self) -> list[Entry]:
        """Return those that would share, each after those that it comes after."""
        left = [each for each in self._entries if each.body.get("visit") == SHARED]
        found: list[Entry] = []
        while left:
            names = {each.id for each in left}
            following = next(each for each in left if not self._before[each.id] & names)
            left.remove(following)
            found.append(following)
        return found

    def _is_alike(self, one: Entry, other: Entry) -> bool:
        here, there = (doc.text(each.body, "select") for each in (one, other))
        known = self._selectors.get(here)
        return here == there or (
            known is not None and known == self._selectors.get(there)
        )

    def _obstacle(self, group: Sequence[Entry]) -> str:
        if difference := _differences(group):
            return difference
        steps = [_parts(each) for each in group]
        if not all(steps):
            return "one of them has no steps"
        if sum(map(len, steps)) > MOST_STEPS:
            return f"together they have more than {MOST_STEPS} steps"
        longest = max(len(_step_id(part)) for parts in steps for part in parts)
        if max(longest, len(_joined(group))) > MAX_ID:
            return f"a joined id would be longer than {MAX_ID} characters"
        return self._mixture(group) or visit.obstacle(steps) or self._between(group)

    def _mixture(self, group: Sequence[Entry]) -> str:
        """What may not run side by side is not brought host by host."""
        if group[0].body.get("method") != Method.ROLLING:
            return ""
        names = [name for each in group for name in doc.texts(each.body.get("brings"))]
        clash = self._catalogue.mixed(self._catalogue.named(names))
        return clash.text() if clash else ""

    def _between(self, group: Sequence[Entry]) -> str:
        """Return which procedures have to be done between them."""
        own = {each.id for each in group}
        earlier = set[str]().union(*(self._before[name] for name in own)) - own
        inner = [
            each.id
            for each in self._entries
            if each.id in earlier and not own.isdisjoint(self._before[each.id])
        ]
        return _turn(inner) if inner else self._circle(group)

    def _circle(self, group: Sequence[Entry]) -> str:
        """Return which merged ones and this would wait for each other."""
        if all(len(each) == 1 for each in self._groups):
            return ""
        names = self._names([*self._groups, group])
        edges: dict[str, list[str]] = {}
        for each in self._entries:
            name = names[each.id]
            after = (names.get(other, other) for other in each.after)
            edges.setdefault(name, []).extend(one for one in after if one != name)
        cycle = ordering.find_cycle(edges)
        if cycle is None:
            return ""
        return _turn([name for name in unique(cycle) if name != _joined(group)])

    def _names(self, groups: Sequence[Sequence[Entry]]) -> dict[str, str]:
        """Return id -> id of what it becomes; the last group that has it counts."""
        names = {each.id: each.id for each in self._entries}
        for group in groups:
            names |= {each.id: _joined(group) for each in group}
        return names

    def written(self) -> list[Entry]:
        """Return the procedures, merged ones where the first of them stands."""
        made = {
            each.id: group for group in self._groups if len(group) > 1 for each in group
        }
        names = self._names(self._groups)
        found: dict[str, Entry] = {}
        for each in self._entries:
            group = made.get(each.id)
            if names[each.id] not in found:
                found[names[each.id]] = _merged(group) if group else each
        for name, entry in found.items():
            after = unique([names.get(each, each) for each in entry.after])
            if "after" in entry.body:
                entry.body["after"] = [each for each in after if each != name]
        return list(found.values())


def _apart(entry: Entry, reason: str) -> Finding:
    return Finding(
        "C507",
        point(*entry.place, "visit"),
        f"{entry.id} does not share its visits: {reason}",
        "take out what differs, or visit: shared",
        severity="warning",
    )


def _turn(names: Sequence[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{', '.join(names[:3])}{more} would come between them"


def _joined(group: Sequence[Entry]) -> str:
    return "+".join(each.id for each in group)


def _parts(entry: Entry) -> list[visit.Part]:
    return [
        visit.Part(entry.id, body, (*entry.place, *path))
        for path, body in doc.rows(entry.body, "steps")
    ]


def _step_id(part: visit.Part) -> str:
    return f"{part.procedure}/{doc.text(part.body, 'id')}"


def _differences(group: Sequence[Entry]) -> str:
    """Return what the file says differently of procedures that would be one."""
    first, last = group[0], group[-1]
    for each in (first, last):
        if each.body.get("method") not in (Method.ROLLING, Method.SINGLE_STEP):
            return f"{each.id} has the method {each.body.get('method')}"
    for key in ("method", "on_failure"):
        if first.body.get(key) != last.body.get(key):
            return f"{key} differs"
    if first.level != last.level:
        return "level differs"
    stages = [each.body["stages"] for each in group if each.body.get("stages")]
    if any(each != stages[0] for each in stages):
        return "stages differ"
    if len({type(each.body.get("parallel", 1)) for each in group}) > 1:
        return "parallel is a number here and a percentage there"
    return ""


def _merged(group: Sequence[Entry]) -> Entry:
    """Return the one procedure; nothing stands in the way."""
    first = group[0]
    body = {**first.body, "id": _joined(group), "merged": [each.id for each in group]}
    origins: dict[str, doc.Path] = {}
    for key in ("after", "brings", "budgets"):
        if any(key in each.body for each in group):
            body[key], found = _union(group, key)
            origins |= found
    slowest = min(group, key=lambda each: _amount(each.body.get("parallel", 1)))
    strictest = {
        "parallel": slowest,
        "stages": next((e for e in group if e.body.get("stages")), first),
        "rehearse_undo": next((e for e in group if e.body.get("rehearse_undo")), first),
    }
    for key, entry in strictest.items():
        body.pop(key, None)
        if key in entry.body:
            body[key] = entry.body[key]
            origins[point(key)] = (*entry.place, key)
    body["steps"] = []
    for at, part in enumerate(visit.weave([_parts(each) for each in group])):
        body["steps"].append({**part.body, "id": _step_id(part)})
        origins[point("steps", at)] = part.place
    return Entry(body, first.place, first.renamed, origins)


def _union(group: Sequence[Entry], key: str) -> tuple[list[str], dict[str, doc.Path]]:
    found: dict[str, doc.Path] = {}
    for entry in group:
        for at, name in enumerate(doc.texts(entry.body.get(key))):
            found.setdefault(name, (*entry.place, key, at))
    places = {point(key, at): path for at, path in enumerate(found.values())}
    return list(found), places


def _amount(value: Any) -> float:
    share = doc.percent(value)
    if share is not None:
        return share
    return value if isinstance(value, int) else 0.0
