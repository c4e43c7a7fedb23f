"""Times that depend on the instances of the host, in a campaign that runs (P-4e)."""

import dataclasses
from typing import Any

import sqlalchemy as sa

from escalator import errors
from escalator.db import models
from escalator.domain import events, plan
from tests.fixtures import engine as beds
from tests.functional.conductor import (
    test_known_defects,
    test_planning,
    test_windows,
)

DRAIN = beds.step(
    "drain",
    "drain",
    "fill",
    expected="1s * instances",
    timeout="10s + 2s * instances",
)
HOLD = (plan.Rung("hold"),)


class Case(test_known_defects.Case):
    """In virtual time; orders are noted with the time that they give."""

    def setUp(self) -> None:
        super().setUp()
        self.limits: list[tuple[str, float]] = []

    def hold(self, host: str, instances: int) -> None:
        """Let the inventory tell so many instances on a host."""
        with self.database.begin() as connection:
            query = sa.update(models.host).where(models.host.c.name == host)
            connection.execute(query.values(instances=instances))

    def rows(self, **values: str) -> list[dict[str, object]]:
        found = self.bed.rows(models.step)
        return [r for r in found if all(r[k] == v for k, v in values.items())]

    def end(self, host: str, action: str) -> None:
        """Let what an agent does come to its end."""
        (row,) = self.rows(host=host, action=action)
        key = (str(row["id"]), int(str(row["fence"])))
        self.fleet.outcomes[key] = dataclasses.replace(
            self.fleet.outcomes[key], outcome=events.Outcome.DONE.value
        )


class TestHang(Case):
    def test_a_host_with_many_instances_is_not_taken_for_hung(self) -> None:
        """One with few, whose drain takes as long, is."""
        for host, instances in (("h000", 2), ("h001", 80), ("h002", 0)):
            self.hold(host, instances)
        running = ("running", "", "")
        self.begin(
            lambda order, times: None if order.host == "h002" else running,
            steps=(DRAIN,),
            ladder=HOLD,
            parallel=3,
        )
        self.pass_time(12.0)
        self.assertEqual(
            {"h000", "h001"}, {r["host"] for r in self.rows(state="running")}
        )
        self.pass_time(8.0)
        (few,), (many,) = self.rows(host="h000"), self.rows(host="h001")
        self.assertEqual(("hung", 14.0, 2.0), _of(few))
        self.assertEqual(("running", 170.0, 80.0), _of(many))
        self.assertIn("its deadline was 14 s after its order", str(few["reason"]))
        self.pass_time(140.0)
        self.assertEqual([many["id"]], [r["id"] for r in self.rows(state="running")])
        self.end("h001", "drain")
        self.pass_time(5.0)
        self.assertEqual(["done"], [r["state"] for r in self.rows(host="h001")])

    def test_with_many_instances_it_hangs_too_in_the_end(self) -> None:
        self.hold("h000", 80)
        self.begin(
            lambda order, times: ("running", "", ""), steps=(DRAIN,), ladder=HOLD
        )
        self.pass_time(169.0)
        self.assertEqual("running", self.bed.state())
        self.pass_time(5.0)
        self.assertEqual(
            ("holding", "hung"), (self.bed.state(), self.rows()[0]["state"])
        )


class TestBinding(Case):
    """P-4a: the host as it is when the step begins decides."""

    def begin_noting(self, act: beds.Program, **changes: Any) -> None:
        def program(order, times):
            self.limits.append((order.action, order.timeout_s))
            return act(order, times)

        with self.database.begin() as connection:
            others = models.host.c.name != "h000"
            connection.execute(sa.update(models.host).where(others).values(role="x"))
        self.begin(program, **changes)

    def test_instances_that_came_before_the_step_began_count(self) -> None:
        self.hold("h000", 2)
        first = beds.step("first", "first")
        self.begin_noting(
            lambda order, times: (
                ("running", "", "") if order.action == "first" else None
            ),
            steps=(first, DRAIN),
        )
        self.pass_time(1.0)
        (drain,) = self.rows(action="drain")
        self.assertEqual(("blocked", 14.0, 2.0), _of(drain), "foreseen at the opening")
        self.hold("h000", 40)
        self.end("h000", "first")
        self.pass_time(5.0)
        self.assertEqual([("first", 5.0), ("drain", 90.0)], self.limits)
        self.assertEqual("committed", self.bed.state())

    def test_a_repeated_step_keeps_its_time_and_a_new_round_gets_another(self) -> None:
        """The undo is given as much as what it undoes, though the host is empty."""
        self.hold("h000", 40)

        def act(order, times):
            if order.action != "drain":
                return None
            self.hold("h000", {1: 0, 2: 7}.get(times, 9))
            return {
                1: ("failed", "transient", "planted"),
                2: ("failed", "permanent", "planted"),
            }.get(times)

        self.begin_noting(act, steps=(DRAIN,), ladder=beds.LADDER)
        self.pass_time(10.0)
        self.assertEqual("committed", self.bed.state())
        self.assertEqual(
            [("drain", 90.0), ("drain", 90.0), ("fill", 90.0), ("drain", 24.0)],
            self.limits,
        )
        (fill,) = self.rows(action="fill")
        self.assertEqual(40.0, fill["expected_s"])

    def test_a_restore_gets_what_the_steps_got_that_it_stands_in_for(self) -> None:
        """R-1."""
        self.hold("h000", 40)
        save = beds.step(
            "save", "save", kind="checkpoint", checkpoint="cp", covers=("drain",)
        )

        def act(order, times):
            if order.action == "drain" and times == 1:
                self.hold("h000", 0)
                return ("failed", "permanent", "planted")
            return None

        ladder = (plan.Rung("restore"), *HOLD)
        self.begin_noting(act, steps=(save, DRAIN), ladder=ladder)
        self.pass_time(10.0)
        self.assertEqual(("save", 90.0), self.limits[2], "the checkpoint is put back")
        self.assertEqual(("drain", 10.0), self.limits[4])


class TestWindow(test_windows.Case):
    hosts = 2
    more = {"steps": (DRAIN,)}

    def test_a_host_whose_visit_is_too_long_holds_back_no_shorter_one(self) -> None:
        """CM-1: 118 s (p90) do not end before the window closes, 3 s do."""
        for host, instances in (("h000", 80), ("h001", 2)):
            with self.database.begin() as connection:
                query = sa.update(models.host).where(models.host.c.name == host)
                connection.execute(query.values(instances=instances))
        self.set_clock(test_windows.SHUT, -100.0)
        self.begin(test_windows.FIRST)
        self.work()
        self.assertEqual(["h001"], self.begun())


class TestForesight(test_planning.Case):
    document = test_planning.DOCUMENT.replace(
        "expected: 1s\n        timeout: 5s",
        "expected: 1s + 10s * instances\n        timeout: 5s + 20s * instances",
    )

    def setUp(self) -> None:
        super().setUp()
        for at, name in enumerate(beds.add_hosts(self.database, 3)):
            with self.database.begin() as connection:
                query = sa.update(models.host).where(models.host.c.name == name)
                connection.execute(query.values(instances=at * 20))

    def forecast(self, asked=None):
        return self.plans.forecast(self.document, {}, 1, asked)

    def test_a_plan_tells_how_long_each_host_takes(self) -> None:
        """P-0: its checkpoint of 1 s, and 1 s with 10 s for each instance."""
        told = self.forecast()
        took = {v["host"]: v["end_s"] - v["start_s"] for v in told["visits"]}
        self.assertEqual({"h000": 2, "h001": 202, "h002": 402}, took)
        (procedure,) = told["summary"]["procedures"]
        self.assertEqual(402, procedure["expected_s_per_target"])
        self.assertEqual(2, procedure["least_expected_s_per_target"])

    def test_what_if_there_were_other_hosts(self) -> None:
        """P-2: 404 s two at once, 606 s one after another."""
        found = self.forecast({"parallel.computes": "1"})["what_if"]
        before, after = found["before"]["end_s"], found["after"]["end_s"]
        self.assertGreater(before["p50"], 300)
        self.assertGreater(after["p50"], before["p50"] + 100)

    def test_what_was_measured_is_scaled(self) -> None:
        """P-4e: five hosts took 60 s of the 20 s that were expected of them."""
        rows = [
            {
                "id": f"{number:036d}",
                "campaign_id": "c" * 36,
                "slot_id": "s" * 36,
                "procedure": "p",
                "host": "h000",
                "seq": 1,
                "name": "install",
                "kind": "action",
                "action": "package.install",
                "executor": "node",
                "intent": "run",
                "state": "done",
                "idempotence": "probe",
                "expected_s": 20.0,
                "started_at": 1000.0,
                "ended_at": 1060.0,
                "created_at": 1000.0,
            }
            for number in range(5)
        ]
        with self.database.begin() as connection:
            connection.execute(sa.insert(models.step), rows)
        took = {v["host"]: v["end_s"] - v["start_s"] for v in self.forecast()["visits"]}
        self.assertEqual({"h000": 4, "h001": 604, "h002": 1204}, took)

    def test_a_campaign_that_is_stored_runs_so(self) -> None:
        created = self.create(self.document)
        self.act(created, "start")
        self.settle(created, "committed")
        limits = {
            row["host"]: row["timeout_s"]
            for row in self.bed.rows(models.step)
            if row["name"] == "install"
        }
        self.assertEqual({"h000": 5, "h001": 405, "h002": 805}, limits)

    def test_what_does_not_come_to_a_time_is_refused_with_its_line(self) -> None:
        wrong = self.document.replace("5s + 20s * instances", "5s + 20 * instances")
        with self.assertRaises(errors.InvalidInput) as caught:
            self.create(wrong)
        (found,) = caught.exception.findings
        line = wrong.splitlines().index("        timeout: 5s + 20 * instances") + 1
        self.assertEqual(("C615", line), (found["rule"], found["line"]))
        self.assertIn("joins a duration and a number", found["detail"])
        self.assertEqual([], self.bed.rows(models.campaign))


def _of(row: dict[str, object]) -> tuple[object, ...]:
    return row["state"], row["timeout_s"], row["expected_s"]
