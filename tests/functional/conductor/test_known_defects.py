"""Defects of an orchestrator that others use, which this one must not have.

Each was found by reading the strategy engine of StarlingX's VIM; the numbers
are those of the list in which they were written down.
"""

import enum
import os
import tempfile
import unittest
import uuid
from typing import Any

import sqlalchemy as sa

from escalator import errors
from escalator.conductor import steering
from escalator.db import models, work
from escalator.domain import commands, events, plan, states
from escalator.drivers.action import vim as actions
from escalator.drivers.vim import simulated
from tests.fixtures import engine as beds
from tests.fixtures import watched

CHANGE = beds.step("one", "one", "not-one", timeout_s=30.0)
WIDE = (plan.Budget("rack", "all", max_down=9), plan.Budget("group", "all", max_down=9))
OVER = ("committed", "rolled_back", "failed", "holding")


class Case(unittest.TestCase):
    """A conductor in virtual time; a new one may take over at any moment."""

    def setUp(self) -> None:
        self.database = watched.WatchedDatabase()
        self.addCleanup(self.database.dispose)
        beds.add_hosts(self.database, 3)

    def begin(self, program: beds.Program | None = None, **changes: Any) -> str:
        values: dict[str, Any] = {"parallel": 1, "budgets": WIDE, "steps": (CHANGE,)}
        self.fleet = beds.FakeFleet(program)
        self.restart()
        made = beds.rolling_plan(**{**values, **changes})
        self.campaign_id = beds.start_campaign(self.bed, made)
        return self.campaign_id

    def restart(self) -> None:
        """Let a new conductor take over; the old one's memory is gone."""
        quick = beds.settings(lease_s=1.0, probe_interval_s=1.0)
        name = f"conductor-{uuid.uuid4()}"
        self.bed = beds.EngineBed(self.database, self.fleet, name, quick)

    def pass_time(self, seconds: float) -> None:
        """Let time pass while the conductor works."""
        end = self.database.seconds + seconds
        while self.database.seconds < end:
            while self.bed.step():
                pass
            self.database.seconds = min(end, self.database.seconds + 0.25)
        self.bed.step()

    def runs(self, host: str = "h000", action: str = "one") -> int:
        return self.fleet.runs[(host, action)]


class TestStateNames(Case):
    def test_no_two_states_share_a_name(self) -> None:
        """1: two results had the same literal, on disk too."""
        doubles = []
        for module in (states, events, plan):
            for kind in vars(module).values():
                if isinstance(kind, type) and issubclass(kind, enum.StrEnum):
                    members = kind.__members__
                    values = {member.value for member in members.values()}
                    if len(values) != len(members):
                        doubles.append(kind)
        self.assertEqual([], doubles)

    def test_every_state_comes_back_from_the_database(self) -> None:
        campaign_id = self.begin()
        for state in states.CampaignState:
            with self.database.begin() as connection:
                work.update_campaign(connection, campaign_id, 1.0, state=state.value)
            with self.database.begin() as connection:
                row = work.read_campaign(connection, campaign_id)
            assert row is not None
            self.assertIs(state, states.CampaignState(row["state"]))


class TestTime(Case):
    def test_a_backoff_outlives_the_conductor(self) -> None:
        """2: a monotonic clock's value was kept as the deadline of a retry."""
        fails = ("failed", "transient", "planted")
        ladder = (plan.Rung("retry", times=2, backoff_s=20.0),)
        self.begin(lambda order, times: fails if times == 1 else None, ladder=ladder)
        self.pass_time(5.0)
        self.assertEqual(1, self.runs())
        self.restart()
        self.pass_time(14.0)
        self.assertEqual(1, self.runs(), "it was tried again too early")
        self.pass_time(3.0)
        self.assertEqual(2, self.runs(), "it was tried again too late")

    def test_a_deadline_is_not_armed_again_by_a_restart(self) -> None:
        """3: a step could take as many timeouts as there were restarts."""
        silent = ("silent", "", "")
        self.begin(lambda order, times: silent, ladder=(plan.Rung("hold"),))
        self.pass_time(1.0)
        self.fleet.silent.add("h000")
        for _ in range(9):
            self.restart()
            self.pass_time(3.0)
        self.assertEqual("running", self.bed.state())
        for _ in range(2):
            self.restart()
            self.pass_time(3.0)
        self.assertEqual("holding", self.bed.state())

    def test_a_step_that_was_never_ordered_is_not_waited_for(self) -> None:
        """7: after a restart the full timeout was waited, without a question."""
        slow = beds.step("one", "one", "not-one", timeout_s=3600.0)
        self.begin(steps=(slow,))
        self.fleet.silent.add("h000")
        self.bed.step()
        self.fleet.silent.clear()
        self.assertEqual(0, self.runs())
        self.restart()
        self.pass_time(5.0)
        self.assertEqual(1, self.runs())
        self.assertEqual("committed", self.bed.state())


class TestSurroundings(Case):
    def fault(self, host: str, kind: str = "host.down") -> None:
        found = events.Fault(str(uuid.uuid4()), host, kind, "critical", {"T0": 1.0})
        impact = events.Impact(found, (), True, found.times)
        self.bed.faults.apply_down(events.HostMarkedDown(str(uuid.uuid4()), (impact,)))

    def soak(self) -> None:
        """Bring a campaign over two of the three hosts to its soaking."""
        with self.database.begin() as connection:
            query = sa.update(models.host).where(models.host.c.name == "h002")
            connection.execute(query.values(role="storage"))
        self.begin(soak_s=60.0)
        self.pass_time(5.0)
        self.assertEqual("soaking", self.bed.state())

    def test_what_does_not_concern_it_does_not_stop_it(self) -> None:
        """4: any host that changed its state failed the whole strategy."""
        self.soak()
        self.fault("h002")
        self.fault("h001", "service.failed")
        self.pass_time(30.0)
        self.assertEqual("soaking", self.bed.state())
        self.pass_time(31.0)
        self.assertEqual("committed", self.bed.state())

    def test_what_concerns_it_does(self) -> None:
        self.soak()
        self.fault("h001")
        self.pass_time(5.0)
        self.assertEqual("rolled_back", self.bed.state())

    def test_instances_may_move_meanwhile(self) -> None:
        """5: steps failed if an instance had moved since the plan was made."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        hosts = [{"name": f"h00{n}", "capacity": 4} for n in range(3)]
        running = [{"id": f"i{n}", "project": "p", "host": "h000"} for n in range(2)]
        path = os.path.join(folder.name, "vim.sqlite")
        cloud = simulated.Simulated(path, {"hosts": hosts, "instances": running})
        drain = actions.Drain({"vim": cloud})
        enable = actions.EnableScheduling({"vim": cloud})
        moved: dict[str, int] = {}

        def program(order: commands.RunStep, times: int) -> None:
            if order.action == "drain":
                cloud.set_scheduling(order.host, False, "ours")
                moved[order.host] = len(drain.run(order)["moved"])
                self.assertEqual(
                    [], [e.id for e in cloud.list_instances() if e.host == order.host]
                )
            elif order.action == "enable":
                enable.run(order)

        steps = (beds.step("drain", "drain"), beds.step("enable", "enable"))
        self.begin(program, steps=steps)
        cloud.drain("h000")
        self.assertNotIn("h000", {e.host for e in cloud.list_instances()})
        self.pass_time(10.0)
        self.assertEqual("committed", self.bed.state())
        self.assertEqual(2, len(cloud.list_instances()))
        self.assertEqual(0, moved["h000"])
        self.assertGreaterEqual(moved["h001"] + moved["h002"], 2)


class TestSteering(Case):
    def test_every_order_in_every_state_is_obeyed_or_refused(self) -> None:
        """6: one branch of the abort check returned what its caller could not read."""
        odd = []
        for state in states.CampaignState:
            for action in ("start", "pause", "resume", "commit", "rollback", "cancel"):
                self.database.empty()
                beds.add_hosts(self.database, 3)
                campaign_id = self.begin()
                self.pass_time(0.5)
                with self.database.begin() as connection:
                    work.update_campaign(connection, campaign_id, 1.0, state=state)
                steers = steering.Steering(self.bed.engine, self.bed.execution)
                try:
                    steers.act(campaign_id, action, {}, "op", None)
                except (errors.IllegalMove, errors.Conflict):
                    if self.bed.state() != state:
                        odd.append((state, action, "refused, and done"))
                except Exception as error:
                    odd.append((state, action, repr(error)))
                else:
                    (row,) = self.bed.rows(models.campaign)
                    reason = row["state_reason"]
                    is_refused = action in (
                        "start",
                        "resume",
                    ) and reason.startswith("preflight refused: ")
                    if self.bed.state() == state and not is_refused:
                        odd.append((state, action, "obeyed, and nothing moved"))
        self.assertEqual([(s, a, t) for s, a, t in odd if not is_known(s, a)], [])


def is_known(state: str, action: str) -> bool:
    """A start that is refused by its preflight leaves the campaign validated."""
    return (state, action) == ("validated", "start")


class TestHistory(Case):
    def everything(self) -> dict[str, dict[Any, Any]]:
        tables = (models.campaign, models.slot, models.step, models.plan_rev)
        return {
            table.name: {
                row.get("id", row.get("rev")): row for row in self.bed.rows(table)
            }
            for table in tables
        }

    def test_a_report_rewrites_only_its_own_rows(self) -> None:
        """8: every save wrote the whole strategy as one blob, without history."""
        self.begin(parallel=3, steps=(CHANGE, beds.step("two", "two", "not-two")))
        self.bed.step()
        self.assertEqual(3, len(self.bed.reports))
        before, lines = self.everything(), self.bed.rows(models.journal)
        report = next(each for each in self.bed.reports if each.host == "h001")
        self.bed.results.apply([report])
        after = self.everything()
        changed = {
            (table, row.get("host", ""))
            for table, rows in after.items()
            for key, row in rows.items()
            if before[table].get(key) != row
        }
        self.assertEqual({("step", "h001")}, changed)
        now = self.bed.rows(models.journal)
        self.assertEqual(lines, now[: len(lines)])
        fresh = [(e["host"], e["name"], e["to_state"]) for e in now[len(lines) :]]
        self.assertEqual(
            [("h001", "one", "done"), ("h001", "two", "dispatched")], fresh
        )
