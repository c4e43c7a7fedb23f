"""Preflight reports on a real SQLite database: start, resume, exclusions."""

import dataclasses
import tempfile
from unittest import mock

import sqlalchemy as sa

from escalator import errors
from escalator.conductor import inventory
from escalator.db import models, store
from escalator.domain import events
from escalator.drivers.vim import simulated
from tests.fixtures import engine as beds
from tests.functional.conductor import test_planning

WITH = """
preflight: {{{wanted}}}
procedures:
"""
STAGES = "parallel: 2\n    stages: [{id: one, take: 1}]\n"
DOCUMENT = test_planning.DOCUMENT


class Case(test_planning.Case):
    def setUp(self):
        super().setUp()
        beds.add_hosts(self.database, 4)

    def made_with(self, wanted, is_staged=False):
        """Create the campaign with a preflight; staged, it rests after one host."""
        document = DOCUMENT.replace("procedures:\n", WITH.format(wanted=wanted), 1)
        if is_staged:
            document = document.replace("parallel: 2\n", STAGES, 1)
        return self.create(document)

    def change(self, table, where, **values):
        with self.database.begin() as connection:
            connection.execute(sa.update(table).where(where).values(**values))

    def host(self, name, **values):
        self.change(models.host, models.host.c.name == name, **values)

    def report(self, campaign_id):
        (row,) = store.Store(self.database).read("preflight", campaign_id=campaign_id)
        return row

    def row(self, campaign_id):
        rows = {row["id"]: row for row in self.bed.rows(models.campaign)}
        return rows[campaign_id]

    def add_fault(self, host, **values):
        with self.database.begin() as connection:
            connection.execute(
                sa.insert(models.fault).values(
                    id=f"fault-{host}",
                    host=host,
                    fault_type=events.FaultType.LINK_DOWN.value,
                    severity="major",
                    state="raised",
                    times={},
                    evidence={},
                    instances=[],
                    campaign_ids=[],
                    raised_at=1.0,
                    **values,
                )
            )


class TestReports(Case):
    def test_a_report_moves_nothing_and_is_kept(self):
        """V-5: who, what, and what to do about it."""
        campaign_id = self.create()
        self.assertEqual([], store.Store(self.database).read(
            "preflight", campaign_id=campaign_id))  # fmt: skip
        self.add_fault("h001")
        self.act(campaign_id, "preflight")
        report = self.report(campaign_id)
        self.assertEqual("refused", report["verdict"])
        self.assertEqual(1, report["plan_rev"])
        (found,) = report["findings"]
        self.assertEqual(("health.fault", "h001"), (found["code"], found["host"]))
        self.assertTrue(found["remedy"])
        self.assertEqual("validated", self.state(campaign_id))
        self.change(models.fault, sa.true(), state="cleared")
        self.act(campaign_id, "preflight")
        self.assertEqual("passed", self.report(campaign_id)["verdict"])
        lines = [
            (line["to_state"], line["actor"])
            for line in self.bed.rows(models.journal)
            if line["object_type"] == "preflight"
        ]
        self.assertEqual([("refused", "op"), ("passed", "op")], lines)

    def test_one_that_is_over_has_none(self):
        campaign_id = self.create()
        self.act(campaign_id, "cancel")
        with self.assertRaisesRegex(errors.Conflict, "over"):
            self.act(campaign_id, "preflight")

    def test_what_the_database_knows_is_looked_at(self):
        campaign_id = self.create()
        self.bed.engine.vim_trouble = "no route"
        with self.database.begin() as connection:
            connection.execute(
                sa.insert(models.alarm).values(
                    id="a1", name="load", campaign_id=campaign_id, state="alarm",
                    fault={}, created_at=1.0, token_digest="d",
                )
            )  # fmt: skip
            connection.execute(
                sa.insert(models.alarm_observation).values(
                    alarm_id="a1", report_key="k", at=1.0, reason="above 80",
                    verdict="raised",
                )
            )  # fmt: skip
            connection.execute(
                sa.insert(models.service),
                [
                    {"id": f"s{n}", "binary": name, "host": "x", "instance": str(n),
                     "state": "up", "last_seen_at": seen}
                    for n, (name, seen) in enumerate(
                        (("escalator-monitor", 1.0), ("escalator-notifier", 1.0),
                         ("escalator-notifier", 4e9), ("escalator-agent", 1.0))
                    )
                ],
            )  # fmt: skip
        self.act(campaign_id, "start")
        self.assertEqual("validated", self.state(campaign_id))
        texts = {f["code"]: f["text"] for f in self.report(campaign_id)["findings"]}
        self.assertIn("above 80", texts["alarms.open"])
        self.assertIn("no route", texts["layers.vim_away"])
        self.assertIn("escalator-monitor", texts["layers.service"])
        self.assertNotIn("notifier", texts["layers.service"])
        self.assertEqual(3, len(texts))

    def test_the_agents_actions_are_held_against_the_plan(self):
        """O-0b: a target that lacks what the plan needs is listed, and blocks."""
        beds_actions = {"package_manifest": "?", "package.install": "other"}
        self.host("h002", facts={"actions": beds_actions})
        campaign_id = self.create()
        self.act(campaign_id, "start")
        texts = {f["code"]: f["text"] for f in self.report(campaign_id)["findings"]}
        self.assertIn("package.restore", texts["actions.missing"])
        self.assertIn("package.install", texts["actions.version"])
        self.assertEqual("validated", self.state(campaign_id))

    def test_what_agents_tell_once_stays_known(self):
        """Only some beats tell the actions; a later one hides nothing."""
        stock = inventory.Inventory(self.bed.engine, None)
        beat = events.AgentBeat(
            "h000", "h000:0", ("node",), {"actions": {"a": "1"}}, 1.0, 1.0
        )
        later = dataclasses.replace(beat, facts={"package": {"p": "2"}})
        for each in (beat, later):
            stock.hear(each)
        stock.flush()
        stock.hear(later)
        stock.flush()
        rows = {row["name"]: row for row in self.bed.rows(models.host)}
        told = {"actions": {"a": "1"}, "package": {"p": "2"}}
        self.assertEqual(told, rows["h000"]["facts"])

    def test_a_vim_that_is_away_and_back(self):
        with tempfile.TemporaryDirectory() as folder:
            vim = simulated.Simulated(f"{folder}/vim.sqlite", {"hosts": []})
            stock = inventory.Inventory(self.bed.engine, vim)
            with mock.patch.object(
                vim, "read_changes", side_effect=errors.VimUnavailable(reason="gone")
            ):
                stock.sync()
            self.assertIn("gone", self.bed.engine.vim_trouble)
            stock.sync()
            self.assertEqual("", self.bed.engine.vim_trouble)


class TestStart(Case):
    def test_a_stale_report_starts_nothing(self):
        """V-5: none, an old one, one of another plan, one that refused."""
        campaign_id = self.made_with("valid: 15m")
        tables = (models.slot, models.step, models.outbox, models.token_hold)

        def refused(because):
            self.act(campaign_id, "start")
            row = self.row(campaign_id)
            self.assertEqual("validated", row["state"])
            self.assertIn(because, row["state_reason"])
            self.assertIn("campaign preflight", row["state_reason"])
            self.bed.step()
            left = [self.bed.rows(t) for t in tables if t is not models.outbox]
            self.assertEqual([[], [], []], left)

        refused("there is no report")
        self.act(campaign_id, "preflight")
        self.change(models.preflight_report, sa.true(), made_at=1.0)
        refused("too old")
        self.act(campaign_id, "preflight")
        self.change(models.preflight_report, sa.true(), plan_rev=7)
        refused("plan revision 7")
        self.host("h000", state="down")
        self.act(campaign_id, "preflight")
        refused("findings that block")
        self.host("h000", state="up")
        self.act(campaign_id, "preflight")
        self.act(campaign_id, "start")
        self.assertEqual("running", self.state(campaign_id))

    def test_a_fresh_report_does_not_hide_what_came_since(self):
        campaign_id = self.made_with("valid: 15m")
        self.act(campaign_id, "preflight")
        self.host("h003", state="down")
        self.act(campaign_id, "start")
        self.assertEqual("validated", self.state(campaign_id))
        self.assertIn("h003", self.row(campaign_id)["state_reason"])


class TestResume(Case):
    def test_it_stays_where_it_was(self):
        """V-3: looked at again; what waited goes on once all is well."""
        campaign_id = self.create()
        self.act(campaign_id, "start")
        self.bed.step()
        self.act(campaign_id, "pause")
        self.assertEqual("paused", self.bed.run_until(["paused"]))
        self.host("h003", state="down")
        before = self.bed.fleet.log[:]
        self.act(campaign_id, "resume")
        row = self.row(campaign_id)
        self.assertEqual("paused", row["state"])
        self.assertIn("preflight refused: h003", row["state_reason"])
        self.bed.step()
        self.assertEqual(before, self.bed.fleet.log)
        self.host("h003", state="up")
        self.act(campaign_id, "resume")
        self.assertEqual("committed", self.bed.run_until(["committed"]))

    def test_an_illegal_resume_is_no_matter_of_preflight(self):
        campaign_id = self.create()
        with self.assertRaises(errors.IllegalMove):
            self.act(campaign_id, "resume")
        self.assertIsNone(self.row(campaign_id)["preflight_id"])


class TestExclusion(Case):
    def test_sick_hosts_are_left_out_and_told_at_the_end(self):
        """V-7: two of four are listed as not upgraded."""
        campaign_id = self.made_with("on_finding: exclude_and_report")
        self.host("h001", agent_seen_at=1.0)
        self.add_fault("h002")
        self.act(campaign_id, "start")
        self.assertEqual("running", self.state(campaign_id))
        waits = {w["host"]: w["reason"] for w in self.explains.explain(campaign_id)}
        self.assertIn("left out by the preflight", waits["h001"])
        self.assertEqual("committed", self.bed.run_until(["committed"]))
        touched = {host for host, _, _ in self.bed.fleet.log}
        self.assertEqual({"h000", "h003"}, touched)
        reason = self.row(campaign_id)["state_reason"]
        self.assertIn("not upgraded: h001: its agent is silent; h002", reason)

    def soaking_without(self, host):
        """Return a campaign that left the host out and is watched now."""
        document = test_planning.DOCUMENT + "finish: {soak: 1h}\n"
        wanted = WITH.format(wanted="on_finding: exclude_and_report")
        campaign_id = self.create(document.replace("procedures:\n", wanted, 1))
        self.host(host, state="down")
        self.act(campaign_id, "start")
        self.assertEqual("soaking", self.bed.run_until(["soaking", "committed"]))
        return campaign_id

    def test_they_are_told_when_the_soak_begins(self):
        """V-7: it may be ended by a commit, which has a reason of its own."""
        campaign_id = self.soaking_without("h001")
        self.assertEqual(
            "all targets are done; not upgraded: h001: down or busy: it is down;"
            " watched for 3600 s",
            self.row(campaign_id)["state_reason"],
        )

    def test_one_that_is_well_while_it_soaks_is_told_all_the_same(self):
        campaign_id = self.soaking_without("h001")
        self.host("h001", state="up")
        self.host("h002", state="down")
        self.act(campaign_id, "preflight")
        self.change(models.campaign, sa.true(), soak_until=1.0)
        self.assertEqual("committed", self.bed.run_until(["committed"]))
        self.assertEqual(
            "all targets are done; not upgraded: h001: down or busy: it is down",
            self.row(campaign_id)["state_reason"],
        )
        self.assertNotIn("h001", {host for host, _, _ in self.bed.fleet.log})

    def test_one_that_is_well_again_comes_back_at_the_next_report(self):
        campaign_id = self.made_with("on_finding: exclude_and_report")
        self.host("h001", state="down")
        self.act(campaign_id, "start")
        self.host("h001", state="up")
        self.act(campaign_id, "preflight")
        self.assertEqual("committed", self.bed.run_until(["committed"]))
        self.assertEqual(4, len({host for host, _, _ in self.bed.fleet.log}))

    def test_more_than_allowed_block(self):
        wanted = "on_finding: exclude_and_report, max_excluded: 20%"
        campaign_id = self.made_with(wanted)
        self.host("h001", state="down")
        self.act(campaign_id, "start")
        self.assertEqual("validated", self.state(campaign_id))
        self.assertIn("max_excluded", self.row(campaign_id)["state_reason"])


class TestStages(Case):
    def test_a_fresh_report_is_enough_and_a_stale_one_is_made_again(self):
        campaign_id = self.create()
        self.act(campaign_id, "start")

        def ensure():
            row = self.row(campaign_id)
            with self.database.begin() as connection:
                batch = self.bed.engine.batch(connection)
                ensured = self.bed.execution.preflights.ensure(connection, batch, row)
                batch.write(connection)
                return ensured

        first = self.row(campaign_id)["preflight_id"]
        self.assertEqual("", ensure())
        self.assertEqual(first, self.row(campaign_id)["preflight_id"])
        self.host("h003", state="down")
        self.change(models.preflight_report, sa.true(), made_at=1.0)
        self.assertIn("h003", ensure())
        self.assertNotEqual(first, self.row(campaign_id)["preflight_id"])

    def test_a_gate_leaves_out_whom_its_report_does(self):
        """V-7: at once, in the look that makes the report and opens the gate."""
        wanted = "checks: {disk: exclude_and_report}, min_disk_gib: 5"
        campaign_id = self.made_with(wanted, is_staged=True)
        self.act(campaign_id, "start")
        self.assertEqual("running", self.state(campaign_id))
        self.host("h001", facts={"disk_free_gib": 1})
        self.change(models.preflight_report, sa.true(), made_at=1.0)
        self.assertEqual("committed", self.bed.run_until(["committed"]))
        touched = {host for host, _, _ in self.bed.fleet.log}
        self.assertEqual({"h000", "h002", "h003"}, touched)
        reason = self.row(campaign_id)["state_reason"]
        self.assertIn("not upgraded: h001: 1 GiB are free", reason)
