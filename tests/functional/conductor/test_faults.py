"""Faults begin and end in any order; the host is down while one takes it down."""

import dataclasses
import itertools
import os
import tempfile
import unittest
import uuid
from collections.abc import Sequence

from escalator.db import models, store
from escalator.domain import events, impact
from tests.fixtures import engine as beds

HOST = "h001"


def found(kind: str, at: float = 10.0) -> events.Impact:
    times = {"T0": at, "T1": at + 1}
    fault = events.Fault(str(uuid.uuid4()), HOST, kind, "critical", times)
    who = (events.AffectedInstance("i1", "red"),)
    return events.Impact(fault, who, True, {**times, "T2": at + 2, "T5": at + 3})


def down(*impacts: events.Impact) -> events.HostMarkedDown:
    return events.HostMarkedDown(str(uuid.uuid4()), impacts)


def up(one: events.Impact, at: float = 20.0) -> events.HostMarkedUp:
    times = {**one.fault.times, "T5": at + 1}
    gone = events.Impact(one.fault, one.instances, False, times)
    return events.HostMarkedUp(str(uuid.uuid4()), (gone,), at)


def more(one: events.Impact, *probes: str) -> events.ImpactCorroborated:
    """Let these probes agree on it, later."""
    fault = dataclasses.replace(one.fault, evidence={"probes": list(probes)})
    times = {**fault.times, "T2": 90.0, "T5": 91.0}
    grown = events.Impact(fault, one.instances, True, times)
    return events.ImpactCorroborated(
        str(uuid.uuid4()), (grown,), {fault.id: len(probes) - 1}, 89.0
    )


Told = events.HostMarkedDown | events.HostMarkedUp | events.ImpactCorroborated


class Case(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.bed = self.make("e")

    def make(self, name: str) -> beds.EngineBed:
        opened = beds.database(f"sqlite:///{os.path.join(self.folder, name)}.sqlite")
        self.addCleanup(opened.dispose)
        beds.add_hosts(opened, 3)
        return beds.EngineBed(opened, beds.FakeFleet())

    def tell(self, *facts: Told) -> None:
        for fact in facts:
            if isinstance(fact, events.HostMarkedDown):
                self.bed.faults.apply_down(fact)
            elif isinstance(fact, events.ImpactCorroborated):
                self.bed.faults.apply_corroborated(fact)
            else:
                self.bed.faults.apply_up(fact)

    def host(self) -> tuple[str, str]:
        (row,) = (r for r in self.bed.rows(models.host) if r["name"] == HOST)
        return row["state"], row["fault_id"]

    def faults(self) -> dict[str, str]:
        return {row["id"]: row["state"] for row in self.bed.rows(models.fault)}


class TestTwoFaults(Case):
    def test_a_host_is_up_when_the_last_that_takes_it_down_is_over(self) -> None:
        """DR-10: whichever of the two ends first."""
        host, link = found("host.down"), found("link.down")
        for number, order in enumerate(itertools.permutations((host, link))):
            first, last = order
            with self.subTest(first=first.fault.fault_type):
                self.bed = self.make(f"two-{number}")
                self.tell(down(host), down(link), up(first))
                self.assertEqual(("down", last.fault.id), self.host())
                self.tell(up(last))
                self.assertEqual(("up", ""), self.host())

    def test_other_faults_neither_take_down_nor_bring_up(self) -> None:
        """One truth for the inspector and the conductor."""
        for kind in sorted(set(events.FaultType) - impact.TAKES_HOST_DOWN):
            other = found(kind)
            with self.subTest(kind):
                self.bed = self.make(kind)
                self.tell(down(other))
                self.assertEqual(("up", ""), self.host())
                self.assertEqual({other.fault.id: "raised"}, self.faults())
                dead = found("host.down")
                self.tell(down(dead), up(other))
                self.assertEqual(("down", dead.fault.id), self.host())
                self.assertEqual("cleared", self.faults()[other.fault.id])

    def test_a_failed_service_stops_no_campaign(self) -> None:
        beds.start_campaign(self.bed, beds.rolling_plan())
        self.bed.step()
        self.tell(down(found("service.failed")))
        self.assertEqual("committed", self.bed.run_until(["committed", "rolled_back"]))


class TestCorrelation(Case):
    def read(self, project_id: str | None = None) -> dict[str, tuple[bool, list[str]]]:
        rows = store.Store(self.bed.database).read("fault", project_id=project_id)
        return {
            row["id"]: (row["is_root_cause"], row["correlated_fault_ids"])
            for row in rows
        }

    def test_faults_of_one_host_at_one_time_belong_together(self) -> None:
        silent, dead, later = (
            found("agent.silent"),
            found("host.down", at=12.0),
            found("agent.silent", at=50.0),
        )
        self.tell(down(silent), down(dead), up(silent), up(dead), down(later))
        self.assertEqual(
            {
                silent.fault.id: (False, [dead.fault.id]),
                dead.fault.id: (True, [silent.fault.id]),
                later.fault.id: (True, []),
            },
            self.read(),
        )

    def test_a_project_learns_of_no_fault_that_does_not_affect_it(self) -> None:
        silent, dead = found("agent.silent"), found("host.down", at=12.0)
        silent = dataclasses.replace(silent, instances=())
        self.tell(down(silent), down(dead))
        self.assertEqual({dead.fault.id: (True, [])}, self.read("red"))


class TestOrder(Case):
    def end(self, facts: Sequence[events.HostMarkedDown | events.HostMarkedUp]):
        self.tell(*facts)
        rows = self.bed.rows(models.fault)
        keys = ("id", "state", "cleared_at", "times", "is_marked_down")
        return self.host(), [[row[key] for key in keys] for row in rows]

    def test_every_order_with_repeats_ends_alike(self) -> None:
        """At least once, by two conductors: an end may come first, or twice."""
        one = found("host.down")
        begin, end = down(one), up(one)
        wanted = None
        orders = {tuple(order) for order in itertools.permutations("bbee")}
        for number, order in enumerate(sorted(orders)):
            self.bed = self.make(f"order-{number}")
            came = self.end([begin if each == "b" else end for each in order])
            wanted = wanted or came
            self.assertEqual(wanted, came)
            self.assertEqual(("up", ""), came[0])
            self.assertEqual({one.fault.id: "cleared"}, self.faults())

    def test_an_end_that_came_first_moves_no_campaign(self) -> None:
        beds.start_campaign(self.bed, beds.rolling_plan())
        self.bed.step()
        one = found("host.down")
        self.tell(up(one), down(one))
        self.assertEqual("committed", self.bed.run_until(["committed", "rolled_back"]))

    def test_a_repeated_end_leaves_the_next_fault_alone(self) -> None:
        first, second = found("host.down"), found("host.down", at=30.0)
        end = up(first)
        self.tell(down(first), end, down(second), end)
        self.assertEqual(("down", second.fault.id), self.host())
        self.assertEqual("raised", self.faults()[second.fault.id])

    def test_an_end_under_a_new_id_ends_the_double_too(self) -> None:
        """A monitor that was killed told the same fault under two ids."""
        first, again = found("host.down"), found("host.down", at=11.0)
        self.tell(down(first), up(again), down(again))
        self.assertEqual(("up", ""), self.host())
        self.assertEqual({"cleared"}, set(self.faults().values()))


class TestCheckpoints(Case):
    """DR-9: what follows the notices is kept, whatever comes first."""

    def reach(self, one: events.Impact, checkpoint: str, at: float) -> None:
        reached = {one.fault.id: at, str(uuid.uuid4()): at}
        fact = events.CheckpointReached(str(uuid.uuid4()), checkpoint, reached)
        for _ in "twice":
            self.bed.faults.apply_reached([fact])

    def shown(self) -> tuple[dict[str, float], bool]:
        (row,) = store.Store(self.bed.database).read("fault")
        return row["times"], row["is_marked_down"]

    def test_before_and_after_the_impact(self) -> None:
        late = dataclasses.replace(found("host.down"), is_marked_down=False)
        self.reach(late, "T3", 15.0)
        self.tell(down(late))
        self.assertEqual(({**late.times, "T3": 15.0}, False), self.shown())
        self.reach(late, "T4", 14.0)
        self.tell(up(late))
        self.assertEqual(({**late.times, "T3": 15.0, "T4": 14.0}, True), self.shown())

    def test_the_first_time_counts(self) -> None:
        """An inspector that takes over asks again, and tells again."""
        one = found("host.down")
        self.tell(down(one))
        self.reach(one, "T3", 15.0)
        self.reach(one, "T3", 99.0)
        self.reach(one, "T2", 99.0)
        self.assertEqual({**one.times, "T3": 15.0}, self.shown()[0])


class TestCorroborated(Case):
    """DR-4: further probes find a fault that is told of already."""

    def end(self, facts: Sequence[Told]) -> object:
        self.tell(*facts)
        rows = self.bed.rows(models.fault)
        keys = ("id", "state", "cleared_at", "times", "is_marked_down", "evidence")
        return self.host(), [[row[key] for key in keys] for row in rows]

    def test_every_order_with_repeats_ends_alike(self) -> None:
        one = found("host.down")
        told: dict[str, Told] = {
            "b": down(one),
            "2": more(one, "icmp", "tcp"),
            "3": more(one, "bfd", "icmp", "tcp"),
        }
        orders = {order for n in ("b23", "bb23", "b2233") for order in _orders(n)}
        wanted = None
        for number, order in enumerate(sorted(orders)):
            with self.subTest("".join(order)):
                self.bed = self.make(f"grown-{number}")
                came = self.end([told[each] for each in order])
                wanted = wanted or came
                self.assertEqual(wanted, came)
        ((row,),) = (wanted[1],)  # type: ignore[index]
        self.assertEqual(one.times, row[3], "the checkpoints are the beginning's")
        self.assertEqual({"probes": ["bfd", "icmp", "tcp"]}, row[5])

    def test_one_that_comes_after_the_end_raises_nothing(self) -> None:
        one = found("host.down")
        grown = more(one, "icmp", "tcp")
        # The monitor tells the end with the evidence of all that it told.
        end = up(grown.impacts[0])
        told: dict[str, Told] = {"b": down(one), "2": grown, "e": end}
        for number, order in enumerate(sorted(_orders("b2e"))):
            with self.subTest("".join(order)):
                self.bed = self.make(f"over-{number}")
                self.tell(*(told[each] for each in order))
                self.assertEqual(("up", ""), self.host())
                self.assertEqual({one.fault.id: "cleared"}, self.faults())
                (row,) = self.bed.rows(models.fault)
                self.assertEqual({"probes": ["icmp", "tcp"]}, row["evidence"])
                self.assertEqual(one.times["T2"], row["times"]["T2"])

    def test_a_campaign_reacts_once_whichever_comes_first(self) -> None:
        one = found("host.down")
        first, grown = down(one), more(one, "icmp", "tcp")
        seen = []
        for number, facts in enumerate(
            [(first,), (first, grown), (grown, first), (grown, first, grown, first)]
        ):
            with self.subTest(number):
                self.bed = self.make(f"react-{number}")
                campaign = beds.start_campaign(self.bed, beds.rolling_plan())
                self.bed.step()
                self.tell(*facts)
                journal = self.bed.rows(models.journal)
                noted = [row for row in journal if row["object_type"] == "fault"]
                (stored,) = self.bed.rows(models.fault)
                self.assertEqual([campaign], stored["campaign_ids"])
                seen.append(len(noted))
        self.assertEqual([1, 1, 1, 1], seen)

    def test_one_of_a_double_is_no_second_fault(self) -> None:
        """A monitor that was killed told the same fault under two ids."""
        first, again = found("host.down"), found("host.down", at=11.0)
        self.tell(down(first), more(again, "icmp", "tcp"))
        self.assertEqual({first.fault.id: "raised"}, self.faults())


def _orders(letters: str) -> set[tuple[str, ...]]:
    return set(itertools.permutations(letters))
