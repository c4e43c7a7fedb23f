"""C721, C722: stages that take somebody, and leave somebody over."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from escalator.domain import document as doc
from escalator.domain import plan, selector, stages
from escalator.domain.finding import Finding, point


def rows(filled: Mapping[str, Any]) -> Iterator[doc.Row]:
    """Yield every stage with its path."""
    for path, body in doc.rows(filled, "procedures"):
        yield from doc.rows(body, *path, "stages")


def find(filled: Mapping[str, Any]) -> Iterator[Finding]:
    """Find stages without targets."""
    for path, body in rows(filled):
        take = body.get("take", 1)
        count = doc.number(body, "take")
        if (count is not None and count < 1) or doc.percent(take) == 0:
            yield Finding(
                "C721",
                point(*path, "take"),
                f"a stage of {take} shows nothing",
                "take at least 1 or a percentage above 0",
            )


def find_fleet(
    understood: plan.Plan, targets: Sequence[plan.Target]
) -> Iterator[Finding]:
    """Find gates behind which nobody is left."""
    for at, procedure in enumerate(understood.procedures):
        chosen = selector.select(understood.selector(procedure.selector), targets)
        if not chosen:
            continue
        for stage in stages.unreached(procedure, len(chosen)):
            yield Finding(
                "C722",
                point("procedures", at, "stages", procedure.stages.index(stage)),
                f"the gate of {stage.id} is never asked: its stage and those before"
                f" take all {len(chosen)} targets",
                "take fewer, so that some are left for the rest",
                severity="warning",
            )
