"""Two sites, one of them cut off in the middle of its steps (E-4).

Time is virtual.  The agents of a site that is cut off go on with what they have
begun, keep the outcome, and tell it when they are heard again.  Like real ones they
look, before they repeat a step that may have acted (``idempotent: probe``).
"""

import collections
import dataclasses
import unittest

import sqlalchemy as sa

from escalator.conductor import explaining, steering
from escalator.db import models
from escalator.domain import events, plan
from tests.fixtures import engine as beds
from tests.fixtures import folding, watched

NORTH, SOUTH = 10, 6
STEP_S, TICK_S = 2.0, 0.25
SLOW = 4
"""Ticks that a step takes in the north."""

SILENT_S = 2.0
STEPS = tuple(
    beds.step(name, name, f"not-{name}", timeout_s=STEP_S) for name in ("one", "two")
)
LADDER = (
    plan.Rung("retry", ("transient",), times=2, backoff_s=0.5),
    plan.Rung("page", scope="procedure"),
)
OUT = ("active", "undoing", "undone", "reverting", "failed", "undo_failed")
OVER = ("committed", "rolled_back", "failed", "holding")
HELD = "waits: admission is closed, procedure south holds: "


class SiteFleet(beds.FakeFleet):
    """See the module.

    :ivar cut: hosts that neither hear nor are heard.
    :ivar slow: hosts on which a step takes longer than a tick.
    :ivar heard: reports on their way to a conductor.
    """

    def __init__(self):
        super().__init__()
        self.cut = set()
        self.slow = set()
        self.heard = []
        self._kept = []
        self._working = []

    def run(self, order):
        """Begin an order, or say how it ended; nobody hears it who is cut off."""
        if order.host in self.cut:
            return None
        if order.fence < self.fences.get(order.step_id, 0):
            return beds._report(order, events.Outcome.REFUSED)
        key = (order.step_id, order.fence)
        if key not in self.outcomes:
            self.fences[order.step_id] = order.fence
            has_acted = self.effects[(order.host, order.action, order.step_id)]
            is_over = order.is_resumed and has_acted
            outcome = events.Outcome.DONE if is_over else events.Outcome.RUNNING
            self.outcomes[key] = beds._report(order, outcome)
            if not is_over:
                ticks = SLOW if order.host in self.slow else 1
                self._working.append((ticks, order))
        return self.outcomes[key]

    def probe(self, probe):
        return None if probe.host in self.cut else super().probe(probe)

    def under_way(self):
        """Return the hosts that work on a step."""
        return {order.host for _, order in self._working}

    def work(self):
        """Let a tick pass: steps go on, and end."""
        working, self._working = self._working, []
        self._working = [(left - 1, order) for left, order in working if left > 1]
        for order in (order for left, order in working if left == 1):
            self.effects[(order.host, order.action, order.step_id)] += 1
            self.log.append((order.host, order.intent, order.action))
            report = beds._report(order, events.Outcome.DONE)
            self.outcomes[(order.step_id, order.fence)] = report
            (self._kept if order.host in self.cut else self.heard).append(report)

    def heal(self):
        """Let everybody be heard again; what was kept is told first."""
        self.cut.clear()
        self.heard += self._kept
        self._kept = []


class Case(unittest.TestCase):
    north = NORTH

    def begin(self):
        """Start a campaign over both sites, two hosts of each at once."""
        self.database = watched.WatchedDatabase()
        self.addCleanup(self.database.dispose)
        self.fleet, self.news, self.broken = SiteFleet(), [], []
        names = beds.add_hosts(self.database, self.north + SOUTH)
        self.sites = {
            name: "north" if at < self.north else "south"
            for at, name in enumerate(names)
        }
        self.fleet.slow = self.of("north")
        for name, site in self.sites.items():
            self.change_host(name, facts={"site": site})
        usual = beds.rolling_plan(1, steps=STEPS, ladder=LADDER).procedures[0]
        made = beds.rolling_plan(
            procedures=tuple(
                dataclasses.replace(
                    usual, id=site, selector=site, parallel=2, budgets=("site", "all")
                )
                for site in ("north", "south")
            ),
            selectors=tuple(
                plan.Selector(site, (plan.Condition("site", (site,)),), ())
                for site in ("north", "south")
            ),
            budgets=(
                plan.Budget("site", "fact", "site", max_down=2),
                plan.Budget("all", "all", max_down=4),
            ),
        )
        self.bed = self.conductor()
        self.campaign_id = beds.start_campaign(self.bed, made)
        self.database.watch = self.check_budgets

    def conductor(self):
        """Return a new conductor; those before it are gone."""
        quick = beds.settings(
            lease_s=1.0, probe_interval_s=0.5, agent_silent_s=SILENT_S
        )
        bed = beds.EngineBed(self.database, self.fleet, "conductor", quick)
        bed.news = self.news
        return bed

    def change_host(self, name, **values):
        host = models.host
        with self.database.begin() as connection:
            query = sa.update(host).where(host.c.name == name).values(**values)
            connection.execute(query)

    def check_budgets(self):
        """Two hosts of a site are out at most, after every transaction."""
        slots = self.rows(models.slot)
        out = {row["host"] for row in slots if row["state"] in OUT}
        counts = collections.Counter(self.sites[name] for name in out)
        if max(counts.values(), default=0) > 2:
            self.broken.append(dict(counts))

    def rows(self, table):
        with self.database.engine.connect() as connection:
            return [dict(r) for r in connection.execute(sa.select(table)).mappings()]

    def survive(self, call):
        """Do it again if the conductor dies; what was not answered comes again."""
        try:
            call()
        except watched.Killed:
            self.database.kill_at = 0
            lost = self.bed.reports
            self.bed = self.conductor()
            self.bed.reports = lost
            call()

    def tick(self):
        """Let time pass and steps end, and a conductor do all it can."""
        self.database.seconds += TICK_S
        self.fleet.work()
        self.bed.reports += self.fleet.heard
        self.fleet.heard.clear()
        told = list(self.bed.reports)

        def work():
            self.bed.reports = [*told, *self.bed.reports]
            while self.bed.step():
                pass

        self.bed.reports = []
        self.survive(work)

    def run_until(self, is_reached, limit=200):
        for _ in range(limit):
            if is_reached():
                return
            self.tick()
        self.fail(f"not reached: {self.campaign()}, {self.slots()}")

    def act(self, action, **arguments):
        key = f"{action} {arguments} {self.database.seconds}"

        def steer():
            steers = steering.Steering(self.bed.engine, self.bed.execution)
            steers.act(self.campaign_id, action, arguments, "op", key)

        self.survive(steer)

    def campaign(self):
        (row,) = self.rows(models.campaign)
        return row

    def is_over(self):
        return self.campaign()["state"] in OVER

    def is_held(self):
        return bool(self.campaign()["closed_to"])

    def slots(self):
        return {row["host"]: row["state"] for row in self.rows(models.slot)}

    def of(self, site):
        return {name for name, where in self.sites.items() if where == site}

    def orders(self, site):
        """Return the fence of every step: how often it was ordered."""
        rows = self.rows(models.step)
        return {row["id"]: row["fence"] for row in rows if row["host"] in self.of(site)}

    def cut_off(self):
        """Cut the south off while two of its hosts work and two are done."""
        south = self.of("south")
        self.run_until(
            lambda: (
                "done" in {self.slots().get(name) for name in south}
                and len(self.fleet.under_way() & south) == 2
            )
        )
        self.midway = self.fleet.under_way() & south
        self.fleet.cut |= south
        for name in south:
            self.change_host(name, agent_seen_at=self.database.seconds)

    def heal(self):
        for name in self.of("south"):
            self.change_host(name, agent_seen_at=4e9)
        self.fleet.heal()

    def told(self):
        """Return (host, code, sentence) of everything that waits."""
        teller = explaining.Explaining(self.bed.engine, self.bed.execution.admission)
        found = teller.explain(self.campaign_id)
        return {(each["host"], each["code"], each["reason"]) for each in found}

    def assert_sound(self):
        self.assertEqual([], self.broken)
        self.assertEqual([], self.rows(models.token_hold))
        self.assertEqual([], self.rows(models.outbox))
        self.assertEqual([], folding.unfolded(self.bed))
        effects = {key: n for key, n in self.fleet.effects.items() if n != 1}
        self.assertEqual({}, effects, "done more than once")


class TestPartition(Case):
    def setUp(self):
        self.begin()

    def test_the_other_goes_on_and_the_one_cut_off_comes_to_rest(self):
        self.cut_off()
        begun = self.orders("south")
        self.run_until(self.is_held)
        self.assertEqual("running", self.campaign()["state"])
        self.assertLess(self.of("north") & self.slots().keys(), self.of("north"))
        self.assert_every_host_says_why()
        self.run_until(self.is_over)
        self.assertEqual("holding", self.campaign()["state"])
        self.assertIn("only held procedures are left: south: ", self.why())
        for name in self.of("north"):
            self.assertEqual("done", self.slots()[name])
        self.assertEqual(begun, self.orders("south"), "nothing is begun or repeated")
        paged = [n.reason for n in self.news if n.severity == "critical"]
        self.assertEqual(2, len(paged), "each of the two that are midway")
        self.heal()
        self.tick()
        late = [r["host"] for r in self.rows(models.journal) if r["to_state"] == "late"]
        self.assertEqual(self.midway, set(late))
        self.assertEqual("holding", self.campaign()["state"])
        self.act("resume", procedure="south")
        self.run_until(self.is_over)
        self.assertEqual("committed", self.campaign()["state"])
        self.assertEqual({*self.sites}, set(self.slots()))
        self.assertEqual({"done"}, set(self.slots().values()))
        self.assertEqual(2 * len(self.sites), len(self.fleet.effects))
        self.assert_sound()

    def why(self):
        return self.campaign()["state_reason"]

    def assert_every_host_says_why(self):
        """Also those in the south that are not begun, and the north's."""
        told = self.told()
        south = self.of("south")
        waiting = south - {n for n, state in self.slots().items() if state == "done"}
        self.assertEqual(4, len(waiting), "two are midway and two not begun")
        first = next(iter(self.campaign()["closed_to"]))["reason"]
        self.assertIn("failed (lost)", first)
        for name in waiting:
            mine = {(code, text) for host, code, text in told if host == name}
            self.assertTrue(mine, name)
            for code, text in mine:
                self.assertIn(code, ("W114", "W171", "F206"), text)
                if code != "W114":
                    self.assertTrue(text.startswith(HELD), text)
        self.assertIn(("", "W171", HELD + first), told)
        idle = {name for name in self.sites if name not in self.slots()}
        self.assertLessEqual(idle, {host for host, _, _ in told})

    def test_a_rollback_waits_for_it_and_ends_when_it_is_heard_again(self):
        self.cut_off()
        self.run_until(self.is_held)
        self.run_until(lambda: not self.is_silent_yet())
        self.act("rollback")
        north, south = self.of("north"), self.of("south")
        self.run_until(
            lambda: {self.slots().get(n, "reverted") for n in north} == {"reverted"}
        )
        for _ in range(40):
            self.tick()
        self.assertEqual("rolling_back", self.campaign()["state"])
        self.assertIn("stuck: ", self.campaign()["state_reason"])
        told = self.told()
        for name in south & self.slots().keys():
            mine = {(code, text) for host, code, text in told if host == name}
            self.assertIn(("W107", "waits: its agent is silent"), mine)
        self.heal()
        self.run_until(self.is_over)
        self.assertEqual("rolled_back", self.campaign()["state"])
        self.assertEqual({"reverted"}, set(self.slots().values()))
        forward = sorted((h, f"not-{a}") for h, i, a in self.fleet.log if i == "run")
        back = sorted((h, a) for h, i, a in self.fleet.log if i == "revert")
        self.assertEqual(forward, back)
        self.assert_sound()

    def is_silent_yet(self):
        """Say whether the south was heard lately."""
        heard = {r["agent_seen_at"] for r in self.rows(models.host)}
        return self.database.seconds - min(heard) <= SILENT_S

    def test_a_rollback_that_is_asked_for_at_once(self):
        """The steps under way in the south end first: they are lost."""
        self.cut_off()
        self.act("rollback")
        self.run_until(lambda: not self.is_silent_yet())
        for _ in range(40):
            self.tick()
        self.heal()
        self.run_until(self.is_over)
        self.assertEqual("rolled_back", self.campaign()["state"])
        self.assertEqual({"reverted"}, set(self.slots().values()))
        self.assert_sound()


class TestKilled(Case):
    """Rules 1 and 2: the hold is stored with the failure, or the failure is not."""

    north = 2

    def play(self, kill_at=0):
        """Play to the end; returns the commits between which the south holds."""
        self.begin()
        self.cut_off()
        first = self.database.commits
        self.database.kill_at = kill_at
        self.run_until(self.is_over)
        last = self.database.commits
        self.assertEqual("holding", self.campaign()["state"])
        self.assertEqual(
            ["south"], [e["procedure"] for e in self.campaign()["closed_to"]]
        )
        self.heal()
        self.act("resume", procedure="south")
        self.run_until(self.is_over)
        self.assertEqual("committed", self.campaign()["state"])
        self.assertEqual({"done"}, set(self.slots().values()))
        self.assertEqual(2 * len(self.sites), len(self.fleet.effects))
        self.assert_sound()
        return first, last

    def test_at_any_commit(self):
        first, last = self.play()
        self.assertGreater(last, first + 4)
        for at in range(first + 1, last + 1):
            for kill_at in (at, -at):
                with self.subTest(kill_at=kill_at):
                    self.play(kill_at)
                    self.assertEqual(0, self.database.kill_at, "nobody was killed")
