"""C304, C402, C403, C501, C504, C506: what holds within one list.

The file's procedures are one such list, those of each use of a sub-plan another:
names, edges and parameters of one mean nothing in the other.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from escalator.domain import (
    artifacts,
    lint_order,
    lint_references,
    ordering,
    parameters,
    subplans,
)
from escalator.domain import document as doc
from escalator.domain.composition import Composition
from escalator.domain.finding import Finding, point

_PARTS = ("params", "subplans")


def find(
    document: Mapping[str, Any], filled: Mapping[str, Any], made: Composition
) -> Iterator[Finding]:
    """Find what is wrong with scopes, and with the sub-plans as such.

    :param filled: the document, its parameters filled in.
    """
    yield from _expressions(filled)
    yield from _subplans(filled, made)
    if not any(parameters.uses(name) for _, _, name in subplans.raw_uses(document)):
        yield from _unused(filled)
    outer = _ids(doc.rows(filled, "budgets"))
    for path, body in made.scopes:
        yield from _scope(path, body, outer, doc.table(filled, "subplans"))
    yield from _artifacts(filled, made)
    yield from made.findings


def _ids(rows: list[doc.Row]) -> set[str]:
    return {doc.text(body, "id") for _, body in rows} - {""}


def _scope(
    path: doc.Path,
    body: Mapping[str, Any],
    outer: Collection[str],
    known_subplans: Collection[str],
) -> Iterator[Finding]:
    procedures = doc.rows(body, *path, "procedures")
    budgets = doc.rows(body, *path, "budgets")
    yield from lint_references.twice(procedures)
    yield from lint_references.twice(budgets)
    yield from lint_order.cycles(procedures)
    after = {"after": ("procedure", _ids(procedures))}
    of_use = {
        "subplan": ("sub-plan", known_subplans),
        "budgets": ("budget", _ids(budgets) | set(outer)),
    }
    for place, each in procedures:
        yield from lint_references.resolve(place, each, after)
        if "subplan" in each:
            yield from lint_references.resolve(place, each, of_use)
            yield from lint_order.idle(place, each)


def _subplans(filled: Mapping[str, Any], made: Composition) -> Iterator[Finding]:
    uses = list(subplans.raw_uses(filled))
    edges: dict[str, list[str]] = {}
    for user, _, name in uses:
        edges.setdefault(user, []).append(name)
    is_told = any(each.rule == "C504" for each in made.findings)
    if not is_told and (cycle := ordering.find_cycle(edges)):
        place = next(p for u, p, n in uses if (u, n) == (cycle[-2], cycle[-1]))
        yield subplans.circle(cycle, place)


def _unused(filled: Mapping[str, Any]) -> Iterator[Finding]:
    """Where a parameter chooses among sub-plans, one may stay unused."""
    used = {name for _, _, name in subplans.raw_uses(filled)}
    for name in doc.table(filled, "subplans"):
        if name not in used:
            yield Finding(
                "C506",
                point("subplans", name),
                f"nothing uses sub-plan {name}",
                "use it in the place of a procedure, or take it out",
                severity="warning",
            )


def _expressions(filled: Mapping[str, Any]) -> Iterator[Finding]:
    """What is left after filling in was never declared, or has no value."""
    constants = artifacts.values(filled)
    rest = {key: body for key, body in filled.items() if key not in _PARTS}
    yield from _uses((), rest, {**doc.table(filled, "params"), **constants})
    own = doc.table(filled, "subplans")
    for name in own:
        body = doc.table(own, name)
        rest = {key: value for key, value in body.items() if key != "params"}
        known = {**doc.table(body, "params"), **constants}
        yield from _uses(("subplans", name), rest, known)


def _uses(
    within: doc.Path, body: Mapping[str, Any], known: Collection[str]
) -> Iterator[Finding]:
    for path, value, is_key in doc.walk(body, within):
        if not isinstance(value, str):
            continue
        if is_key and "${" in value:
            yield _malformed(path, f"the key {value} is not filled in")
        elif parameters.is_malformed(value):
            yield _malformed(path, f"{value[:60]} has a ${{ without a name and }}")
        elif not is_key:
            for name in parameters.uses(value):
                if name not in known:
                    yield lint_references.missing(path, "parameter", name, known)


def _malformed(path: doc.Path, detail: str) -> Finding:
    remedy = "write ${name}, in a value, with the name of a parameter"
    return Finding("C304", point(*path), detail, remedy)


def _artifacts(filled: Mapping[str, Any], made: Composition) -> Iterator[Finding]:
    rows = doc.rows(filled, "artifacts")
    yield from lint_references.twice(rows, "name")
    names = {doc.text(body, "name") for _, body in rows} - {""}
    provided = names.union(*(doc.texts(body.get("provides")) for _, body in rows))
    for path, body in rows:
        known = {"needs": ("artifact", provided)}
        yield from lint_references.resolve(path, body, known)
    for path, body in doc.rows(filled, "compatibility"):
        for name in body:
            if name not in names:
                yield lint_references.missing((*path, name), "artifact", name, names)
    for scope, body in made.scopes:
        for path, each in doc.rows(body, *scope, "procedures"):
            known = {"brings": ("artifact", names)}
            yield from lint_references.resolve(path, each, known)
