"""From what a file says to the plain procedures that it means (P-1, P-5).

Sub-plans are written out, order and method follow from the artifacts, procedures
that share visits become one, a parallel universe becomes three.  What the rules say
of the result is told of the place in the file that it came from.
"""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from escalator.domain import arrangement, artifacts, coalescing, methods, subplans
from escalator.domain import document as doc
from escalator.domain.finding import Finding, point


@dataclasses.dataclass(frozen=True, slots=True)
class Composition:
    """:ivar document: the file with plain procedures and all their budgets.
    :ivar places: pointer into ``document`` -> pointer into the file.
    :ivar scopes: the file, then each use of a sub-plan, values filled in.
    :ivar findings: what composing showed, told of the file.
    """

    document: dict[str, Any]
    places: Mapping[str, str]
    scopes: tuple[doc.Row, ...]
    findings: tuple[Finding, ...]

    def told_of_file(self, found: Iterable[Finding]) -> list[Finding]:
        """Return findings about ``document`` as findings about the file."""
        return [
            dataclasses.replace(each, pointer=self._place(each.pointer))
            for each in found
        ]

    def _place(self, pointer: str) -> str:
        head, rest = pointer, ""
        while head:
            if head in self.places:
                return self.places[head] + rest
            head, _, last = head.rpartition("/")
            rest = f"/{last}{rest}"
        return pointer


def compose(filled: Mapping[str, Any]) -> Composition:
    """Return what a document means; never raises, whatever its shape (pure).

    :param filled: the document, its parameters filled in.
    """
    flat = subplans.flatten(filled, artifacts.values(filled))
    catalogue = artifacts.read(filled)
    findings = [*flat.findings, *arrangement.arrange(catalogue, flat.entries)]
    findings += methods.find(flat.entries)
    shared = coalescing.coalesce(
        flat.entries, doc.table(filled, "selectors"), catalogue
    )
    findings += shared.findings
    entries = methods.spread(shared.entries)
    places: dict[str, str] = {}
    for index, entry in enumerate(entries):
        own = point("procedures", index)
        places[own] = point(*entry.place)
        for key, named in entry.renamed.items():
            places[f"{own}/{key}"] = point(*entry.place, named)
        for pointer, path in entry.origins.items():
            places[f"{own}{pointer}"] = point(*path)
    budgets = [dict(body) for _, body in flat.budgets]
    for index, (place, _) in enumerate(flat.budgets):
        places[point("budgets", index)] = point(*place)
    rest = {key: body for key, body in filled.items() if key != "subplans"}
    made = {**rest, "procedures": [entry.body for entry in entries]}
    if budgets:
        made["budgets"] = budgets
    return Composition(made, places, tuple(flat.scopes), tuple(findings))
