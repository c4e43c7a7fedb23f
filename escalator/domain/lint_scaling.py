"""C616: what holds scaling is followed by what releases it (S-7)."""

from collections.abc import Iterator, Mapping
from typing import Any

from escalator.domain import document as doc
from escalator.domain import ordering
from escalator.domain.finding import Finding, point

HOLD = "scaling.hold"
RELEASE = "scaling.release"


def find(filled: Mapping[str, Any]) -> Iterator[Finding]:
    """Find holds that would last when the campaign is over.

    One that names its ``holder`` is left to whoever releases that one.
    """
    procedures = doc.rows(filled, "procedures")
    after = {
        doc.text(body, "id"): doc.texts(body.get("after")) for _, body in procedures
    }
    earlier = ordering.earlier(after)
    releasing = [body for path, body in procedures if RELEASE in _actions(path, body)]
    for path, body in procedures:
        actions = _actions(path, body)
        is_released = any(
            _level(each) > _level(body)
            or doc.text(body, "id") in earlier[doc.text(each, "id")]
            for each in releasing
        )
        for at, (place, step) in enumerate(doc.rows(body, *path, "steps")):
            if (
                doc.text(step, "action") == HOLD
                and not doc.text(doc.table(step, "with"), "holder")
                and not (is_released or RELEASE in actions[at:])
            ):
                yield Finding(
                    "C616",
                    point(*place),
                    "scaling is held, and no later step releases it",
                    f"put a step with {RELEASE} into the last procedure",
                )


def _actions(path: doc.Path, body: Mapping[str, Any]) -> list[str]:
    return [doc.text(step, "action") for _, step in doc.rows(body, *path, "steps")]


def _level(body: Mapping[str, Any]) -> int:
    return doc.number(body, "level") or 0
