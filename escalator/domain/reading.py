"""From a faultless campaign document to a Plan (P-0: pure, no clock, no chance).

``domain.lints`` and the file's schema say what faultless means; here it is
presupposed.
"""

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from escalator import errors
from escalator.domain import (
    artifacts,
    change_window,
    composition,
    duration,
    expression,
    parameters,
    plan,
    preflight,
    selector,
)
from escalator.domain import document as doc
from escalator.domain.visit import WAIVED as WAIVED

NONE_NEEDED = "none_needed"
"""In place of an undo: the step changes nothing worth undoing."""

OWN_SCOPES = ("params", "subplans")
"""Sections in which the file's parameters are not filled in."""

MAJORITY = "majority"
"""In place of a quorum's number: more than half."""

HOSTS = "hosts"
"""In place of a capacity fact: every host counts 1."""

ON_FAULT = "on_fault"
"""The one key of ``recovery`` that is no ladder."""


@dataclasses.dataclass(frozen=True, slots=True)
class ActionFacts:
    """What planning must know of an installed action or checkpoint driver.

    :ivar params_schema: JSON schema of ``with``.
    :ivar idempotence: for steps that do not say it; empty: they must.
    :ivar undo: for steps that name none, an action or ``none_needed``; empty: they
        must.
    :ivar progress: how its progress is seen; empty: only by its end.
    :ivar covers: of a checkpoint driver: patterns of the actions whose changes it
        puts back; empty: it cannot restore.
    """

    executor: str
    is_mutating: bool
    params_schema: Mapping[str, Any]
    is_checkpoint: bool = False
    idempotence: str = ""
    undo: str = ""
    progress: str = ""
    covers: tuple[str, ...] = ()

    @property
    def version(self) -> str:
        """Return a digest of what a file is judged by; the agent has its own."""
        return version_of(
            self.executor, self.is_mutating, self.params_schema, self.covers
        )


def version_of(
    executor: str,
    is_mutating: bool,
    params_schema: Mapping[str, Any],
    covers: Sequence[str] = (),
) -> str:
    """Return what tells two versions of an action apart: eight digits (V-3)."""
    known = [executor, is_mutating, params_schema, *covers]
    told = json.dumps(known, sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()[:8]


Catalogue = Mapping[str, ActionFacts]


def read(
    document: Mapping[str, Any], params: Mapping[str, Any], catalogue: Catalogue
) -> plan.Plan:
    """Return the plan that a faultless document describes (pure).

    :param params: values given at submission; defaults fill the rest.
    :raises InvalidInput: a parameter is unknown, missing or mistyped.
    """
    values, findings = parameters.resolve(doc.table(document, "params"), params)
    if findings:
        raise errors.InvalidInput(
            kind="campaign file",
            summary=findings[0].detail,
            findings=tuple(dataclasses.asdict(found) for found in findings),
        )
    filled = composition.compose(substituted(document, values)).document
    metadata = doc.table(filled, "metadata")
    recovery = doc.table(filled, "recovery")
    on_fault = doc.table(recovery, ON_FAULT)
    reader = _Steps(filled, catalogue)
    return plan.Plan(
        name=metadata["name"],
        owner=metadata.get("owner", ""),
        smoothness=metadata.get("smoothness", "smooth"),
        params=values,
        selectors=tuple(
            _selector(name, body) for name, body in filled["selectors"].items()
        ),
        budgets=tuple(read_budget(body) for body in filled.get("budgets", ())),
        procedures=tuple(
            _procedure(body, reader, recovery) for body in filled["procedures"]
        ),
        on_fault=plan.FaultPolicy(**on_fault),
        soak_s=duration.parse(doc.table(filled, "finish").get("soak", 0)),
        **_losses(doc.table(filled, "failure_budget").get("max_quarantined")),
        **_commit(doc.table(filled, "finish")),
        preflight=preflight.read(
            doc.table(filled, "preflight"),
            {
                name: (each.idempotence, each.version)
                for name, each in catalogue.items()
            },
        ),
        on_drift=_drift(doc.table(filled, "on_drift")),
        attribution=_attribution(doc.table(filled, "finish")),
        windows=tuple(
            change_window.read(each)
            for each in doc.table(filled, "schedule").get("windows", ())
        ),
    )


def _attribution(finish: Mapping[str, Any]) -> tuple[plan.Attribution, ...]:
    if "attribution" not in finish:
        return ()
    body, usual = doc.table(finish, "attribution"), plan.Attribution()
    return (
        plan.Attribution(
            float(body.get("significance", usual.significance)),
            duration.parse(body.get("history", usual.history_s)),
        ),
    )


def _commit(finish: Mapping[str, Any]) -> dict[str, Any]:
    if "commit_after" not in finish:
        return {"commit": finish.get("commit", plan.Commit.AUTO.value)}
    after_s = duration.parse(finish["commit_after"])
    return {"commit": plan.Commit.MANUAL.value, "commit_after_s": after_s}


def _losses(limit: int | str | None) -> dict[str, Any]:
    share = doc.percent(limit)
    if share is not None:
        return {"max_quarantined_percent": share}
    return {"max_quarantined": limit}


def _drift(body: Mapping[str, Any]) -> plan.DriftPolicy:
    limit = body.get("approve_above")
    share = doc.percent(limit)
    return plan.DriftPolicy(limit if share is None else None, share)


def substituted(
    document: Mapping[str, Any], values: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the document with its parameters filled in.

    Not in ``params`` and ``subplans``: a sub-plan has parameters of its own.
    """
    brought = parameters.substitute(document.get("artifacts"), values)
    known = {**values, **artifacts.values({"artifacts": brought})}
    return {
        key: body if key in OWN_SCOPES else parameters.substitute(body, known)
        for key, body in document.items()
    }


def _selector(selector_id: str, body: Mapping[str, Any]) -> plan.Selector:
    return plan.Selector(
        selector_id,
        match=_conditions(doc.table(body, "match")),
        exclude=tuple(
            condition
            for each in body.get("exclude", ())
            for condition in _conditions(each)
        ),
        order_by=tuple(
            plan.Order(
                each["fact"],
                is_descending=each.get("value") == "descending",
                is_last=each.get("value") == "last",
            )
            for each in body.get("order_by", ())
        ),
    )


def _conditions(body: Mapping[str, Any]) -> tuple[plan.Condition, ...]:
    return tuple(
        plan.Condition(fact, tuple(selector.as_text(value) for value in _many(values)))
        for fact, values in body.items()
    )


def _many(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def read_budget(body: Mapping[str, Any]) -> plan.Budget:
    """Return the budget of one entry of ``budgets``."""
    scope = body["scope"]
    kind, fact = scope, ""
    if isinstance(scope, Mapping):
        fact = scope.get("by", "")
        kind = "fact" if fact else "server_group"
    return plan.Budget(body["id"], kind, fact, **_limit(body))


def _limit(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the budget counts, and how much is allowed."""
    if "quorum" in body:
        quorum = body["quorum"]
        keep = 0.0 if quorum == MAJORITY else float(quorum)
        return {"kind": plan.Kind.QUORUM, "keep": keep}
    if "headroom" in body:
        room = body["headroom"]
        share = doc.percent(room["keep"])
        return {
            "kind": plan.Kind.HEADROOM,
            "capacity": "" if room["of"] == HOSTS else room["of"],
            "load": room.get("used", ""),
            "keep": float(room["keep"]) if share is None else 0.0,
            "keep_percent": share or 0.0,
        }
    kind = plan.Kind.MIGRATIONS if "max_migrations" in body else plan.Kind.DOWN
    limit = body.get("max_migrations", body.get("max_down", 1))
    share = doc.percent(limit)
    if share is None:
        return {"kind": body.get("kind", kind), "max_down": limit}
    return {"kind": kind, "max_percent": share}


def _procedure(
    body: Mapping[str, Any], reader: "_Steps", recovery: Mapping[str, Any]
) -> plan.Procedure:
    parallel = body.get("parallel", 1)
    share = doc.percent(parallel)
    return plan.Procedure(
        id=body["id"],
        level=body.get("level", 0),
        after=tuple(body.get("after", ())),
        selector=body["select"],
        method=body["method"],
        parallel=parallel if share is None else 1,
        budgets=tuple(body.get("budgets", ())),
        steps=tuple(reader.step(each) for each in body["steps"] if not is_waiver(each)),
        ladder=tuple(_rung(each) for each in recovery[body["on_failure"]]),
        parallel_percent=share or 0.0,
        rehearse_undo=body.get("rehearse_undo", False),
        stages=tuple(read_stage(each) for each in body.get("stages", ())),
        merged=tuple(body.get("merged", ())),
    )


def read_stage(body: Mapping[str, Any]) -> plan.Stage:
    """Return the stage of one entry of ``stages``."""
    gate: Any = body.get("gate", plan.Opening.AUTO)
    wait_s = 0.0
    if isinstance(gate, Mapping):
        gate, wait_s = plan.Opening.WAIT, duration.parse(gate["wait"])
    share = doc.percent(body["take"])
    return plan.Stage(
        body["id"],
        take=body["take"] if share is None else 1,
        take_percent=share or 0.0,
        gate=plan.Opening(gate),
        wait_s=wait_s,
    )


def is_waiver(step: Mapping[str, Any]) -> bool:
    """Say whether an entry of ``steps`` only says why there is no checkpoint."""
    return step.get("checkpoint") == WAIVED


def _rung(body: Mapping[str, Any]) -> plan.Rung:
    return plan.Rung(
        attempt=plan.Try(body["try"]),
        classes=tuple(body.get("classes", ())),
        times=body.get("times", 1),
        backoff_s=duration.parse(body.get("backoff", 0)),
        scope=body.get("scope", ""),
        evacuate=body.get("evacuate", False),
    )


def _times(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a step says of its times; expressions stay as the file has them."""
    found: dict[str, Any] = {}
    for key in ("expected", "timeout"):
        known = expression.read(body[key])
        found[f"{key}_s"] = known.seconds(instances=0)
        found[key] = "" if known.is_constant else known.text
    return found


class _Steps:
    """Reads steps against the definitions that they refer to."""

    def __init__(self, filled: Mapping[str, Any], catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._suites = doc.table(filled, "verify")
        self._checkpoints = {
            body["id"]: body["driver"] for body in filled.get("checkpoints", ())
        }

    def step(self, body: Mapping[str, Any]) -> plan.Step:
        kind = next(each for each in ("action", "verify", "checkpoint") if each in body)
        action, params = self._deed(kind, body)
        facts = self._catalogue[action]
        return plan.Step(
            id=body["id"],
            kind=kind,
            action=action,
            executor=facts.executor,
            params=params,
            **_times(body),
            idempotence=plan.Idempotence(
                body.get("idempotent") or facts.idempotence or "natural"
            ),
            is_mutating=facts.is_mutating and kind == "action",
            may_reboot=body.get("may_reboot", False),
            checkpoint=body["checkpoint"] if kind == "checkpoint" else "",
            undo=self._undo(doc.texts(body.get("undo") or facts.undo), params),
            version=facts.version,
            on_pause=plan.OnPause(body.get("on_pause", "drain")),
            progress_s=duration.parse(body.get("progress", 0)),
            covers=facts.covers,
        )

    def _deed(self, kind: str, body: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """Return entry-point name and parameters."""
        match kind:
            case "verify":
                suite = self._suites[body["verify"]]
                return suite["action"], dict(suite.get("with", {}))
            case "checkpoint":
                return self._checkpoints[body["checkpoint"]], {}
        return body["action"], dict(body.get("with", {}))

    def _undo(
        self, names: Sequence[str], params: dict[str, Any]
    ) -> tuple[plan.Undo, ...]:
        return tuple(
            plan.Undo(name, known.executor, params, known.version)
            for name in names
            if name and name != NONE_NEEDED and (known := self._catalogue[name])
        )
