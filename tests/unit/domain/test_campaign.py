"""What a report means for its slot (P-4c, E-2; architecture section 3)."""

import dataclasses
import itertools
import unittest
import uuid

from escalator.domain import campaign, events, plan, states
from escalator.domain.states import CampaignState, SlotState, StepState

LADDER = (
    plan.Rung("retry", ("transient",), times=2, backoff_s=1.0),
    plan.Rung("compensate", times=1),
    plan.Rung("rollback", scope="procedure"),
)


def view(seq, state=StepState.BLOCKED, **more):
    values = {
        "id": str(uuid.UUID(int=seq)),
        "seq": seq,
        "name": f"s{seq}",
        "kind": "action",
        "intent": "run",
        "undo_of": None,
        "state": state,
        "attempt": 1,
        "retries": 0,
        "fence": 7,
        "idempotence": "probe",
        "is_mutating": True,
    }
    return campaign.StepView(**{**values, **more})


def slot(*steps, state=SlotState.ACTIVE, compensations=0):
    return campaign.SlotView("slot", "p", "h1", state, compensations, steps)


def report(step, outcome, failure_class="", fence=None):
    return events.StepReported(
        event_id=str(uuid.uuid4()),
        step_id=step.id,
        campaign_id=str(uuid.uuid4()),
        host="h1",
        agent="a",
        attempt=1,
        fence=step.fence if fence is None else fence,
        outcome=outcome,
        failure_class=failure_class,
        detail="why",
    )


class TestRestoreRung(unittest.TestCase):
    """R-1: which rung follows which failure."""

    def test_it_is_taken_if_it_can_be(self):
        ladder = (plan.Rung("restore"), plan.Rung("rollback"))
        for can_restore, attempt in ((True, "restore"), (False, "rollback")):
            rung = campaign.next_rung(ladder, "permanent", 0, 0, can_restore)
            self.assertEqual(attempt, rung.attempt)

    def test_what_follows_it(self):
        page = plan.Rung("page", ("permanent",))
        give_up = plan.Rung("quarantine", ("permanent",))
        restore, retry = plan.Rung("restore"), plan.Rung("retry")
        for ladder, kind, attempt in (
            ((page, restore, retry, give_up), "permanent", "quarantine"),
            ((page, restore, retry, give_up), "lost", "hold"),
            ((give_up, page), "permanent", "hold"),
            ((restore, plan.Rung("compensate"), page), "permanent", "page"),
        ):
            with self.subTest([rung.attempt for rung in ladder], kind=kind):
                rung = campaign.rung_after_restore(ladder, kind)
                self.assertEqual(attempt, rung.attempt)

    def test_a_lost_restore_is_repeated_and_a_late_report_changes_nothing(self):
        step = view(9, StepState.RUNNING, intent="restore", idempotence="natural")
        one = slot(step, state=SlotState.UNDOING)
        decision = campaign.hear(one, report(step, "unknown"), (), False)
        self.assertEqual(StepState.DISPATCHED, decision.moves[-1].to)
        late = campaign.hear(one, report(step, "done", fence=6), (), True)
        self.assertIs(campaign.LATE, late)


class TestScope(unittest.TestCase):
    """P-4c, E-4: how much of the campaign a failure stops."""

    def test_what_is_asked_of_the_campaign(self):
        for rung, kind, scope in (
            (plan.Rung("hold"), "hold", "campaign"),
            (plan.Rung("page"), "page", "campaign"),
            (plan.Rung("hold", scope="procedure"), "hold", "procedure"),
            (plan.Rung("page", scope="procedure"), "page", "procedure"),
            (plan.Rung("rollback"), "rollback", "procedure"),
            (plan.Rung("rollback", scope="campaign"), "rollback", "campaign"),
            (plan.Rung("retry", ("transient",)), "hold", "campaign"),
        ):
            step = view(0, StepState.RUNNING)
            told = report(step, "failed", "permanent")
            asked = campaign.hear(slot(step), told, (rung,), True).escalation
            found = (asked.kind, asked.scope, asked.procedure)
            self.assertEqual((kind, scope, "p"), found)

    def test_after_an_undo_that_failed(self):
        ladder = (plan.Rung("restore"), plan.Rung("hold", scope="procedure"))
        step = view(9, StepState.RUNNING, intent="revert")
        one = slot(step, state=SlotState.UNDOING)
        asked = campaign.hear(one, report(step, "failed", "permanent"), ladder, True)
        self.assertEqual("procedure", asked.escalation.scope)


class TestThree(unittest.TestCase):
    """P-4e, rule 4: hung, lost and late differ in state and class."""

    def hear(self, outcome, failure_class="", fence=None, ladder=LADDER, **more):
        step = view(0, StepState.RUNNING, **more)
        told = report(step, outcome, failure_class, fence)
        return campaign.hear(slot(step), told, ladder, True)

    def moved(self, decision):
        return [(move.to, move.failure_class) for move in decision.moves]

    def test_hung(self):
        rungs = (plan.Rung("quarantine", ("lost",)), plan.Rung("retry", ("hung",)))
        decision = self.hear("failed", "hung", ladder=rungs)
        self.assertEqual(
            [(StepState.HUNG, "hung"), (StepState.READY, "")], self.moved(decision)
        )

    def test_lost(self):
        decision = self.hear("unknown")
        self.assertEqual((StepState.LOST, "lost"), self.moved(decision)[0])

    def test_late(self):
        for outcome in ("failed", "done", "unknown", "stopped"):
            self.assertIs(campaign.LATE, self.hear(outcome, "hung", fence=6))

    def test_what_must_not_be_repeated_is_asked_about(self):
        for outcome, kind, state in (
            ("failed", "hung", StepState.HUNG),
            ("unknown", "", StepState.LOST),
            ("stopped", "", StepState.LOST),
        ):
            decision = self.hear(outcome, kind, idempotence="never")
            self.assertEqual([(state, state.value)], self.moved(decision))
            self.assertEqual("hold", decision.escalation.kind)
            self.assertIn("nobody knows whether s0 acted", decision.reason)

    def test_of_how_much_a_person_is_asked(self):
        """E-4: of what the ladder's own hold would stop, whatever comes before it."""
        one = plan.Rung("page", ("lost", "hung"), scope="procedure")
        for ladder, scope in (
            ((plan.Rung("retry"), one), "procedure"),
            ((), "campaign"),
        ):
            for outcome, kind in (("failed", "hung"), ("unknown", ""), ("stopped", "")):
                told = self.hear(outcome, kind, ladder=ladder, idempotence="never")
                asked = told.escalation
                self.assertEqual(("hold", scope), (asked.kind, asked.scope), outcome)

    def test_a_stopped_step_waits_to_be_repeated(self):
        for ladder in (LADDER, None):
            decision = self.hear("stopped", ladder=ladder)
            self.assertEqual([(StepState.READY, "")], self.moved(decision))
            self.assertTrue(decision.moves[0].reason.startswith("waits: stopped"))
            self.assertFalse(decision.moves[0].is_retry, "no rung is used up")


class TestHear(unittest.TestCase):
    def setUp(self):
        self.first = view(0, StepState.DISPATCHED)
        self.slot = slot(self.first, view(1))

    def hear(self, outcome, is_open=True, **more):
        told = report(self.first, outcome, **more)
        return campaign.hear(self.slot, told, LADDER, is_open)

    def test_done_orders_the_next_step(self):
        decision = self.hear("done")
        self.assertEqual(
            [(StepState.DONE, False), (StepState.DISPATCHED, True)],
            [(move.to, move.is_order) for move in decision.moves],
        )

    def test_done_while_closed_only_makes_it_ready(self):
        decision = self.hear("done", is_open=False)
        self.assertEqual(StepState.READY, decision.moves[-1].to)
        self.assertIn("waits", decision.moves[-1].reason)

    def test_the_last_step_ends_the_slot(self):
        self.slot = slot(self.first)
        self.assertEqual(SlotState.DONE, self.hear("done").slot_to)

    def test_stale_fence_or_state_is_late(self):
        self.assertTrue(self.hear("done", fence=6).is_late)
        for state in set(StepState) - states.IN_FLIGHT:
            self.first = view(0, state)
            self.slot = slot(self.first, view(1))
            self.assertTrue(self.hear("done").is_late, state)

    def test_never_seen_is_cast_again_with_the_same_fence(self):
        decision = self.hear("never_seen")
        self.assertEqual((True, ()), (decision.is_resent, decision.moves))

    def test_unknown_is_decided_by_idempotence(self):
        """Rule 5: probe, do not repeat blindly."""
        for idempotence, is_ordered in (
            ("natural", True),
            ("keyed", True),
            ("probe", True),
            ("never", False),
        ):
            with self.subTest(idempotence):
                self.first = view(0, StepState.RUNNING, idempotence=idempotence)
                self.slot = slot(self.first)
                decision = self.hear("unknown")
                ordered = [m for m in decision.moves if m.is_order and m.is_resumed]
                self.assertEqual(is_ordered, bool(ordered))
                self.assertEqual(is_ordered, decision.escalation is None)


class TestLadder(unittest.TestCase):
    def test_rungs_by_class_and_tries(self):
        """P-4c: rungs in order; the last resort is to hold."""
        for failure, retries, compensations, wanted in (
            ("transient", 0, 0, "retry"),
            ("transient", 1, 0, "retry"),
            ("transient", 2, 0, "compensate"),
            ("transient", 2, 1, "rollback"),
            ("permanent", 0, 0, "compensate"),
            ("verification", 0, 1, "rollback"),
        ):
            rung = campaign.next_rung(LADDER, failure, retries, compensations)
            self.assertEqual(wanted, rung.attempt, (failure, retries, compensations))
        self.assertEqual("hold", campaign.next_rung((), "permanent", 0, 0).attempt)

    def test_a_retry_backs_off(self):
        step = view(0, StepState.RUNNING, retries=1)
        decision = campaign.hear(
            slot(step), report(step, "failed", "transient"), LADDER, True
        )
        self.assertEqual(2.0, decision.moves[-1].delay_s)

    def test_rollback_is_asked_of_the_campaign(self):
        step = view(0, StepState.RUNNING)
        decision = campaign.hear(
            slot(step, compensations=1),
            report(step, "failed", "permanent"),
            LADDER,
            True,
        )
        self.assertEqual(SlotState.FAILED, decision.slot_to)
        self.assertEqual("rollback", decision.escalation.kind)
        self.assertIn("h1", decision.escalation.reason)


class TestUndo(unittest.TestCase):
    def reverting(self, state, is_open=True, **more):
        done = view(0, StepState.REVERTING)
        undo = view(
            1000, StepState.RUNNING, intent="revert", undo_of=done.id, retries=2
        )
        whole = slot(done, dataclasses.replace(undo, **more), state=state)
        return whole, whole.steps[1]

    def test_the_last_undo_ends_the_slot(self):
        whole, undo = self.reverting(SlotState.REVERTING)
        decision = campaign.hear(whole, report(undo, "done"), (), False)
        self.assertEqual(SlotState.REVERTED, decision.slot_to)
        self.assertEqual(StepState.REVERTED, decision.moves[-1].to)

    def test_a_compensated_slot_runs_again_if_open(self):
        whole, undo = self.reverting(SlotState.UNDOING)
        for is_open in (True, False):
            decision = campaign.hear(whole, report(undo, "done"), (), is_open)
            self.assertEqual(SlotState.UNDONE, decision.slot_to)
            self.assertEqual(is_open, decision.is_rerun_due)

    def test_a_failed_undo_is_said(self):
        whole, undo = self.reverting(SlotState.REVERTING)
        decision = campaign.hear(whole, report(undo, "failed", "permanent"), (), True)
        self.assertEqual(SlotState.UNDO_FAILED, decision.slot_to)
        self.assertIsNone(decision.escalation)
        whole, undo = self.reverting(SlotState.UNDOING)
        decision = campaign.hear(whole, report(undo, "failed", "permanent"), (), True)
        self.assertEqual("hold", decision.escalation.kind)


class TestLegalMoves(unittest.TestCase):
    def test_every_decision_uses_legal_moves_only(self):
        """All outcomes x flight states x classes x ladders x slot states.

        What must not be repeated among them; an undo is never stopped.
        """
        cases = itertools.product(
            events.Outcome,
            states.IN_FLIGHT,
            ("transient", "permanent"),
            (LADDER, (plan.Rung("quarantine"),), (), None),
            (0, 1),
            ("probe", "never"),
            (
                ("run", SlotState.ACTIVE),
                ("revert", SlotState.UNDOING),
                ("revert", SlotState.REVERTING),
                ("restore", SlotState.UNDOING),
            ),
        )
        for outcome, state, kind, ladder, times, idempotence, place in cases:
            intent, slot_state = place
            if intent != "run" and outcome == events.Outcome.STOPPED:
                continue
            step = view(0, state, intent=intent, idempotence=idempotence)
            whole = slot(step, view(1), state=slot_state, compensations=times)
            decision = campaign.hear(whole, report(step, outcome, kind), ladder, True)
            known = {each.id: each.state for each in whole.steps}
            for move in decision.moves:
                states.check_move(
                    "step", states.STEP_MOVES, known[move.step_id], move.to
                )
                known[move.step_id] = move.to
            if decision.slot_to is not None:
                states.check_move(
                    "slot", states.SLOT_MOVES, whole.state, decision.slot_to
                )


class TestStates(unittest.TestCase):
    def test_every_state_has_its_moves_and_can_be_reached(self):
        for moves, start in (
            (states.CAMPAIGN_MOVES, CampaignState.DRAFT),
            (states.SLOT_MOVES, SlotState.ACTIVE),
            (states.STEP_MOVES, StepState.BLOCKED),
        ):
            self.assertEqual(set(type(start)), set(moves))
            reached, todo = {start}, [start]
            while todo:
                following = moves[todo.pop()] - reached
                reached |= following
                todo += following
            self.assertEqual(set(moves), reached)

    def test_an_illegal_move_says_what_is_allowed(self):
        with self.assertRaisesRegex(Exception, "allowed: none"):
            states.check_move(
                "campaign",
                states.CAMPAIGN_MOVES,
                CampaignState.COMMITTED,
                CampaignState.RUNNING,
            )

    def test_how_a_rollback_ends(self):
        reverted, broken = SlotState.REVERTED, SlotState.UNDO_FAILED
        for slots, is_partial, wanted in (
            ([reverted], False, CampaignState.ROLLED_BACK),
            ([reverted, SlotState.QUARANTINED], True, CampaignState.HOLDING),
            ([reverted, broken], False, CampaignState.FAILED),
        ):
            state, reason = campaign.rollback_outcome(slots, is_partial)
            self.assertEqual(wanted, state)
            self.assertTrue(reason)
