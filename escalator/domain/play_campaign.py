"""The campaign of one simulated run: admission, hosts that die, rollback.  Pure.

Source: P-2, P-4b, R-2, V-1.
"""

import dataclasses
import random

from escalator.domain import campaign as rules
from escalator.domain import (
    holding,
    ordering,
    play_hours,
    rollback,
    single_step,
    timing,
)
from escalator.domain import play_losses as losses
from escalator.domain.plan import Method, Procedure, Target
from escalator.domain.play import (
    TO_UNDO,
    WAITING,
    Run,
    Setting,
    Slot,
    State,
    Steps,
    World,
    may_move,
)
from escalator.domain.play_lane import Lane
from escalator.domain.states import SlotState


def play(setting: Setting, chance: random.Random | None) -> Run:
    """Play a campaign once; the same setting and chance give the same run.

    :param chance: None: at the medians, and nothing fails.
    """
    return play_in(World(setting, chance))


def play_in(world: World) -> Run:
    """Play a campaign once in a world of the caller's."""
    return _Campaign(world).run()


class Forward:
    """Opens slots for the hosts whose turn it is."""

    def __init__(self, world: World, steps: Steps) -> None:
        self.world = world
        self.steps = steps
        self.lanes: dict[str, Lane] = {}
        self._done: set[str] | None = None

    def look(self) -> bool:
        """Admit who may be admitted; True if every procedure is done."""
        plan = self.world.plan
        done = self.done()
        while done != self._done:
            self._done = done
            for procedure in ordering.next_procedures(plan.procedures, done):
                if procedure.id not in self.lanes:
                    self.lanes[procedure.id] = self._lane(procedure)
            done = self.done()
        for name, lane in self.lanes.items():
            if name not in self.world.holds.why:
                self._admit(lane)
        return len(done) == len(plan.procedures)

    def done(self) -> set[str]:
        """Return the procedures that are complete; one that holds is not."""
        held = self.world.holds.why
        return {i for i, lane in self.lanes.items() if not lane.left and i not in held}

    def is_held_up(self) -> bool:
        """Say whether nothing goes on before a held procedure is resumed."""
        world, held = self.world, self.world.holds.why
        if not held or any(slot.is_flying for slot in world.slots.values()):
            return False
        midway = [i for i, lane in self.lanes.items() if i in held and lane.under_way]
        return holding.are_left(world.plan.procedures, self.done(), held, midway)

    def _lane(self, procedure: Procedure) -> Lane:
        world = self.world
        chosen = ordering.targets_of(
            world.plan, procedure, world.targets.values(), world.ledger
        )
        chosen = [t for t in chosen if t.name not in world.setting.visited_not]
        hosts = [t.name for t in chosen if t.is_up and not t.is_quarantined]
        most = ordering.parallel_limit(procedure, len(chosen))
        lane = Lane(procedure, hosts, most)
        lane.left += sum(1 for each in chosen if each.name in world.dead)
        return lane

    def is_closed(self) -> bool:
        """Say whether no window opens any more, and what was begun is finished."""
        held = self.world.holds.why
        going = [lane for name, lane in self.lanes.items() if name not in held]
        is_idle = not any(lane.under_way for lane in going)
        return is_idle and self.world.calendar.is_over(self.world.now)

    def _wake(self) -> None:
        """See to it that those that wait for a window are tried again."""
        world = self.world
        wake_s = world.calendar.wake_s(world.now, len(world.slots))
        if wake_s is not None:
            world.at(wake_s - world.now, self._woken)

    def _woken(self) -> None:
        for lane in self.lanes.values():
            lane.recall([play_hours.WINDOW])

    def _admit(self, lane: Lane) -> None:
        world = self.world
        if world.calendar.opens_s(world.now) > world.now:
            self._wake()
            return
        whole = self._obstacle(lane)
        while (at := lane.next()) is not None:
            host = lane.hosts[at]
            if whole:
                lane.refuse(at, ("", host), whole)
                continue
            if host in world.out:
                lane.refuse(at, ("", host), "another procedure works on it")
                continue
            target = world.targets[host]
            refusals = world.ledger.refusals(target, lane.procedure.budgets)
            if refusals:
                first = refusals[0]
                lane.refuse(at, (first.budget, first.key), first.text())
                continue
            if world.calendar.is_late(world.now, lane.procedure, target, False):
                lane.refuse(at, play_hours.WINDOW, play_hours.LATE)
                self._wake()
                continue
            lane.begin(at)
            slot = Slot(self._timed(lane.procedure, target), target)
            world.slots[lane.procedure.id, host] = slot
            world.take(slot)
            self.steps.order(slot)

    def _timed(self, procedure: Procedure, target: Target) -> Procedure:
        """Return the procedure with its times on a host as it is at this moment."""
        if timing.is_constant(procedure):
            return procedure
        instances = self.world.placement.count(target.name)
        present = dataclasses.replace(target, instances=instances)
        return timing.of_host(procedure, present)

    def _obstacle(self, lane: Lane) -> str:
        """Return why a single step cannot begin on all its hosts at once, or ""."""
        procedure, world = lane.procedure, self.world
        is_whole = procedure.method == Method.SINGLE_STEP
        if not is_whole or lane.under_way or lane.left < len(lane.hosts):
            return ""
        targets = [world.targets[name] for name in lane.hosts]
        reason = single_step.obstacle(world.ledger, targets, procedure.budgets)
        return f"{single_step.WHOLE}; {reason}" if reason else ""


class Backward:
    """Undoes slots in reverse, through the same budgets.

    :param scope: ``procedure`` or ``campaign``.
    """

    def __init__(self, world: World, steps: Steps, scope: str, procedure: str) -> None:
        self.world = world
        self.steps = steps
        self.slots = [
            slot
            for (name, _), slot in world.slots.items()
            if scope != "procedure" or name == procedure
        ]
        self.is_partial = (
            scope == "procedure" and len({name for name, _ in world.slots}) > 1
        )
        self.lanes: dict[str, Lane] = {}
        for each in world.plan.procedures:
            mine = [s for s in self.slots if s.procedure.id == each.id]
            if mine:
                self.lanes[each.id] = self._lane(each, mine)

    def _lane(self, procedure: Procedure, slots: list[Slot]) -> Lane:
        todo = [slot for slot in slots if slot.state in TO_UNDO]
        todo.sort(key=lambda slot: -slot.last_acted)
        most = ordering.parallel_limit(procedure, len(slots))
        lane = Lane(procedure, [slot.target.name for slot in todo], most)
        undoing = [slot for slot in slots if slot.state is SlotState.UNDOING]
        lane.left += len(undoing)
        lane.under_way = len(undoing) + sum(1 for slot in todo if slot.is_flying)
        return lane

    def look(self) -> bool:
        """Undo who may be undone; True if nothing is left."""
        left = {name for name, lane in self.lanes.items() if lane.left}
        held = rollback.held_back(self.world.plan.procedures, left) if left else {}
        for name in left - held.keys():
            self._admit(self.lanes[name])
        return not any(lane.left for lane in self.lanes.values())

    def _admit(self, lane: Lane) -> None:
        world = self.world
        while (at := lane.next()) is not None:
            slot = world.slots[lane.procedure.id, lane.hosts[at]]
            if slot.is_flying:
                lane.refuse(at, ("", slot.target.name), "its step ends first")
                continue
            refusals = world.ledger.refusals(slot.target, lane.procedure.budgets)
            if refusals:
                first = refusals[0]
                lane.refuse(at, (first.budget, first.key), first.text())
                continue
            lane.begin(at)
            world.take(slot)
            self.steps.undo(slot, SlotState.REVERTING)


class _Campaign:
    def __init__(self, world: World) -> None:
        self.world = world
        self.losses = losses.Losses(self.world, self._lanes, self._escalate)
        self.steps = Steps(
            self.world, self._escalate, self._settled, self._landed, self.losses.lose
        )
        self.world.freed = self._recall
        self.forward = Forward(self.world, self.steps)
        self.backward: Backward | None = None
        self.state = State.RUNNING
        self.reason = ""

    def run(self) -> Run:
        """Play to the end, or until nothing moves any more."""
        world = self.world
        self._look()
        while self.state in (State.RUNNING, State.SOAKING, State.ROLLING_BACK):
            following = world.next_at()
            if following is None:
                return self._result(WAITING)
            if not self.losses.happen_before(following):
                world.happen()
            self._look()
        return self._result(self.state.value)

    def _result(self, outcome: str) -> Run:
        world = self.world
        lanes, _ = self._lanes()
        stuck: dict[str, tuple[tuple[str, str], str]] = {}
        for lane in lanes.values() if outcome == WAITING else ():
            stuck |= lane.refused()
        if outcome == WAITING and not self.reason:
            lost = ", ".join(sorted(world.dead))
            reasons = [reason for _, reason in stuck.values()]
            self.reason = reasons[0] if reasons else f"waits: lost hosts: {lost}"
        return Run(
            outcome,
            world.now,
            self.reason,
            dict(sorted(world.most_down.items())),
            dict(sorted(world.placement.owners.items())),
            tuple(sorted(self.losses.quarantined)),
            stuck,
            dict(world.placement.no_room),
        )

    def _look(self) -> None:
        if self.state is State.RUNNING:
            self.losses.judge()
        if self.state is State.RUNNING and self.forward.look():
            soak_s = self.world.plan.soak_s
            self.state = State.SOAKING if soak_s else State.COMMITTED
            if soak_s:
                self.world.at(soak_s, self._soaked)
        if self.state is State.RUNNING and self.forward.is_closed():
            self._escalate("hold", "campaign", "", "the last change window closed")
        if self.state is State.RUNNING and self.forward.is_held_up():
            reason = holding.left(self.world.holds.why)
            self._escalate("hold", "campaign", "", reason)
        if self.state is State.ROLLING_BACK and self.backward and self.backward.look():
            states = [slot.state for slot in self.backward.slots]
            self.state, _ = rules.rollback_outcome(states, self.backward.is_partial)

    def _soaked(self) -> None:
        if self.state is State.SOAKING:
            self.state = State.COMMITTED

    def _escalate(self, kind: str, scope: str, procedure: str, reason: str) -> None:
        is_one = kind != "rollback" and scope == holding.PROCEDURE
        if is_one and self._hold(procedure, reason):
            return
        to = State.ROLLING_BACK if kind == "rollback" else State.HOLDING
        if not may_move(self.state, to):
            return
        self.state, self.reason = to, reason
        self.steps.is_running = False
        if to is State.ROLLING_BACK:
            self.backward = Backward(self.world, self.steps, scope, procedure)
            for slot in self.world.holds.end():
                self.steps.order(slot)

    def _hold(self, procedure: str, reason: str) -> bool:
        """Let one procedure hold; False if the whole campaign has to."""
        if self.state is State.RUNNING:
            self.world.holds.why.setdefault(procedure, reason)
        return self.state in (State.RUNNING, State.ROLLING_BACK)

    def _lanes(self) -> tuple[dict[str, Lane], bool]:
        """Return the lanes of the present way, and whether it is the way back."""
        if self.backward is not None:
            return self.backward.lanes, True
        return self.forward.lanes, False

    def _settled(self, slot: Slot) -> None:
        """Count a slot that is done, reverted or given up."""
        lanes, is_back = self._lanes()
        lane = lanes.get(slot.procedure.id)
        if lane is not None and (not is_back or slot.state is not SlotState.DONE):
            lane.finish()
        if slot.state is not SlotState.UNDO_FAILED:
            self._recall(self.world.give_back(slot))

    def _landed(self, slot: Slot) -> None:
        """On the way back a slot whose step ended may be undone."""
        lanes, _ = self._lanes()
        lane = lanes.get(slot.procedure.id)
        if self.backward is None or lane is None or slot.state not in TO_UNDO:
            return
        lane.under_way -= 1
        lane.recall([("", slot.target.name)])

    def _recall(self, keys: list[tuple[str, str]]) -> None:
        for lane in self._lanes()[0].values():
            lane.recall(keys)
