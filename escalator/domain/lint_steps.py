"""C601 to C614: each step is whole and can be undone; other durations can be read."""

from collections.abc import Iterator, Mapping
from typing import Any

from escalator.domain import document as doc
from escalator.domain import duration, lint_stages, lint_times
from escalator.domain.draining import CORDON, DRAIN
from escalator.domain.finding import Finding, point
from escalator.domain.plan import Idempotence, OnPause
from escalator.domain.reading import NONE_NEEDED, Catalogue, is_waiver

KINDS = ("action", "verify", "checkpoint")


def find(filled: Mapping[str, Any], catalogue: Catalogue) -> Iterator[Finding]:
    """Find faults of single steps and of their sequence."""
    for path, body in doc.rows(filled, "procedures"):
        steps = doc.rows(body, *path, "steps")
        for place, step in steps:
            yield from _step(place, step, catalogue)
            deed = _deed(step, filled)
            yield from _unseen(place, step, deed, catalogue)
            yield from _stops(place, step, deed, catalogue)
        yield from _drains(steps)
        if body.get("method") == "rolling":
            yield from _unsaved(steps, catalogue)
    yield from _other_times(filled)


def _step(
    path: doc.Path, step: Mapping[str, Any], catalogue: Catalogue
) -> Iterator[Finding]:
    kinds = [kind for kind in KINDS if kind in step]
    if len(kinds) != 1:
        found = " and ".join(kinds) or "none"
        yield Finding(
            "C601",
            point(*path),
            f"a step is exactly one of {', '.join(KINDS)}; this one has {found}",
            "split it into steps of one kind each",
        )
    if is_waiver(step):
        yield from _waiver(path, step)
        return
    yield from lint_times.find(path, step)
    action = doc.text(step, "action")
    if action in catalogue and catalogue[action].is_mutating:
        yield from _promises(path, step, action, catalogue)


def _waiver(path: doc.Path, step: Mapping[str, Any]) -> Iterator[Finding]:
    if not doc.text(step, "reason").strip():
        yield Finding(
            "C609",
            point(*path),
            "a checkpoint is waived without a reason",
            "say in reason why this target needs none",
        )


def _promises(
    path: doc.Path, step: Mapping[str, Any], action: str, catalogue: Catalogue
) -> Iterator[Finding]:
    facts = catalogue[action]
    has_own = facts.undo == NONE_NEEDED or facts.undo in catalogue
    if not (step.get("undo") or has_own):
        yield Finding(
            "C605",
            point(*path),
            f"{action} changes its target, but the step has no undo",
            "name the action that undoes it, or write undo: none_needed",
        )
    if not (step.get("idempotent") or facts.idempotence):
        yield Finding(
            "C606",
            point(*path),
            f"{action} changes its target, but the step does not say how it repeats",
            "write idempotent: natural, keyed, probe or never",
        )


def _unseen(
    path: doc.Path, step: Mapping[str, Any], deed: str, catalogue: Catalogue
) -> Iterator[Finding]:
    facts = catalogue.get(deed)
    if "progress" in step and facts is not None and not facts.progress:
        yield Finding(
            "C614",
            point(*path, "progress"),
            f"{deed} shows nothing before its end: it would be taken for hung",
            "leave progress out; timeout is its limit",
        )


def _deed(step: Mapping[str, Any], filled: Mapping[str, Any]) -> str:
    """Return the action or checkpoint driver that a step comes down to, or ""."""
    if "verify" in step:
        suite = doc.table(doc.table(filled, "verify"), doc.text(step, "verify"))
        return doc.text(suite, "action")
    if "checkpoint" in step:
        for _, body in doc.rows(filled, "checkpoints"):
            if doc.text(body, "id") == doc.text(step, "checkpoint"):
                return doc.text(body, "driver")
    return doc.text(step, "action")


def _stops(
    path: doc.Path, step: Mapping[str, Any], deed: str, catalogue: Catalogue
) -> Iterator[Finding]:
    facts = catalogue.get(deed)
    if step.get("on_pause") != OnPause.STOP or facts is None:
        return
    usual = step.get("idempotent") or facts.idempotence
    reasons = [
        (usual == Idempotence.NEVER, "may not be repeated when it is resumed"),
        (facts.executor != "node", "is not run by the agent of the node itself"),
    ]
    for is_so, reason in reasons:
        if is_so:
            yield Finding(
                "C612",
                point(*path, "on_pause"),
                f"a pause cannot stop this step: it {reason}",
                "write on_pause: drain, or leave it out",
            )


def _other_times(filled: Mapping[str, Any]) -> Iterator[Finding]:
    places: list[tuple[doc.Path, Mapping[str, Any], str]] = [
        (("preflight",), doc.table(filled, "preflight"), "valid"),
        *(
            (("finish",), doc.table(filled, "finish"), key)
            for key in ("soak", "commit_after")
        ),
    ]
    finish = doc.table(filled, "finish")
    places += [(("finish", "attribution"), doc.table(finish, "attribution"), "history")]
    recovery = doc.table(filled, "recovery")
    for ladder in recovery:
        for path, rung in doc.rows(recovery, "recovery", ladder):
            places.append((path, rung, "backoff"))
    for path, stage in lint_stages.rows(filled):
        if gate := doc.table(stage, "gate"):
            places.append(((*path, "gate"), gate, "wait"))
    for path, body, key in places:
        try:
            duration.parse(body.get(key, 0))
        except ValueError as error:
            yield from lint_times.unreadable((*path, key), body[key], error)


def _drains(steps: list[doc.Row]) -> Iterator[Finding]:
    is_cordoned = False
    for path, step in steps:
        action = doc.text(step, "action")
        is_cordoned = is_cordoned or action == CORDON
        if action == DRAIN and not is_cordoned:
            yield Finding(
                "C610",
                point(*path),
                "a host is drained while new instances may still land on it",
                f"put a step with {CORDON} before it",
            )


def _unsaved(steps: list[doc.Row], catalogue: Catalogue) -> Iterator[Finding]:
    """Only the first change of the node itself matters: the VIM's are undone."""
    for path, step in steps:
        if "checkpoint" in step:
            return
        facts = catalogue.get(doc.text(step, "action"))
        if facts and facts.is_mutating and facts.executor == "node":
            yield Finding(
                "C609",
                point(*path),
                "the node is changed before a checkpoint was taken",
                "put a checkpoint step before it, or one with checkpoint: waived"
                " and a reason",
            )
            return
