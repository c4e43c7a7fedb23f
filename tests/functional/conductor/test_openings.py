"""A change window opens to a system that passes a preflight (V-5, CM-1)."""

import datetime

import sqlalchemy as sa

from escalator.db import models, store
from tests.fixtures import folding
from tests.functional.conductor import test_remedies, test_windows
from tests.functional.conductor.test_windows import FIRST, OPEN, SECOND, SHUT

TROUBLE = "no route to Nova"


class TestOpenings(test_windows.Case):
    hosts = 4

    def setUp(self):
        super().setUp()
        self.begin(FIRST, SECOND)
        with self.database.begin() as connection:
            values = {"state": "validated", "started_at": None}
            connection.execute(models.campaign.update().values(**values))
        self.act("start")
        self.work()
        self.made = len(self.reports())

    def reports(self):
        return sorted(row["made_at"] for row in self.bed.rows(models.preflight_report))

    def present(self):
        (row,) = store.Store(self.database).read("preflight", campaign_id=self.campaign)
        return row

    def test_once_in_each_before_the_first_host(self):
        self.assertEqual([], self.begun())
        self.set_clock(OPEN)
        self.bed.step()
        self.assertEqual(self.made + 1, len(self.reports()))
        self.assertEqual(self.database.seconds, self.reports()[-1])
        first = self.begun()
        self.assertEqual(2, len(first))
        self.set_clock(SHUT)
        self.work()
        self.assertEqual(self.made + 1, len(self.reports()), "it is shut")
        self.set_clock(SECOND.start)
        self.assertEqual("committed", self.bed.run_until(["committed", "holding"]))
        self.assertEqual(self.names, self.begun())
        self.assertEqual(self.made + 2, len(self.reports()), "one for all that it took")
        self.assertEqual([], folding.unfolded(self.bed))

    def test_one_that_was_made_since_is_enough(self):
        self.set_clock(OPEN, 1.0)
        self.act("preflight")
        self.assertEqual(self.made + 1, len(self.reports()))
        self.database.seconds += 60.0
        self.bed.step()
        self.assertEqual(self.made + 1, len(self.reports()))
        self.assertEqual(2, len(self.begun()))

    def test_a_refusal_holds_and_resume_goes_on(self):
        self.bed.engine.vim_trouble = TROUBLE
        self.set_clock(OPEN)
        self.work()
        self.assertEqual(("holding", []), (self.bed.state(), self.begun()))
        self.assertIn("preflight refused", self.row()["state_reason"])
        self.assertIn(TROUBLE, str(self.explained()))
        self.assertEqual("refused", self.present()["verdict"])
        self.act("resume")
        self.assertEqual(("holding", []), (self.bed.state(), self.begun()))
        self.bed.engine.vim_trouble = ""
        self.act("resume")
        self.assertEqual("running", self.bed.state())
        self.work()
        self.assertEqual(4, len(self.begun()))

    def test_what_is_begun_ends_though_the_next_window_refuses(self):
        self.set_clock(OPEN)
        self.bed.step()
        self.assertEqual(2, len(self.begun()))
        self.bed.engine.vim_trouble = TROUBLE
        self.set_clock(SECOND.start)
        self.bed.execution.look_at_all()
        self.assertEqual((["W174"], {"W174", "S101"}), self.codes())
        self.assertIn(TROUBLE, self.explained()[0]["reason"])
        self.work()
        self.assertEqual("holding", self.bed.state())
        states = [row["state"] for row in self.bed.rows(models.slot)]
        self.assertEqual(["done", "done"], states)

    def test_nothing_is_asked_where_nothing_is_left(self):
        self.set_clock(OPEN)
        self.assertEqual("committed", self.bed.run_until(["committed", "holding"]))
        made = len(self.reports())
        self.set_clock(SECOND.start)
        self.work()
        self.assertEqual(made, len(self.reports()))

    def test_it_is_explained_until_it_is_made(self):
        self.set_clock(OPEN)
        self.assertEqual((["W173"], {"W173"}), self.codes())
        self.bed.step()
        self.assertEqual([], self.codes()[0])


class TestAgents(test_remedies.Case):
    """Agents are asked, and mend, before the window's first host."""

    def windowed(self, wanted):
        """Create and start a campaign whose window is open; make its report old."""
        now = datetime.datetime.now(datetime.UTC)
        hour = datetime.timedelta(hours=1)
        first, last = (
            each.isoformat("T", "seconds") for each in (now - hour, now + hour)
        )
        text = test_remedies.test_preflight.DOCUMENT
        with_it = test_remedies.test_preflight.WITH.format(wanted=wanted)
        text = text.replace("procedures:\n", with_it, 1)
        text = text.replace("parallel: 2\n", "parallel: 1\n", 1)
        return self.create(
            f"{text}schedule:\n  windows: [{{id: w, start: {first}, end: {last}}}]\n"
        )

    def reopen(self):
        """Let every report be of a time before the window."""
        self.change(models.preflight_report, sa.true(), made_at=1.0)

    def deeds(self, host):
        return [each[1:] for each in self.fleet.log if each[0] == host]

    def test_nobody_is_begun_while_they_are_asked(self):
        campaign_id = self.windowed(test_remedies.ARTIFACTS % "block")
        self.act(campaign_id, "start")
        self.settle(campaign_id, "running")
        asked = len(self.fleet.asked)
        self.reopen()
        self.fleet.log.clear()
        self.settle(campaign_id, "committed")
        self.assertGreater(len(self.fleet.asked), asked)
        order = [each[1:] for each in self.fleet.log]
        first = order.index(("run", "package.install"))
        self.assertLess(order.index(("ask", "")), first, order)

    def test_what_became_worse_is_mended_first(self):
        campaign_id = self.windowed(test_remedies.DISK)
        self.act(campaign_id, "start")
        self.low("h003")
        self.reopen()
        self.settle(campaign_id, "committed")
        self.assertEqual({"h003": 1}, self.remedied())
        self.assertEqual(("remedy", "command.run"), self.deeds("h003")[0])

    def test_what_it_does_not_mend_holds(self):
        campaign_id = self.windowed(test_remedies.DISK)
        self.act(campaign_id, "start")
        self.low("h003")
        self.fleet.hopeless = {"h003"}
        self.reopen()
        self.settle(campaign_id, "holding")
        self.assertIn("preflight refused", self.row(campaign_id)["state_reason"])
        self.assertNotIn(("run", "package.install"), self.deeds("h003"))
