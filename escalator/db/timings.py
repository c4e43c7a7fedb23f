"""How long steps took, for the planning of the next campaign (P-4e)."""

from collections import defaultdict

import sqlalchemy as sa

from escalator.db import models
from escalator.domain import timing

MOST_SAMPLES = 20_000
"""The latest; older ones tell of older machines."""


def read_learned(connection: sa.Connection) -> dict[tuple[str, str], timing.Timing]:
    """Return the timing of each action on each role of hosts."""
    step, host = models.step.c, models.host.c
    query = (
        sa.select(step.action, host.role, step.started_at, step.ended_at)
        .join_from(models.step, models.host, step.host == host.name)
        .where(step.state == "done", step.intent == "run")
        .where(step.started_at.is_not(None), step.ended_at.is_not(None))
        .order_by(step.ended_at.desc())
        .limit(MOST_SAMPLES)
    )
    samples: dict[tuple[str, str], list[float]] = defaultdict(list)
    for action, role, started_at, ended_at in connection.execute(query):
        samples[action, role].append(ended_at - started_at)
    fitted = {key: timing.fit(found) for key, found in samples.items()}
    return {key: known for key, known in fitted.items() if known is not None}
