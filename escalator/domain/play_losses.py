"""Hosts that die or are given up in a simulated run.  Pure.

As ``conductor.faults``, ``quarantining`` and ``failure_budget`` do it.
"""

import dataclasses
import heapq
from collections.abc import Callable

from escalator.domain import holding, losses, selector
from escalator.domain.play import TO_UNDO, Slot, World
from escalator.domain.play_lane import Lane
from escalator.domain.states import SlotState

Lanes = Callable[[], tuple[dict[str, Lane], bool]]


class Losses:
    """:param lanes: those of the present way, and whether it is the way back.

    :param escalate: told what the campaign is asked for.
    :ivar quarantined: the hosts, in their order.
    """

    def __init__(
        self, world: World, lanes: Lanes, escalate: Callable[[str, str, str, str], None]
    ) -> None:
        self.world = world
        self.quarantined: dict[str, None] = {}
        self._lanes = lanes
        self._escalate = escalate
        self._deaths: list[tuple[float, str]] = []
        chance, library = world.chance, world.setting.library
        for each in world.setting.targets if chance is not None else ():
            at = library.death_s(chance) if each.is_up and chance else None
            if at is not None:
                self._deaths.append((at, each.name))
        heapq.heapify(self._deaths)

    def happen_before(self, following: float) -> bool:
        """Let the next host die if it does so before; False if none does."""
        if not self._deaths or self._deaths[0][0] > following:
            return False
        self.world.now, host = heapq.heappop(self._deaths)
        self._die(host)
        return True

    def judge(self) -> None:
        """Stop a campaign that lost more hosts than it may."""
        if not self.quarantined:
            return
        limit = losses.allowed(
            self.world.plan,
            self.world.targets.values(),
            {host for _, host in self.world.slots},
        )
        if limit is None or len(self.quarantined) <= limit:
            return
        lost = [slot for slot in self.world.slots.values() if _is_given_up(slot)]
        hosts = {slot.target.name for slot in lost}
        if len(hosts) > limit:
            do = self.world.plan.on_fault.do
            kind = "rollback" if do == "rollback" else "hold"
            reason = f"{len(hosts)} hosts are quarantined, allowed are {limit}"
            self._escalate(kind, "campaign", "", reason)

    def _die(self, host: str) -> None:
        """Let a host die: expected by a step that may reboot it, or a fault."""
        world = self.world
        target = world.targets[host]
        if host in world.dead or target.is_quarantined:
            return
        world.dead.add(host)
        world.placement.lose(host, world.setting.library.recovery_s)
        mine = [slot for (_, name), slot in world.slots.items() if name == host]
        if any(slot.is_flying and slot.step.may_reboot for slot in mine):
            return
        at_rest = {slot.procedure.id for slot in mine} or {
            each.id
            for each in world.plan.procedures
            if selector.select(world.plan.selector(each.selector), [target])
        }
        if not at_rest:
            world.targets[host] = dataclasses.replace(target, is_up=False)
            world.ledger.lose(target)
            return
        busy = {s.procedure.id for s in mine if s.state is not SlotState.DONE}
        self.lose(host)
        policy = world.plan.on_fault
        if policy.do != "ignore":
            scope = holding.of_fault(policy, busy, at_rest)
            self._escalate(policy.do, *scope, f"{host}: host.down")

    def lose(self, host: str) -> None:
        """Quarantine a host: every slot on it ends, its tokens stay used up."""
        world = self.world
        target = world.targets[host]
        gone = dataclasses.replace(target, is_quarantined=True)
        world.targets[host] = gone
        world.dead.add(host)
        self.quarantined[host] = None
        world.ledger.lose(target)
        lanes, is_back = self._lanes()
        for name, lane in lanes.items():
            slot = world.slots.get((name, host))
            if slot is None or slot.state is SlotState.QUARANTINED:
                of = world.plan.selector(lane.procedure.selector)
                lane.drop(host, is_left=bool(selector.select(of, [gone])))
            else:
                _end(lane, slot, is_back)
        for (_, name), slot in world.slots.items():
            if name == host:
                slot.state, slot.is_flying = SlotState.QUARANTINED, False
                slot.ticket += 1
        world.out.discard(host)
        world.ledger.give_back(host)


def _end(lane: Lane, slot: Slot, is_back: bool) -> None:
    """Take a slot that is given up out of its lane."""
    if not is_back:
        if slot.state is not SlotState.DONE:
            lane.finish()
        return
    if slot.state in (SlotState.UNDOING, SlotState.REVERTING):
        lane.finish()
    elif slot.state in TO_UNDO:
        lane.under_way -= slot.is_flying
        lane.drop(slot.target.name, is_left=False)


def _is_given_up(slot: Slot) -> bool:
    return slot.state is SlotState.QUARANTINED
