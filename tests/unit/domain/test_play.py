"""A campaign played step by step, with what goes wrong (P-2, P-4c, R-2, V-1)."""

import collections
import dataclasses
import random
import unittest

import hypothesis
from hypothesis import strategies as st

from escalator.domain import (
    budget,
    fault_library,
    plan,
    play,
    play_campaign,
    relocation,
    restoring,
    simulation,
    timing,
)
from tests.fixtures import engine as beds

ONE = plan.Budget("all", "all", max_down=9)
RATES = fault_library.Rate


def host(name, **more):
    return plan.Target(name, role="compute", **more)


def hosts(count, **more):
    return tuple(host(f"h{at:02d}", **more) for at in range(count))


def step(name, undo="", **more):
    values = {"expected_s": 10.0, "timeout_s": 100.0, **more}
    return beds.step(name, name, undo, **values)


STEPS = (step("cordon", "open"), step("install", "restore"), step("verify"))


def made_plan(ladder=(), steps=STEPS, procedures=({},), **changes):
    base = beds.rolling_plan(parallel=2).procedures[0]
    one = dataclasses.replace(
        base, budgets=("all",), ladder=tuple(ladder), steps=tuple(steps)
    )
    values = {"budgets": (ONE,), "on_fault": plan.FaultPolicy("ignore"), **changes}
    return beds.rolling_plan(
        procedures=tuple(dataclasses.replace(one, **each) for each in procedures),
        **values,
    )


def setting(made, targets, library=None, **more):
    values = {"residents": {}, "rooms": {}, "learned": {}, **more}
    library = library or fault_library.Library()
    return play.Setting(made, tuple(targets), library=library, **values)


class Steady(random.Random):
    """Durations at their medians, and so many first draws that fail."""

    def __init__(self, *draws):
        super().__init__(1)
        self.draws = list(draws)

    def lognormvariate(self, mu, sigma):
        return 1.0

    def random(self):
        return self.draws.pop(0) if self.draws else 0.999


def always(failure_class, *names, after=5.0):
    rate = RATES(failure_class, 0.5, timing.Timing(after, 0.0))
    return fault_library.Library(steps={name: (rate,) for name in names})


class LadderTest(unittest.TestCase):
    def play(self, made, count=1, library=None, draws=()):
        return play_campaign.play(setting(made, hosts(count), library), Steady(*draws))

    def test_nothing_fails(self):
        run = self.play(made_plan(), 4)
        self.assertEqual(("committed", 60.0), (run.outcome, run.end_s))
        self.assertEqual({"all": 2}, run.most_down)

    def test_a_retry_waits_for_its_backoff_which_doubles(self):
        ladder = [plan.Rung("retry", times=2, backoff_s=3.0)]
        # cordon is done, install fails twice; a look between takes a draw as well
        draws = [0.9, 0.0, 0.5, 0.0]
        run = self.play(made_plan(ladder), 1, always("transient", "install"), draws)
        self.assertEqual("committed", run.outcome)
        self.assertEqual(10 + (5 + 3) + (5 + 6) + 10 + 10, run.end_s)

    def test_compensation_undoes_in_reverse_and_begins_anew(self):
        ladder = [plan.Rung("compensate", times=1)]
        draws = [0.9, 0.0]
        run = self.play(made_plan(ladder), 1, always("permanent", "install"), draws)
        # 10 cordon, 5 failing install, 20 for both undos, then 30 again
        self.assertEqual(("committed", 65.0), (run.outcome, run.end_s))

    def test_a_failed_undo_is_restored(self):
        """R-1: it takes as long as what it stands in for."""
        save = beds.step(
            "save",
            "save",
            kind="checkpoint",
            covers=("install",),
            expected_s=1.0,
            timeout_s=9.0,
        )
        ladder = [plan.Rung("compensate"), plan.Rung("restore"), plan.Rung("hold")]
        rate = RATES("permanent", 0.5, timing.Timing(5.0, 0.0))
        library = fault_library.Library(
            steps={"verify": (rate,)}, rates={"restore": (rate,)}
        )
        made = made_plan(ladder, steps=(save, *STEPS))
        # verify fails, then the undo of install; the restore succeeds
        run = self.play(made, 1, library, [0.9, 0.9, 0.9, 0.0, 0.0])
        self.assertEqual("committed", run.outcome)
        self.assertEqual(1 + 10 + 10 + 5 + 5 + 10 + 10 + 31, run.end_s)

    def test_without_a_rung_it_holds(self):
        run = self.play(made_plan(), 3, always("permanent", "install"), [0.9, 0.9, 0.0])
        self.assertEqual(("holding", 15.0), (run.outcome, run.end_s))
        self.assertEqual("h00: install failed (permanent)", run.reason)

    def test_a_rollback_undoes_what_was_done_and_waits_for_a_running_step(self):
        ladder = [plan.Rung("rollback", scope="campaign")]
        draws = [0.9, 0.9, 0.0]  # h00 fails at install, h01 installs until 20
        run = self.play(made_plan(ladder), 2, always("permanent", "install"), draws)
        self.assertEqual("rolled_back", run.outcome)
        self.assertEqual(40.0, run.end_s, "h01: 20 s forward and two undos")

    def test_a_quarantined_host_is_left_out_and_counted(self):
        ladder = [plan.Rung("quarantine")]
        library = always("permanent", "install")
        run = self.play(made_plan(ladder), 4, library, [0.9, 0.9, 0.0])
        self.assertEqual(("committed", ("h00",)), (run.outcome, run.quarantined))
        self.assertFalse(run.is_smooth)
        for limit, outcome in (
            ({"max_quarantined": 0}, "holding"),
            ({"max_quarantined_percent": 24.9}, "holding"),
            ({"max_quarantined_percent": 25.0}, "committed"),
        ):
            made = made_plan(ladder, **limit)
            run = self.play(made, 4, library, [0.9, 0.9, 0.0])
            self.assertEqual(outcome, run.outcome, limit)

    def test_one_procedure_of_two_is_rolled_back_and_the_campaign_holds(self):
        ladder = [plan.Rung("rollback", scope="procedure")]
        made = made_plan(
            ladder,
            procedures=(
                {"id": "one", "level": 1, "steps": STEPS[:1]},
                {"id": "two", "level": 2, "steps": STEPS[1:]},
            ),
        )
        library = always("permanent", "install")
        run = self.play(made, 1, library, [0.9, 0.0])
        self.assertEqual(("holding", 10 + 5 + 10), (run.outcome, run.end_s))

    def test_a_failed_undo_holds_or_ends_as_failed(self):
        rate = (RATES("permanent", 1.0, timing.Timing(1.0, 0.0)),)
        library = fault_library.Library(rates={"restore": rate, "verify": rate})
        made = made_plan([plan.Rung("compensate")])
        self.assertEqual("holding", self.play(made, 1, library).outcome)
        made = made_plan([plan.Rung("rollback", scope="campaign")])
        self.assertEqual("failed", self.play(made, 1, library).outcome)

    def test_a_step_beyond_its_timeout_fails(self):
        learned = {("install", "compute"): timing.Timing(500.0, 0.0)}
        run = play_campaign.play(
            setting(made_plan(), hosts(1), learned=learned), Steady()
        )
        self.assertEqual(("holding", 110.0), (run.outcome, run.end_s))

    def test_a_lost_step_that_must_not_be_repeated_holds(self):
        steps = [step("install", "restore", idempotence="never")]
        made = made_plan([plan.Rung("retry", times=9)], steps)
        run = self.play(made, 1, always("lost", "install"), [0.0])
        self.assertEqual(("holding", 100.0), (run.outcome, run.end_s))


class TimesTest(unittest.TestCase):
    """P-4e: times that the file gives as expressions of the instances."""

    drain = beds.step(
        "drain",
        "vim.drain",
        "fill",
        expected="10s + 1s * instances",
        timeout="max(20s, 2s * instances)",
    )
    one_by_one = {"parallel": 1}

    def test_each_host_takes_its_own_with_what_others_left_there(self):
        """Two instances move on to the host with 80 before it is drained itself."""
        made = made_plan(steps=[self.drain], procedures=[self.one_by_one])
        targets = (host("a", instances=2), host("b", instances=80))
        run = play_campaign.play(setting(made, targets), None)
        self.assertEqual(("committed", 12.0 + 92.0), (run.outcome, run.end_s))

    def test_a_timeout_is_that_of_the_host(self):
        """What took 30 s where 20 s were expected is in time everywhere."""
        made = made_plan(steps=[self.drain], procedures=[self.one_by_one])
        targets = (host("a", instances=0), host("b", instances=60))
        known = {("vim.drain", "compute"): timing.Timing(30.0, 0.0, 0.0, 20.0)}
        run = play_campaign.play(setting(made, targets, learned=known), None)
        self.assertEqual(("committed", 15.0 + 105.0), (run.outcome, run.end_s))
        slow = {("vim.drain", "compute"): timing.Timing(60.0, 0.0, 0.0, 20.0)}
        run = play_campaign.play(setting(made, targets, learned=slow), None)
        self.assertIn("a: drain failed (timeout)", run.reason)

    def test_a_restore_takes_as_long_as_what_it_stands_in_for(self):
        """R-1: on that host."""
        save = step("save", kind="checkpoint", checkpoint="cp", covers=("*",))
        change = step("change", expected="5s * instances", is_mutating=True)
        (procedure,) = made_plan(steps=[save, change]).procedures
        timed = timing.of_host(procedure, host("a", instances=8))
        made = restoring.step_of(timed, save)
        self.assertEqual((40.0, 100.0), (made.expected_s, made.timeout_s))


class HoldTest(unittest.TestCase):
    """P-4c, E-4: one procedure holds, the others go on."""

    def play(self, ladder, steps=(STEPS, STEPS), levels=(1, 1), library=None):
        """Play two procedures, each on its own host; the first one's install fails."""
        procedures = tuple(
            {"id": f"p{at}", "level": level, "steps": each, "selector": f"s{at}"}
            for at, (each, level) in enumerate(zip(steps, levels, strict=True))
        )
        selectors = tuple(
            plan.Selector(f"s{at}", (plan.Condition("rack", (f"r{at}",)),), ())
            for at in range(2)
        )
        made = made_plan(ladder, procedures=procedures, selectors=selectors)
        targets = [host(f"h{at}", rack=f"r{at}") for at in range(2)]
        draws = [0.9] * levels.count(1) + [0.0]
        library = library or always("permanent", "install")
        return play_campaign.play(setting(made, targets, library), Steady(*draws))

    def test_the_campaign_holds_when_the_other_one_is_done(self):
        for attempt in ("hold", "page"):
            run = self.play([plan.Rung(attempt, scope="procedure")])
            self.assertEqual(("holding", 30.0), (run.outcome, run.end_s))
            told = "only held procedures are left: p0: h0: install failed (permanent)"
            self.assertEqual(told, run.reason)

    def test_without_a_scope_it_holds_at_once(self):
        run = self.play([plan.Rung("hold")])
        self.assertEqual(("holding", 15.0), (run.outcome, run.end_s))

    def test_what_comes_after_it_is_not_begun(self):
        run = self.play([plan.Rung("hold", scope="procedure")], levels=(1, 2))
        self.assertEqual(("holding", 15.0), (run.outcome, run.end_s))

    def test_a_rollback_takes_it_along(self):
        """h1 fails its second install at 25, and all four undos are to be done."""
        bad = step("burn", "douse")
        rates = {
            name: (RATES(kind, often, timing.Timing(5.0, 0.0)),)
            for name, kind, often in (
                ("install", "permanent", 0.5),
                ("burn", "verification", 1.0),
            )
        }
        ladder = [
            plan.Rung("rollback", ("verification",), scope="campaign"),
            plan.Rung("hold", scope="procedure"),
        ]
        steps = (STEPS, (STEPS[0], STEPS[2], bad))
        run = self.play(ladder, steps, library=fault_library.Library(steps=rates))
        self.assertEqual("rolled_back", run.outcome)
        self.assertEqual(25 + 10 + 10, run.end_s)

    def test_none_of_its_hosts_is_begun_any_more(self):
        """h00 ends its steps, h01 fails, and there would be room for h02."""
        made = made_plan([plan.Rung("hold", scope="procedure")])
        found = setting(made, hosts(3), always("permanent", "verify"))
        world = play.World(found, Steady(*[0.9] * 5, 0.0))
        run = play_campaign.play_in(world)
        self.assertEqual(("holding", 30.0), (run.outcome, run.end_s))
        states = {name: slot.state for (_, name), slot in world.slots.items()}
        self.assertEqual({"h00": "done", "h01": "failed"}, states)

    def test_an_undo_under_way_goes_on_and_its_host_waits(self):
        """Two hosts of the procedure: one is compensated while the other one fails."""
        ladder = [
            plan.Rung("compensate", ("transient",)),
            plan.Rung("hold", scope="procedure"),
        ]
        kinds = iter(("transient", "permanent"))

        class Both(play.World):
            def fate(self, slot):
                if slot.step.id == "install" and not slot.undo:
                    return play.Fate(5.0, next(kinds))
                return play.Fate(10.0)

        made = setting(made_plan(ladder), hosts(2))
        world = Both(made, None)
        run = play_campaign.play_in(world)
        self.assertEqual(("holding", 15 + 20), (run.outcome, run.end_s))
        states = {name: slot.state for (_, name), slot in world.slots.items()}
        self.assertEqual({"h00": "active", "h01": "failed"}, states)


class OrderTest(unittest.TestCase):
    """A rollback undoes the last one worked on first, a higher level before all."""

    def undos(self, made, count):
        """Return (host, action) of every undo, in order."""
        orders = []

        class LastOneFails(play.World):
            def fate(self, slot):
                if slot.undo:
                    orders.append((slot.target.name, slot.action))
                if slot.step.id == "verify" and slot.target.name == f"h{count - 1:02d}":
                    return fault_library.Fate(1.0, "permanent")
                return super().fate(slot)

        world = LastOneFails(setting(made, hosts(count)), Steady())
        run = play_campaign.play_in(world)
        self.assertEqual("rolled_back", run.outcome)
        return orders

    LADDER = (plan.Rung("rollback", scope="campaign"),)

    def test_hosts_and_steps_in_reverse(self):
        made = made_plan(self.LADDER, procedures=({"parallel": 1},))
        self.assertEqual(
            [(f"h0{at}", name) for at in (2, 1, 0) for name in ("restore", "open")],
            self.undos(made, 3),
        )

    def test_levels_in_reverse(self):
        procedures = (
            {"id": "one", "level": 1, "steps": STEPS[:1], "parallel": 9},
            {"id": "two", "level": 2, "steps": STEPS[1:], "parallel": 1},
        )
        made = made_plan(self.LADDER, procedures=procedures)
        actions = [action for _, action in self.undos(made, 3)]
        self.assertEqual(["restore"] * 3 + ["open"] * 3, actions)


class KindTest(unittest.TestCase):
    """Single steps and limits of migrations, as the engine has them."""

    def play(self, made, targets):
        return play_campaign.play(setting(made, targets), None)

    def test_a_single_step_begins_on_all_hosts_at_once_or_not_at_all(self):
        whole = plan.Method.SINGLE_STEP
        made = made_plan(procedures=({"method": whole},))
        run = self.play(made, hosts(5))
        self.assertEqual(("committed", 30.0), (run.outcome, run.end_s))
        tight = plan.Budget("all", "all", max_down=4)
        made = made_plan(procedures=({"method": whole},), budgets=(tight,))
        run = self.play(made, hosts(5))
        self.assertEqual(("waiting", 0.0), (run.outcome, run.end_s))
        self.assertEqual(5, len(run.stuck))

    def test_migrations_count_until_the_drain_is_over(self):
        limit = plan.Budget("all", "all", max_down=1, kind=plan.Kind.MIGRATIONS)
        steps = (step("vim.drain"), step("install"), step("verify"))
        made = made_plan(steps=steps, budgets=(limit,), procedures=({"parallel": 9},))
        run = self.play(made, hosts(3))
        self.assertEqual(("committed", 50.0), (run.outcome, run.end_s))
        self.assertEqual({"all": 1}, run.most_down)


class DeathTest(unittest.TestCase):
    LIBRARY = fault_library.Library(deaths=1000.0 * 3600 / 60, recovery_s=7.0)

    def play(self, do, seed=3, **more):
        made = made_plan(on_fault=plan.FaultPolicy(do), **more)
        targets = hosts(6, instances=4)
        return play_campaign.play(
            setting(made, targets, self.LIBRARY), random.Random(seed)
        )

    def test_the_policy_decides(self):
        for do, outcome in (("hold", "holding"), ("ignore", "committed")):
            run = self.play(do)
            self.assertEqual(outcome, run.outcome)
            self.assertTrue(run.quarantined)
        self.assertEqual("rolled_back", self.play("rollback").outcome)

    def test_a_hold_of_one_procedure(self):
        """E-4: the only one that selects the host, and the campaign in the end."""
        policy = plan.FaultPolicy("hold", "procedure")
        made = made_plan(on_fault=policy)
        found = setting(made, hosts(6), self.LIBRARY)
        run = play_campaign.play(found, random.Random(3))
        self.assertEqual("holding", run.outcome)
        self.assertTrue(run.reason.startswith("only held procedures are left: "))

    def test_its_instances_are_down_until_they_run_elsewhere(self):
        run = self.play("hold")
        noticed = run.owners[relocation.UNKNOWN]
        self.assertEqual((4, 28.0), (noticed.down, noticed.down_s))

    def test_a_selector_that_keeps_it_makes_the_campaign_wait(self):
        all_of_them = plan.Selector("computes", (plan.Condition("role", ("compute",)),))
        run = self.play("ignore", selectors=(all_of_them,))
        self.assertEqual("waiting", run.outcome)
        self.assertIn("lost hosts", run.reason)


class PlacementTest(unittest.TestCase):
    DRAIN = (step("vim.drain"), step("boot", may_reboot=True))

    def play(self, residents, rooms=None, count=3, steps=DRAIN):
        residents = {
            name: [relocation.Resident(*each) for each in found]
            for name, found in residents.items()
        }
        made = made_plan([plan.Rung("rollback", scope="campaign")], steps)
        found = setting(made, hosts(count), residents=residents, rooms=rooms or {})
        return play_campaign.play(found, None)

    def test_who_is_moved_and_for_how_long(self):
        run = self.play({"h00": [("p", "", 3), ("q", "", 1)], "h01": [], "h02": []})
        self.assertEqual("committed", run.outcome)
        self.assertGreaterEqual(run.owners["p"].moved, 3)
        self.assertEqual(0, run.owners["p"].down, "drained before the reboot")
        first = run.owners["p"].moved + run.owners["q"].moved
        self.assertGreaterEqual(first, 4)

    def test_a_reboot_without_a_drain_is_an_outage(self):
        run = self.play({"h00": [("p", "", 3)]}, steps=self.DRAIN[1:])
        self.assertEqual((3, 30.0), (run.owners["p"].down, run.owners["p"].down_s))

    def test_no_room(self):
        full = {f"h{at:02d}": [("p", "", 2)] for at in range(3)}
        run = self.play(full, {"compute": 2})
        self.assertEqual(("rolled_back", {"compute": 2}), (run.outcome, run.no_room))
        self.assertEqual("committed", self.play(full, {"compute": 6}).outcome)

    def test_members_of_a_group_stay_apart(self):
        one_each = {f"h{at:02d}": [("p", "g", 1)] for at in range(3)}
        self.assertEqual({"compute": 2}, self.play(one_each).no_room)
        one_each["h02"] = []
        self.assertEqual("rolled_back", self.play(one_each).outcome, "two go at once")
        self.assertEqual("committed", self.play(one_each, count=5).outcome)


CLASSES = st.sampled_from(fault_library.CLASSES)
RUNGS = st.lists(
    st.builds(
        plan.Rung,
        attempt=st.sampled_from(("retry", "compensate", "quarantine", "rollback")),
        classes=st.one_of(st.just(()), st.tuples(CLASSES)),
        scope=st.sampled_from(("procedure", "campaign")),
    ),
    max_size=3,
)
BUDGETS = (
    plan.Budget("all", "all", max_down=3),
    plan.Budget("rack", "fact", "rack", max_down=1),
)


class PropertyTest(unittest.TestCase):
    @hypothesis.given(
        st.integers(0, 9),
        st.integers(1, 4),
        RUNGS,
        st.lists(st.tuples(CLASSES, st.floats(0, 0.4)), max_size=2),
        st.lists(st.sampled_from((10, 20)), min_size=1, max_size=3),
        st.sampled_from((0.0, 0.0, 3e4)),
        st.sampled_from(("rollback", "hold", "ignore")),
        st.integers(0, 2**16),
    )
    @hypothesis.settings(deadline=None, max_examples=150)
    def test_every_run_ends_within_its_budgets(
        self, count, parallel, ladder, rates, levels, deaths, do, seed
    ):
        """P-2, V-2: whatever fails; only what died may exceed a limit."""
        named = {f"p{at}": level for at, level in enumerate(levels)}
        made = made_plan(
            ladder,
            procedures=tuple(
                {
                    "id": name,
                    "level": level,
                    "parallel": parallel,
                    "budgets": ("all", "rack"),
                }
                for name, level in named.items()
            ),
            budgets=BUDGETS,
            on_fault=plan.FaultPolicy(do),
        )
        library = fault_library.Library(
            rates={"install": tuple(RATES(*each) for each in rates)},
            deaths=deaths,
        )
        targets = tuple(host(f"h{at}", rack=f"r{at % 3}") for at in range(count))
        found = setting(made, targets, library)
        run = play_campaign.play(found, random.Random(seed))
        self.assertEqual(run, play_campaign.play(found, random.Random(seed)))
        self.assertIn(
            run.outcome,
            ("committed", "rolled_back", "holding", "failed", play.WAITING),
        )
        if not deaths and not run.quarantined:
            self.assertLessEqual(run.most_down.get("all", 0), 3)
            self.assertLessEqual(run.most_down.get("rack", 0), 1)
            self.assertNotEqual(play.WAITING, run.outcome)
        if run.outcome == play.WAITING:
            self.assertTrue(run.reason)

    @hypothesis.given(
        st.lists(st.integers(0, 3), max_size=12),
        st.integers(1, 5),
        st.lists(st.sampled_from((10, 20)), min_size=1, max_size=3),
    )
    @hypothesis.settings(deadline=None, max_examples=100)
    def test_without_failures_it_is_the_forecast(self, racks, parallel, levels):
        """P-0: two simulations, written apart, agree."""
        made = made_plan(
            procedures=tuple(
                {
                    "id": f"p{at}",
                    "level": level,
                    "parallel": parallel,
                    "budgets": ("all", "rack"),
                }
                for at, level in enumerate(levels)
            ),
            budgets=BUDGETS,
        )
        targets = tuple(host(f"h{a:02d}", rack=f"r{r}") for a, r in enumerate(racks))
        run = play_campaign.play(setting(made, targets), None)
        known = simulation.simulate(made, targets, lambda p, t: 30.0)
        self.assertEqual("committed", run.outcome)
        self.assertAlmostEqual(known.end_s, run.end_s)
        if targets:
            self.assertEqual(known.most_out(), run.most_down["all"])


class LedgerTest(unittest.TestCase):
    def test_a_host_that_is_lost_uses_up_its_keys(self):
        one, two = hosts(2)
        ledger = budget.Ledger((plan.Budget("all", "all"),), (one, two), ())
        ledger.lose(one)
        self.assertEqual({("all", "all"): 1}, ledger.used(two))
        self.assertTrue(ledger.refusals(two, ("all",)))
        ledger.give_back(one.name)
        self.assertTrue(ledger.refusals(two, ("all",)), "it stays lost")


class LibraryTest(unittest.TestCase):
    def test_what_all_actions_do_counts_for_each(self):
        """P-4e: 60 attempts, 3 failures; an action is not infallible after 20."""
        library = fault_library.learn(
            {"a": 20, "b": 40}, {("b", "permanent"): [1.0, 2.0, 3.0]}
        )
        found = {name: rates[0].probability for name, rates in library.rates.items()}
        self.assertEqual({"a": 1 / 40, "b": (3 + 1) / 60}, found)
        self.assertEqual((RATES("permanent", 0.05),), library.others)

    def test_nothing_failed(self):
        library = fault_library.learn({"a": 20}, {})
        self.assertEqual(((), {"a": ()}), (library.others, library.rates))
        self.assertEqual({}, fault_library.learn({}, {}).rates)

    def test_failures_are_as_frequent_as_their_rate(self):
        rates = (RATES("transient", 0.1), RATES("lost", 0.2))
        library = fault_library.Library(rates={"verify": rates})
        chance = random.Random(1)
        known = timing.Timing(10.0, 0.2)
        found = collections.Counter(
            library.fate(STEPS[2], "verify", known, 1.0, chance).failure_class
            for _ in range(4000)
        )
        self.assertAlmostEqual(0.1, found["transient"] / 4000, delta=0.02)
        self.assertAlmostEqual(0.2, found["lost"] / 4000, delta=0.02)
