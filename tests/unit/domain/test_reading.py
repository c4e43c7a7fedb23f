import copy
import dataclasses
import json
import unittest
from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st

from escalator import errors
from escalator.domain import parameters, plan, reading
from escalator.objects import fields
from tests.fixtures import campaigns

GOLDEN: dict[str, Any] = yaml.safe_load(campaigns.golden())


def _golden() -> dict[str, Any]:
    return copy.deepcopy(GOLDEN)


def _read(document: dict[str, Any], **params: Any) -> plan.Plan:
    return reading.read(document, params, campaigns.CATALOGUE)


class ReadTest(unittest.TestCase):
    def test_an_action_says_what_the_step_leaves_out(self) -> None:
        document, catalogue = _golden(), dict(campaigns.CATALOGUE)
        install = document["procedures"][0]["steps"][3]
        del install["undo"], install["idempotent"]
        catalogue["package.install"] = dataclasses.replace(
            catalogue["package.install"], idempotence="keyed", undo="package.restore"
        )
        step = reading.read(document, {}, catalogue).procedures[0].steps[3]
        self.assertEqual(plan.Idempotence.KEYED, step.idempotence)
        self.assertEqual(["package.restore"], [each.action for each in step.undo])

    def test_a_step_has_the_last_word(self) -> None:
        catalogue = dict(campaigns.CATALOGUE)
        catalogue["package.install"] = dataclasses.replace(
            catalogue["package.install"], idempotence="never", undo="none_needed"
        )
        step = reading.read(_golden(), {}, catalogue).procedures[0].steps[3]
        self.assertEqual(plan.Idempotence.PROBE, step.idempotence)
        self.assertEqual(["package.restore"], [each.action for each in step.undo])

    def test_the_golden_file(self) -> None:
        understood = _read(_golden())
        self.assertEqual({"version": "2.0"}, understood.params)
        self.assertEqual(plan.FaultPolicy("rollback", "campaign"), understood.on_fault)
        (procedure,) = understood.procedures
        self.assertEqual(
            ["checkpoint", "cordon", "drain", "install", "verify", "uncordon"],
            [step.id for step in procedure.steps],
        )
        expected = plan.Step(
            id="install",
            kind="action",
            action="package.install",
            executor="node",
            params={"packages": {"demo-service": "2.0"}},
            expected_s=10.0,
            timeout_s=120.0,
            idempotence="probe",
            is_mutating=True,
            undo=(
                plan.Undo(
                    "package.restore",
                    "node",
                    {"packages": {"demo-service": "2.0"}},
                    campaigns.CATALOGUE["package.restore"].version,
                ),
            ),
            version=campaigns.CATALOGUE["package.install"].version,
        )
        self.assertEqual(expected, procedure.steps[3])
        self.assertEqual((), procedure.steps[2].undo)
        self.assertEqual("package_manifest", procedure.steps[0].action)
        self.assertEqual("cp-node", procedure.steps[0].checkpoint)
        self.assertEqual("package.verify", procedure.steps[4].action)
        retry = plan.Rung("retry", ("transient",), 2, 1.0)
        self.assertEqual(retry, procedure.ladder[0])
        budgets = (
            plan.Budget("fleet", "all", max_down=4),
            plan.Budget("rack", "fact", "rack", max_down=2),
            plan.Budget("group", "server_group", max_down=1),
        )
        self.assertEqual(budgets, understood.budgets)

    @given(st.text(), st.integers(1, 60))
    def test_reading_twice_gives_equal_plans(self, version: str, many: int) -> None:
        """P-0: a plan is a pure function of file, parameters and catalogue."""
        document = _golden()
        document["params"]["many"] = {"type": "int"}
        document["procedures"][0]["parallel"] = "${many}"
        given_params = {"version": version.replace("${", ""), "many": many}
        one = _read(document, **given_params)
        self.assertEqual(one, _read(document, **given_params))
        self.assertEqual(many, one.procedures[0].parallel)

    def test_times_that_depend_on_the_host_stay_as_the_file_has_them(self) -> None:
        """P-4e: a plan is the same whatever the fleet; constants are numbers."""
        document = _golden()
        document["params"]["each"] = {"type": "string", "default": "15s"}
        steps = document["procedures"][0]["steps"]
        steps[2].update(
            expected=" 5s * instances ", timeout="max(1m, ${each}*instances)"
        )
        steps[3].update(expected="2 * 5s", timeout=120)
        made = _read(document).procedures[0].steps
        drain, install = made[2], made[3]
        self.assertEqual(
            ("5s * instances", "max(1m, 15s*instances)"),
            (drain.expected, drain.timeout),
        )
        self.assertEqual((0.0, 60.0), (drain.expected_s, drain.timeout_s))
        self.assertEqual(("", ""), (install.expected, install.timeout))
        self.assertEqual((10.0, 120.0), (install.expected_s, install.timeout_s))

    def test_a_stored_plan_comes_back(self) -> None:
        """With its expressions; one that was stored without them is constant."""
        document = _golden()
        document["procedures"][0]["steps"][2]["timeout"] = "9s + 1m * instances"
        understood = _read(document)
        codec = fields.RecordCodec(plan.Plan, is_trusted=True)
        stored = json.loads(json.dumps(codec.encode(understood)))
        self.assertEqual(understood, codec.decode(stored))
        for each in stored["procedures"][0]["steps"]:
            del each["expected"], each["timeout"]
        (procedure,) = codec.decode(stored).procedures
        self.assertEqual(
            ("", 9.0), (procedure.steps[2].timeout, procedure.steps[2].timeout_s)
        )

    def test_a_scope_that_is_not_said_stays_open(self) -> None:
        """P-4c, E-4: what it means depends on the rung."""
        document = _golden()
        name = document["procedures"][0]["on_failure"]
        document["recovery"][name] = [
            {"try": "page", "classes": ["lost"], "scope": "procedure"},
            {"try": "hold"},
        ]
        scopes = [rung.scope for rung in _read(document).procedures[0].ladder]
        self.assertEqual(["procedure", ""], scopes)

    def test_percentages(self) -> None:
        document = _golden()
        document["procedures"][0]["parallel"] = "25%"
        document["budgets"][0]["max_down"] = "10%"
        understood = _read(document)
        self.assertEqual(25.0, understood.procedures[0].parallel_percent)
        self.assertEqual(10.0, understood.budgets[0].max_percent)

    def test_a_waived_checkpoint_is_no_step(self) -> None:
        document = _golden()
        waived = {"id": "checkpoint", "checkpoint": "waived", "reason": "stateless"}
        document["procedures"][0]["steps"][0] = waived
        self.assertEqual("cordon", _read(document).procedures[0].steps[0].id)

    def test_several_undos(self) -> None:
        document = _golden()
        undo = ["package.restore", "vim.vacate"]
        document["procedures"][0]["steps"][3]["undo"] = undo
        undos = _read(document).procedures[0].steps[3].undo
        self.assertEqual(undo, [each.action for each in undos])
        self.assertEqual(["node", "vim"], [each.executor for each in undos])

    def test_wrong_parameters_are_refused(self) -> None:
        with self.assertRaises(errors.InvalidInput) as caught:
            _read(_golden(), version=2.0, other="x")
        rules = [finding["rule"] for finding in caught.exception.findings]
        self.assertEqual(["C301", "C303"], rules)


class ParametersTest(unittest.TestCase):
    def _rules(self, shape: dict[str, Any], **given_params: Any) -> list[str]:
        _, findings = parameters.resolve({"p": shape}, given_params)
        return [finding.rule for finding in findings]

    def test_types_and_ranges(self) -> None:
        number = {"type": "int", "min": 1, "max": 9}
        cases: list[tuple[dict[str, Any], Any, list[str]]] = [
            (number, 1, []),
            (number, "9", []),
            (number, 0, ["C303"]),
            (number, 10, ["C303"]),
            (number, True, ["C303"]),
            (number, 1.0, ["C303"]),
            (number, "1.0", ["C303"]),
            (number, "9" * 5000, ["C303"]),
            ({"type": "string"}, 2, ["C303"]),
            ({"type": "string"}, "${other}", ["C303"]),
            ({"type": "bool"}, False, []),
            ({"type": "bool"}, "true", []),
            ({"type": "bool"}, "yes", ["C303"]),
            ({"type": "colour"}, "red", ["C303"]),
            ({}, "red", ["C303"]),
        ]
        for shape, value, rules in cases:
            with self.subTest(shape=shape, value=value):
                self.assertEqual(rules, self._rules(shape, p=value))

    def test_texts_of_a_command_line_take_the_declared_type(self) -> None:
        declared = {"n": {"type": "int"}, "b": {"type": "bool"}}
        values, _ = parameters.resolve(declared, {"n": "-5", "b": "false"})
        self.assertEqual({"n": -5, "b": False}, values)

    def test_missing_unknown_and_faulty_defaults(self) -> None:
        self.assertEqual(["C302"], self._rules({"type": "string"}))
        self.assertEqual(["C301"], self._rules({"type": "int", "default": 1}, q=1))
        self.assertEqual(["C303"], self._rules({"type": "int", "default": "1"}))

    def test_substitution_keeps_types_and_fills_texts(self) -> None:
        values = {"n": 4, "b": True, "s": "x"}
        filled = parameters.substitute(
            {"a": "${n}", "b": ["v${n}-${s}-${b}", "${b}"], "c": "${gone}", "d": 1},
            values,
        )
        wanted = {"a": 4, "b": ["v4-x-true", True], "c": "${gone}", "d": 1}
        self.assertEqual(wanted, filled)
