"""What a plan would do if something were otherwise: ``--what-if`` (P-2, V-1)."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from escalator import errors
from escalator.db import residents, session, timings
from escalator.domain import plan, play, relaxation, what_if

SHARES = {"p10": 0.1, "p50": 0.5, "p90": 0.9, "p99": 0.99}


def read(
    connection: session.Connection,
    made: plan.Plan,
    targets: list[plan.Target],
    look_s: float,
    lease_s: float,
    start_at: float = 0.0,
) -> play.Setting:
    """Return the plan on the inventory as it is, with what was learned.

    :param look_s: seconds between two looks at the campaigns.
    :param start_at: when the campaign would be started, epoch seconds.
    """
    return play.Setting(
        made,
        tuple(sorted(targets, key=lambda each: each.name)),
        residents.read(connection),
        timings.read_learned(connection),
        timings.read_fault_library(connection),
        rooms={},
        look_s=look_s,
        lease_s=lease_s,
        start_at=start_at,
    )


def answer(
    setting: play.Setting, asked: Mapping[str, Any] | None, seed: int
) -> dict[str, Any]:
    """Compare the plan as it is with the plan as asked.

    :param asked: what is to be otherwise (``domain.what_if.KEYS``), or None.
    :returns: ``what_if`` with ``changes``, ``before``, ``after``, and
        ``relaxations`` of the latter if it is infeasible; nothing for None.
    :raises InvalidInput: an unknown key, or a value that makes no sense.
    """
    if asked is None:
        return {}
    try:
        changed = what_if.change(setting, asked)
    except what_if.BadKey as error:
        finding = {**dataclasses.asdict(error.finding), "line": None}
        raise errors.InvalidInput(
            kind="question", summary=error.finding.detail, findings=(finding,)
        ) from error
    told = {
        "changes": {key: str(asked[key]) for key in sorted(asked)},
        "before": _told(what_if.predict(setting, seed)),
        "after": _told(what_if.predict(changed, seed)),
        "relaxations": [each.changes for each in relaxation.find(changed)],
    }
    return {"what_if": told}


def _told(found: what_if.Prediction) -> dict[str, Any]:
    runs = found.runs
    stuck = sorted(found.median.stuck.items())
    return {
        "runs": len(runs),
        "is_feasible": found.is_feasible,
        "reason": found.median.reason,
        "end_s": {name: found.end_s(share) for name, share in SHARES.items()},
        "ends_s": [run.end_s for run in runs],
        "outcomes": found.outcomes(),
        "most_down": found.most_down(),
        "quarantined": sum(len(run.quarantined) for run in runs) / len(runs),
        "owners": [
            {"project_id": project, **dataclasses.asdict(each)}
            for project, each in found.owners().items()
        ],
        "stuck": [{"host": host, "reason": reason} for host, (_, reason) in stuck],
        "no_room": dict(sorted(found.median.no_room.items())),
    }
