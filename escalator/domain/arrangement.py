"""Order and method of procedures, from the artifacts that they bring (P-1).

Rolling where old and new may run side by side, otherwise a parallel universe where
there is room beside, otherwise a single step.
"""

import itertools
from collections.abc import Iterator, Sequence

from escalator.domain import document as doc
from escalator.domain import ordering
from escalator.domain.artifacts import Artifact, Catalogue, Clash
from escalator.domain.finding import Finding, point
from escalator.domain.plan import Method
from escalator.domain.subplans import Entry


def arrange(catalogue: Catalogue, entries: Sequence[Entry]) -> list[Finding]:
    """Give procedures the order and the method that their artifacts ask for.

    :param entries: changed in place: ``after`` and, where missing, ``method``.
    :returns: C901 to C905, C907.
    """
    arrangement = _Arrangement(catalogue, entries)
    brought = {each for entry in entries for each in arrangement.brings(entry)}
    found = list(catalogue.find(brought))
    is_circular = any(each.rule == "C901" for each in found)
    return [
        *found,
        *(() if is_circular else arrangement.order()),
        *arrangement.methods(),
        *arrangement.portions(),
    ]


class _Arrangement:
    def __init__(self, catalogue: Catalogue, entries: Sequence[Entry]) -> None:
        self._catalogue = catalogue
        self._entries = entries

    def brings(self, entry: Entry) -> list[Artifact]:
        """Return what a procedure brings."""
        return self._catalogue.named(doc.texts(entry.body.get("brings")))

    def order(self) -> Iterator[Finding]:
        """Add edges; find those that the file contradicts."""
        edges = {each.id: each.after for each in self._entries}
        fixed = ordering.earlier(edges)
        carriers = [each for each in self._entries if self.brings(each)]
        for here, there in itertools.combinations(carriers, 2):
            forth = next(self._reasons(here, there), None)
            back = next(self._reasons(there, here), None)
            if forth and back:
                yield _neither(there, *forth[:2], f"{forth[2]}; {back[2]}")
                continue
            reason = forth or back
            first, then = (here, there) if forth else (there, here)
            if reason is None or first.level < then.level:
                continue
            if first.level > then.level or then.id in fixed[first.id]:
                yield _contradicted(first, then, *reason)
            else:
                then.wait_for([first.id])
        if ordering.find_cycle(edges) is None:
            yield from self._circles()

    def _reasons(
        self, first: Entry, then: Entry
    ) -> Iterator[tuple[Artifact, Artifact, str]]:
        for one in self.brings(first):
            for other in self.brings(then):
                why = one.name != other.name and self._catalogue.before(one, other)
                if why:
                    yield one, other, why

    def _circles(self) -> Iterator[Finding]:
        edges = {each.id: each.after for each in self._entries}
        if cycle := ordering.find_cycle(edges):
            place = next(each.place for each in self._entries if each.id == cycle[0])
            yield Finding(
                "C901",
                point(*place),
                f"by their artifacts these wait for each other: {' -> '.join(cycle)}",
                "take an after edge out, or bring these artifacts in one procedure",
            )

    def methods(self) -> Iterator[Finding]:
        """Choose methods where there are none; find those that are forbidden."""
        for entry in self._entries:
            clash = self._catalogue.mixed(self.brings(entry))
            method = entry.body.get("method")
            if method is None:
                method = self._method(entry, clash)
                if method is None:
                    yield _undecided(entry)
                    continue
                entry.body["method"] = method.value
            if method == Method.ROLLING and clash:
                yield _forbidden(entry, clash, "rolling lets both run")

    def _method(self, entry: Entry, clash: Clash | None) -> Method | None:
        if clash is not None:
            has_room = "beside" in entry.body
            return Method.PARALLEL_UNIVERSE if has_room else Method.SINGLE_STEP
        changed = [each.name for each in self.brings(entry) if each.replaces]
        is_told = all(self._catalogue.matrix.knows(name, name) for name in changed)
        return Method.ROLLING if changed and is_told else None

    def portions(self) -> Iterator[Finding]:
        """Find artifacts brought in portions though old and new do not mix."""
        seen: dict[str, Entry] = {}
        for entry in self._entries:
            for each in self.brings(entry):
                clash = self._catalogue.mixed([each])
                if clash and each.name in seen:
                    why = f"{seen[each.name].id} brings {each.name} at another time"
                    yield _forbidden(entry, clash, why)
                seen.setdefault(each.name, entry)


def _neither(entry: Entry, one: Artifact, other: Artifact, why: str) -> Finding:
    return Finding(
        "C902",
        point(*entry.place),
        f"neither {one.name} nor {other.name} can go first: {why}",
        "bring both in one procedure, with method single_step or parallel_universe",
    )


def _forbidden(entry: Entry, clash: Clash, why: str) -> Finding:
    return Finding(
        "C904",
        point(*entry.place, "method" if "method" in entry.body else "brings"),
        f"{why}, but {clash.text()}",
        "write method: single_step, or parallel_universe with hosts beside, and"
        " bring a module in one procedure",
    )


def _undecided(entry: Entry) -> Finding:
    return Finding(
        "C905",
        point(*entry.place),
        "there is no method, and compatibility does not say whether old and new"
        " versions of what it brings run side by side",
        "write method: rolling, single_step or parallel_universe, or add compatibility",
    )


def _contradicted(
    first: Entry, then: Entry, one: Artifact, other: Artifact, why: str
) -> Finding:
    return Finding(
        "C903",
        point(*then.place),
        f"{then.id} brings {other.name} before {first.id} brings {one.name}, but {why}",
        f"let {then.id} come after {first.id}: a higher level, or an after edge",
    )
