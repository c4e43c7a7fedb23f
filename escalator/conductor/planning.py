"""From a campaign file to a stored campaign.

Source: P-0, P-4, V-4.
"""

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from escalator import errors
from escalator.conductor import admission as admissions
from escalator.conductor import campaign_file, drift, foreseeing
from escalator.conductor import engine as engines
from escalator.db import revisions, session, tokens, work
from escalator.domain import forecast, lint_windows, plan, reading, states, timing

Row = Mapping[str, Any]
State = states.CampaignState


class Planning:
    """Validates and stores campaigns.

    :param catalogue: installed actions and checkpoint drivers by name.
    :param look_s: seconds between two looks at the campaigns.
    """

    def __init__(
        self,
        engine: engines.Engine,
        catalogue: Mapping[str, reading.ActionFacts],
        look_s: float = 0.0,
    ) -> None:
        self.engine = engine
        self.look_s = look_s
        self.catalogue = catalogue

    def validate(self, document: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """Judge a file against the rules and the inventory; store nothing.

        :returns: ``findings`` (warnings) and ``summary``.
        :raises InvalidInput: with every finding at once.
        """
        made, warnings, targets = self._understand(document, params)
        return {"findings": warnings, "summary": _summary(made, targets)}

    def forecast(
        self,
        document: str,
        params: Mapping[str, Any],
        seed: int,
        asked: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Say what a file would do with the inventory as it is; store nothing (P-0).

        :param asked: see ``foreseeing.answer``.
        :returns: ``digest``, ``findings``, ``summary``, ``visits``, ``gates`` and
            ``closed`` (seconds from the start), ``end_s`` (expected, p50, p90),
            ``most_out``, ``left`` (when the last window closes), ``stuck``.
        :raises InvalidInput: with every finding at once.
        """
        made, warnings, targets = self._understand(document, params)
        with self.engine.database.begin() as connection:
            now = self.engine.database.now(connection)
            lease_s = self.engine.settings.lease_s
            setting = foreseeing.read(
                connection, made, targets, self.look_s, lease_s, now
            )
        found = forecast.make(made, targets, setting.learned, seed, now)
        left = lint_windows.find_left(found.left)
        encoded = engines.PLAN_CODEC.encode(made)
        return {
            "digest": forecast.digest(encoded, targets, setting.learned, seed, now),
            "seed": seed,
            "findings": [*warnings, *campaign_file.tell(document, left)],
            "summary": _summary(made, targets),
            **_foreseen(found),
            **foreseeing.answer(setting, asked, seed),
        }

    def _understand(
        self, document: str, params: Mapping[str, Any]
    ) -> tuple[plan.Plan, list[dict[str, Any]], list[plan.Target]]:
        with self.engine.database.begin() as connection:
            targets = tokens.read_targets(connection, None, 0.0)
            now = self.engine.database.now(connection)
        made, warnings = campaign_file.understand(
            document, dict(params), self.catalogue, targets, now
        )
        return made, list(warnings), targets

    def create(
        self,
        document: str,
        params: Mapping[str, Any],
        project_id: str,
        user_id: str,
        request_key: str | None,
    ) -> str:
        """Store a validated campaign and return its id.

        Idempotent by ``request_key``: the same request gives the same
        campaign.

        :raises InvalidInput: nothing is stored.
        :raises Conflict: the key was used for another request.
        """
        made, _, targets = self._understand(document, params)
        digest = hashlib.sha256(
            json.dumps([document, dict(params)], sort_keys=True).encode()
        ).hexdigest()
        campaign_id = work.new_id()
        try:
            self._store(
                campaign_id,
                made,
                targets,
                {
                    "name": made.name,
                    "project_id": project_id,
                    "user_id": user_id,
                    "request_key": request_key,
                    "request_digest": digest,
                    "document": document,
                    "file_digest": hashlib.sha256(document.encode()).hexdigest(),
                    "params": dict(made.params),
                },
            )
        except session.Duplicate:
            database = self.engine.database
            return _same_request(database, project_id, request_key, digest)
        return campaign_id

    @session.retry_on_conflict
    def _store(
        self,
        campaign_id: str,
        made: plan.Plan,
        targets: list[plan.Target],
        values: dict[str, Any],
    ) -> None:
        with self.engine.database.begin() as connection:
            batch = self.engine.batch(connection)
            campaign = {
                "id": campaign_id,
                "state": State.VALIDATED.value,
                "state_reason": "the file was accepted",
                "plan_rev": 1,
                "closed_to": [],
                "created_at": batch.now,
                "updated_at": batch.now,
                "ovo_version": "1.0",
                **values,
            }
            work.insert_campaign(connection, campaign)
            names = sorted(_selected(made, targets))
            revisions.add(
                connection,
                campaign_id,
                1,
                engines.PLAN_CODEC.encode(made),
                names,
                {"joined": names, "left": []},
                batch.now,
                author=values["user_id"],
            )
            batch.journal(
                campaign_id, "campaign", campaign_id, "draft", State.VALIDATED.value
            )
            batch.write(connection)


def _same_request(
    database: session.Database, project_id: str, request_key: str | None, digest: str
) -> str:
    with database.begin() as connection:
        found = work.campaign_of_request(connection, project_id, request_key)
    if found["request_digest"] != digest:
        raise errors.Conflict(
            "The idempotency key was used for another request; take a new one."
        )
    return str(found["id"])


def _selected(made: plan.Plan, targets: list[plan.Target]) -> set[str]:
    return drift.members(admissions.Situation.empty(made, targets))


def _foreseen(found: forecast.Forecast) -> dict[str, Any]:
    stuck = sorted(found.timeline.stuck.items())
    return {
        "visits": [dataclasses.asdict(each) for each in found.timeline.visits],
        "end_s": {
            "expected": found.timeline.end_s,
            "p50": found.end_s(0.5),
            "p90": found.end_s(0.9),
        },
        "gates": [dataclasses.asdict(each) for each in found.timeline.gates],
        "most_out": found.timeline.most_out(),
        "closed": [dataclasses.asdict(each) for each in found.closed],
        "left": found.left,
        "stuck": [{"host": host, "reason": reason} for host, reason in stuck],
    }


def _summary(made: plan.Plan, targets: list[plan.Target]) -> dict[str, Any]:
    situation = admissions.Situation.empty(made, targets)
    return {
        "name": made.name,
        "procedures": [
            {
                "id": procedure.id,
                "level": procedure.level,
                "after": list(procedure.after),
                "method": procedure.method,
                "steps": len(procedure.steps),
                "targets": len(situation.selected(procedure)),
                **_told_times(procedure, situation.selected(procedure)),
            }
            for procedure in made.procedures
        ],
        "shared_visits": [
            _shared(procedure, len(situation.selected(procedure)))
            for procedure in made.procedures
            if procedure.merged
        ],
    }


def _told_times(
    procedure: plan.Procedure, targets: Sequence[plan.Target]
) -> dict[str, float]:
    """Return how long a visit is expected to take, as the file says it."""
    chosen = targets or [plan.Target("")]
    found = [timing.expected_s(procedure, each, {}) for each in chosen]
    return {
        "expected_s_per_target": max(found),
        "least_expected_s_per_target": min(found),
    }


def _shared(procedure: plan.Procedure, targets: int) -> dict[str, Any]:
    count = len(procedure.merged)
    return {
        "procedure": procedure.id,
        "merged": list(procedure.merged),
        "told": f"{count} procedures, 1 visit",
        "outages_saved": (count - 1) * targets,
    }
