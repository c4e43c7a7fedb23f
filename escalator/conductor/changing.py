"""Changing a campaign under way: limits, hosts, and approval of revisions.

Source: E-0, P-4a; architecture section 3, rule 8.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

from escalator import errors
from escalator.conductor import admission as admissions
from escalator.conductor import drift, gates, leaving, pausing
from escalator.conductor import engine as engines
from escalator.conductor import execution as executions
from escalator.conductor.wishing import Wish
from escalator.db import revisions
from escalator.domain import holding, lints, plan, revision, states

Row = Mapping[str, Any]
State = states.CampaignState

_FAILED = states.SlotState.FAILED
_CLOSED = states.ENDED | {State.DRAFT, State.PREFLIGHT, State.SOAKING}
_KEYS = (
    "parallel",
    "budgets",
    "max_quarantined",
    "windows",
    "exclude",
    "skip",
    "retry",
)


class Changing:
    """Carries out ``change`` and ``approve``."""

    def __init__(self, engine: engines.Engine, execution: executions.Execution) -> None:
        self.engine = engine
        self.execution = execution

    def change(self, wish: Wish) -> None:
        """Change limits, leave hosts out, take up failed ones: all or nothing.

        :raises Conflict: too late, or a host is midway.
        :raises InvalidInput: a lint refuses it, or there is no such host.
        """
        state = State(wish.campaign["state"])
        if state in _CLOSED:
            raise errors.Conflict(
                f"A campaign that is {state} cannot be changed; submit a new one."
            )
        is_for_ever = wish.arguments.get("windows") == []
        if not is_for_ever and all(
            wish.arguments.get(key) in (None, [], {}) for key in _KEYS
        ):
            raise errors.InvalidInput(
                kind="order", summary=f"nothing to change; give {', '.join(_KEYS)}"
            )
        waited = drift.awaited(wish.connection, wish.campaign)
        situation = self._situation(wish)
        wish.campaign = drift.note(
            wish.connection, wish.batch, wish.campaign, situation
        )
        asked = revision.Change(
            wish.arguments.get("parallel", {}),
            wish.arguments.get("budgets", {}),
            wish.arguments.get("exclude", ()),
            wish.arguments.get("max_quarantined"),
            wish.arguments.get("windows"),
        )
        made = self._judged(situation, asked)
        told = revision.differences(situation.plan, asked)
        told += leaving.leave_out(wish, situation)
        told += leaving.take_back(wish, situation)
        if told:
            actor = wish.actor or "operator"
            changed = dataclasses.replace(situation, plan=made)
            wish.campaign = drift.write(
                wish.connection, wish.batch, wish.campaign, changed, told, actor
            )
            self._ask_anew(wish, waited)
        self._retry(wish, situation)

    def approve(self, wish: Wish) -> None:
        """Approve what waits for a person: a gate, or ``{revision: N}``.

        :raises InvalidInput: an unknown kind, or no such gate.
        :raises Conflict: that gate or revision does not wait for an approval.
        """
        usual = "revision" if "revision" in wish.arguments else "gate"
        kind = wish.arguments.get("kind", usual)
        if kind == "gate":
            gates.approve(self.execution.preflights, wish)
            return
        if kind != "revision":
            raise errors.InvalidInput(
                kind="order",
                summary=f"{kind} cannot be approved; known: gate, revision",
            )
        rev, present = wish.arguments.get("revision"), wish.campaign["plan_rev"]
        reason = drift.awaited(wish.connection, wish.campaign)
        if rev != present or not reason:
            waits = "waits for an approval" if reason else "waits for none"
            raise errors.Conflict(
                f"Revision {rev} does not wait for an approval; the present one is"
                f" {present}, which {waits}."
            )
        own, actor = wish.campaign["id"], wish.actor or "operator"
        revisions.approve(wish.connection, own, rev, actor, wish.batch.now)
        detail = wish.arguments.get("reason") or f"approved by {actor}"
        wish.batch.journal(own, "plan", str(rev), str(rev), "approved", detail)
        if wish.campaign["state_reason"] == reason and (
            wish.campaign["state"] == State.HOLDING
        ):
            wish.move(self.engine, State.RUNNING, f"revision {rev} was approved")
            self.execution.continuing.revive(wish.connection, wish.batch, wish.campaign)

    def check_approved(self, wish: Wish) -> None:
        """Refuse to go on while a revision awaits its approval.

        :raises Conflict: names the revision and the remedy.
        """
        if reason := drift.awaited(wish.connection, wish.campaign):
            raise errors.Conflict(f"The campaign {reason}.")

    def _ask_anew(self, wish: Wish, waited: str) -> None:
        """Say what a campaign that waits for an approval waits for now."""
        held = (wish.campaign["state"], wish.campaign["state_reason"])
        if not waited or held != (State.HOLDING, waited):
            return
        reason = drift.awaited(wish.connection, wish.campaign) or (
            f"waits: revision {wish.campaign['plan_rev']} needs no approval; resume"
        )
        self.engine.tell_campaign(wish.connection, wish.batch, wish.campaign, reason)
        wish.campaign = {**wish.campaign, "state_reason": reason}

    def _situation(self, wish: Wish) -> admissions.Situation:
        return self.execution.admission.read(
            wish.connection, wish.campaign, wish.batch.now
        )

    def _judged(
        self, situation: admissions.Situation, asked: revision.Change
    ) -> plan.Plan:
        """Return the changed plan.

        :raises InvalidInput: with every finding at once.
        """
        found = list(revision.find(situation.plan, asked, situation.now))
        if not found:
            made = revision.apply(situation.plan, asked)
            found = list(lints.check_fleet(made, situation.targets))
            if not lints.has_errors(found):
                return made
        wrong = [each for each in found if each.severity == "error"]
        raise errors.InvalidInput(
            kind="order",
            summary=f"{wrong[0].pointer}: {wrong[0].detail}; {wrong[0].remedy}",
            findings=tuple(dataclasses.asdict(each) for each in wrong),
        )

    def _retry(self, wish: Wish, situation: admissions.Situation) -> None:
        """Try failed hosts once more; what holds because of them goes on with them."""
        hosts = leaving.failed(wish, situation)
        if not hosts:
            return
        if wish.campaign["state"] == State.HOLDING:
            self.check_approved(wish)
            wish.move(self.engine, State.RUNNING, f"{', '.join(hosts)} tried again")
        names = {
            name
            for name, slots in situation.slots.items()
            if any(slots[host]["state"] == _FAILED for host in slots.keys() & hosts)
        }
        pausing.open_again(
            wish, lambda each: holding.WHY in each and each["procedure"] in names
        )
        self.execution.continuing.revive(
            wish.connection, wish.batch, wish.campaign, hosts
        )
