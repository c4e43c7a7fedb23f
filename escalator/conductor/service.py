"""The conductor's process: what comes in, and who deals with it."""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from escalator import errors
from escalator.bus import server
from escalator.conductor import (
    alarms,
    explaining,
    faults,
    hosts,
    notices,
    planning,
    results,
    steering,
)
from escalator.conductor import engine as engines
from escalator.domain import events
from escalator.objects import campaign as campaign_objects
from escalator.objects import host as host_objects
from escalator.objects import notice as notice_objects

LOG = logging.getLogger(__name__)

RECORDS_PATIENCE_S = 0.25
"""How long what is only kept waits with the broker: while a fault's notices are on
their way, those who carry them need the processors more."""


class Endpoint:
    """What the API asks of the conductor.

    Version history: 1.0 first version.
    """

    target = server.endpoint_target("1.0")

    def __init__(
        self,
        plans: planning.Planning,
        steers: steering.Steering,
        explains: explaining.Explaining,
        keeps: hosts.Hosts,
        hears: alarms.Alarms,
        resends: notices.Notices,
    ) -> None:
        self.plans = plans
        self.steers = steers
        self.explains = explains
        self.keeps = keeps
        self.hears = hears
        self.resends = resends

    def campaign_validate(
        self, ctxt: Any, document: str, params: dict[str, Any]
    ) -> dict[str, Any]:
        return self.plans.validate(document, params)

    def campaign_plan(
        self,
        ctxt: Any,
        document: str,
        params: dict[str, Any],
        seed: int,
        what_if: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        return self.plans.forecast(document, params, seed, what_if)

    def campaign_create(
        self, ctxt: Any, document: str, params: dict[str, Any], request_key: str | None
    ) -> Any:
        campaign_id = self.plans.create(
            document,
            params,
            ctxt.project_id or "",
            ctxt.user_id or "",
            request_key or None,
        )
        return campaign_objects.Campaign.get_by_id(ctxt, campaign_id)

    def campaign_act(
        self,
        ctxt: Any,
        campaign_id: str,
        action: str,
        arguments: dict[str, Any],
        request_key: str | None,
    ) -> Any:
        self.steers.act(
            campaign_id, action, arguments, ctxt.user_id or "", request_key or None
        )
        return campaign_objects.Campaign.get_by_id(ctxt, campaign_id)

    def campaign_explain(self, ctxt: Any, campaign_id: str) -> list[dict[str, Any]]:
        return self.explains.explain(campaign_id)

    def host_act(
        self, ctxt: Any, name: str, action: str, arguments: dict[str, Any]
    ) -> Any:
        self.keeps.act(name, action, arguments, ctxt.user_id or "")
        return host_objects.Host.get_by_name(ctxt, name)

    def alarm_report(self, ctxt: Any, report: Any) -> None:
        self.hears.report(report.to_domain())

    def alarm_revoke(self, ctxt: Any, alarm_id: str) -> None:
        self.hears.revoke(alarm_id)

    def notice_resend(self, ctxt: Any, notice_id: str) -> Any:
        self.resends.resend(notice_id, ctxt.user_id or "")
        return notice_objects.NoticeRecord.get_by_id(ctxt, notice_id)


class Intake:
    """Handlers of the facts the conductor listens to."""

    def __init__(
        self, applied: results.Results, noted: faults.Faults, heard: alarms.Alarms
    ) -> None:
        self.applied = applied
        self.noted = noted
        self.heard = heard

    def handlers(self) -> Mapping[type, Callable[[Sequence[Any]], None]]:
        """Return event class -> handler of a batch of deliveries."""
        return {
            events.StepReported: self._steps,
            events.HostMarkedDown: self._down,
            events.HostMarkedUp: self._up,
            events.ImpactCorroborated: self._corroborated,
            events.AlarmReported: self._reported,
        }

    def record_handlers(self) -> Mapping[type, Callable[[Sequence[Any]], None]]:
        """Return those of facts that are only kept: nothing waits for them."""
        return {
            events.CheckpointReached: self._reached,
            events.NoticeSettled: self._settled,
        }

    def _steps(self, deliveries: Sequence[Any]) -> None:
        self.applied.apply([each.event for each in deliveries])

    def _down(self, deliveries: Sequence[Any]) -> None:
        for each in deliveries:
            self.noted.apply_down(each.event)

    def _corroborated(self, deliveries: Sequence[Any]) -> None:
        for each in deliveries:
            self.noted.apply_corroborated(each.event)

    def _up(self, deliveries: Sequence[Any]) -> None:
        for each in deliveries:
            self.noted.apply_up(each.event)

    def _reached(self, deliveries: Sequence[Any]) -> None:
        self.noted.apply_reached([each.event for each in deliveries])

    def _settled(self, deliveries: Sequence[Any]) -> None:
        self.noted.apply_settled([each.event for each in deliveries])

    def _reported(self, deliveries: Sequence[Any]) -> None:
        """Take reports that the API could not hand over itself."""
        for each in deliveries:
            try:
                self.heard.report(each.event)
            except (errors.NotFound, errors.InvalidInput) as error:
                LOG.warning("A report of an alarm is refused: %s", error)


def settings(section: Any) -> engines.Settings:
    """Return the engine's settings from ``[conductor]``."""
    return engines.Settings(
        lease_s=section.lease_s,
        probe_interval_s=section.probe_interval_s,
        batch=section.batch,
        outbox_retry_s=section.outbox_retry_s,
        agent_silent_s=section.agent_silent_s,
    )
