"""Sub-plans become plain procedures (P-5)."""

import copy
import unittest
from typing import Any

import yaml

from escalator.domain import budget, lints, ordering, parameters, plan, reading
from tests.fixtures import campaigns

Document = dict[str, Any]
GOLDEN: Document = yaml.safe_load(campaigns.golden())
FLEET = campaigns.fleet()


def _procedure(name: str, **more: Any) -> Document:
    golden = parameters.substitute(GOLDEN["procedures"][0], {"version": "2.0"})
    return {**golden, "id": name, "level": 0, **more}


def _use(name: str, subplan: str, **more: Any) -> Document:
    return {"id": name, "subplan": subplan, **more}


def _document(procedures: list[Document], **subplans: Document) -> Document:
    return {**copy.deepcopy(GOLDEN), "procedures": procedures, "subplans": subplans}


def _read(document: Document, **params: Any) -> plan.Plan:
    found = lints.check(document, params, campaigns.CATALOGUE, None)
    assert not lints.has_errors(found), found
    return reading.read(document, params, campaigns.CATALOGUE)


def _find(document: Document) -> list[tuple[str, str]]:
    found = lints.check(document, {}, campaigns.CATALOGUE, FLEET)
    return [(each.rule, each.pointer) for each in found]


def _turns(made: plan.Plan) -> list[set[str]]:
    """Return what may run side by side, turn by turn."""
    done: set[str] = set()
    turns: list[set[str]] = []
    while following := ordering.next_procedures(made.procedures, done):
        turns.append({each.id for each in following})
        done |= turns[-1]
    return turns


class OrderTest(unittest.TestCase):
    def test_levels_and_edges_inside_are_relative(self) -> None:
        """Outside a sub-plan counts as one; beside it others run on."""
        made = _read(
            _document(
                [
                    _procedure("before", level=5),
                    _use("deep", "outer", level=10),
                    _procedure("beside", level=10),
                    _procedure("after", level=10, after=["deep"]),
                    _procedure("end", level=11),
                ],
                outer={
                    "procedures": [
                        _procedure("last", level=9),
                        _use("two", "inner", level=-3, after=["zero"]),
                        _procedure("zero", level=-3),
                    ]
                },
                inner={
                    "procedures": [
                        _procedure("b", after=["a"]),
                        _procedure("a"),
                        _procedure("c"),
                    ]
                },
            )
        )
        self.assertEqual(
            [
                {"before"},
                {"deep/zero", "beside"},
                {"deep/two/a", "deep/two/c"},
                {"deep/two/b"},
                {"deep/last"},
                {"after"},
                {"end"},
            ],
            _turns(made),
        )
        levels = {each.level for each in made.procedures if "/" in each.id}
        self.assertEqual({10}, levels)


class ParameterTest(unittest.TestCase):
    subplan: Document = {
        "params": {
            "many": {"type": "int", "max": 8},
            "version": {"type": "string", "default": "9"},
        },
        "budgets": [{"id": "own", "scope": {"by": "rack"}, "max_down": "${many}"}],
        "procedures": [
            _procedure(
                "inner",
                parallel="${many}",
                budgets=["own"],
                steps=GOLDEN["procedures"][0]["steps"],
            ),
        ],
    }

    def _with(self, **values: Any) -> Document:
        return _document([_use("u", "sub", **{"with": values})], sub=self.subplan)

    def test_each_use_has_its_own_values(self) -> None:
        document = _document(
            [
                _use("one", "sub", **{"with": {"many": 1}}),
                _use("two", "sub", level=1, **{"with": {"many": "${most}"}}),
            ],
            sub=self.subplan,
        )
        document["params"]["most"] = {"type": "int"}
        made = _read(document, most=3)
        self.assertEqual([1, 3], [each.parallel for each in made.procedures])
        limits = {each.id: each.max_down for each in made.budgets}
        self.assertEqual({"one/own": 1, "two/own": 3}, dict(list(limits.items())[-2:]))

    def test_a_subplan_sees_its_own_parameters(self) -> None:
        """The file's version is 2.0, the sub-plan's 9."""
        made = _read(self._with(many=1))
        step = next(e for e in made.procedures[0].steps if e.id == "install")
        self.assertEqual({"packages": {"demo-service": "9"}}, step.params)

    def test_values_are_checked_as_the_files_own(self) -> None:
        place = "/procedures/0/with"
        self.assertEqual([("C302", f"{place}/many")], _find(self._with())[:1])
        self.assertEqual([("C303", f"{place}/many")], _find(self._with(many=9))[:1])
        self.assertEqual([("C303", f"{place}/many")], _find(self._with(many="x"))[:1])
        unknown = _find(self._with(many=1, other=2))
        self.assertEqual([("C301", f"{place}/other")], unknown)

    def test_a_wrong_default_is_told_where_it_stands(self) -> None:
        subplan = copy.deepcopy(self.subplan)
        subplan["params"]["version"]["default"] = 9
        document = _document([_use("u", "sub", **{"with": {"many": 1}})], sub=subplan)
        place = ("C303", "/subplans/sub/params/version/default")
        self.assertIn(place, _find(document))

    def test_what_the_values_do_inside_is_told_of_the_inside(self) -> None:
        found = _find(self._with(many=0))
        self.assertEqual(
            {
                ("C502", "/subplans/sub/procedures/0/parallel"),
                ("C701", "/subplans/sub/budgets/0/max_down"),
            },
            set(found),
        )


class BudgetTest(unittest.TestCase):
    def test_the_stricter_of_both_holds_at_every_moment(self) -> None:
        """Both sets of tokens are taken: three levels, each with its own limit."""
        for outer, inner in ((3, 2), (2, 3)):
            document = _document(
                [_use("u", "a", budgets=["fleet"])],
                a={
                    "budgets": [{"id": "mid", "scope": "all", "max_down": 4}],
                    "procedures": [_use("v", "b", budgets=["mid"])],
                },
                b={
                    "budgets": [{"id": "own", "scope": "all", "max_down": inner}],
                    "procedures": [_procedure("p", budgets=["own"], parallel=12)],
                },
            )
            document["budgets"][0]["max_down"] = outer
            made = _read(document)
            (procedure,) = made.procedures
            self.assertEqual(("u/v/own", "u/mid", "fleet"), procedure.budgets)
            ledger = budget.Ledger(made.budgets, FLEET, ())
            out = [
                target
                for target in FLEET
                if not ledger.refusals(target, procedure.budgets)
                and ledger.take(target, procedure.budgets)
            ]
            self.assertEqual(2, len(out))

    def test_all_inside_together_stay_below_the_parallel_of_the_use(self) -> None:
        made = _read(
            _document(
                [_use("u", "sub", parallel=2)],
                sub={
                    "procedures": [
                        _procedure("p", parallel=9, budgets=[]),
                        _procedure("q", parallel=9, budgets=[]),
                    ]
                },
            )
        )
        lost = campaigns.fleet(2, is_up=False) + FLEET[2:]
        ledger = budget.Ledger(made.budgets, lost, ())
        p, q = made.procedures
        ledger.take(lost[2], p.budgets)
        ledger.take(lost[3], q.budgets)
        (refusal,) = ledger.refusals(lost[4], p.budgets)
        self.assertEqual(
            "waits: budget u (parallel) all 2/2 held by compute-03, compute-04",
            refusal.text(),
        )


class RefusalTest(unittest.TestCase):
    def test_the_chain_of_a_circle_is_told(self) -> None:
        document = _document(
            [_procedure("p"), _use("u", "a", level=1)],
            a={"procedures": [_use("x", "b")]},
            b={"procedures": [_use("y", "c")]},
            c={"procedures": [_use("z", "b")]},
        )
        found = lints.check(document, {}, campaigns.CATALOGUE, FLEET)
        self.assertEqual(["C504"], [each.rule for each in found])
        self.assertIn("b -> c -> b", found[0].detail)

    def test_twice_the_same_fault_is_told_once(self) -> None:
        broken = _procedure("p")
        broken["steps"][3]["timeout"] = "9s"
        document = _document(
            [_use("u", "s"), _use("v", "s", level=1)], s={"procedures": [broken]}
        )
        place = "/subplans/s/procedures/0/steps/3/timeout"
        self.assertEqual([("C604", place)], _find(document))

    def test_cycles_inside_are_told_by_their_own_names(self) -> None:
        document = _document(
            [_use("u", "s")],
            s={"procedures": [_procedure("a", after=["b"]), _procedure("b", level=1)]},
        )
        found = lints.check(document, {}, campaigns.CATALOGUE, FLEET)
        self.assertEqual(
            [("C501", "/subplans/s/procedures/0/after")],
            [(each.rule, each.pointer) for each in found],
        )
        self.assertIn("a comes after b", found[0].detail)

    def test_texts_that_multiply_are_refused(self) -> None:
        """Eight levels, each with ten times the text of the one before."""
        subplans: dict[str, Document] = {
            f"s{n}": {
                "params": {"x": {"type": "string"}},
                "procedures": [
                    _use("u", f"s{n + 1}", **{"with": {"x": "${x}" * 10}}),
                    _procedure("p"),
                ],
            }
            for n in range(7)
        }
        subplans["s7"] = {
            "params": {"x": {"type": "string"}},
            "procedures": [_procedure("last")],
        }
        document = _document([_use("u", "s0", **{"with": {"x": "y" * 20}})], **subplans)
        rules = {rule for rule, _ in _find(document)}
        self.assertEqual({"C303"}, rules)

    def test_large_subplans_used_often_are_refused(self) -> None:
        steps = [
            {**step, "with": {"packages": {f"p{n}": "x" * 1000 for n in range(300)}}}
            if step["id"] == "install"
            else step
            for step in _procedure("p")["steps"]
        ]
        uses = [_use(f"u{n}", "s", level=n) for n in range(60)]
        document = _document(uses, s={"procedures": [_procedure("p", steps=steps)]})
        found = [each for each in _find(document) if each[0] == "C505"]
        self.assertEqual([("C505", "/procedures/55")], found)
