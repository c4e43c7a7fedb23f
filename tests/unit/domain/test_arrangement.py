"""Order and method follow from artifacts and their versions (P-1)."""

import copy
import unittest
from typing import Any

import yaml
from hypothesis import event, given
from hypothesis import strategies as st

from escalator.domain import (
    composition,
    lints,
    ordering,
    parameters,
    plan,
    reading,
    simulation,
)
from tests.fixtures import campaigns

Document = dict[str, Any]
GOLDEN: Document = yaml.safe_load(campaigns.golden())
FLEET = campaigns.fleet()
STEPS = GOLDEN["procedures"][0]["steps"]


def _procedure(name: str, *brings: str, **more: Any) -> Document:
    golden = copy.deepcopy(GOLDEN["procedures"][0])
    del golden["method"]
    return {**golden, "id": name, "level": 0, "brings": list(brings), **more}


def _module(name: str, **more: Any) -> Document:
    return {"name": name, "version": "2", "replaces": "1", **more}


def _mixing(*names: str) -> list[Document]:
    return [{name: ["1", "2"]} for name in names]


def _document(
    procedures: list[Document],
    artifacts: list[Document],
    compatibility: list[Document] | None = None,
) -> Document:
    return {
        **copy.deepcopy(GOLDEN),
        "procedures": procedures,
        "artifacts": artifacts,
        "compatibility": compatibility or [],
    }


def _read(document: Document) -> plan.Plan:
    found = lints.check(document, {}, campaigns.CATALOGUE, None)
    assert not lints.has_errors(found), found
    return reading.read(document, {}, campaigns.CATALOGUE)


def _find(document: Document) -> list[tuple[str, str]]:
    found = lints.check(document, {}, campaigns.CATALOGUE, None)
    return [(each.rule, each.detail) for each in found]


def _ranks(made: plan.Plan) -> dict[str, int]:
    """Return procedure -> its turn."""
    ranks: dict[str, int] = {}
    while following := ordering.next_procedures(made.procedures, ranks):
        turn = len(set(ranks.values()))
        ranks |= {each.id: turn for each in following}
    return ranks


class OrderTest(unittest.TestCase):
    def test_what_the_old_does_not_understand_goes_last(self) -> None:
        """The new agent needs the new server; the new server serves the old agent."""
        document = _document(
            [_procedure("agents", "agent"), _procedure("servers", "server")],
            [_module("agent"), _module("server")],
            [
                *_mixing("agent", "server"),
                {"agent": "1", "server": ["1", "2"]},
                {"agent": "2", "server": "2"},
            ],
        )
        made = _read(document)
        self.assertEqual({"servers": 0, "agents": 1}, _ranks(made))
        self.assertEqual({"rolling"}, {each.method for each in made.procedures})

    @given(st.data())
    def test_nothing_precedes_what_it_needs(self, data: st.DataObject) -> None:
        """Any acyclic needs, brought by procedures in any order of the file."""
        names = [f"m{n}" for n in range(data.draw(st.integers(1, 6)))]
        needs = {
            name: data.draw(st.lists(st.sampled_from(names[:n]), unique=True))
            if n
            else []
            for n, name in enumerate(names)
        }
        shuffled = data.draw(st.permutations(names))
        document = _document(
            [_procedure(f"p-{name}", name) for name in shuffled],
            [_module(name, needs=needs[name]) for name in names],
            _mixing(*names),
        )
        ranks = _ranks(_read(document))
        for name, needed in needs.items():
            for other in needed:
                self.assertLess(ranks[f"p-{other}"], ranks[f"p-{name}"])

    def test_needs_may_name_what_is_provided(self) -> None:
        document = _document(
            [_procedure("a", "one"), _procedure("b", "two")],
            [_module("one", needs=["rpc"]), _module("two", provides=["rpc"])],
            _mixing("one", "two"),
        )
        self.assertEqual({"b": 0, "a": 1}, _ranks(_read(document)))

    def test_the_circle_is_printed(self) -> None:
        document = _document(
            [_procedure("p", "one", "two", method="single_step", budgets=[])],
            [_module("one", needs=["two"]), _module("two", needs=["one"])],
        )
        ((rule, detail),) = _find(document)
        self.assertEqual("C901", rule)
        self.assertIn("one -> two -> one", detail)

    def test_a_circle_by_way_of_a_procedure_that_brings_nothing(self) -> None:
        document = _document(
            [
                _procedure("a", "one", after=["b"]),
                _procedure("b", method="rolling", after=[]),
                _procedure("c", "two"),
                _procedure("d", "three", after=["a"]),
            ],
            [
                _module("one", needs=["two"]),
                _module("two", needs=["three"]),
                _module("three"),
            ],
            _mixing("one", "two", "three"),
        )
        found = _find(document)
        self.assertEqual(["C901"], [rule for rule, _ in found])
        self.assertIn("a -> c -> d -> a", found[0][1])

    def test_an_order_that_contradicts_is_refused_with_the_pair(self) -> None:
        for contradiction in ({"level": 1}, {"after": ["agents"]}):
            document = _document(
                [
                    _procedure("agents", "agent"),
                    _procedure("servers", "server", **contradiction),
                ],
                [_module("agent"), _module("server")],
                [
                    *_mixing("agent", "server"),
                    {"agent": "1", "server": ["1", "2"]},
                    {"agent": "2", "server": "2"},
                ],
            )
            ((rule, detail),) = _find(document)
            self.assertEqual("C903", rule)
            self.assertIn("agent 2 does not work with server 1", detail)

    def test_versions_too_far_apart_are_refused_with_the_pair(self) -> None:
        """N-2: the agent stays at 1, and the server goes to 3."""
        document = _document(
            [_procedure("servers", "server", method="rolling")],
            [
                {"name": "agent", "version": "1"},
                _module("server", version="3", replaces="2"),
            ],
            [{"agent": "1", "server": ["1", "2"]}, {"server": ["2", "3"]}],
        )
        ((rule, detail),) = _find(document)
        self.assertEqual("C902", rule)
        self.assertIn("server 3 does not work with agent 1", detail)
        document["compatibility"][0]["server"].append("3.*")
        self.assertEqual("C902", _find(document)[0][0])
        document["artifacts"][1]["version"] = "3.1"
        document["compatibility"][1]["server"].append("3.*")
        self.assertEqual([], _find(document))

    def test_neither_can_go_first(self) -> None:
        modules = [_module("agent"), _module("server")]
        compatibility = [
            *_mixing("agent", "server"),
            {"agent": "1", "server": "1"},
            {"agent": "2", "server": "2"},
        ]
        apart = _document(
            [_procedure("a", "agent"), _procedure("s", "server")],
            modules,
            compatibility,
        )
        ((rule, detail),) = _find(apart)
        self.assertEqual("C902", rule)
        self.assertIn("neither", detail)
        together = _procedure("both", "agent", "server", budgets=[])
        made = _read(_document([together], modules, compatibility))
        self.assertEqual("single_step", made.procedures[0].method)


class MethodTest(unittest.TestCase):
    beside: Document = {
        "beside": "spares",
        "switch": [dict(STEPS[1])],
        "retire": [STEPS[0], STEPS[1], STEPS[2]],
    }

    def _one(self, compatibility: list[Document], **more: Any) -> Document:
        procedure = _procedure("p", "agent", **more)
        document = _document([procedure], [_module("agent")], compatibility)
        document["selectors"]["spares"] = {"match": {"tag": "spare"}}
        return document

    def test_the_method_follows_from_what_runs_side_by_side(self) -> None:
        apart: list[Document] = [{"agent": "1"}, {"agent": "2"}]
        rolling = _read(self._one(_mixing("agent"), **self.beside))
        self.assertEqual(["rolling"], [each.method for each in rolling.procedures])
        universe = _read(self._one(apart, **self.beside))
        self.assertEqual(
            ["p/new", "p/switch", "p/old"], [each.id for each in universe.procedures]
        )
        single = _read(self._one(apart, budgets=[]))
        self.assertEqual(["single_step"], [each.method for each in single.procedures])

    def test_a_method_that_is_forbidden_is_refused_with_the_pair(self) -> None:
        document = self._one([{"agent": "1"}, {"agent": "2"}], method="rolling")
        ((rule, detail),) = _find(document)
        self.assertEqual("C904", rule)
        self.assertIn("agent 2 does not work with agent 1", detail)

    def test_portions_are_side_by_side_too(self) -> None:
        document = self._one([{"agent": "1"}, {"agent": "2"}], budgets=[])
        again = _procedure("q", "agent", budgets=[], level=1)
        document["procedures"].append(again)
        ((rule, detail),) = _find(document)
        self.assertEqual("C904", rule)
        self.assertIn("p brings agent at another time", detail)

    def test_a_parallel_universe_is_three_procedures(self) -> None:
        document = self._one([], method="parallel_universe", **self.beside)
        document["procedures"].append(
            _procedure("then", method="rolling", after=["p"], level=0)
        )
        made = _read(document)
        new, switch, old, then = made.procedures
        self.assertEqual(["spares", "spares", "computes", "computes"], [
            each.selector for each in made.procedures
        ])  # fmt: skip
        self.assertEqual(
            ["rolling", "single_step", "rolling"],
            [each.method for each in (new, switch, old)],
        )
        self.assertEqual([6, 1, 3, 6], [len(each.steps) for each in made.procedures])
        self.assertEqual((), switch.budgets)
        self.assertEqual(
            {"p/new": 0, "p/switch": 1, "p/old": 2, "then": 3}, _ranks(made)
        )

    def test_faults_of_its_parts_are_told_where_they_stand(self) -> None:
        document = self._one([], method="parallel_universe", **self.beside)
        document = copy.deepcopy(document)
        document["procedures"][0]["switch"][0]["timeout"] = "0s"
        document["procedures"][0]["beside"] = "gone"
        found = lints.check(document, {}, campaigns.CATALOGUE, None)
        self.assertEqual(
            {
                ("C402", "/procedures/0/beside"),
                ("C603", "/procedures/0/switch/0/timeout"),
            },
            {(each.rule, each.pointer) for each in found},
        )


class SingleStepTest(unittest.TestCase):
    def test_it_has_its_level_for_itself(self) -> None:
        document = _document(
            [
                _procedure("s", method="single_step", budgets=[]),
                _procedure("t", method="single_step", budgets=[], after=["s"]),
                _procedure("r", method="rolling"),
                _procedure("u", method="rolling", after=["t"]),
            ],
            [],
        )
        self.assertEqual({"r": 0, "s": 1, "t": 2, "u": 3}, _ranks(_read(document)))

    def test_the_forecast_takes_all_hosts_at_once(self) -> None:
        document = _document([_procedure("s", method="single_step", budgets=[])], [])
        played = simulation.simulate(_read(document), FLEET, lambda *_: 60.0)
        self.assertEqual(60.0, played.end_s)
        self.assertEqual(12, played.most_out())

    def test_a_budget_below_all_lets_nothing_begin(self) -> None:
        document = _document([_procedure("s", method="single_step")], [])
        played = simulation.simulate(_read(document), FLEET, lambda *_: 60.0)
        self.assertEqual((), played.visits)
        self.assertEqual({target.name for target in FLEET}, set(played.stuck))
        self.assertIn("all its hosts at once", played.stuck["compute-01"])


def _any_procedures(draw: st.DrawFn, names: list[str], subplans: list[str]) -> Any:
    """Return some procedures and uses with any levels, edges and methods."""
    made: list[Document] = []
    for number in range(draw(st.integers(1, 4))):
        earlier = [each["id"] for each in made]
        common = {
            "id": f"p{number}",
            "level": draw(st.integers(0, 1)),
            "after": draw(st.lists(st.sampled_from(earlier or ["p0"]), max_size=2)),
        }
        if subplans and draw(st.booleans()):
            made.append({**common, "subplan": draw(st.sampled_from(subplans))})
            continue
        brings = draw(st.lists(st.sampled_from(names), max_size=2, unique=True))
        procedure = {**_procedure("", *brings), **common}
        method = draw(st.sampled_from([*plan.Method, ""]))
        if method:
            procedure["method"] = str(method)
        if draw(st.booleans()):
            procedure |= MethodTest.beside
        made.append(procedure)
    return made


@st.composite
def _documents(draw: st.DrawFn) -> Document:
    names = ["m0", "m1", "m2"]
    versions = st.lists(st.sampled_from(["1", "2"]), min_size=1, unique=True)
    pairs = st.lists(st.sampled_from(names), min_size=1, max_size=2, unique=True)
    compatibility = [
        {name: draw(versions) for name in draw(pairs)}
        for _ in range(draw(st.integers(0, 4)))
    ]
    subplans = {
        "a": {"procedures": _any_procedures(draw, names, [])},
        "b": {"procedures": _any_procedures(draw, names, ["a"])},
    }
    document = _document(
        _any_procedures(draw, names, ["a", "b"]),
        [_module(name) for name in names],
        compatibility,
    )
    document["selectors"]["spares"] = {"match": {"tag": "spare"}}
    text = parameters.substitute({**document, "subplans": subplans}, {"version": "2"})
    return {**text, "params": {}}


class CompositionTest(unittest.TestCase):
    @given(_documents())
    def test_what_is_faultless_comes_to_its_end(self, document: Document) -> None:
        """No circle is left over, and a single step has its turn for itself."""
        filled = composition.compose(document)
        errors = [
            each
            for each in lints.check_document(document, {}, campaigns.CATALOGUE, None)
            if each.severity == "error" and each.rule != "C907"
        ]
        if errors:
            return
        event("faultless")
        made = reading.read(document, {}, campaigns.CATALOGUE)
        ranks = _ranks(made)
        self.assertEqual({each.id for each in made.procedures}, set(ranks))
        self.assertEqual(len(made.procedures), len(filled.document["procedures"]))
        for each in made.procedures:
            if each.method == plan.Method.SINGLE_STEP:
                self.assertEqual(1, list(ranks.values()).count(ranks[each.id]))


class ValueTest(unittest.TestCase):
    def test_values_of_artifacts_stand_in_steps(self) -> None:
        document = _document(
            [_procedure("p", "agent", method="rolling")],
            [_module("agent", version="${version}", sha256="ab" * 32)],
        )
        document["verify"]["smoke"]["with"]["packages"] = {
            "agent": "${artifacts.agent.version}",
            "digest": "${artifacts.agent.sha256}",
        }
        (procedure,) = _read(document).procedures
        wanted = {"packages": {"agent": "2.0", "digest": "ab" * 32}}
        self.assertEqual(wanted, procedure.steps[4].params)

    def test_what_an_artifact_does_not_say_is_no_value(self) -> None:
        document = _document(
            [_procedure("p", "agent", method="rolling")], [_module("agent")]
        )
        document["verify"]["smoke"]["with"]["packages"] = {
            "agent": "${artifacts.agent.sha256}"
        }
        ((rule, detail),) = _find(document)
        self.assertEqual("C402", rule)
        self.assertIn("artifacts.agent.sha256", detail)
