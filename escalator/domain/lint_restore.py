"""C813 and C814: a ``restore`` rung has a checkpoint that can be put back (R-1)."""

from collections.abc import Iterator, Mapping
from typing import Any

from escalator.domain import document as doc
from escalator.domain import restoring
from escalator.domain.finding import Finding, point
from escalator.domain.plan import Try
from escalator.domain.reading import WAIVED, ActionFacts, Catalogue


def find(filled: Mapping[str, Any], catalogue: Catalogue) -> Iterator[Finding]:
    """Find procedures that could not be restored when it comes to that."""
    recovery = doc.table(filled, "recovery")
    drivers = {
        doc.text(body, "id"): (path, doc.text(body, "driver"))
        for path, body in doc.rows(filled, "checkpoints")
    }
    for path, body in doc.rows(filled, "procedures"):
        ladder = doc.text(body, "on_failure")
        rungs = doc.rows(recovery, "recovery", ladder)
        if any(doc.text(rung, "try") == Try.RESTORE for _, rung in rungs):
            steps = [step for _, step in doc.rows(body, *path, "steps")]
            yield from _procedure(path, ladder, steps, drivers, catalogue)


def _procedure(
    path: doc.Path,
    ladder: str,
    steps: list[Mapping[str, Any]],
    drivers: Mapping[str, tuple[doc.Path, str]],
    catalogue: Catalogue,
) -> Iterator[Finding]:
    changing = [_changing(step, catalogue) for step in steps]
    own = [facts is not None and facts.executor == "node" for facts in changing]
    anywhere = [facts is not None for facts in changing]
    first = (own if any(own) else anywhere).index(True) if any(anywhere) else len(steps)
    taken = [
        doc.text(step, "checkpoint")
        for step in steps[:first]
        if doc.text(step, "checkpoint") not in ("", WAIVED)
    ]
    if not taken:
        yield Finding(
            "C813",
            point(*path, "on_failure"),
            f"{ladder} restores, but no checkpoint is taken before the first change",
            "put a checkpoint step first, or take the restore rung out",
        )
        return
    known = [drivers[name] for name in taken if drivers.get(name, ((), ""))[1]]
    if not known or any(driver not in catalogue for _, driver in known):
        return
    if any(_covers(catalogue[driver], steps, catalogue) for _, driver in known):
        return
    place, driver = known[0]
    covers = ", ".join(catalogue[driver].covers)
    yield Finding(
        "C814",
        point(*place, "driver"),
        f"{driver} puts back what {covers} changed, and no step is one of these"
        if covers
        else f"{driver} cannot put back what it recorded, but {ladder} restores",
        "use a driver that can, or take the restore rung out",
    )


def _changing(step: Mapping[str, Any], catalogue: Catalogue) -> ActionFacts | None:
    facts = catalogue.get(doc.text(step, "action"))
    return facts if facts is not None and facts.is_mutating else None


def _covers(
    driver: ActionFacts, steps: list[Mapping[str, Any]], catalogue: Catalogue
) -> bool:
    """Say whether a driver can put back what one of the steps changes."""
    for step in steps:
        facts = _changing(step, catalogue)
        is_same = facts is not None and facts.executor == driver.executor
        if is_same and restoring.matches(driver.covers, doc.text(step, "action")):
            return True
    return False
