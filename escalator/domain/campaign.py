"""What a report means for its slot, and a slot for its campaign.

Pure: rows as values and ``now`` in, moves and orders out.  The engine
(``escalator.conductor``) loads, asks, saves and sends.
Source: architecture section 3; P-4c, E-2, R-2.
"""

import dataclasses
from collections.abc import Collection, Sequence

from escalator.domain import events, plan, states
from escalator.domain.decision import LATE as LATE
from escalator.domain.decision import RESTORE as RESTORE
from escalator.domain.decision import Decision as Decision
from escalator.domain.decision import Escalation as Escalation
from escalator.domain.decision import Move as Move
from escalator.domain.decision import SlotView as SlotView
from escalator.domain.decision import StepView as StepView
from escalator.domain.holding import scope_in_doubt, scope_of
from escalator.domain.rehearsal import Rehearsal, following
from escalator.domain.states import SlotState, StepState

HUNG = "hung"
"""Failure class: no progress although the agent lives."""

LOST = "lost"
"""Failure class: nobody knows what became of the attempt, nor of its agent."""

_ASKS = (plan.Try.ROLLBACK, plan.Try.PAGE)
_BACK = ("revert", RESTORE)
_GIVES_UP = frozenset(
    {plan.Try.QUARANTINE, plan.Try.HOLD, plan.Try.PAGE, plan.Try.ROLLBACK}
)

EVACUATE = "evacuate"
"""Intent of the step that empties a host before it is quarantined."""

MAX_REVERT_RETRIES = 2
"""A transient failure of an undo, or of a restore, is tried again this often."""


def hear(
    slot: SlotView,
    report: events.StepReported,
    ladder: Sequence[plan.Rung] | None,
    is_open: bool,
) -> Decision:
    """Say what an agent's report does to its slot.

    :param ladder: None while the campaign rolls back: see :func:`fail`.
    :param is_open: the campaign is running and not closed to this target;
        otherwise nothing new is ordered and the next step waits.
    :returns: LATE if the report is stale by fence or state (pure).
    """
    step = slot.step(report.step_id)
    if report.fence != step.fence or step.state not in states.IN_FLIGHT:
        return LATE
    match report.outcome:
        case events.Outcome.RUNNING:
            return _running(step)
        case events.Outcome.DONE:
            return _done(slot, step, is_open)
        case events.Outcome.FAILED:
            is_hung = report.failure_class == HUNG
            to = StepState.HUNG if is_hung else StepState.FAILED
            return fail(slot, step, report.failure_class, report.detail, ladder, to)
        case events.Outcome.STOPPED:
            return _stopped(slot, step, ladder)
        case events.Outcome.NEVER_SEEN:
            return Decision(is_resent=True)
        case events.Outcome.UNKNOWN:
            return _in_doubt(slot, step, ladder, is_open)
    return LATE


def _running(step: StepView) -> Decision:
    if step.state is not StepState.DISPATCHED:
        return Decision()
    to = StepState.VERIFYING if step.kind == "verify" else StepState.RUNNING
    return Decision(moves=(Move(step.id, to),))


def _done(slot: SlotView, step: StepView, is_open: bool) -> Decision:
    moves = [Move(step.id, StepState.DONE)]
    if step.intent == "revert":
        if step.undo_of is not None:
            moves.append(Move(step.undo_of, StepState.REVERTED))
        return _after_revert(slot, step, moves, is_open)
    if step.intent == RESTORE:
        restored = _after_revert(slot, step, moves, is_open)
        return dataclasses.replace(restored, is_restored=True)
    if step.intent == EVACUATE:
        return _give_up(slot, moves, "its instances were moved away")
    following = next_step(slot, step, ("run",))
    if following is None:
        return _done_with_all(slot, tuple(moves))
    moves.append(_open_step(following, is_open))
    return Decision(tuple(moves))


def _done_with_all(slot: SlotView, moves: tuple[Move, ...]) -> Decision:
    """End a slot whose last step is done, unless its undo is to be rehearsed."""
    if slot.rehearsal == Rehearsal.NONE:
        return Decision(moves, SlotState.DONE)
    rehearsal = following(slot.rehearsal)
    to = None if rehearsal is Rehearsal.READY else SlotState.DONE
    return Decision(moves, to, rehearsal=rehearsal)


def _open_step(step: StepView, is_open: bool) -> Move:
    if is_open:
        return Move(step.id, StepState.DISPATCHED, is_order=True)
    return Move(step.id, StepState.READY, "waits: admission is closed")


def next_step(
    slot: SlotView, step: StepView, intents: Collection[str]
) -> StepView | None:
    """Return the blocked step that follows ``step``, or None."""
    for candidate in slot.steps:
        if (
            candidate.intent in intents
            and candidate.seq > step.seq
            and candidate.state is StepState.BLOCKED
        ):
            return candidate
    return None


def _after_revert(
    slot: SlotView, step: StepView, moves: list[Move], is_open: bool
) -> Decision:
    following = next_step(slot, step, _BACK)
    if following is not None:
        moves += start_revert(following)
        return Decision(tuple(moves))
    return finish_undo(slot, tuple(moves), is_open)


def start_revert(step: StepView) -> list[Move]:
    """Order one undo; the step that it undoes is reverting meanwhile."""
    moves = [Move(step.id, StepState.DISPATCHED, is_order=True)]
    if step.undo_of is not None:
        moves.append(Move(step.undo_of, StepState.REVERTING))
    return moves


def finish_undo(slot: SlotView, moves: tuple[Move, ...], is_open: bool) -> Decision:
    """End the undo of a slot: run it again, or leave it reverted."""
    if slot.state is SlotState.UNDOING:
        return Decision(moves, SlotState.UNDONE, is_rerun_due=is_open)
    return Decision(moves, SlotState.REVERTED)


def fail(
    slot: SlotView,
    step: StepView,
    failure_class: str,
    detail: str,
    ladder: Sequence[plan.Rung] | None,
    to: StepState = StepState.FAILED,
) -> Decision:
    """Take the first rung of the ladder that answers this failure (P-4c).

    :param ladder: None while the campaign rolls back: the slot is undone in
        any case, and nothing is asked of the campaign.
    """
    if step.intent in _BACK:
        return _revert_failed(slot, step, failure_class, detail, ladder)
    failed = Move(step.id, to, detail, failure_class)
    if step.intent == EVACUATE:
        return _give_up(slot, [failed], f"its instances could not be moved: {detail}")
    if ladder is None:
        return Decision((failed,), SlotState.FAILED, detail)
    is_in_doubt = to in (StepState.HUNG, StepState.LOST)
    if is_in_doubt and step.idempotence == plan.Idempotence.NEVER:
        return _ask_whether_it_acted(slot, step, to, detail, ladder)
    rung = next_rung(
        ladder, failure_class, step.retries, slot.compensations, slot.can_restore
    )
    match rung.attempt:
        case plan.Try.RETRY:
            again = Move(
                step.id,
                StepState.READY,
                f"waits: retry {step.retries + 1} of {rung.times}",
                delay_s=rung.backoff_s * 2**step.retries,
                is_retry=True,
            )
            return Decision((failed, again))
        case plan.Try.COMPENSATE:
            return Decision((failed,), SlotState.UNDOING, detail, is_undo_due=True)
        case plan.Try.RESTORE:
            return Decision((failed,), SlotState.UNDOING, detail, is_restore_due=True)
        case plan.Try.QUARANTINE:
            moves, to_undo = (failed,), SlotState.UNDOING
            if rung.evacuate:
                return Decision(moves, to_undo, detail, is_evacuation_due=True)
            return Decision(moves, SlotState.QUARANTINED, detail, is_quarantine=True)
    kind = str(rung.attempt) if rung.attempt in _ASKS else "hold"
    reason = f"{slot.host}: {step.name} failed ({failure_class}): {detail}"
    return Decision(
        (failed,),
        SlotState.FAILED,
        detail,
        escalation=Escalation(kind, scope_of(rung), slot.procedure, reason),
    )


def _give_up(slot: SlotView, moves: list[Move], how: str) -> Decision:
    """Quarantine a host after its evacuation, whatever came of that."""
    names = [each.name for each in slot.steps if each.state in states.BROKEN]
    reason = f"{', '.join(names) or 'a step'} failed; {how}"
    return Decision(tuple(moves), SlotState.QUARANTINED, reason, is_quarantine=True)


def _revert_failed(
    slot: SlotView,
    step: StepView,
    failure_class: str,
    detail: str,
    ladder: Sequence[plan.Rung] | None,
) -> Decision:
    """Try an undo or a restore again, put the checkpoint back, or give up (R-1)."""
    failed = Move(step.id, StepState.FAILED, detail, failure_class)
    if failure_class in ("transient", "timeout") and step.retries < MAX_REVERT_RETRIES:
        again = Move(
            step.id, StepState.READY, "waits: retry", delay_s=1.0, is_retry=True
        )
        return Decision((failed, again))
    moves: tuple[Move, ...] = (failed,)
    if step.undo_of is not None:
        moves += (Move(step.undo_of, StepState.REVERT_FAILED, detail),)
    what = "restore of" if step.intent == RESTORE else "undo of"
    reason = f"{what} {step.name} failed: {detail}"
    if slot.can_restore:
        return Decision(moves, reason=reason, is_restore_due=True)
    if ladder is None or slot.state is not SlotState.UNDOING:
        return Decision(moves, SlotState.UNDO_FAILED, reason)
    rung = rung_after_restore(ladder, failure_class)
    if rung.attempt == plan.Try.QUARANTINE:
        if rung.evacuate:
            return Decision(moves, reason=reason, is_evacuation_due=True)
        return Decision(moves, SlotState.QUARANTINED, reason, is_quarantine=True)
    asked = Escalation(
        str(rung.attempt), scope_of(rung), slot.procedure, f"{slot.host}: {reason}"
    )
    return Decision(moves, SlotState.UNDO_FAILED, reason, escalation=asked)


def next_rung(
    ladder: Sequence[plan.Rung],
    failure_class: str,
    retries: int,
    compensations: int,
    can_restore: bool = False,
) -> plan.Rung:
    """Return the first rung left for this failure; holding is the last resort."""
    for rung in ladder:
        if rung.classes and failure_class not in rung.classes:
            continue
        if rung.attempt == plan.Try.RETRY and retries >= rung.times:
            continue
        if rung.attempt == plan.Try.COMPENSATE and compensations >= rung.times:
            continue
        if rung.attempt == plan.Try.RESTORE and not can_restore:
            continue
        return rung
    return plan.Rung(plan.Try.HOLD)


def rung_after_restore(ladder: Sequence[plan.Rung], failure_class: str) -> plan.Rung:
    """Return what follows an undo that failed and cannot be restored any more.

    Without a ``restore`` rung a person is asked, whatever the ladder says.
    """
    tried = [rung.attempt for rung in ladder]
    after = tried.index(plan.Try.RESTORE) if plan.Try.RESTORE in tried else len(tried)
    for rung in ladder[after:]:
        is_meant = not rung.classes or failure_class in rung.classes
        if is_meant and rung.attempt in _GIVES_UP:
            return rung
    return plan.Rung(plan.Try.HOLD, scope="campaign")


def _ask_whether_it_acted(
    slot: SlotView,
    step: StepView,
    to: StepState,
    detail: str,
    ladder: Sequence[plan.Rung] | None,
) -> Decision:
    """Hold: a step that must not be repeated may have acted."""
    reason = f"{slot.host}: nobody knows whether {step.name} acted: {detail}"
    failure_class = HUNG if to is StepState.HUNG else LOST
    scope = scope_in_doubt(ladder, failure_class)
    return Decision(
        (Move(step.id, to, reason, failure_class),),
        SlotState.FAILED,
        reason,
        escalation=Escalation("hold", scope, slot.procedure, reason),
    )


def _stopped(
    slot: SlotView, step: StepView, ladder: Sequence[plan.Rung] | None
) -> Decision:
    """It was ended on demand: its idempotence allows to repeat it (C612)."""
    if step.idempotence == plan.Idempotence.NEVER:
        stopped = "it was stopped"
        return _ask_whether_it_acted(slot, step, StepState.LOST, stopped, ladder)
    reason = "waits: stopped by a pause, repeated when it is resumed"
    return Decision((Move(step.id, StepState.READY, reason, is_resumed=True),))


def _in_doubt(
    slot: SlotView,
    step: StepView,
    ladder: Sequence[plan.Rung] | None,
    is_open: bool,
) -> Decision:
    """Nobody knows whether the attempt acted: its idempotence decides."""
    if step.idempotence == plan.Idempotence.NEVER:
        detail = "the agent was interrupted"
        if ladder is None or step.intent in _BACK:
            return fail(slot, step, LOST, detail, ladder, StepState.LOST)
        return _ask_whether_it_acted(slot, step, StepState.LOST, detail, ladder)
    moves: tuple[Move, ...] = (
        Move(step.id, StepState.LOST, "the agent was interrupted", "lost"),
        Move(
            step.id,
            StepState.READY,
            "waits: repeated by its idempotence",
            is_resumed=True,
        ),
    )
    if is_open or step.intent != "run":
        again = Move(step.id, StepState.DISPATCHED, is_order=True, is_resumed=True)
        moves += (again,)
    return Decision(moves)


@dataclasses.dataclass(frozen=True, slots=True)
class Progress:
    """How far one procedure is: slots by state, and targets without a slot."""

    slots: dict[str, int]
    waiting: int

    @property
    def is_complete(self) -> bool:
        """True if no target waits and no slot is under way."""
        settled = {SlotState.DONE, SlotState.QUARANTINED, SlotState.SKIPPED}
        return self.waiting == 0 and set(self.slots) <= settled


def is_reverted(slot_states: Collection[SlotState]) -> bool:
    """True if nothing of these slots is left to be undone."""
    return all(
        state
        in (
            SlotState.REVERTED,
            SlotState.QUARANTINED,
            SlotState.UNDO_FAILED,
            SlotState.SKIPPED,
        )
        for state in slot_states
    )


def rollback_outcome(
    slot_states: Collection[SlotState], is_partial: bool
) -> tuple[states.CampaignState, str]:
    """Say how a finished rollback leaves its campaign.

    :param is_partial: only one procedure of several was undone.
    """
    broken = sum(1 for state in slot_states if state is SlotState.UNDO_FAILED)
    failed = f"the undo of {broken} targets failed; restore them" if broken else ""
    if is_partial:
        told = "one procedure was rolled back"
        return states.CampaignState.HOLDING, f"{told}; {failed}" if failed else told
    if broken:
        return states.CampaignState.FAILED, failed
    return states.CampaignState.ROLLED_BACK, "everything was undone"
