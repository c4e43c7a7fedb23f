"""One transaction's changes, gathered and written at once.

A :class:`Batch` turns decisions into rows: steps, slots, journal, outbox.
It is the only place where a fence is raised.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from escalator.db import bulk, models, outbox, session, signals, tokens, work
from escalator.domain import campaign as rules
from escalator.domain import commands, events, plan, states
from escalator.objects import event as event_objects
from escalator.objects import order as order_objects

Row = Mapping[str, Any]


class Batch:
    """Changes of one transaction; :meth:`write` sends them to the database.

    :param owner: name of this conductor, kept with leases and the journal.
    :param lease_s: seconds after which an order without a report is probed.
    :param send_s: seconds this conductor has for sending its own messages.
    :ivar is_drained: a drain is over that a budget of migrations counted.
    :ivar is_answered: a question or remedy of a preflight is over.
    """

    def __init__(self, now: float, owner: str, lease_s: float, send_s: float) -> None:
        self.now = now
        self.owner = owner
        self.lease_s = lease_s
        self.send_s = send_s
        self.steps: dict[str, dict[str, Any]] = {}
        self.slots: dict[str, dict[str, Any]] = {}
        self.new_steps: list[dict[str, Any]] = []
        self.lines: list[dict[str, Any]] = []
        self.messages: list[dict[str, Any]] = []
        self.orders: list[tuple[Row, dict[str, Any]]] = []
        self.checkpoints: list[dict[str, Any]] = []
        self.freed: list[str] = []
        self.is_drained = False
        self.is_answered = False
        self.signals: list[tuple[str, rules.Escalation]] = []

    def move_step(self, row: Row, move: rules.Move) -> dict[str, Any]:
        """Move one step; returns its values as they are after the move."""
        known = {**row, **self.steps.get(row["id"], {})}
        states.check_move(
            "step", states.STEP_MOVES, states.StepState(known["state"]), move.to
        )
        change = self.steps.setdefault(row["id"], {})
        change["state"] = move.to.value
        change["reason"] = move.reason
        if move.failure_class:
            change["failure_class"] = move.failure_class
        if move.is_retry:
            change["retries"] = known["retries"] + 1
        if move.to is states.StepState.READY:
            change["ready_at"] = self.now + move.delay_s
        elif move.to not in states.IN_FLIGHT and move.to is not states.StepState.HELD:
            change["ended_at"] = self.now
        self._journal_step(known, move)
        return {**known, **change}

    def order_step(self, row: Row) -> dict[str, Any]:
        """Claim a step: raise its fence, set lease and deadline (rule 2)."""
        change = self.steps.setdefault(row["id"], {})
        known = {**row, **change}
        change.update(
            attempt=known["attempt"] + 1,
            fence=known["fence"] + 1,
            lease_owner=self.owner,
            lease_until=self.now + self.lease_s,
            hard_at=self.now + known["timeout_s"],
            ready_at=None,
            ended_at=None,
            started_at=self.now,
        )
        self.lines[-1].update(attempt=change["attempt"], fence=change["fence"])
        return {**known, **change}

    def cast(self, command: commands.Command) -> None:
        """Owe an order, a probe, a stop or a release to an agent."""
        kind = _KINDS[type(command)]
        payload = order_objects.wrap(command).obj_to_primitive()
        self._message(kind, command.host, command.executor, payload)

    def publish(self, event: events.Event) -> None:
        """Owe a fact to the bus."""
        self._message("event", "", "", event_objects.wrap(event).obj_to_primitive())

    def _message(self, kind: str, target: str, executor: str, payload: Any) -> None:
        self.messages.append(
            {
                "id": work.new_id(),
                "kind": kind,
                "target": target,
                "executor": executor,
                "payload": payload,
                "claimed_until": self.now + self.send_s,
                "created_at": self.now,
                "ordinal": len(self.messages),
            }
        )

    def move_slot(
        self,
        slot: rules.SlotView | Row,
        to: states.SlotState,
        campaign_id: str,
        reason: str = "",
    ) -> None:
        """Move one slot; ended slots give back their tokens."""
        if isinstance(slot, rules.SlotView):
            slot_id, host, state = slot.id, slot.host, slot.state
        else:
            slot_id, host = slot["id"], slot["host"]
            state = states.SlotState(slot["state"])
        change = self.slots.setdefault(slot_id, {})
        state = states.SlotState(change.get("state", state))
        states.check_move("slot", states.SLOT_MOVES, state, to)
        change.update(state=to.value, reason=reason)
        change["ended_at"] = self.now if to in _ENDED else None
        if to in _ENDED:
            self.freed.append(slot_id)
        self.journal(
            campaign_id,
            "slot",
            slot_id,
            state.value,
            to.value,
            reason,
            slot_id=slot_id,
            host=host,
        )

    def journal(
        self,
        campaign_id: str,
        object_type: str,
        object_id: str,
        from_state: str,
        to_state: str,
        detail: str = "",
        **more: Any,
    ) -> None:
        """Append one line."""
        self.lines.append(
            {
                "at": self.now,
                "campaign_id": campaign_id,
                "object_type": object_type,
                "object_id": object_id,
                "slot_id": "",
                "host": "",
                "name": "",
                "intent": "",
                "from_state": from_state,
                "to_state": to_state,
                "actor": self.owner,
                "attempt": 0,
                "fence": 0,
                "detail": detail[:4000],
                **more,
            }
        )

    def _journal_step(self, row: Row, move: rules.Move) -> None:
        self.journal(
            row["campaign_id"],
            "step",
            row["id"],
            row["state"],
            move.to.value,
            move.reason,
            slot_id=row["slot_id"],
            host=row["host"],
            name=row["name"],
            intent=row["intent"],
            attempt=row["attempt"],
            fence=row["fence"],
        )

    def write(self, connection: session.Connection) -> None:
        """Write everything; the caller commits and then sends."""
        work.insert_steps(connection, self.new_steps)
        bulk.update_rows(connection, models.step, self.steps)
        bulk.update_rows(connection, models.slot, self.slots)
        work.write_checkpoints(connection, self.checkpoints)
        work.write_journal(connection, self.lines)
        if self.freed:
            tokens.give_back_tokens(connection, self.freed)
        for campaign_id, escalation in self.signals:
            signals.add_signal(
                connection,
                campaign_id,
                escalation.kind,
                {
                    "scope": escalation.scope,
                    "procedure": escalation.procedure,
                    "reason": escalation.reason,
                    "severity": escalation.severity,
                },
                self.owner,
                self.now,
            )
        outbox.insert(connection, self.messages)


_KINDS: Mapping[type[commands.Command], str] = {
    commands.RunStep: "run",
    commands.ProbeStep: "probe",
    commands.StopStep: "stop",
    commands.ReleaseSteps: "release",
}

_ENDED = frozenset(
    {
        states.SlotState.DONE,
        states.SlotState.REVERTED,
        states.SlotState.QUARANTINED,
        states.SlotState.SKIPPED,
    }
)


def step_rows(
    procedure: plan.Procedure, campaign_id: str, slot_id: str, host: str, now: float
) -> list[dict[str, Any]]:
    """Return the rows of a slot's steps, the first one ready."""
    return rows_of_steps(procedure.steps, campaign_id, slot_id, procedure.id, host, now)


def rows_of_steps(
    steps: Sequence[plan.Step],
    campaign_id: str,
    slot_id: str,
    procedure: str,
    host: str,
    now: float,
) -> list[dict[str, Any]]:
    """Return the rows of these steps, the first one ready."""
    return [
        {
            **_blank(step, campaign_id, slot_id, procedure, host, now),
            "seq": seq,
            "action": step.action,
            "executor": step.executor,
            "intent": "run",
            "undo_of": None,
            "state": "blocked" if seq else "ready",
        }
        for seq, step in enumerate(steps)
    ]


def undo_row(step: plan.Step, undone: Row, seq: int, now: float) -> dict[str, Any]:
    """Return the row of the undo of ``undone``."""
    undo = step.undo[0]
    return {
        **_blank(
            step,
            undone["campaign_id"],
            undone["slot_id"],
            undone["procedure"],
            undone["host"],
            now,
        ),
        "seq": seq,
        "kind": "action",
        "action": undo.action,
        "executor": undo.executor,
        "intent": "revert",
        "undo_of": undone["id"],
        "state": "blocked",
    }


def _blank(
    step: plan.Step,
    campaign_id: str,
    slot_id: str,
    procedure: str,
    host: str,
    now: float,
) -> dict[str, Any]:
    return {
        "id": work.new_id(),
        "campaign_id": campaign_id,
        "slot_id": slot_id,
        "procedure": procedure,
        "host": host,
        "name": step.id,
        "kind": step.kind,
        "reason": "",
        "idempotence": step.idempotence,
        "is_mutating": step.is_mutating,
        "may_reboot": step.may_reboot,
        "attempt": 0,
        "retries": 0,
        "fence": 0,
        "agent": "",
        "lease_owner": "",
        "lease_until": None,
        "hard_at": None,
        "ready_at": now,
        "expected_s": step.expected_s,
        "timeout_s": step.timeout_s,
        "failure_class": "",
        "result": None,
        "created_at": now,
        "started_at": None,
        "ended_at": None,
    }
