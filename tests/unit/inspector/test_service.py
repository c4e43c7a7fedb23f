"""From a confirmed fault to its impact, over a fake bus and a fake VIM."""

import dataclasses
import time
import unittest
from typing import Any

from escalator import errors
from escalator.bus import topology
from escalator.domain import events
from escalator.inspector import service
from tests.unit.inspector import fakes


class Case(unittest.TestCase):
    mark_down_timeout_s = fakes.PATIENCE_S

    def setUp(self) -> None:
        self.vim = fakes.FakeVim(
            fakes.instance("i1", "red", "a"),
            fakes.instance("i2", "blue", "a"),
            fakes.instance("i3", "red", "b"),
        )
        self.publisher = fakes.FakePublisher()
        made: list[fakes.FakeListener] = []

        def listen(*given: Any) -> fakes.FakeListener:
            made.append(fakes.FakeListener(*given))
            return made[-1]

        self.service = service.InspectorService(
            fakes.conf(self.mark_down_timeout_s),
            self.vim,
            self.publisher,
            listen,
            None,
        )
        self.addCleanup(self.service.wait)
        self.service.mapping.refresh()
        self.listener, self.watcher = made

    def told(self) -> list[Any]:
        return self.publisher.published


class TestConfirmed(Case):
    def test_many_hosts_make_one_event_and_one_call(self) -> None:
        """Mass faults are batched, or a second is too short."""
        delivery = fakes.confirmed(fakes.fault("a"), fakes.fault("b"))
        self.listener.hand_over(delivery)
        (event,) = self.told()
        self.assertIsInstance(event, events.HostMarkedDown)
        self.assertEqual(
            {"a": ["red", "blue"], "b": ["red"]},
            {i.fault.host: [m.project_id for m in i.instances] for i in event.impacts},
        )
        self.assertTrue(all(i.is_marked_down for i in event.impacts))
        self.assertEqual([(("a", "b"), True)], self.vim.calls)
        self.assertEqual(1, delivery.acks)

    def test_every_checkpoint_is_there_and_in_order(self) -> None:
        """DR-9: T0 and T1 are the monitor's, T2 to T5 ours."""
        self.listener.hand_over(fakes.confirmed(fakes.fault("a")))
        times = self.told()[0].impacts[0].times
        self.assertEqual([f"T{n}" for n in range(6)], sorted(times))
        self.assertEqual(sorted(times.values()), [times[k] for k in sorted(times)])

    def test_the_host_is_down_before_anybody_is_told(self) -> None:
        """DR-2: whoever asks the VIM on hearing it finds the host down."""
        seen: list[set[str]] = []
        self.publisher.publish = lambda event: seen.append(set(self.vim.down))  # type: ignore[method-assign]
        self.listener.hand_over(fakes.confirmed(fakes.fault("a")))
        self.assertEqual([{"a"}], seen)

    def test_a_repeat_has_the_same_id_and_another_fact_has_not(self) -> None:
        delivery = fakes.confirmed(fakes.fault("a"))
        self.listener.hand_over(delivery)
        self.listener.hand_over(delivery)
        self.listener.hand_over(fakes.confirmed(*delivery.event.faults))
        first, second, other = (event.event_id for event in self.told())
        self.assertEqual(first, second)
        self.assertNotEqual(first, other)
        self.assertNotEqual(first, delivery.event.event_id)

    def test_a_silent_agent_takes_no_host_down(self) -> None:
        silent = fakes.fault("a", "agent.silent")
        self.listener.hand_over(fakes.confirmed(silent, fakes.fault("b")))
        self.assertEqual([(("b",), True)], self.vim.calls)
        told = {i.fault.host: i for i in self.told()[0].impacts}
        self.assertFalse(told["a"].is_marked_down)
        self.assertEqual((), told["a"].instances)
        self.assertTrue(told["b"].is_marked_down)

    def test_a_host_without_instances_is_told_all_the_same(self) -> None:
        self.listener.hand_over(fakes.confirmed(fakes.fault("empty")))
        (impact,) = self.told()[0].impacts
        self.assertEqual((), impact.instances)
        self.assertTrue(impact.is_marked_down)

    def test_a_failed_publish_leaves_its_own_fact_only_open(self) -> None:
        """At least once: the bus gives it again; what was told is settled."""
        batch = [fakes.confirmed(fakes.fault("a")), fakes.confirmed(fakes.fault("b"))]
        publish = self.publisher.publish

        def second_fails(event: events.Event) -> None:
            if len(self.told()) == 1:
                raise errors.BusUnavailable(timeout_s=1, reason="away")
            publish(event)

        self.publisher.publish = second_fails  # type: ignore[method-assign]
        with self.assertRaises(errors.BusUnavailable):
            self.listener.hand_over(*batch)
        self.assertEqual([1, 0], [delivery.acks for delivery in batch])

    def test_several_facts_share_one_call_to_the_vim(self) -> None:
        """A slow VIM costs a batch one deadline, not one per fact."""
        self.listener.hand_over(
            *(fakes.confirmed(fakes.fault(host)) for host in ("b", "a", "b"))
        )
        self.assertEqual([(("a", "b"), True)], self.vim.calls)
        self.assertEqual(3, len(self.told()))

    def test_a_spoilt_host_is_told_as_not_marked_and_only_it(self) -> None:
        self.vim.spoilt = {"b": errors.NotFound(kind="host", id="b")}
        with self.assertLogs("escalator.inspector", "ERROR"):
            self.listener.hand_over(fakes.confirmed(fakes.fault("a"), fakes.fault("b")))
        told = {i.fault.host: i.is_marked_down for i in self.told()[0].impacts}
        self.assertEqual({"a": True, "b": False}, told)

    def test_a_fault_that_is_raised_already_is_passed_on(self) -> None:
        """The conductor drops it; the inspector keeps no such memory."""
        for _ in range(2):
            self.listener.hand_over(fakes.confirmed(fakes.fault("a")))
        self.assertEqual(2, len(self.told()))


class TestSlowVim(Case):
    mark_down_timeout_s = 0.02

    def later(self, wanted: set[str]) -> dict[str, dict[str, float]]:
        """Return checkpoint -> fault id -> time of what followed the notices (DR-9)."""
        self.service._checkpoints.start()
        deadline = time.monotonic() + fakes.PATIENCE_S
        found: dict[str, dict[str, float]] = {}
        while found.keys() != wanted and time.monotonic() < deadline:
            time.sleep(0.01)
            found = {each.checkpoint: each.reached_at for each in self.told()[1:]}
        self.assertEqual(wanted, found.keys())
        return found

    def test_the_notice_goes_out_and_says_so(self) -> None:
        """DR-2: is_marked_down is False; the VIM is asked until it is done."""
        gate = self.vim.hold(True)
        self.addCleanup(gate.set)
        delivery = fakes.confirmed(fakes.fault("a"))
        self.listener.hand_over(delivery)
        (impact,) = self.told()[0].impacts
        self.assertFalse(impact.is_marked_down)
        self.assertEqual(0, delivery.acks)
        self.assertEqual(2, len(impact.instances))
        self.assertEqual({"T2", "T5"}, impact.times.keys() - {"T0", "T1"})
        gate.set()
        self.assertTrue(self.vim.wait_for(lambda: self.vim.down == {"a"}))
        later = self.later({"T3", "T4"})
        self.assertEqual({impact.fault.id}, later["T4"].keys())
        self.assertEqual({impact.fault.id}, later["T3"].keys())
        self.assertTrue(delivery.acked.wait(fakes.PATIENCE_S))

    def test_a_mark_that_cannot_be_undone_in_time_is_told_as_standing(self) -> None:
        """DR-2 on the way back: nobody hears "up" of what the VIM shows down."""
        fault = fakes.fault("a")
        self.vim.down = {"a"}
        gate = self.vim.hold(False)
        self.addCleanup(gate.set)
        self.listener.hand_over(fakes.cleared(fault))
        (impact,) = self.told()[0].impacts
        self.assertTrue(impact.is_marked_down)


class TestCleared(Case):
    def test_the_mark_is_undone_and_told(self) -> None:
        """DR-10."""
        fault = fakes.fault("a")
        self.listener.hand_over(fakes.confirmed(fault))
        delivery = fakes.cleared(fault, at=222.0)
        self.listener.hand_over(delivery)
        self.assertEqual(set(), self.vim.down)
        event = self.told()[-1]
        self.assertIsInstance(event, events.HostMarkedUp)
        self.assertEqual(222.0, event.cleared_at)
        self.assertEqual(fault.id, event.impacts[0].fault.id)
        self.assertFalse(event.impacts[0].is_marked_down)
        self.assertEqual(2, len(event.impacts[0].instances))
        self.assertEqual(1, delivery.acks)

    def test_a_failed_publish_gives_the_fact_back(self) -> None:
        self.publisher.failures = [errors.BusUnavailable(timeout_s=1, reason="away")]
        delivery = fakes.cleared(fakes.fault("a"))
        with self.assertRaises(errors.BusUnavailable):
            self.listener.hand_over(delivery)
        self.assertEqual(0, delivery.acks)
        self.listener.hand_over(delivery)
        self.assertEqual(1, delivery.acks)

    def test_a_silent_agent_that_speaks_again_marks_nothing(self) -> None:
        self.listener.hand_over(fakes.cleared(fakes.fault("a", "agent.silent")))
        self.assertEqual([], self.vim.calls)
        self.assertEqual(1, len(self.told()))

    def test_a_fault_that_comes_after_its_end_marks_nothing(self) -> None:
        """DR-10: told as down, then as up; the host that lives stays up."""
        late = fakes.fault("a")
        end = fakes.cleared(late)
        self.listener.hand_over(end)
        delivery = fakes.confirmed(late, fakes.fault("b"))
        self.listener.hand_over(delivery)
        self.assertEqual({"b"}, self.vim.down)
        first, down, again = self.told()
        self.assertEqual([False, True], [i.is_marked_down for i in down.impacts])
        self.assertEqual([late.id], [i.fault.id for i in again.impacts])
        self.assertEqual(end.event.cleared_at, again.cleared_at)
        self.assertNotEqual(first.event_id, again.event_id)

    def test_each_notice_knows_the_other_open_faults_of_its_host(self) -> None:
        link = fakes.fault("a", "link.down", at=150.0)
        dead = fakes.fault("a", at=160.0)
        self.listener.hand_over(fakes.confirmed(link))
        self.listener.hand_over(fakes.confirmed(dead))
        self.listener.hand_over(fakes.cleared(dead, at=170.0))
        self.assertEqual([(), (link,), (link,)], [each.others for each in self.told()])

    def test_one_of_two_faults_that_ends_leaves_the_host_down(self) -> None:
        """DR-10: nobody hears "up" of a host that another fault takes down."""
        host, link = fakes.fault("a"), fakes.fault("a", "link.down")
        self.listener.hand_over(fakes.confirmed(host), fakes.confirmed(link))
        for other in ("agent.silent", "service.failed"):
            self.listener.hand_over(fakes.confirmed(fakes.fault("a", other)))
            self.listener.hand_over(fakes.cleared(fakes.fault("a", other)))
        self.listener.hand_over(fakes.cleared(host))
        self.assertEqual({"a"}, self.vim.down)
        self.assertTrue(self.told()[-1].impacts[0].is_marked_down)
        self.listener.hand_over(fakes.cleared(link))
        self.assertEqual(set(), self.vim.down)

    def test_an_end_that_comes_after_the_next_fault_marks_nothing(self) -> None:
        first, second = fakes.fault("a", at=100.0), fakes.fault("a", at=300.0)
        self.listener.hand_over(fakes.confirmed(first))
        self.listener.hand_over(fakes.confirmed(second))
        self.listener.hand_over(fakes.cleared(first, at=200.0))
        self.assertEqual({"a"}, self.vim.down)
        self.assertTrue(self.told()[-1].impacts[0].is_marked_down)


class TestCorroborated(Case):
    """DR-4: what further probes find is told; the mark stands already."""

    def setUp(self) -> None:
        super().setUp()
        self.fault = fakes.fault("a")
        self.more = dataclasses.replace(self.fault, evidence={"probes": ["x", "y"]})

    def test_it_is_joined_with_the_map_and_marks_nothing(self) -> None:
        self.listener.hand_over(fakes.confirmed(self.fault))
        calls = len(self.vim.calls)
        delivery = fakes.corroborated(self.more)
        self.listener.hand_over(delivery)
        told = self.told()[-1]
        self.assertIsInstance(told, events.ImpactCorroborated)
        self.assertEqual({self.fault.id: 1}, told.before)
        self.assertEqual(150.0, told.corroborated_at)
        (impact,) = told.impacts
        self.assertEqual(self.more, impact.fault)
        self.assertEqual(["i1", "i2"], [each.id for each in impact.instances])
        self.assertTrue(impact.is_marked_down)
        self.assertEqual(["T0", "T1", "T2", "T5"], sorted(impact.times))
        self.assertEqual(self.fault.times["T1"], impact.times["T1"])
        self.assertEqual(calls, len(self.vim.calls))
        self.assertEqual(1, delivery.acks)

    def test_a_repeat_has_the_same_id(self) -> None:
        delivery = fakes.corroborated(self.more)
        self.listener.hand_over(delivery)
        self.listener.hand_over(delivery)
        first, second = self.told()
        self.assertEqual(first.event_id, second.event_id)
        self.assertNotEqual(delivery.event.event_id, first.event_id)

    def test_a_failed_publish_leaves_it_with_the_bus(self) -> None:
        self.publisher.failures = [errors.BusUnavailable(timeout_s=1, reason="away")]
        delivery = fakes.corroborated(self.more)
        with self.assertRaises(errors.BusUnavailable):
            self.listener.hand_over(delivery)
        self.assertEqual(0, delivery.acks)
        self.listener.hand_over(delivery)
        self.assertEqual((1, 1), (delivery.acks, len(self.told())))

    def test_it_opens_no_fault(self) -> None:
        """One that comes after the end keeps no host down for ever."""
        self.listener.hand_over(fakes.corroborated(self.more))
        link = fakes.fault("a", "link.down")
        self.listener.hand_over(fakes.confirmed(link))
        self.listener.hand_over(fakes.cleared(link))
        self.assertEqual(set(), self.vim.down)

    def test_one_that_comes_after_its_end_is_told_with_its_end(self) -> None:
        """DR-10: whoever waited for it is not left with a host that is down."""
        end = fakes.cleared(self.more)
        self.listener.hand_over(end)
        self.listener.hand_over(fakes.corroborated(self.more))
        first, late, again = self.told()
        self.assertFalse(late.impacts[0].is_marked_down)
        self.assertIsInstance(again, events.HostMarkedUp)
        self.assertEqual(end.event.cleared_at, again.cleared_at)
        self.assertEqual([self.more], [each.fault for each in again.impacts])
        self.assertNotEqual(first.event_id, again.event_id)


class TestCorroboratedInDebt(Case):
    mark_down_timeout_s = 0.02

    def test_what_the_vim_still_owes_is_told_as_not_marked(self) -> None:
        """DR-2."""
        gate = self.vim.hold(True)
        self.addCleanup(gate.set)
        fault = fakes.fault("a")
        self.listener.hand_over(fakes.confirmed(fault))
        self.listener.hand_over(fakes.corroborated(fault))
        self.assertFalse(self.told()[-1].impacts[0].is_marked_down)
        gate.set()
        self.assertTrue(
            self.vim.wait_for(lambda: self.service.marking.is_settled(["a"]))
        )
        self.listener.hand_over(fakes.corroborated(fault))
        self.assertTrue(self.told()[-1].impacts[0].is_marked_down)


class TestLife(Case):
    def test_it_listens_to_the_monitors_facts_in_its_pool(self) -> None:
        self.assertEqual("inspector", self.listener.pool)
        self.assertEqual(
            {events.FaultConfirmed, events.FaultCleared, events.FaultCorroborated},
            set(self.listener.handlers),
        )
        self.assertGreater(self.listener.max_batch, 1)
        self.assertTrue(self.listener.is_manual)

    def test_it_watches_what_others_take_in_a_queue_of_its_own(self) -> None:
        self.assertNotIn(self.watcher.pool, topology.POOLS["fault"])
        # What further probes find neither begins nor ends a fault.
        self.assertEqual(
            set(self.listener.handlers) - {events.FaultCorroborated},
            set(self.watcher.handlers),
        )
        self.assertFalse(self.watcher.is_manual)
        self.assertGreater(self.watcher.patience_s, self.listener.patience_s)

    def test_the_map_is_there_before_the_first_fact(self) -> None:
        self.service.mapping.where = {}
        self.service.mapping._changes = None
        start = self.listener.start
        maps: list[Any] = []

        def look() -> None:
            maps.append(dict(self.service.mapping.where))
            start()

        self.listener.start = look  # type: ignore[method-assign]
        self.service.mapping._ready.clear()
        self.service.start()
        self.service.stop()
        self.assertEqual({"a", "b"}, set(maps[0]))
        self.assertEqual(["start", "stop"], self.listener.steps)
