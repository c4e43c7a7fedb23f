"""What an agent says of a step."""

import dataclasses
import uuid
from collections.abc import Callable
from typing import Any

from escalator import errors
from escalator.agent import deeds, endings
from escalator.domain import commands, events

Asked = commands.RunStep | commands.ProbeStep | commands.StopStep


@dataclasses.dataclass(frozen=True, slots=True)
class Teller:
    """:ivar host: the host this agent acts on.
    :ivar agent: the agent's own name.
    :ivar clock: epoch seconds.
    """

    host: str
    agent: str
    clock: Callable[[], float]

    def report(
        self,
        asked: Asked,
        outcome: events.Outcome,
        detail: str = "",
        failure_class: str = "",
        result: dict[str, Any] | None = None,
    ) -> events.StepReported:
        """Return a new report with an event id of its own."""
        return events.StepReported(
            event_id=str(uuid.uuid4()),
            step_id=asked.step_id,
            campaign_id=asked.campaign_id,
            host=asked.host,
            agent=self.agent,
            attempt=asked.attempt,
            fence=asked.fence,
            outcome=outcome.value,
            failure_class=failure_class,
            detail=detail,
            result=result or {},
            reported_at=self.clock(),
        )

    def failure(
        self,
        order: commands.RunStep,
        error: Exception,
        ending: endings.Ending | None = None,
    ) -> events.StepReported:
        """Return the report of what an action raised.

        An interrupted program may have acted: unknown, so that the step's
        idempotence decides.

        :param ending: why the attempt was ended, if it was: whatever the action
            raised then came of that.
        """
        if ending is not None and ending.kind == endings.STOPPED:
            return self.report(order, events.Outcome.STOPPED, ending.reason)
        if ending is not None:
            return self.report(order, events.Outcome.FAILED, ending.reason, ending.kind)
        failure_class, detail = deeds.classify(error)
        if failure_class == "interrupted":
            return self.report(order, events.Outcome.UNKNOWN, detail)
        result = error.result if isinstance(error, errors.ActionFailed) else {}
        return self.report(
            order, events.Outcome.FAILED, detail, failure_class, dict(result)
        )

    def absence(
        self, probe: commands.ProbeStep | commands.StopStep
    ) -> events.StepReported:
        """Return the answer about an attempt that never came here.

        A VIM step may be with another agent of the same topic: unknown.
        """
        if probe.executor == "vim":
            return self.report(probe, events.Outcome.UNKNOWN, "not with this agent")
        return self.report(probe, events.Outcome.NEVER_SEEN)

    def check_host(self, order: commands.RunStep) -> None:
        """Refuse a node's step that was meant for another node.

        :raises ActionFailed: class ``permanent``.
        """
        if order.executor == "node" and order.host != self.host:
            raise errors.ActionFailed(
                f"This agent acts on {self.host}, not on {order.host}."
            )
