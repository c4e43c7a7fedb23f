"""What objects read and write, on every database."""

import dataclasses
import datetime
import threading
import uuid
from typing import Any

import sqlalchemy as sa

from escalator import errors
from escalator.db import facts, models, store
from escalator.domain import events
from tests.functional.db import servers


def new_id(number: int = 0) -> str:
    return str(uuid.UUID(int=number)) if number else str(uuid.uuid4())


def impact(host: str, *projects: str, at: float = 100.0) -> events.Impact:
    fault = events.Fault(
        new_id(), host, "host.down", "critical", {"T0": at, "T1": at + 0.3}
    )
    instances = tuple(events.AffectedInstance(f"i-{p}", p, f"vm {p}") for p in projects)
    return events.Impact(fault, instances, True, {**fault.times, "T5": at + 1})


def settled(
    one: events.Impact, project: str, state: str = "delivered"
) -> events.NoticeSettled:
    return events.NoticeSettled(
        event_id=new_id(),
        notice_id=str(uuid.uuid5(uuid.UUID(one.fault.id), project)),
        cause_id=new_id(),
        fault_ids=(one.fault.id,),
        subscription_id=new_id(),
        project_id=project,
        state=state,
        attempts=1,
        times={"T9": 102.0},
        body="body",
    )


class TestSqlite(servers.OnSqlite):
    def setUp(self) -> None:
        self.database = self.open()
        self.database.create_all()
        self.store = store.Store(self.database)

    def walk(self, kind: str, limit: int, key: str = "id", **query: Any) -> list[str]:
        """Return the keys of all rows, read page by page."""
        found: list[str] = []
        while True:
            marker = found[-1] if found else None
            page = self.store.read(kind, limit=limit, marker=marker, **query)
            self.assertLessEqual(len(page), limit)
            if not page:
                return found
            found += [row[key] for row in page]

    def insert(self, table: sa.Table, *rows: dict[str, Any]) -> None:
        with self.database.begin() as connection:
            connection.execute(sa.insert(table), list(rows))

    def campaign(self, number: int, at: float, **values: Any) -> dict[str, Any]:
        return {
            "id": new_id(number),
            "name": f"c{number}",
            "project_id": "red",
            "state": "running",
            "document": "",
            "params": {},
            "closed_to": [],
            "created_at": at,
            "updated_at": at,
            **values,
        }

    def test_pages_of_campaigns_miss_none_and_repeat_none(self) -> None:
        """The newest first; moments that are equal are told apart by the id."""
        moments = [3.25, 1.125, 2.1, 2.1, 2.1, 1.7e9 + 0.123456]
        rows = [self.campaign(n, at) for n, at in enumerate(moments, 1)]
        self.insert(models.campaign, *rows)
        ordered = sorted(rows, key=lambda r: (r["created_at"], r["id"]), reverse=True)
        for limit in (1, 2, 6, 100):
            self.assertEqual(
                [row["id"] for row in ordered], self.walk("campaign", limit)
            )

    def test_filters_and_the_campaign_without_a_plan(self) -> None:
        self.insert(
            models.campaign,
            self.campaign(1, 1.0),
            self.campaign(2, 2.0, project_id="blue"),
            self.campaign(3, 3.0, state="draft"),
        )
        (row,) = self.store.read("campaign", project_id="red", state="running")
        self.assertEqual(new_id(1), row["id"])
        self.assertEqual(datetime.UTC, row["created_at"].tzinfo)
        self.assertIsNone(row["ended_at"])
        self.assertEqual({"slots": {}, "targets": 0}, row["progress"])

    def test_a_marker_that_is_gone_is_told(self) -> None:
        for kind in ("campaign", "fault", "notice"):
            with self.assertRaises(errors.NotFound):
                self.store.read(kind, marker=new_id())

    def test_pages_of_hosts_and_of_the_journal(self) -> None:
        hosts = {f"h{n}": {**HOST, "rack": f"r{n}"} for n in range(5)}
        with self.database.begin() as connection:
            self.assertEqual(5, facts.sync_hosts(connection, hosts))
            self.assertEqual(0, facts.sync_hosts(connection, hosts))
            del hosts["h2"]
            self.assertEqual(1, facts.sync_hosts(connection, hosts))
        self.assertEqual(["h0", "h1", "h3", "h4"], self.walk("host", 3, "name"))

    def test_the_digest_follows_what_a_monitor_goes_by_and_nothing_else(self) -> None:
        hosts = {name: dict(HOST) for name in ("a", "b")}
        digests = []
        for changed in (
            {},
            {"rack": "elsewhere", "instances": 7},
            {"nics": {"eth1": "10.1.0.1"}},
            {"address": "10.0.0.9"},
        ):
            hosts["a"].update(changed)
            with self.database.begin() as connection:
                facts.sync_hosts(connection, hosts)
            digests.append(self.store.read("host_digest")[0]["digest"])
        for change in ({"campaign_id": new_id()}, {"agent_seen_at": 1.0}):
            with self.database.begin() as connection:
                connection.execute(sa.update(models.host).values(**change))
            digests.append(self.store.read("host_digest")[0]["digest"])
        self.assertEqual(digests[0], digests[1])
        self.assertEqual(len(digests) - 1, len(set(digests)))
        lines = [{"at": 1.0, "campaign_id": c} for c in ("x", "y", "x", "x")]
        self.insert(models.journal, *lines)
        first = self.store.read("journal", campaign_id="x", limit=2)
        rest = self.store.read("journal", campaign_id="x", after=first[-1]["seq"])
        self.assertEqual((2, 1), (len(first), len(rest)))
        self.assertGreater(rest[0]["seq"], first[-1]["seq"])

    def test_an_owner_sees_its_own_of_a_fault(self) -> None:
        """DR-7: neither instances nor notices of another project."""
        mixed, blue = impact("a", "red", "blue"), impact("b", "blue", at=200.0)
        with self.database.begin() as connection:
            for each in (mixed, blue):
                self.assertTrue(facts.is_new_fault(connection, each.fault))
                facts.add_fault(connection, each, [])
                self.assertFalse(facts.is_new_fault(connection, each.fault))
            for project in ("red", "blue"):
                facts.settle_notices(connection, [settled(mixed, project)], 103.0)
        (seen,) = self.store.read("fault", project_id="red")
        self.assertEqual(mixed.fault.id, seen["id"])
        self.assertEqual(["red"], [each["project_id"] for each in seen["instances"]])
        self.assertEqual(["red"], [each["project_id"] for each in seen["notices"]])
        self.assertEqual([], self.store.read("fault", project_id="green"))
        everything = self.store.read("fault")
        self.assertEqual(
            [blue.fault.id, mixed.fault.id], [row["id"] for row in everything]
        )
        self.assertEqual((2, 2), tuple(len(everything[1][k]) for k in SIDES))

    def test_a_fault_of_a_killed_monitor_is_the_same_and_ends_with_it(self) -> None:
        first, again = impact("a", "red"), impact("a", "red", at=150.0)
        with self.database.begin() as connection:
            facts.add_fault(connection, first, [])
            self.assertFalse(facts.is_new_fault(connection, again.fault))
            for _ in range(2):
                facts.clear_fault(connection, again, 200.0)
            self.assertFalse(facts.is_new_fault(connection, again.fault))
            self.assertTrue(facts.is_new_fault(connection, impact("a").fault))
        rows = self.store.read("fault", state="cleared")
        self.assertEqual([again.fault.id, first.fault.id], [row["id"] for row in rows])
        self.assertEqual({200.0}, {row["cleared_at"].timestamp() for row in rows})

    def test_an_end_clears_nothing_that_began_after_it(self) -> None:
        early, late = impact("a"), impact("a", at=300.0)
        with self.database.begin() as connection:
            facts.add_fault(connection, late, [])
            facts.clear_fault(connection, early, 200.0)
        (row,) = self.store.read("fault", state="raised")
        self.assertEqual(late.fault.id, row["id"])

    def test_two_faults_that_end_at_once_leave_the_host_up(self) -> None:
        """Two conductors, one fault each: one of them sees that none is left."""
        host = impact("a")
        link = dataclasses.replace(
            host, fault=dataclasses.replace(host.fault, fault_type="link.down")
        )

        def end(one: events.Impact) -> None:
            together.wait(10.0)
            with self.database.begin() as connection:
                facts.lock_hosts(connection, ["a"])
                facts.clear_fault(connection, one, 1e9)
                facts.settle_hosts(connection, ["a"])

        with self.database.begin() as connection:
            facts.sync_hosts(connection, {"a": HOST})
        for _ in range(10):
            both = [
                dataclasses.replace(
                    each, fault=dataclasses.replace(each.fault, id=new_id())
                )
                for each in (host, link)
            ]
            with self.database.begin() as connection:
                for each in both:
                    facts.mark_down(connection, "a", each.fault.id)
                    facts.add_fault(connection, each, [])
            together = threading.Barrier(2)
            threads = [threading.Thread(target=end, args=(each,)) for each in both]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(30.0)
            self.assertEqual("up", self.store.read("host")[0]["state"])
            self.assertEqual([], self.store.read("fault", state="raised"))

    def test_a_notice_that_came_after_all_replaces_a_dead_letter(self) -> None:
        one = impact("a", "red")
        told = []
        for state in ("dead", "dead", "delivered", "dead"):
            told.append(self.settle([settled(one, "red", state)]))
        self.assertEqual([("dead", "body")] * 2 + [("delivered", "")] * 2, told)

    def test_notices_settled_twice_at_once_end_as_if_one_after_the_other(self) -> None:
        """DR-9: outcomes are stored many at a time."""
        for states, state in (
            (("dead", "delivered"), "delivered"),
            (("delivered", "dead"), "delivered"),
            (("dead", "dead"), "dead"),
        ):
            one, other = impact("a", "red"), impact("b", "red")
            both = [settled(one, "red", each) for each in states]
            with self.database.begin() as connection:
                connection.execute(sa.delete(models.fault_notice))
                connection.execute(sa.delete(models.notice))
                for each in (one, other):
                    facts.add_fault(connection, each, [])
            first = settled(other, "red", "dead")
            self.assertEqual(("dead", "body"), self.settle([first]))
            again = settled(other, "red", "delivered")
            with self.database.begin() as connection:
                facts.settle_notices(connection, [*both, again], 2.0)
                found = connection.execute(sa.select(models.notice)).all()
            wanted = {both[0].notice_id: state, again.notice_id: "delivered"}
            self.assertEqual(wanted, {row.id: row.state for row in found})
            seen = self.store.read("fault", id=one.fault.id)[0]["notices"]
            self.assertEqual([both[0].notice_id], [each["id"] for each in seen])

    def settle(self, outcomes: list[events.NoticeSettled]) -> tuple[str, str]:
        """Return state and body of the only notice there is afterwards."""
        with self.database.begin() as connection:
            facts.settle_notices(connection, outcomes, 1.0)
            row = connection.execute(sa.select(models.notice)).one()
            return row.state, row.body

    def test_notices_are_read_without_their_text(self) -> None:
        """DR-7: an owner reads its own; DR-9: how each ended, the last first."""
        one, other = impact("a", "red", "blue"), impact("b", "red", at=200.0)
        ended = [
            settled(one, "red", "dead"),
            settled(one, "blue"),
            settled(other, "red"),
            dataclasses.replace(settled(other, "news", "dead"), fault_ids=()),
        ]
        with self.database.begin() as connection:
            for at, each in enumerate(ended):
                facts.settle_notices(connection, [each], float(at))
        dead, blue, red, news = (each.notice_id for each in ended)
        for limit in (1, 3, 100):
            self.assertEqual([news, red, blue, dead], self.walk("notice", limit))
        for query, wanted in (
            ({"state": "dead"}, [news, dead]),
            ({"project_id": "red"}, [red, dead]),
            ({"fault_id": one.fault.id}, [blue, dead]),
            ({"fault_id": one.fault.id, "project_id": "red"}, [dead]),
            ({"subscription_id": ended[1].subscription_id}, [blue]),
            ({"id": dead, "project_id": "blue"}, []),
        ):
            for limit in (1, 100):
                self.assertEqual(wanted, self.walk("notice", limit, **query), query)
        (row,) = self.store.read("notice", id=dead)
        self.assertNotIn("body", row)
        self.assertEqual([one.fault.id], row["fault_ids"])
        self.assertEqual(0.0, row["settled_at"].timestamp())

    def test_subscriptions_come_and_go(self) -> None:
        given = {
            "id": new_id(),
            "project_id": "red",
            "url": "https://noc.example/",
            "fault_types": ["host.down"],
        }
        made = self.store.write("subscription", "create", **given)
        with self.assertRaises(errors.Conflict):
            self.store.write("subscription", "create", **given)
        (row,) = self.store.read("subscription", project_id="red")
        self.assertEqual(given["fault_types"], row["fault_types"])
        self.assertAlmostEqual(
            made["created_at"].timestamp(), row["created_at"].timestamp(), 3
        )
        self.assertEqual([], self.store.read("subscription", project_id="blue"))
        for _ in range(2):
            self.store.write("subscription", "destroy", id=given["id"])
        self.assertEqual([], self.store.read("subscription"))

    def beat(self, **changes: Any) -> dict[str, Any]:
        values = {"binary": "monitor", "host": "h", "instance": "1", "id": new_id(7)}
        values["figures"] = {"nova.force_down": {"count": 3}}
        return self.store.write("service", "beat", **{**values, **changes})

    def test_a_service_that_beats_has_one_record(self) -> None:
        """RU-3."""
        self.beat(state="starting")
        first = self.store.read("service")[0]
        self.beat(state="up")
        (row,) = self.store.read("service")
        self.assertEqual("up", row["state"])
        self.assertEqual(first["started_at"], row["started_at"])
        self.assertEqual({"nova.force_down": {"count": 3}}, row["figures"])
        self.assertGreaterEqual(row["last_seen_at"], first["last_seen_at"])
        self.beat(state="starting")
        self.assertGreater(
            self.store.read("service")[0]["started_at"], first["started_at"]
        )

    def test_first_beats_at_the_same_time_make_one_record(self) -> None:
        """Two conductors may take a service's first two beats at once."""
        failed: list[Exception] = []
        together = threading.Barrier(6, timeout=20)

        def beat() -> None:
            together.wait()
            try:
                self.beat(state="up")
            except Exception as error:
                failed.append(error)

        threads = [threading.Thread(target=beat) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        self.assertEqual([], failed)
        self.assertEqual(1, len(self.store.read("service")))


SIDES = ("instances", "notices")
HOST = {
    "address": "",
    "role": "compute",
    "availability_zone": "",
    "tags": [],
    "groups": [],
    "nics": {},
    "server_groups": [],
    "instances": 0,
}


class TestMariaDB(servers.OnMariaDB, TestSqlite):
    pass


class TestPostgreSQL(servers.OnPostgreSQL, TestSqlite):
    pass
