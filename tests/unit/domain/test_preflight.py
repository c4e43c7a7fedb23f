"""The system held against the plan: each check fails where the others pass."""

import dataclasses
import unittest
from typing import Any

from escalator.domain import ability, collection, placement, plan, preflight, remedies
from escalator.domain.preflight import Sight

STEPS = tuple(
    plan.Step(
        name, "action", action, executor, {}, 1.0, 5.0, "probe", True, version=version
    )
    for name, action, executor, version in (
        ("cordon", "vim.disable_scheduling", "vim", "v"),
        ("drain", "vim.drain", "vim", "v"),
        ("install", "package.install", "node", "1a"),
    )
)


def host(name: str, role: str = "compute", **changes: Any) -> plan.Target:
    """Return a sound host with room for ten instances and four on it."""
    values: dict[str, Any] = {
        "instances": 4,
        "facts": {
            "capacity": 10,
            "actions": {"package.install": "1a"},
            "disk_free_gib": 20,
        },
    }
    return plan.Target(name, role, **{**values, **changes})


def told(target: plan.Target, **facts: Any) -> plan.Target:
    return dataclasses.replace(target, facts={**target.facts, **facts})


def made(parallel: int = 1, steps: Any = STEPS, **wanted: Any) -> plan.Plan:
    procedure = plan.Procedure(
        "computes", 0, (), "all", "rolling", parallel, (), steps, ()
    )
    return plan.Plan(
        "one", "", "smooth", {}, (), (), (procedure,), plan.FaultPolicy(),
        preflight=plan.Preflight(**wanted),
    )  # fmt: skip


FLEET = tuple(host(name) for name in ("a", "b", "c"))


def sight(
    fleet: Any = FLEET, todo: Any = None, made_of: plan.Plan | None = None, **seen: Any
) -> Sight:
    chosen = fleet if todo is None else [t for t in fleet if t.name in todo]
    return Sight(
        made_of or made(),
        fleet,
        {"computes": chosen},
        next_ids={"computes"},
        **seen,
    )


def codes(seen: Sight) -> list[tuple[str, str, str]]:
    return [(f.code, f.host, f.effect) for f in preflight.judge(seen).findings]


def asked(answer: Any, **seen: Any) -> Sight:
    """Return a sight of which one host was asked, and answered."""
    return sight(
        made_of=made(checks={"artifacts": "block"}),
        questions={"a": {"deeds": [], "collect": []}},
        answers={} if answer is None else {"a": answer},
        **seen,
    )


def tried(answer: Any, **seen: Any) -> Sight:
    """Return a sight of which the VIM was asked about one host, and answered."""
    return sight(
        drains={"a": {"deeds": []}},
        vim_answers={} if answer is None else {"a": answer},
        **seen,
    )


def told_figures(kind: str, value: float | None, **wanted: Any) -> Sight:
    """Return a sight of which one host told one figure, or none."""
    figures = {} if value is None else {"figure": value}
    limits = {kind: {"figure": 4}}
    return sight(
        made_of=made(**{"checks": {kind: "block"}, "limits": limits, **wanted}),
        questions={"a": {"deeds": [], "collect": [kind]}},
        answers={"a": ability.Answer(collected={kind: ability.Told(figures)})},
    )


class TestChecks(unittest.TestCase):
    def test_nothing_is_found_where_all_is_well(self) -> None:
        self.assertEqual(preflight.Verdict((), ""), preflight.judge(sight()))

    def test_every_check_alone(self) -> None:
        """V-3: each has its own code, a text and a remedy."""
        a, b, c = FLEET
        replace = dataclasses.replace
        control = host("x", "controller", is_up=False)
        cases = {
            "selection.empty": sight(todo=()),
            "health.down": sight((replace(a, is_up=False), b, c)),
            "health.busy": sight((replace(a, is_up=False), b, c), busy={"a": "other"}),
            "health.silent": sight((replace(a, has_agent=False), b, c)),
            "health.fault": sight(faults={"a": ["link.down", "link.down"]}),
            "health.quarantine": sight((replace(a, is_quarantined=True), b, c)),
            "alarms.open": sight(alarms=[("load", "too high")]),
            "capacity.room": sight((a, b, c), made_of=made(parallel=3)),
            "migration.stuck": sight(
                tuple(replace(each, server_groups=("g",)) for each in FLEET)
            ),
            "layers.vim_away": sight(vim_trouble="connection refused"),
            "layers.vim_down": sight((*FLEET, control), todo="abc"),
            "layers.nfvi_down": sight(
                (replace(a, is_up=False), host("x", "controller", instances=0)),
                todo="x",
            ),
            "layers.service": sight(services=["escalator-monitor"]),
            "actions.missing": sight((told(a, actions={}), b, c)),
            "actions.version": sight(
                (told(a, actions={"package.install": "2b"}), b, c)
            ),
            "disk.low": sight(
                (told(a, disk_free_gib=1), b, c), made_of=made(min_disk_gib=2)
            ),
        }
        cases |= {
            "artifacts.missing": asked(ability.Answer(("no a 2.0",))),
            "artifacts.unknown": asked(ability.Answer(trouble="no answer")),
            "migration.obstructed": tried(ability.Answer(("i1 fits nowhere",))),
            "migration.unknown": tried(ability.Answer(trouble="no answer")),
            "statistics.missing": told_figures("statistics", None),
            "statistics.high": told_figures("statistics", 5),
            "logs.missing": told_figures("logs", None),
            "logs.high": told_figures("logs", 5),
            "actions.vim_missing": sight(vim_agents={"v": {}}),
            "actions.vim_silent": sight(is_vim_silent=True),
            "actions.vim_version": sight(
                vim_agents={"v": {"vim.drain": "v", "vim.disable_scheduling": "w"}}
            ),
        }
        self.assertEqual(
            {*cases, "health.too_many"},
            {line.split("``")[1] for line in preflight.__doc__.splitlines()
             if line.startswith("``")},
        )  # fmt: skip
        for code, seen in cases.items():
            with self.subTest(code):
                verdict = preflight.judge(seen)
                self.assertEqual([code], [each.code for each in verdict.findings])
                self.assertTrue(verdict.refusal.startswith("preflight refused: "))
                (found,) = verdict.findings
                self.assertIn(found.text, verdict.refusal)
                self.assertTrue(found.remedy)

    def test_who_is_judged_by_what_they_did_not_tell(self) -> None:
        """An older agent tells neither actions nor space: no finding."""
        silent = tuple(dataclasses.replace(each, facts={}) for each in FLEET)
        self.assertEqual([], codes(sight(silent, made_of=made(min_disk_gib=9))))

    def test_a_quarantined_host_does_not_stop_the_other_layer(self) -> None:
        lost = dataclasses.replace(FLEET[0], is_up=False, is_quarantined=True)
        self.assertEqual(
            [], codes(sight((lost, host("x", "controller", instances=0)), todo="x"))
        )

    def test_another_campaign_is_waited_for_after_the_start(self) -> None:
        busy = (dataclasses.replace(FLEET[0], is_up=False), *FLEET[1:])
        seen = sight(busy, busy={"a": "other"}, is_first=False)
        self.assertEqual([], codes(seen))

    def test_a_campaign_that_is_done_has_nothing_to_judge(self) -> None:
        self.assertEqual([], codes(sight(todo=(), is_first=False)))


class TestPolicies(unittest.TestCase):
    def setUp(self) -> None:
        sick = dataclasses.replace(FLEET[0], is_up=False)
        self.fleet = (sick, *FLEET[1:], *(host(f"d{n}") for n in range(7)))

    def judge(self, begun: Any = (), **wanted: Any) -> preflight.Verdict:
        seen = sight(self.fleet, made_of=made(**wanted), begun=begun)
        return preflight.judge(seen)

    def test_block_report_exclude(self) -> None:
        self.assertIn("a: down", self.judge().refusal)
        for wanted, left_out in (
            ({"on_finding": "report"}, []),
            ({"on_finding": "exclude_and_report"}, ["a"]),
            ({"checks": {"health": "exclude_and_report"}}, ["a"]),
        ):
            with self.subTest(wanted):
                verdict = self.judge(**wanted)
                self.assertEqual("", verdict.refusal)
                self.assertEqual(left_out, list(preflight.excluded(verdict.findings)))

    def test_a_check_has_its_policy_and_the_others_the_default(self) -> None:
        wanted = {"on_finding": "report", "checks": {"health": "block"}}
        self.assertTrue(self.judge(**wanted).refusal)

    def test_a_host_midway_is_never_left_out(self) -> None:
        verdict = self.judge(begun={"a"}, on_finding="exclude_and_report")
        self.assertEqual({}, preflight.excluded(verdict.findings))
        self.assertTrue(verdict.refusal)

    def test_what_is_no_host_blocks_instead(self) -> None:
        wanted = made(on_finding="exclude_and_report")
        seen = sight(alarms=[("load", "")], made_of=wanted)
        self.assertEqual([("alarms.open", "", "block")], codes(seen))

    def test_too_many_are_left_out(self) -> None:
        """V-7: 10 % sick, and less allowed."""
        few = {"on_finding": "exclude_and_report"}
        for limit, is_refused in (
            ({"max_excluded": 1}, False),
            ({"max_excluded": 0}, True),
            ({"max_excluded_percent": 10.0}, False),
            ({"max_excluded_percent": 9.0}, True),
        ):
            with self.subTest(limit):
                self.assertEqual(is_refused, bool(self.judge(**few, **limit).refusal))

    def test_a_host_left_out_is_not_drained(self) -> None:
        """Its instances need no room."""
        full = told(FLEET[0], capacity=100, disk_free_gib=0)
        full = dataclasses.replace(full, instances=90)
        wanted = {"min_disk_gib": 1, "checks": {"disk": "exclude_and_report"}}
        seen = sight((full, *FLEET[1:]), made_of=made(**wanted))
        self.assertEqual([("disk.low", "a", "exclude_and_report")], codes(seen))

    def test_a_long_refusal_is_cut(self) -> None:
        down = [host(f"h{n}", is_up=False) for n in range(9)]
        self.assertIn("(and 4 more)", preflight.judge(sight(down)).refusal)


class TestPlacement(unittest.TestCase):
    def test_the_remedy_names_how_many_fit(self) -> None:
        """P-2: two of the three find room on the third and fourth."""
        fleet = tuple(host(name, instances=5) for name in "abcd")
        short = placement.shortage(fleet[:3], fleet)
        self.assertEqual(placement.Shortage(15, 5, 2, "compute", 1, 10), short)
        self.assertIsNone(placement.shortage(fleet[:2], fleet))

    def test_the_remedy_names_kind_and_number_of_spare_hosts(self) -> None:
        """What is missing is counted in hosts like the smallest one drained."""
        a, b = (host(name, instances=9) for name in "ab")
        small = (told(a, capacity=9), told(b, capacity=9), host("c", "storage"))
        for fleet, parallel, remedy in (
            ((a, b, host("c", instances=5)), 1, "add 1 spare compute host with room"
             " for 10 instances each, or free room on the others"),
            (small, 2, "add 2 spare compute hosts with room for 9 instances each, or"
             " free room on the others"),
            ((a, b, host("c", instances=1)), 2, "set parallel to 1, or add 1 spare"
             " compute host with room for 10 instances each"),
        ):  # fmt: skip
            found = preflight.judge(sight(fleet, "ab", made(parallel))).findings
            remedies_of = {each.code: each.remedy for each in found}
            self.assertEqual(remedy, remedies_of["capacity.room"])

    def test_a_single_instance_needs_a_host_of_that_kind(self) -> None:
        alone = (told(FLEET[0], capacity=0),)
        (found,) = preflight.judge(sight(alone)).findings
        self.assertEqual("migration.stuck", found.code)
        self.assertIn("add a spare compute host", found.remedy)

    def test_nobody_knows_without_capacities(self) -> None:
        bare = tuple(dataclasses.replace(each, facts={}) for each in FLEET)
        self.assertIsNone(placement.shortage(bare, bare))
        self.assertEqual([], list(placement.stuck(bare[:1], bare)))
        self.assertEqual([("a", "")], list(placement.stuck(bare[:1], bare[:1])))

    def test_where_nothing_may_land(self) -> None:
        a, b, c = FLEET
        replace = dataclasses.replace
        for other in (
            replace(b, is_up=False),
            replace(b, is_quarantined=True),
            replace(b, role="storage"),
            told(b, vim={"is_enabled": False}),
            replace(b, instances=10),
        ):
            found = list(placement.stuck([a], (a, other)))
            self.assertEqual([("a", "")], found, other)
        self.assertEqual([], list(placement.stuck([a], (a, b, c))))

    def test_two_members_find_two_hosts(self) -> None:
        a, b, c = (host(name, instances=2) for name in "abc")
        first = [dataclasses.replace(each, server_groups=("g",)) for each in (a, b)]
        spare = host("d")
        self.assertEqual([], list(placement.stuck(first, (*first, c, spare))))
        self.assertEqual([("b", "g")], list(placement.stuck(first, (*first, c))))

    def test_as_many_as_budgets_and_parallel_let_out(self) -> None:
        limits = (plan.Budget("all", "all", max_down=2),)
        one = dataclasses.replace(made(parallel=3).procedures[0], budgets=("all",))
        wanted = dataclasses.replace(made(), budgets=limits, procedures=(one,))
        first = placement.first_hosts(wanted, one, FLEET, FLEET)
        self.assertEqual(["a", "b"], [each.name for each in first])


REMEDY = plan.Remedy("disk", "command.run", {"command": "x"}, 60.0, "keyed", "1")
LOW = (told(FLEET[0], disk_free_gib=1), *FLEET[1:])


def mendable(fleet: Any = LOW, **seen: Any) -> Sight:
    wanted = {"checks": {"disk": "remediate"}, "remedies": (REMEDY,), "min_disk_gib": 2}
    return sight(fleet, made_of=made(**wanted), **seen)


class TestRemedies(unittest.TestCase):
    """V-7: what is found is mended once, by whom it can be, else it blocks."""

    def test_what_can_be_mended_does_not_block(self) -> None:
        seen = mendable(tuple(told(t, **HAS) for t in LOW))
        verdict = preflight.judge(seen)
        self.assertEqual("", verdict.refusal)
        self.assertEqual([("disk.low", "a", "remediate")], codes(seen))
        self.assertEqual([("a", REMEDY)], remedies.due(seen.made, verdict.findings))

    def test_where_no_agent_can_or_may_it_blocks(self) -> None:
        for changes in (
            {"busy": {"a": "other"}},
            {"midway": {"a"}},
            {"is_mended": True},
            {"remedied": {("disk", "a"): "remedy command.run done"}},
        ):
            with self.subTest(changes):
                fleet = tuple(told(t, **HAS) for t in LOW)
                seen = mendable(fleet, is_first=False, **changes)
                self.assertEqual([("disk.low", "a", "block")], codes(seen))
        self.assertIn(
            "2 are needed; remedy command.run done", preflight.judge(seen).refusal
        )

    def test_the_agent_must_have_the_remedy(self) -> None:
        self.assertIn(("actions.missing", "a", "block"), codes(mendable()))

    def test_nothing_is_mended_on_a_host_that_is_left_out(self) -> None:
        fleet = tuple(told(t, **HAS) for t in LOW)
        seen = mendable(fleet, faults={"a": ["link.down"]})
        checks = {"disk": "remediate", "health": "exclude_and_report"}
        wanted = dataclasses.replace(seen.made.preflight, checks=checks)
        seen = dataclasses.replace(
            seen, made=dataclasses.replace(seen.made, preflight=wanted)
        )
        verdict = preflight.judge(seen)
        self.assertEqual({"exclude_and_report"}, {f.effect for f in verdict.findings})
        self.assertEqual([], remedies.due(seen.made, verdict.findings))

    def test_who_could_not_be_asked_is_a_finding(self) -> None:
        self.assertEqual([("artifacts.unknown", "a", "block")], codes(asked(None)))

    def test_only_a_file_that_wants_it_asks(self) -> None:
        todo = {"computes": FLEET}
        self.assertEqual({}, ability.questions(made(), todo))
        found = ability.questions(made(checks={"artifacts": "report"}), todo)
        self.assertEqual({"a", "b", "c"}, set(found))
        self.assertEqual([{"action": "package.install", "with": {}}], found["a"])

    def test_agents_are_asked_in_the_order_of_the_run(self) -> None:
        """P-3: what comes before may bring what the next one needs."""
        wanted = made(checks={"artifacts": "report"})
        (late,) = wanted.procedures
        (step, *_) = (each for each in late.steps if each.action == "package.install")
        step = dataclasses.replace(step, params={"packages": {"lib": "2"}})
        early = dataclasses.replace(late, id="early", level=-1, steps=(step,))
        wanted = dataclasses.replace(wanted, procedures=(late, early))
        found = ability.questions(wanted, {late.id: FLEET, "early": FLEET})
        self.assertEqual(
            [{"packages": {"lib": "2"}}, {}], [each["with"] for each in found["a"]]
        )


class TestDrains(unittest.TestCase):
    """V-3: the VIM is asked whether hosts can be drained."""

    def test_only_a_file_that_wants_it_asks(self) -> None:
        todo = {"computes": FLEET}
        self.assertEqual({}, ability.drains(made(), todo))
        found = ability.drains(made(checks={"migration": "report"}), todo)
        self.assertEqual({"a", "b", "c"}, set(found))
        self.assertEqual([{"action": "vim.drain", "with": {}}], found["a"])
        calm = tuple(each for each in STEPS if each.action != "vim.drain")
        wanted = made(checks={"migration": "report"}, steps=calm)
        self.assertEqual({}, ability.drains(wanted, todo))

    def test_what_was_not_answered_is_never_a_yes(self) -> None:
        self.assertEqual([("migration.unknown", "a", "block")], codes(tried(None)))
        silent = tried(None, is_vim_silent=True)
        self.assertEqual(
            {"migration.unknown", "actions.vim_silent"},
            {code for code, _, _ in codes(silent)},
        )
        self.assertEqual([], codes(tried(ability.Answer())))

    def test_many_obstacles_are_counted(self) -> None:
        answer = ability.Answer(tuple(f"i{n} stays" for n in range(30)))
        (found,) = preflight.judge(tried(answer)).findings
        self.assertIn("i19 stays (and 10 more)", found.text)

    def test_the_host_may_be_left_out(self) -> None:
        wanted = made(checks={"migration": "exclude_and_report"})
        answer = ability.Answer(("i1 fits nowhere",))
        verdict = preflight.judge(tried(answer, made_of=wanted))
        self.assertEqual("", verdict.refusal)
        self.assertEqual(["a"], list(preflight.excluded(verdict.findings)))


class TestVimAgents(unittest.TestCase):
    def test_a_plan_that_asks_nothing_of_the_vim_needs_none(self) -> None:
        node_only = tuple(each for each in STEPS if each.executor == "node")
        alone = sight(is_vim_silent=True, made_of=made(steps=node_only))
        self.assertEqual([], codes(alone))

    def test_an_undo_may_need_one(self) -> None:
        undo = plan.Undo("vim.enable_scheduling", "vim", {})
        install = dataclasses.replace(STEPS[2], undo=(undo,))
        seen = sight(is_vim_silent=True, made_of=made(steps=(install,)))
        self.assertEqual([("actions.vim_silent", "", "block")], codes(seen))


class TestCollection(unittest.TestCase):
    """V-6: alarms, statistics, logs."""

    def test_a_figure_at_its_limit_is_sound(self) -> None:
        self.assertEqual([], codes(told_figures("logs", 4)))
        self.assertEqual([("logs.high", "a", "block")], codes(told_figures("logs", 5)))

    def test_a_kind_that_nobody_tells_is_incomplete(self) -> None:
        """Without a limit, too: the report has to have its section."""
        for kind in collection.TOLD:
            with self.subTest(kind):
                self.assertEqual(
                    [(f"{kind}.missing", "a", "block")],
                    codes(told_figures(kind, None, limits={})),
                )
                self.assertEqual([], codes(told_figures(kind, 9, limits={})))

    def test_a_limit_of_what_is_not_told(self) -> None:
        seen = told_figures("statistics", 1, limits={"statistics": {"other": 1}})
        (found,) = preflight.judge(seen).findings
        self.assertEqual("statistics.missing", found.code)
        self.assertIn("a: other of its statistics could not", found.text)

    def test_why_it_is_not_told(self) -> None:
        seen = told_figures("logs", None)
        for answer in (
            ability.Answer(trouble="no answer in 120 s"),
            ability.Answer(
                collected={"logs": ability.Told({}, "no answer in 120 s")},
            ),
        ):
            answered = dataclasses.replace(seen, answers={"a": answer})
            (found,) = preflight.judge(answered).findings
            self.assertIn("collected: no answer in 120 s", found.text)
        self.assertEqual(
            [("logs.missing", "a", "block")],
            codes(dataclasses.replace(seen, answers={})),
        )

    def test_a_host_that_is_done_is_judged_and_never_left_out(self) -> None:
        """What was upgraded and now logs errors keeps the next gate shut."""
        seen = told_figures("logs", 5, checks={"logs": "exclude_and_report"})
        self.assertEqual([("logs.high", "a", "exclude_and_report")], codes(seen))
        done = dataclasses.replace(
            seen, todo={"computes": FLEET[1:]}, begun={"a"}, is_first=False
        )
        self.assertEqual([("logs.high", "a", "block")], codes(done))
        self.assertEqual([], codes(dataclasses.replace(done, answers={})))

    def test_every_figure_once(self) -> None:
        found = collection.readings(
            [("load", "above 80"), ("load", "above 90"), ("fans", "")],
            {"a": ["link_down", "link_down"]},
            {
                "b": ability.Answer(
                    collected={
                        "statistics": ability.Told({"load_per_core": 0.5}),
                        "logs": ability.Told({"journal_errors": 2}),
                    }
                )
            },
        )
        self.assertEqual(
            [
                ("alarms", "", "fans", 1),
                ("alarms", "", "load", 2),
                ("alarms", "a", "link_down", 2),
                ("logs", "b", "journal_errors", 2),
                ("statistics", "b", "load_per_core", 0.5),
            ],
            [dataclasses.astuple(each) for each in found],
        )


HAS = {"actions": {"package.install": "1a", "command.run": "1"}}


class TestHowManyAtOnce(unittest.TestCase):
    def of(self, *budgets: plan.Budget, population: int = 100) -> int:
        return remedies.at_once(
            dataclasses.replace(made(), budgets=budgets), population
        )

    def test_the_tightest_budget_counts(self) -> None:
        self.assertEqual(remedies.MENDED_AT_ONCE, self.of())
        self.assertEqual(2, self.of(plan.Budget("a", "all", max_down=2)))
        self.assertEqual(3, self.of(plan.Budget("a", "all", max_percent=3)))
        few = plan.Budget("a", "all", max_percent=3)
        self.assertEqual(1, self.of(few, population=9))
        self.assertEqual(1, self.of(plan.Budget("a", "fact", "rack", max_percent=50)))
        self.assertEqual(1, self.of(plan.Budget("a", "all", kind="quorum")))
        self.assertEqual(
            2,
            self.of(
                plan.Budget("a", "all", max_down=3), plan.Budget("b", "all", max_down=2)
            ),
        )

    def test_one_for_a_host_and_no_more_than_that(self) -> None:
        def errand(number: int, host: str, intent: str, state: str) -> remedies.Errand:
            return remedies.Errand(str(number), host, intent, state, 10.0)

        errands = [
            errand(1, "a", "remedy", "dispatched"),
            errand(2, "a", "remedy", "ready"),
            errand(3, "b", "remedy", "ready"),
            errand(4, "c", "remedy", "ready"),
            errand(5, "d", "ask", "ready"),
        ]
        self.assertEqual(["3", "5"], [e.id for e in remedies.may_go(errands, 2)])
        self.assertEqual(["5"], [e.id for e in remedies.may_go(errands, 1)])
        self.assertEqual([], remedies.silent(errands, 14.0, 5.0))
        self.assertEqual(["1"], [e.id for e in remedies.silent(errands, 16.0, 5.0)])

    def test_agent_and_vim_are_asked_about_a_host_side_by_side(self) -> None:
        def ask(host: str, executor: str, state: str = "ready") -> remedies.Errand:
            return remedies.Errand(
                f"{host}-{executor}", host, "ask", state, 1, executor
            )

        most = remedies.DRAINS_AT_ONCE
        errands = [ask(f"h{n}", "vim") for n in range(most + 1)]
        errands += [ask("h0", "node"), ask("h1", "node", "dispatched")]
        going = {each.id for each in remedies.may_go(errands, 1)}
        self.assertEqual({"h0-node", *(f"h{n}-vim" for n in range(most))}, going)


class TestReading(unittest.TestCase):
    def test_a_remedy_knows_how_its_action_repeats(self) -> None:
        wanted = {"action": "command.run", "with": {"command": "x"}, "timeout": "1m"}
        found = preflight.read(
            {"checks": {"disk": {"remediate": wanted}, "health": "report"}},
            {"command.run": ("keyed", "1")},
        )
        self.assertEqual({"disk": "remediate", "health": "report"}, found.checks)
        self.assertEqual((REMEDY,), found.remedies)
