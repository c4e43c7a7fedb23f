"""How long steps took and how they failed, for the next campaign (P-4e, P-2)."""

import dataclasses
import statistics
from collections import Counter, defaultdict

import sqlalchemy as sa

from escalator.db import models
from escalator.domain import fault_library, timing

MOST_SAMPLES = 20_000
"""The latest; older ones tell of older machines."""

_RESTORE = "restore"
"""Intent of steps that share their action's name with the checkpoint itself."""


def read_learned(connection: sa.Connection) -> dict[tuple[str, str], timing.Timing]:
    """Return the timing of each action on each role of hosts."""
    step, host = models.step.c, models.host.c
    query = (
        sa.select(step.action, host.role, step.started_at, step.ended_at)
        .add_columns(step.expected_s)
        .join_from(models.step, models.host, step.host == host.name)
        .where(step.state == "done", step.intent != _RESTORE)
        .where(step.started_at.is_not(None), step.ended_at.is_not(None))
        .order_by(step.ended_at.desc())
        .limit(MOST_SAMPLES)
    )
    samples: dict[tuple[str, str], list[float]] = defaultdict(list)
    foreseen: dict[tuple[str, str], list[float]] = defaultdict(list)
    for action, role, started_at, ended_at, expected_s in connection.execute(query):
        samples[action, role].append(ended_at - started_at)
        foreseen[action, role].append(expected_s)
    fitted = {key: timing.fit(found) for key, found in samples.items()}
    return {
        key: dataclasses.replace(known, foreseen_s=statistics.median(foreseen[key]))
        for key, known in fitted.items()
        if known is not None
    }


def read_fault_library(connection: sa.Connection) -> fault_library.Library:
    """Return how often attempts of each action failed, by class.

    Read from the journal: a step that succeeded in the end failed before.
    """
    line, step = models.journal.c, models.step.c
    query = (
        sa.select(line.object_id, line.attempt, line.to_state, line.at)
        .add_columns(step.action, step.failure_class)
        .join_from(models.journal, models.step, line.object_id == step.id)
        .where(line.object_type == "step", line.intent != _RESTORE)
        .where(line.to_state.in_(["dispatched", "failed", "hung"]))
        .order_by(line.seq.desc())
        .limit(2 * MOST_SAMPLES)
    )
    begun: dict[tuple[str, int], float] = {}
    attempts: Counter[str] = Counter()
    took: dict[tuple[str, str], list[float]] = defaultdict(list)
    for row in reversed(connection.execute(query).all()):
        attempt = (row.object_id, row.attempt)
        if row.to_state == "dispatched":
            attempts[row.action] += attempt not in begun
            begun[attempt] = row.at
        elif attempt in begun:
            took[row.action, row.failure_class].append(row.at - begun[attempt])
    return fault_library.learn(attempts, took)
