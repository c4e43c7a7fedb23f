"""Procedures that share the visits of their hosts (P-1)."""

import copy
import unittest
from typing import Any

import yaml
from hypothesis import event, given
from hypothesis import strategies as st

from escalator.domain import composition, lints, plan, reading, rollback, timing
from escalator.domain.draining import CORDON, DRAIN, UNCORDON
from escalator.domain.visit import REBOOT
from tests.fixtures import campaigns

Document = dict[str, Any]
GOLDEN: Document = yaml.safe_load(campaigns.golden())
FLEET = campaigns.fleet()
CATALOGUE = {
    **campaigns.CATALOGUE,
    REBOOT: reading.ActionFacts(
        "node", True, {}, idempotence="probe", undo="none_needed"
    ),
    "service.stop": reading.ActionFacts(
        "node", True, {}, idempotence="natural", undo="service.start"
    ),
    "service.start": reading.ActionFacts(
        "node", True, {}, idempotence="natural", undo="service.stop"
    ),
}
TIMES = {"expected": "1s", "timeout": "9s"}


def _act(name: str, action: str, undo: str = "none_needed", **more: Any) -> Document:
    return {
        "id": name,
        "action": action,
        "undo": undo,
        "idempotent": "natural",
        **TIMES,
        **more,
    }


def _install(name: str, package: str = "") -> Document:
    packages = {"with": {"packages": {package or name: "2"}}}
    return _act(name, "package.install", "package.restore", **packages)


def _check(name: str, suite: str = "smoke") -> Document:
    return {"id": name, "verify": suite, **TIMES}


SAVE = {"id": "save", "checkpoint": "cp-node", **TIMES}
SHUT = _act("shut", CORDON, UNCORDON)
EMPTY = _act("empty", DRAIN)
BOOT = _act("boot", REBOOT, may_reboot=True)
OPEN = _act("open", UNCORDON, "vim.vacate")


def _procedure(name: str, *steps: Document, **more: Any) -> Document:
    return {
        "id": name,
        "visit": "shared",
        "select": "computes",
        "method": "rolling",
        "budgets": ["fleet"],
        "on_failure": "node-ladder",
        "steps": [copy.deepcopy(each) for each in steps],
        **more,
    }


def _document(*procedures: Document, **more: Any) -> Document:
    return {**copy.deepcopy(GOLDEN), "procedures": list(procedures), **more}


def _read(document: Document) -> plan.Plan:
    found = lints.check(document, {}, CATALOGUE, FLEET)
    assert not lints.has_errors(found), found
    return reading.read(document, {}, CATALOGUE)


def _steps(*procedures: Document) -> list[str]:
    (made,) = _read(_document(*procedures)).procedures
    return [each.id for each in made.steps]


def _told(*procedures: Document, **more: Any) -> list[tuple[str, str, str]]:
    found = lints.check(_document(*procedures, **more), {}, CATALOGUE, FLEET)
    return [(each.rule, each.pointer, each.detail) for each in found]


KERNEL = _procedure(
    "kernel",
    *(SAVE, SHUT, EMPTY, _install("install"), BOOT, _check("check"), OPEN),
    parallel=4,
)
AGENT = _procedure(
    "agent",
    *(SAVE, SHUT, EMPTY, _install("install", "agent"), BOOT, OPEN),
    parallel=2,
    budgets=["rack", "fleet"],
    after=["kernel"],
)
FIRMWARE = _procedure("firmware", SAVE, _install("flash"), _check("check", "other"))
SUITES = {**GOLDEN["verify"], "other": GOLDEN["verify"]["smoke"]}


class StepsTest(unittest.TestCase):
    def test_one_visit_for_three_procedures(self) -> None:
        """P-1: opened, changed by each, rebooted, checked and closed once."""
        document = _document(AGENT, KERNEL, FIRMWARE, verify=SUITES)
        (made,) = _read(document).procedures
        self.assertEqual(
            [
                *("kernel/save", "kernel/shut", "kernel/empty"),
                *("kernel/install", "agent/install", "firmware/flash"),
                *("kernel/boot", "kernel/check", "firmware/check", "kernel/open"),
            ],
            [each.id for each in made.steps],
        )
        self.assertEqual("kernel+agent+firmware", made.id)
        self.assertEqual(("kernel", "agent", "firmware"), made.merged)
        self.assertEqual((1, ("fleet", "rack")), (made.parallel, made.budgets))
        self.assertEqual((), made.after)

    def test_what_all_begin_and_end_with_is_done_once(self) -> None:
        stop, start = _act("stop", "service.stop"), _act("start", "service.start")
        one = _procedure("one", SAVE, stop, _install("a"), start)
        two = _procedure("two", SAVE, stop, _install("b"), start)
        wanted = ["one/save", "one/stop", "one/a", "two/b", "one/start"]
        self.assertEqual(wanted, _steps(one, two))
        three = _procedure("three", SAVE, _install("c"))
        every = [*wanted[:3], "one/start", "two/stop", "two/b", "two/start", "three/c"]
        self.assertEqual(every, _steps(one, two, three))

    def test_the_longer_timeout_holds(self) -> None:
        slow = {**BOOT, "timeout": "1h", "expected": "5m", "id": "slow"}
        two = _procedure("two", SAVE, _install("b"), slow)
        made = _read(_document(_procedure("one", SAVE, _install("a"), BOOT), two))
        (boot,) = [s for s in made.procedures[0].steps if s.action == REBOOT]
        self.assertEqual(("two/slow", 3600.0), (boot.id, boot.timeout_s))

    def test_on_each_host_the_longer_timeout_holds(self) -> None:
        """P-4e: which one that is depends on the instances there."""
        few = {**BOOT, "timeout": "1h", "expected": "1m"}
        many = {
            **BOOT,
            "timeout": "30m + 1m * instances",
            "expected": "1m",
            "id": "many",
        }
        one = _procedure("one", SAVE, _install("a"), few)
        two = _procedure("two", SAVE, _install("b"), many)
        made = _read(_document(one, two)).procedures[0]
        for instances, timeout_s in ((0, 3600), (30, 3600), (90, 7200)):
            target = plan.Target("h", instances=instances)
            timed = timing.of_host(made, target)
            (boot,) = [each for each in timed.steps if each.action == REBOOT]
            self.assertEqual(("two/many", timeout_s), (boot.id, boot.timeout_s))

    def test_the_last_may_change_the_host_after_its_reboot(self) -> None:
        last = _procedure("last", SAVE, _install("a"), BOOT, _install("b"))
        first = _procedure("first", SAVE, _install("c"), BOOT)
        self.assertEqual(
            ["first/save", "first/c", "last/a", "first/boot", "last/b"],
            _steps(first, last),
        )
        ((_, pointer, detail),) = _told(last, {**first, "level": 0, "after": ["last"]})
        self.assertEqual("/procedures/1/visit", pointer)
        self.assertIn("last changes the host after its reboot", detail)

    def test_a_check_before_a_procedure_stays_before_it(self) -> None:
        one = _procedure("one", _check("pre"), SAVE, SHUT, _install("a"), OPEN)
        two = _procedure("two", _check("pre", "other"), SAVE, SHUT, _install("b"), OPEN)
        made = _read(_document(one, two, verify=SUITES)).procedures[0]
        self.assertEqual(
            [
                *("one/pre", "one/save", "one/shut", "one/a"),
                *("two/pre", "two/b", "one/open"),
            ],
            [each.id for each in made.steps],
        )


class FieldsTest(unittest.TestCase):
    def test_the_stricter_holds(self) -> None:
        stages = [{"id": "canary", "take": 1}]
        one = _procedure("one", SAVE, _install("a"), parallel="50%", stages=stages)
        two = _procedure("two", SAVE, _install("b"), parallel="10%", rehearse_undo=True)
        (made,) = _read(_document(one, two)).procedures
        self.assertEqual(10.0, made.parallel_percent)
        self.assertEqual(["canary"], [each.id for each in made.stages])
        self.assertTrue(made.rehearse_undo)

    def test_single_steps_are_one_outage_of_all(self) -> None:
        """P-1: each would be one of its own, with the level for itself."""
        whole = {"method": "single_step", "budgets": []}
        document = _document(
            _procedure("one", SAVE, _install("a"), **whole),
            _procedure("two", SAVE, _install("b"), **whole),
            {**_procedure("other", SAVE, _install("c")), "visit": "own"},
            metadata={**GOLDEN["metadata"], "smoothness": "disruptive"},
        )
        made = _read(document)
        self.assertEqual(["one+two", "other"], [e.id for e in made.procedures])
        self.assertEqual(plan.Method.SINGLE_STEP, made.procedures[0].method)
        self.assertEqual(("other",), made.procedures[0].after)

    def test_others_wait_for_the_merged_one(self) -> None:
        document = _document(
            {**_procedure("first", SAVE, _install("x")), "visit": "own", "level": -1},
            _procedure("one", SAVE, _install("a"), after=["first"]),
            _procedure("two", SAVE, _install("b")),
            {**_procedure("end", SAVE, _install("c"), after=["one", "two"])},
        )
        document["procedures"][-1]["visit"] = "own"
        made = _read(document)
        self.assertEqual(["first", "one+two", "end"], [e.id for e in made.procedures])
        self.assertEqual(("first",), made.procedure("one+two").after)
        self.assertEqual(("one+two",), made.procedure("end").after)

    def test_equal_selectors_choose_the_same_hosts(self) -> None:
        document = _document(
            _procedure("one", SAVE, _install("a")),
            _procedure("two", SAVE, _install("b"), select="alike"),
        )
        document["selectors"]["alike"] = document["selectors"]["computes"]
        self.assertEqual(1, len(_read(document).procedures))

    def test_procedures_of_sub_plans_share_too(self) -> None:
        """P-5: the limits of the use hold for the whole visit."""
        document = _document(
            {"id": "u", "subplan": "s", "parallel": 1, "level": 3},
            _procedure("one", SAVE, _install("a"), level=3, parallel=4),
            subplans={"s": {"procedures": [_procedure("in", SAVE, _install("b"))]}},
        )
        (made,) = _read(document).procedures
        self.assertEqual("u/in+one", made.id)
        self.assertEqual(("fleet", "u (parallel)"), made.budgets)
        self.assertEqual("u/in/b", made.steps[1].id)

    def test_what_is_wrong_is_told_where_it_stands(self) -> None:
        wrong = {**_install("b"), "timeout": "0.5s"}
        two = _procedure("two", SAVE, wrong, budgets=["fleet", "row"], parallel=0)
        told = _told(_procedure("one", SAVE, _install("a"), parallel=3), two)
        self.assertEqual(
            {
                ("C402", "/procedures/1/budgets/1"),
                ("C502", "/procedures/1/parallel"),
                ("C604", "/procedures/1/steps/1/timeout"),
            },
            {(rule, pointer) for rule, pointer, _ in told},
        )


class ApartTest(unittest.TestCase):
    one = _procedure("one", SAVE, SHUT, _install("a"), OPEN)

    def test_what_stands_in_the_way_is_told_with_whom(self) -> None:
        """P-1: each keeps its own visits then."""
        fail = {"other": GOLDEN["recovery"]["node-ladder"]}
        recovery = {**GOLDEN["recovery"], **fail}
        canary, two = {"id": "canary", "take": 1}, _install("b")
        cases: list[tuple[str, tuple[Document, ...], Document]] = [
            ("level differs", (SAVE, two), {"level": 1}),
            ("on_failure differs", (SAVE, two), {"on_failure": "other"}),
            ("method differs", (SAVE, two), {"method": "single_step", "budgets": []}),
            ("a percentage there", (SAVE, two), {"parallel": "50%"}),
            ("stages differ", (SAVE, two), {"stages": [{**canary, "take": 2}]}),
            ("more than once", (SAVE, two, BOOT, _install("c"), BOOT), {}),
            (f"two does {DRAIN} between", (SAVE, SHUT, two, EMPTY, two), {}),
            (f"{CORDON} steps of one and two differ", (SAVE, _act("x", CORDON)), {}),
        ]
        first = {**self.one, "stages": [canary]}
        for reason, steps, more in cases:
            with self.subTest(reason):
                numbered = [{**s, "id": f"s{n}"} for n, s in enumerate(steps)]
                second = _procedure("two", *numbered, **{"after": ["one"], **more})
                document = _document(first, second, recovery=recovery)
                found = [
                    each
                    for each in lints.check(document, {}, CATALOGUE, None)
                    if each.rule != "C703"
                ]
                self.assertEqual(
                    [("C507", "/procedures/1/visit", "warning")],
                    [(each.rule, each.pointer, each.severity) for each in found],
                )
                self.assertIn("not with one: ", found[0].detail)
                self.assertIn(reason, found[0].detail)
                made = reading.read(document, {}, CATALOGUE)
                self.assertEqual(["one", "two"], [e.id for e in made.procedures])

    def test_what_has_to_be_done_between_keeps_them_apart(self) -> None:
        between = {**_procedure("mid", SAVE, _install("m")), "after": ["one"]}
        between["visit"] = "own"
        two = _procedure("two", SAVE, _install("b"), after=["mid"])
        ((rule, _, detail),) = _told(self.one, between, two)
        self.assertEqual("C507", rule)
        self.assertIn("not with one: mid would come between them", detail)

    def test_two_pairs_that_would_wait_for_each_other(self) -> None:
        """The first pair is merged, the second is not."""
        document = _document(
            self.one,
            _procedure("two", SAVE, _install("b"), after=["x"]),
            _procedure("x", SAVE, _install("c"), select="far"),
            _procedure("y", SAVE, _install("d"), select="far", after=["one"]),
        )
        document["selectors"]["far"] = {"match": {"role": "storage"}}
        made = reading.read(document, {}, CATALOGUE)
        self.assertEqual(3, len(made.procedures))
        told = [each for each in lints.check(document, {}, CATALOGUE, None)]
        self.assertEqual(["C507"], [each.rule for each in told])

    def test_versions_that_may_not_meet_are_not_brought_host_by_host(self) -> None:
        """P-1: first the server everywhere, then the agent."""
        module = {"version": "2", "replaces": "1"}
        told = _told(
            {**self.one, "brings": ["server"]},
            _procedure("two", SAVE, _install("b"), brings=["agent"]),
            artifacts=[{"name": "server", **module}, {"name": "agent", **module}],
            compatibility=[
                {"server": ["1", "2"]},
                {"agent": ["1", "2"]},
                {"agent": "1", "server": ["1", "2"]},
                {"agent": "2", "server": "2"},
            ],
        )
        ((rule, _, detail),) = told
        self.assertEqual("C507", rule)
        self.assertIn("agent 2 does not work with server 1", detail)

    def test_a_waiver_is_nobody_elses(self) -> None:
        waived = {"id": "none", "checkpoint": "waived", "reason": "stateless"}
        first = _procedure("one", waived, _install("a"))
        told = _told(first, _procedure("two", _install("b"), after=["one"]))
        self.assertEqual(["C507", "C609"], sorted(rule for rule, _, _ in told))
        self.assertIn("two neither takes nor waives", str(told))

    def test_nobody_to_share_with(self) -> None:
        ((rule, _, detail),) = _told(self.one)
        self.assertEqual("C507", rule)
        self.assertIn("no other that selects these hosts does", detail)

    def test_unordered_ones_that_cannot_share_are_refused(self) -> None:
        """C503 as before: they would meet on a host."""
        two = _procedure("two", SAVE, _install("b"), parallel="50%")
        rules = sorted(rule for rule, _, _ in _told(self.one, two))
        self.assertEqual(["C503", "C507"], rules)

    def test_one_visit_has_no_more_steps_than_one_procedure(self) -> None:
        """More would get the numbers of their own undo."""
        half = [_install(f"i{n}") for n in range(150)]
        for more, is_shared in (([], True), ([_install("one-more")], False)):
            told = _told(
                _procedure("one", *half),
                _procedure("two", *half, *more, after=["one"]),
            )
            details = [detail for rule, _, detail in told if rule == "C507"]
            self.assertEqual(is_shared, details == [], details)
            self.assertEqual(is_shared, "more than 300 steps" not in "".join(details))

    def test_many_that_say_so_are_held_to_a_limit(self) -> None:
        many = [
            _procedure(f"p{n}", SAVE, _install(f"i{n}"), level=n) for n in range(41)
        ]
        details = [detail for rule, _, detail in _told(*many) if rule == "C507"]
        self.assertIn("no more than 40", details[-2] + details[-1])


@st.composite
def _procedures(draw: st.DrawFn) -> list[Document]:
    """Return procedures that share visits, in any order of the file."""
    count = draw(st.integers(2, 4))
    made = []
    for at in range(count):
        name = f"p{at}"
        shuts = draw(st.booleans())
        opening = [SAVE, SHUT] if shuts else [SAVE]
        opening += [EMPTY] if shuts and draw(st.booleans()) else []
        if draw(st.booleans()):
            opening.insert(draw(st.integers(0, len(opening))), _check("pre", "other"))
        changes: list[Document] = []
        for number in range(draw(st.integers(1, 3))):
            changes.append(_install(f"c{number}", f"{name}-{number}"))
            if draw(st.booleans()):
                changes.append(_check(f"v{number}"))
        if draw(st.booleans()):
            changes.append(BOOT)
            if at == count - 1 and draw(st.booleans()):
                changes.append(_install("late", f"{name}-late"))
        checks = [_check("end")] if draw(st.booleans()) else []
        closing = [OPEN] if shuts else []
        closing += [_check("seen")] if shuts and draw(st.booleans()) else []
        after = (
            draw(st.lists(st.sampled_from([f"p{n}" for n in range(at)]))) if at else []
        )
        if at == count - 1:
            after = [f"p{n}" for n in range(at)]
        made.append(
            _procedure(
                name,
                *(*opening, *changes, *checks, *closing),
                after=list(dict.fromkeys(after)),
                parallel=draw(st.integers(1, 9)),
            )
        )
    return draw(st.permutations(made))


class AnyTest(unittest.TestCase):
    @given(_procedures())
    def test_every_change_once_in_order_and_back_in_reverse(
        self, procedures: list[Document]
    ) -> None:
        """P-1, P-4b, R-2: of any procedures that may share a visit."""
        (made,) = _read(_document(*procedures, verify=SUITES)).procedures
        ids = [each.id for each in made.steps]
        self.assertEqual(len(ids), len(set(ids)))
        place = {name: at for at, name in enumerate(ids)}
        actions = [each.action for each in made.steps]
        changes: dict[str, list[str]] = {}
        for each in procedures:
            own = [f"{each['id']}/{s['id']}" for s in each["steps"]]
            installs = [n for n in own if n.partition("/")[2][0] in "cl" and "/c" in n]
            changes[each["id"]] = [*installs, *(n for n in own if n.endswith("late"))]
            mine = changes[each["id"]]
            self.assertEqual(mine, sorted(mine, key=place.__getitem__))
        count = sum(len(each) for each in changes.values())
        self.assertEqual(count, actions.count("package.install"))
        for each in procedures:
            for earlier in each["after"]:
                last = max(place[name] for name in changes[earlier])
                self.assertLess(last, min(place[n] for n in changes[each["id"]]))
        first = actions.index("package.install")
        for name in (CORDON, DRAIN):
            self.assertLessEqual(actions.count(name), 1)
            self.assertNotIn(name, actions[first:])
        self.assertEqual(0, actions[:first].count(REBOOT))
        self.assertLessEqual(actions.count(REBOOT), 1)
        self._assert_closed_once(made)
        self._assert_undone_in_reverse(made)
        event(f"reboots {actions.count(REBOOT)}")

    def _assert_closed_once(self, made: plan.Plan) -> None:
        actions = [each.action for each in made.steps]
        self.assertEqual(actions.count(CORDON), actions.count(UNCORDON))
        if UNCORDON in actions:
            end = made.steps[actions.index(UNCORDON) + 1 :]
            self.assertEqual(set(), {s.id for s in end if s.is_mutating})
        if REBOOT in actions:
            rest = made.steps[actions.index(REBOOT) + 1 :]
            late = [s.id for s in rest if s.action == "package.install"]
            self.assertTrue(all(name.endswith("/late") for name in late))

    def _assert_undone_in_reverse(self, made: plan.Procedure) -> None:
        lines = [
            rollback.Line(at, "slot", each.id, "done")
            for at, each in enumerate(made.steps)
        ]
        undoable = [each.id for each in made.steps if each.undo]
        undone = rollback.steps_to_undo(lines, undoable)
        self.assertEqual(undoable[::-1], undone)

    @given(_procedures(), st.data())
    def test_no_shape_makes_it_stumble(
        self, procedures: list[Document], data: st.DataObject
    ) -> None:
        junk: st.SearchStrategy[Any] = st.sampled_from(
            [None, 0, -1, 1.5, True, "", "x", "${y}", [], {}, [[]]]
        ).map(copy.deepcopy)
        for _ in range(data.draw(st.integers(1, 4))):
            paths = [path for path in campaigns.nodes(procedures) if path]
            path = data.draw(st.sampled_from(paths))
            node: Any = procedures
            for part in path[:-1]:
                node = node[part]
            node[path[-1]] = data.draw(junk)
        document = _document(*procedures)
        lints.check_document(document, {}, CATALOGUE, FLEET)
        composition.compose(document)
