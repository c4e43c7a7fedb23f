"""Reports of alarms on the real store: faults, campaigns, repeats, kills."""

import os
import pathlib
import signal
import tempfile
import threading
import unittest
import uuid
from typing import Any

import sqlalchemy as sa
from oslo_db import exception as db_errors

from escalator import context, errors
from escalator.db import alarms as rows
from escalator.db import models, store
from escalator.domain import events, impact
from escalator.objects import base as objects_base
from escalator.objects.alarm import Alarm, AlarmList, ObservationList
from tests.fixtures import crash
from tests.fixtures import engine as beds
from tests.functional.db import servers

HOST = "h001"
DIGEST = "0" * 64


def report(current: str = "alarm", at: float = 10.0, **more: Any) -> Any:
    values: dict[str, Any] = {
        "event_id": str(uuid.uuid4()),
        "token_digest": DIGEST,
        "alarm_id": "aodh-1",
        "alarm_name": "load",
        "severity": "critical",
        "previous": "ok",
        "current": current,
        "reason": "too much",
        "message_id": "",
        "reported_at": at,
    }
    return events.AlarmReported(**{**values, **more})


def bind(**given: Any) -> str:
    """Store an alarm with the token of ``DIGEST``; return its id."""
    values: dict[str, Any] = {
        "id": str(uuid.uuid4()),
        "name": "mine",
        "project_id": "p",
        "user_id": "u",
        "host": "",
        "campaign_id": "",
        "reaction": "observe",
        "fault_type": "alarm",
        "severity": "",
        "aodh_alarm_id": "",
        "state": "",
        "fault_id": "",
        "reports": 0,
        "repeats": 0,
        "reported_at": None,
        "revoked_at": None,
    }
    digest = given.pop("digest", DIGEST)
    made = Alarm(context=context.service_context("test"), **{**values, **given})
    made.create(digest)
    return str(made.id)


class Case(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        opened = beds.database(self.make_url())
        self.addCleanup(opened.dispose)
        beds.add_hosts(opened, 3)
        self.bed = beds.EngineBed(opened, beds.FakeFleet())
        objects_base.use_store(store.Store(opened))

    def make_url(self) -> str:
        return f"sqlite:///{self.folder / 'e.sqlite'}"

    def tell(self, *args: Any, **more: Any) -> None:
        self.bed.alarms.report(report(*args, **more))

    def facts(self) -> list[Any]:
        """Return the facts about faults that were sent, and forget them."""
        kinds = (events.FaultConfirmed, events.FaultCleared)
        found = [each for each in self.bed.news if isinstance(each, kinds)]
        self.bed.news = [each for each in self.bed.news if each not in found]
        return found

    def alarm(self, alarm_id: str) -> Alarm:
        return Alarm.get_by_id(None, alarm_id)

    def observed(self, alarm_id: str) -> list[tuple[str, str]]:
        """Return (verdict, outcome), oldest first."""
        page = ObservationList.get_page(None, alarm_id, limit=5000)
        return [(row.verdict, row.outcome) for row in reversed(page.objects)]


class TestTokens(Case):
    def test_unknown_and_revoked_are_the_same(self) -> None:
        made = bind()
        with self.assertRaises(errors.NotFound) as unknown:
            self.tell(token_digest="1" * 64)
        self.bed.alarms.revoke(made)
        self.bed.alarms.revoke(made)
        with self.assertRaises(errors.NotFound) as revoked:
            self.tell()
        self.assertEqual(str(unknown.exception), str(revoked.exception))
        self.assertEqual(0, self.alarm(made).reports)
        self.assertIsNotNone(self.alarm(made).revoked_at)
        with self.assertRaises(errors.NotFound):
            self.bed.alarms.revoke(str(uuid.uuid4()))

    def test_the_first_alarm_that_reports_owns_the_token(self) -> None:
        made = bind()
        self.tell(alarm_id="first")
        with self.assertLogs("escalator.conductor.alarms", "WARNING") as logs:
            with self.assertRaises(errors.InvalidInput) as refused:
                self.tell(alarm_id="second\nline", current="ok")
        self.assertEqual("/alarm_id", refused.exception.findings[0]["pointer"])
        self.assertIn(made, logs.output[0])
        self.assertNotIn("\n", logs.output[0])
        found = self.alarm(made)
        self.assertEqual(("first", "alarm"), (found.aodh_alarm_id, found.state))

    def test_or_the_one_that_was_named(self) -> None:
        bind(aodh_alarm_id="named")
        with self.assertRaises(errors.InvalidInput):
            self.tell(alarm_id="first")
        self.tell(alarm_id="named")

    def test_two_alarms_do_not_share_a_token(self) -> None:
        bind()
        with self.assertRaises(db_errors.DBDuplicateEntry):
            bind()

    def test_a_project_lists_its_own(self) -> None:
        mine = bind()
        bind(digest="1" * 64, project_id="red")
        found = [row.id for row in AlarmList.get_page(None, project_id="p").objects]
        self.assertEqual([mine], found)
        with self.assertRaises(errors.NotFound):
            Alarm.get_by_id(None, mine, project_id="red")


class TestHost(Case):
    def test_a_fault_begins_and_ends(self) -> None:
        made = bind(host=HOST, name="hot")
        self.tell(at=10.0)
        (fact,) = self.facts()
        (fault,) = fact.faults
        self.assertEqual(
            (HOST, "alarm", "critical", 10.0),
            (fault.host, fault.fault_type, fault.severity, fault.times["T1"]),
        )
        self.assertEqual(
            (made, "hot", "load", "too much"),
            (
                fault.source,
                fault.evidence["alarm_name"],
                fault.evidence["aodh_alarm_name"],
                fault.evidence["reason"],
            ),
        )
        self.assertEqual(fault.id, self.alarm(made).fault_id)
        self.tell("ok", at=20.0, severity="low")
        (over,) = self.facts()
        self.assertEqual(((fault,), 20.0), (over.faults, over.cleared_at))
        self.assertEqual("", self.alarm(made).fault_id)

    def test_repeats_are_counted_and_told_once(self) -> None:
        made = bind(host=HOST)
        same = report()
        for each in (same, same, report(at=11.0), report(at=12.0)):
            self.bed.alarms.report(each)
        self.assertEqual(1, len(self.facts()))
        found = self.alarm(made)
        self.assertEqual((4, 3), (found.reports, found.repeats))
        self.assertEqual(["raised"], [verdict for verdict, _ in self.observed(made)])

    def test_a_second_event_while_the_fault_lasts_raises_no_second_one(self) -> None:
        made = bind(host=HOST)
        for number in "112":
            self.tell(message_id=f"m{number}")
        self.assertEqual(1, len(self.facts()))
        (_, first), (_, second) = self.observed(made)
        self.assertIn("is raised", first)
        self.assertIn("lasts", second)

    def test_no_data_is_recorded_only(self) -> None:
        made = bind(host=HOST)
        self.tell("insufficient data")
        self.assertEqual([], self.facts())
        self.assertEqual([("unknown", "observed")], self.observed(made))

    def test_a_late_report_does_not_end_what_began_since(self) -> None:
        made = bind(host=HOST)
        self.tell(at=20.0)
        self.tell("ok", at=15.0)
        self.assertEqual(1, len(self.facts()))
        self.assertEqual("alarm", self.alarm(made).state)
        self.assertEqual("late", self.observed(made)[-1][0])

    def test_a_host_that_is_gone_is_told_of_all_the_same(self) -> None:
        bind(host="h999")
        with self.assertLogs("escalator.conductor.alarms", "WARNING") as logs:
            self.tell()
        self.assertIn("h999 is in no inventory", logs.output[0])
        (fact,) = self.facts()
        self.assertEqual("h999", fact.faults[0].host)

    def test_revoking_ends_the_fault(self) -> None:
        """Nobody could report its end any more."""
        made = bind(host=HOST)
        self.tell()
        (fact,) = self.facts()
        self.bed.alarms.revoke(made)
        (over,) = self.facts()
        self.assertEqual(fact.faults, over.faults)


class TestSources(Case):
    """What one alarm says ends nothing that another, or a monitor, said."""

    def down(self, fault: events.Fault) -> None:
        found = events.Impact(fault, (), True, fault.times)
        self.bed.faults.apply_down(events.HostMarkedDown(str(uuid.uuid4()), (found,)))

    def up(self, fault: events.Fault, at: float) -> None:
        found = events.Impact(fault, (), False, fault.times)
        self.bed.faults.apply_up(events.HostMarkedUp(str(uuid.uuid4()), (found,), at))

    def host(self) -> str:
        (row,) = (r for r in self.bed.rows(models.host) if r["name"] == HOST)
        return str(row["state"])

    def fault(self, kind: str, **evidence: str) -> events.Fault:
        times = {"T0": 10.0, "T1": 10.0}
        return events.Fault(str(uuid.uuid4()), HOST, kind, "critical", times, evidence)

    def states(self) -> dict[str, str]:
        return {row["id"]: row["state"] for row in self.bed.rows(models.fault)}

    def test_two_alarms_of_one_host_are_two_faults(self) -> None:
        hot, full = (self.fault("alarm", alarm_id=each) for each in ("a", "b"))
        for each in (hot, full):
            self.down(each)
        self.up(hot, 20.0)
        self.assertEqual({hot.id: "cleared", full.id: "raised"}, self.states())
        self.assertEqual("up", self.host())

    def test_a_host_stays_down_while_a_monitor_finds_it_dead(self) -> None:
        """Whichever of the two ends first."""
        for first, last in ((0, 1), (1, 0)):
            both = (self.fault("host.down"), self.fault("host.down", alarm_id="a"))
            for each in both:
                self.down(each)
            self.up(both[first], 20.0)
            self.assertEqual("down", self.host())
            self.up(both[last], 21.0)
            self.assertEqual("up", self.host())
            self.assertEqual({"cleared"}, set(self.states().values()))

    def test_an_alarm_takes_no_host_down_unless_it_says_so(self) -> None:
        bind(host=HOST)
        bind(host=HOST, fault_type="host.down", digest="1" * 64)
        self.tell()
        self.tell(token_digest="1" * 64)
        found = [impact.hosts_to_mark(fact.faults) for fact in self.facts()]
        self.assertEqual([[], [HOST]], found)


class TestCampaign(Case):
    def setUp(self) -> None:
        super().setUp()
        self.campaign = beds.start_campaign(self.bed, beds.rolling_plan())

    def bind(self, reaction: str = "hold", **given: Any) -> str:
        return bind(campaign_id=self.campaign, reaction=reaction, **given)

    def set_state(self, state: str, **values: Any) -> None:
        with self.bed.database.begin() as connection:
            connection.execute(sa.update(models.campaign).values(state=state, **values))

    def lines(self) -> list[tuple[str, str, str]]:
        return [
            (row["to_state"], row["actor"], row["detail"])
            for row in self.bed.rows(models.journal)
            if row["object_type"] == "campaign"
        ]

    def test_held_with_a_reason_that_names_the_alarm(self) -> None:
        made = self.bind()
        self.bed.step()
        self.tell()
        self.assertEqual("paused", self.bed.run_until(["paused"]))
        pausing = next(line for line in self.lines() if line[0] == "pausing")
        reason = "alarm load (critical): too much"
        self.assertEqual(("pausing", f"alarm:{made}", reason), pausing)
        told = [each.reason for each in self.bed.news]
        self.assertIn(reason, told)
        (signal_row,) = self.bed.rows(models.signal)
        self.assertEqual(
            ("hold", f"alarm:{made}"), (signal_row["kind"], signal_row["sender"])
        )

    def test_rolled_back(self) -> None:
        self.bind("rollback")
        self.bed.step()
        self.tell()
        self.assertEqual(
            "rolled_back", self.bed.run_until(["rolled_back", "committed"])
        )

    def test_the_end_of_an_alarm_resumes_nothing(self) -> None:
        made = self.bind()
        self.tell()
        self.bed.run_until(["paused"])
        self.tell("ok", at=20.0)
        self.bed.step()
        self.assertEqual("paused", self.bed.state())
        self.assertEqual(("cleared", "observed"), self.observed(made)[-1])

    def test_a_repeat_does_not_overrule_the_operator_a_new_event_does(self) -> None:
        self.bind()
        self.tell(message_id="m1")
        self.bed.run_until(["paused"])
        self.resume()
        self.tell(message_id="m1")
        self.assertEqual("running", self.bed.state())
        self.tell(message_id="m2")
        self.assertEqual("pausing", self.bed.state())

    def test_what_lasts_bars_the_way_on_what_happened_does_not(self) -> None:
        """V-5: an alarm on a metric has to be over, an event is."""
        made = self.bind()
        self.tell()
        self.bed.run_until(["paused"])
        self.resume()
        self.assertEqual("paused", self.bed.state())
        self.tell("ok", at=20.0)
        self.tell(at=30.0, message_id="m1")
        self.assertEqual("alarm", self.alarm(made).state)
        self.resume()
        self.assertEqual("running", self.bed.state())

    def resume(self) -> None:
        self.bed.steers.act(self.campaign, "resume", {}, "operator", None)

    def test_one_that_soaks_does_not_commit(self) -> None:
        self.bind()
        self.set_state("soaking", soak_until=4e9)
        self.tell()
        self.assertEqual("holding", self.bed.state())

    def test_nothing_happens_where_nothing_can(self) -> None:
        """A campaign that is over, or stopped already: counted, kept."""
        for number, (state, reaction) in enumerate(
            (state, reaction)
            for reaction in ("hold", "rollback")
            for state in (
                "validated",
                "committed",
                "rolling_back",
                "rolled_back",
                "failed",
                "cancelled",
            )
        ):
            digest = f"{number:064d}"
            made = self.bind(reaction, digest=digest)
            self.set_state(state)
            self.tell(token_digest=digest)
            self.assertEqual(state, self.bed.state())
            self.assertEqual(1, self.alarm(made).reports)
            self.assertIn(f"is {state}: nothing to", self.observed(made)[0][1])
        self.assertEqual([], self.bed.rows(models.signal))

    def test_only_observed(self) -> None:
        made = self.bind("observe")
        self.tell()
        self.assertEqual("running", self.bed.state())
        self.assertEqual([("raised", "observed")], self.observed(made))

    def test_a_campaign_that_is_gone(self) -> None:
        made = bind(campaign_id=str(uuid.uuid4()), reaction="hold")
        self.tell()
        self.assertIn("is gone", self.observed(made)[0][1])


class TestMany(Case):
    def test_the_same_event_from_many_threads_acts_once(self) -> None:
        made = bind(host=HOST)
        failures: list[BaseException] = []

        def work() -> None:
            try:
                self.tell(message_id="m1")
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=work) for _ in range(8)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        self.assertEqual([], failures)
        self.assertEqual(1, len(self.facts()))
        found = self.alarm(made)
        self.assertEqual((8, 7), (found.reports, found.repeats))

    def test_old_observations_are_forgotten_one_by_one(self) -> None:
        made = bind()
        kept, rows.OBSERVATIONS_KEPT = rows.OBSERVATIONS_KEPT, 5
        self.addCleanup(setattr, rows, "OBSERVATIONS_KEPT", kept)
        for number in range(8):
            self.tell(message_id=f"m{number}")
        self.assertEqual(5, len(self.observed(made)))
        page = ObservationList.get_page(None, made, limit=2).objects
        older = ObservationList.get_page(None, made, before=page[-1].seq).objects
        self.assertEqual(3, len(older))
        self.assertEqual(8, self.alarm(made).reports)


class TestManyOnMariaDB(servers.OnMariaDB, TestMany):
    pass


class TestManyOnPostgreSQL(servers.OnPostgreSQL, TestMany):
    pass


class TestKilled(Case):
    """SIGKILL of the conductor before and after it commits a report."""

    def die(self, place: str, message: Any) -> None:
        pid = os.fork()
        if not pid:
            try:
                fuse = crash.Fuse(place, 1)
                url = f"sqlite:///{self.folder / 'e.sqlite'}"
                opened = crash.MortalDatabase(url, fuse)
                bed = beds.EngineBed(opened, beds.FakeFleet())
                bed.is_dropping = place == crash.AFTER_COMMIT
                bed.alarms.report(message)
            finally:
                os._exit(1)
        status = os.waitpid(pid, 0)[1]
        self.assertTrue(os.WIFSIGNALED(status))
        self.assertEqual(signal.SIGKILL, os.WTERMSIG(status))

    def settle(self) -> list[Any]:
        self.bed.run_until(["running", "pausing", "paused"])
        for _ in range(100):
            if not self.bed.rows(models.outbox):
                break
            self.bed.box._deliver_all(self.bed.box._overdue())
            threading.Event().wait(0.05)
        return self.facts()

    def test_before_the_commit_nothing_happened_and_a_repeat_does_it(self) -> None:
        beds.start_campaign(self.bed, beds.rolling_plan())
        made, message = bind(host=HOST), report()
        self.die(crash.BEFORE_COMMIT, message)
        self.assertEqual(0, self.alarm(made).reports)
        self.bed.alarms.report(message)
        self.assertEqual(1, len(self.settle()))

    def test_after_the_commit_it_is_told_by_another_and_a_repeat_is_one(self) -> None:
        beds.start_campaign(self.bed, beds.rolling_plan())
        made, message = bind(host=HOST), report()
        self.die(crash.AFTER_COMMIT, message)
        found = self.alarm(made)
        self.assertEqual((1, 0), (found.reports, found.repeats))
        self.bed.alarms.report(message)
        (fact,) = self.settle()
        self.assertEqual(found.fault_id, fact.faults[0].id)
        self.assertEqual(1, self.alarm(made).repeats)
