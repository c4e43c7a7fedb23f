"""C501, C502, C703: procedures can run, one after the other."""

from collections.abc import Iterator, Mapping
from typing import Any

from escalator.domain import document as doc
from escalator.domain import ordering
from escalator.domain.finding import Finding, point


def find(filled: Mapping[str, Any]) -> Iterator[Finding]:
    """Find procedures, and budgets, that let nothing run."""
    for path, body in doc.rows(filled, "procedures"):
        yield from idle(path, body)
        if body.get("method") == "rolling" and not body.get("budgets"):
            yield Finding(
                "C703",
                point(*path),
                "no budget limits how many targets are down at once",
                "list budgets for racks, groups or the whole fleet",
                severity="warning",
            )
    for path, body in doc.rows(filled, "budgets"):
        for key in ("max_down", "max_migrations"):
            if is_nothing(body.get(key, 1)):
                yield Finding(
                    "C701",
                    point(*path, key),
                    f"{key} {body.get(key)} never admits a target",
                    "allow at least 1 or a percentage above 0",
                )


def idle(path: doc.Path, body: Mapping[str, Any]) -> Iterator[Finding]:
    """Find a ``parallel`` that lets nothing run."""
    if is_nothing(body.get("parallel", 1)):
        yield Finding(
            "C502",
            point(*path, "parallel"),
            f"parallel {body.get('parallel')} lets no target run",
            "allow at least 1",
        )


def is_nothing(value: Any) -> bool:
    """Say whether a limit is no number above 0, nor a percentage above 0."""
    share = doc.percent(value)
    if share is not None:
        return share == 0
    return isinstance(value, int) and not isinstance(value, bool) and value < 1


def cycles(procedures: list[doc.Row]) -> Iterator[Finding]:
    """Find procedures of one list that wait for each other."""
    edges = {
        doc.text(body, "id"): doc.texts(body.get("after")) for _, body in procedures
    }
    places = {doc.text(body, "id"): path for path, body in procedures}
    if cycle := ordering.find_cycle(edges):
        yield Finding(
            "C501",
            point(*places[cycle[0]], "after"),
            f"these wait for each other: {' -> '.join(cycle)}",
            "take one of the after edges out",
        )
    levels = {
        doc.text(body, "id"): doc.number(body, "level") or 0 for _, body in procedures
    }
    for name, earlier in edges.items():
        for other in earlier:
            if levels.get(other, levels[name]) > levels[name]:
                yield Finding(
                    "C501",
                    point(*places[name], "after"),
                    f"{name} comes after {other}, whose level is higher",
                    "an after edge cannot point to a higher level: change a level",
                )
