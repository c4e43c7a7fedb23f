import copy
import json
import time
import unittest
from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st

from escalator import errors
from escalator.conductor import campaign_file, campaign_text
from tests.fixtures import campaigns

GOLDEN = campaigns.golden()
DOCUMENT = yaml.safe_load(GOLDEN)
EVERY_KEY = yaml.safe_load((campaigns.SAMPLES / "every-key.yaml").read_text())
INSTALL = "- {id: install, action: package.install"


def _line(fragment: str, text: str = GOLDEN) -> int:
    return text[: text.index(fragment)].count("\n") + 1


def _findings(text: str, **params: Any) -> list[dict[str, Any]]:
    try:
        _, warnings = campaign_file.understand(
            text, params, campaigns.CATALOGUE, campaigns.fleet()
        )
    except errors.InvalidInput as error:
        return list(error.findings)
    return list(warnings)


def _places(text: str, **params: Any) -> list[tuple[Any, Any, Any]]:
    return [
        (each["rule"], each["pointer"], each["line"])
        for each in _findings(text, **params)
    ]


class SamplesTest(unittest.TestCase):
    def test_every_sample_is_faultless(self) -> None:
        fleet = campaigns.fleet()
        fleet[0] = campaigns.fleet(1, tags=("canary",))[0]
        lead = {"name": "controller-01", "role": "controller", "rack": "R9"}
        fleet += campaigns.fleet(1, **lead, tags=("scaling",))
        samples = sorted(campaigns.SAMPLES.glob("*.yaml"))
        self.assertGreaterEqual(len(samples), 2)
        for sample in samples:
            with self.subTest(sample.name):
                _, warnings = campaign_file.understand(
                    sample.read_text(), {}, campaigns.CATALOGUE, fleet
                )
                self.assertEqual((), warnings)

    def test_json_is_yaml(self) -> None:
        text = json.dumps(DOCUMENT, indent=2)
        one = campaign_file.understand(text, {}, campaigns.CATALOGUE, None)
        self.assertEqual(
            one, campaign_file.understand(GOLDEN, {}, campaigns.CATALOGUE, None)
        )


class TextTest(unittest.TestCase):
    """C1: what the text itself may not be."""

    def test_lines_of_keys_and_items(self) -> None:
        _, lines = campaign_file.parse(GOLDEN)
        cases = {
            "/apiVersion": "apiVersion:",
            "/metadata/owner": "metadata:",
            "/budgets/1": "- {id: rack",
            "/procedures/0/steps/3/timeout": INSTALL,
            "/procedures/0/on_failure": "on_failure: node-ladder",
        }
        for pointer, fragment in cases.items():
            self.assertEqual(_line(fragment), lines[pointer], pointer)

    def test_duplicate_keys_tell_both_lines(self) -> None:
        text = GOLDEN.replace("    parallel: 4\n", "    parallel: 4\n    parallel: 8\n")
        first = _line("parallel: 4", text)
        (found,) = _findings(text)
        self.assertEqual(("C102", first), (found["rule"], found["line"]))
        self.assertIn(f"line {first} and again in line {first + 1}", found["detail"])

    def test_keys_that_are_no_texts(self) -> None:
        for key in ("on", "yes", "1", "null", "2026-01-01", "? [a, b]\n    ", "<<"):
            text = GOLDEN.replace("    parallel: 4\n", f"    {key}: {{}}\n")
            with self.subTest(key):
                (found,) = _findings(text)
                self.assertEqual("C103", found["rule"])
                self.assertEqual(_line("    method: rolling") + 1, found["line"])

    def test_quoted_they_are_texts(self) -> None:
        text = GOLDEN.replace("    parallel: 4\n", '    "on": 4\n')
        self.assertEqual(["C201"], [each["rule"] for each in _findings(text)])

    def test_what_is_no_yaml_mapping(self) -> None:
        cases = {
            "": 1,
            "- a\n- b": 1,
            "just text": 1,
            "a: [1\n": 2,
            "a: b\n\tc: d": 2,
            "a: 1\n---\nb: 2": 2,
            "a: 1\nb: \x00": 1,
            "a: \ud800": 1,
            "a: !!python/object/apply:os.system [x]": 1,
            "a: 1\nb: !!binary aGk=": 2,
            "a: 1\nb: .inf": 2,
            "a: 1\nb: " + "9" * 5000: 2,
            "a: *b": 1,
        }
        for text, line in cases.items():
            with self.subTest(text[:20]):
                with self.assertRaises(errors.InvalidInput) as caught:
                    campaign_file.parse(text)
                (found,) = caught.exception.findings
                self.assertEqual(("C101", line), (found["rule"], found["line"]))

    def test_too_much_is_refused_quickly(self) -> None:
        bomb = (
            "a0: &a0 ["
            + "x, " * 100
            + "x]\n"
            + "".join(
                f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 2)}]\n" for n in range(1, 11)
            )
        )
        wide = "a: &a [" + "x, " * 20_000 + "x]\nb: [" + "*a, " * 19 + "*a]"
        cases = {
            "size": "a: " + "x" * campaign_text.MAX_BYTES,
            "bytes": "a: " + "\u20ac" * (campaign_text.MAX_BYTES // 2),
            "depth": "[" * 900_000,
            "aliases": "a: &a x\nb: [" + "*a, " * 21 + "*a]",
            "bomb": bomb,
            "wide": wide,
            "values": "a: [" + "1," * 110_000 + "1]",
            "itself": "a: &a {b: *a}",
            "uses": "a: " + "${x}" * 5001,
        }
        for name, text in cases.items():
            with self.subTest(name):
                start = time.process_time()
                with self.assertRaises(errors.InvalidInput) as caught:
                    campaign_file.parse(text)
                self.assertLess(time.process_time() - start, 5)
                self.assertEqual("C104", caught.exception.findings[0]["rule"])

    def test_clocks_and_dates_stay_texts(self) -> None:
        """YAML 1.1 would read 1:30 as ninety."""
        document, _ = campaign_file.parse("a: 1:30\nb: 2026-01-31\nc: 0x10")
        self.assertEqual({"a": "1:30", "b": "2026-01-31", "c": 16}, document)

    @given(st.text())
    def test_any_text_is_read_or_refused(self, text: str) -> None:
        try:
            document, lines = campaign_file.parse(text)
        except errors.InvalidInput as error:
            self.assertTrue(error.findings)
        else:
            self.assertEqual(yaml.safe_load(text), document)
            self.assertIn("", lines)


class ShapeTest(unittest.TestCase):
    """C2: what the schema refuses."""

    def _expect(self, old: str, new: str, *expected: tuple[str, str]) -> None:
        self.assertIn(old, GOLDEN)
        text = GOLDEN.replace(old, new, 1)
        found = [(rule, pointer) for rule, pointer, _ in _places(text)]
        self.assertEqual(list(expected), found, new)

    def test_unknown_keys(self) -> None:
        self._expect("finish:", "finnish:", ("C201", "/finnish"))
        self._expect("parallel: 4", "paralel: 4", ("C201", "/procedures/0/paralel"))
        place = "/procedures/0/steps/3/retries"
        self._expect(INSTALL, INSTALL + ", retries: 3", ("C201", place))

    def test_reserved_keys_have_a_message_of_their_own(self) -> None:
        for old, new, place in (
            ("finish:", "coordination: {}\nfinish:", "/coordination"),
            ("finish:", "telemetry: {}\nfinish:", "/telemetry"),
            ("finish:", "admin: {}\nfinish:", "/admin"),
            ("finish: {", "finish: {verify: full, ", "/finish/verify"),
            ("    level:", "    verify: full\n    level:", "/procedures/0/verify"),
            ("driver:", "keep: 7d, driver:", "/checkpoints/0/keep"),
            (
                INSTALL,
                f"{INSTALL}, coordinate: ask",
                "/procedures/0/steps/3/coordinate",
            ),
            ("smoke: {", "smoke: {run: [a], ", "/verify/smoke/run"),
            (
                "    level:",
                "    stages: [{id: one, take: 1, canary: {}}]\n    level:",
                "/procedures/0/stages/0/canary",
            ),
        ):
            with self.subTest(place):
                self._expect(old, new, ("C204", place))
        (found,) = _findings(GOLDEN.replace("finish:", "admin: {}\nfinish:"))
        self.assertIn("later version: who may approve", found["detail"])
        self.assertTrue(found["remedy"].startswith("take it out"))

    def test_a_key_is_reserved_only_where_it_will_stand(self) -> None:
        self._expect("finish: {", "finish: {canary: x, ", ("C201", "/finish/canary"))

    def test_the_likeliest_key_is_told(self) -> None:
        text = GOLDEN.replace("    parallel: 4", "    paralel: 4")
        (found,) = _findings(text)
        self.assertIn("did you mean parallel?", found["remedy"])
        self.assertEqual(_line("    paralel: 4", text), found["line"])

    def test_missing_keys(self) -> None:
        self._expect("kind: Campaign\n", "", ("C203", ""))
        self._expect("    on_failure: node-ladder\n", "", ("C203", "/procedures/0"))
        self._expect(", max_down: 2}", "}", ("C711", "/budgets/1"))

    def test_wrong_shapes(self) -> None:
        first = "/procedures/0"
        self._expect("level: 10", "level: high", ("C202", f"{first}/level"))
        self._expect("level: 10", "level: 10.0", ("C202", f"{first}/level"))
        self._expect("parallel: 4", "parallel: many", ("C202", f"{first}/parallel"))
        self._expect("parallel: 4", "parallel: 101%", ("C202", f"{first}/parallel"))
        self._expect("parallel: 4", "parallel: true", ("C202", f"{first}/parallel"))
        self._expect("method: rolling", "method: fast", ("C202", f"{first}/method"))
        self._expect("scope: all", "scope: some", ("C202", "/budgets/0/scope"))
        self._expect("by: rack", "by: 1", ("C202", "/budgets/1/scope"))
        self._expect("campaign/v1", "campaign/v2", ("C202", "/apiVersion"))
        place = "/recovery/on_fault/do"
        self._expect("do: rollback", "do: nothing", ("C202", place))
        step = f"{first}/steps/2/idempotent"
        self._expect(
            "none_needed, idempotent: natural",
            "none_needed, idempotent: x",
            ("C202", step),
        )
        self._expect(
            "{id: install,", '{id: "install\\n",', ("C202", f"{first}/steps/3/id")
        )
        self._expect(
            "  smoke: {",
            "  smo ke: {",
            ("C202", "/verify/smo ke"),
            ("C402", f"{first}/steps/4/verify"),
        )

    def test_more_steps_than_a_procedure_may_have(self) -> None:
        document, _ = campaign_file.parse(GOLDEN)
        (procedure, *_) = document["procedures"]
        (first, *rest) = procedure["steps"]
        checks = [{**rest[-2], "id": f"again-{n}"} for n in range(300)]
        procedure["steps"] = [first, *checks]
        (found,) = [f for f in _findings(json.dumps(document)) if f["rule"] == "C202"]
        self.assertEqual("/procedures/0/steps", found["pointer"])
        self.assertIn("a list of 1 to 300 steps", found["remedy"])

    def test_with_needs_an_action(self) -> None:
        self._expect(
            "verify: smoke,",
            "verify: smoke, with: {a: 1},",
            ("C203", "/procedures/0/steps/4"),
        )

    def test_what_an_action_refuses(self) -> None:
        old = 'with: {packages: {demo-service: "${version}"}}, expected: 10s'
        steps = "/procedures/0/steps/3"
        self._expect(old, "expected: 10s", ("C611", steps))
        place = ("C611", f"{steps}/with/packages/demo-service")
        self._expect(old, "with: {packages: {demo-service: 2.0}}, expected: 10s", place)
        self._expect(
            'package.verify, with: {packages: {demo-service: "${version}"}}',
            "package.verify",
            ("C611", "/verify/smoke"),
        )

    def test_an_undo_must_take_its_steps_parameters(self) -> None:
        old = "undo: package.restore"
        place = ("C611", "/procedures/0/steps/3/with")
        self._expect(old, "undo: vim.vacate", place)


class RemedyTest(unittest.TestCase):
    """V-7: a check says a policy, or what mends it, and nothing between."""

    def test_shapes(self) -> None:
        place = "/preflight/checks/disk"
        inner = f"{place}/remediate"
        whole = {"action": "command.run", "with": {"command": "x"}, "timeout": "1m"}
        for wanted, expected in (
            ("remediate", ("C202", place)),
            ({}, ("C203", place)),
            ({"remediate": {**whole, "with": []}}, ("C202", f"{inner}/with")),
            ({"remediate": {"timeout": "1m"}}, ("C203", inner)),
            ({"remediate": {**whole, "undo": "x"}}, ("C201", f"{inner}/undo")),
            ({"remediate": {**whole, "timeout": "soon"}}, ("C603", f"{inner}/timeout")),
            ({"remediate": {**whole, "timeout": 0}}, ("C603", f"{inner}/timeout")),
            ({"remediate": {**whole, "with": {"x": 1}}}, ("C611", f"{inner}/with")),
            ({"remediate": whole}, None),
        ):
            with self.subTest(wanted):
                document = {**DOCUMENT, "preflight": {"checks": {"disk": wanted}}}
                found = _findings(json.dumps(document))
                places = [(each["rule"], each["pointer"]) for each in found]
                self.assertEqual([] if expected is None else [expected], places)


class UnderstandTest(unittest.TestCase):
    def test_all_findings_at_once_in_order_of_lines(self) -> None:
        text = (
            GOLDEN.replace("    parallel: 4\n", "    parallel: 0\n    parallel: 8\n")
            .replace("max_down: 1}", "max_down: 0}")
            .replace("kind: Campaign\n", "kind: Campaign\nno: 1\ncolour: red\n")
            .replace("timeout: 120s", "timeout: 2s")
        )
        found = [(rule, line) for rule, _, line in _places(text)]
        expected = [
            ("C103", _line("no: 1", text)),
            ("C201", _line("colour", text)),
            ("C701", _line("max_down: 0", text)),
            ("C102", _line("parallel: 0", text)),
            ("C502", _line("parallel: 0", text)),
            ("C604", _line("timeout: 2s", text)),
        ]
        self.assertEqual(expected, found)

    def test_the_error_says_the_first_place(self) -> None:
        text = GOLDEN.replace("parallel: 4", "parallel: 0").replace("4}", "0}")
        with self.assertRaisesRegex(
            errors.InvalidInput, r"line 17: max_down 0 .* \(and 1 more"
        ):
            campaign_file.understand(text, {}, campaigns.CATALOGUE, None)

    def test_every_finding_is_whole(self) -> None:
        text = GOLDEN.replace("parallel: 4", "parallel: 0")
        (found,) = _findings(text)
        keys = {"rule", "pointer", "line", "detail", "remedy", "severity"}
        self.assertEqual(keys, set(found))

    def test_warnings_come_with_the_plan(self) -> None:
        text = GOLDEN.replace("budgets: [fleet, rack, group]", "budgets: []")
        understood, warnings = campaign_file.understand(
            text, {}, campaigns.CATALOGUE, None
        )
        self.assertEqual("rolling-packages", understood.name)
        self.assertEqual(
            [("C703", _line("- id: computes"))],
            [(w["rule"], w["line"]) for w in warnings],
        )

    def test_a_host_without_a_stand_in_is_refused_where_it_is_selected(self) -> None:
        """E-3"""
        with self.assertRaisesRegex(errors.InvalidInput, "stands in") as caught:
            campaign_file.understand(
                GOLDEN, {}, campaigns.CATALOGUE, campaigns.fleet(1)
            )
        (found,) = [f for f in caught.exception.findings if f["severity"] == "error"]
        self.assertEqual(
            ("C731", _line("select: computes")), (found["rule"], found["line"])
        )

    def test_host_names_are_refused(self) -> None:
        """P-4a"""
        text = GOLDEN.replace("role: compute}", "role: compute, tag: compute-03}")
        place = ("C401", "/selectors/computes/match/tag", _line("role: compute", text))
        self.assertEqual([place], _places(text))

    def test_parameters_may_stand_where_numbers_do(self) -> None:
        text = GOLDEN.replace("parallel: 4", 'parallel: "${many}"').replace(
            "params:\n", "params:\n  many: {type: int, max: 9}\n"
        )
        understood, _ = campaign_file.understand(
            text, {"many": 3}, campaigns.CATALOGUE, None
        )
        self.assertEqual(3, understood.procedures[0].parallel)
        line = _line("many: {", text)
        self.assertEqual([("C302", "/params/many", line)], _places(text))
        self.assertEqual([("C303", "/params/many", line)], _places(text, many=10))

    def test_an_undeclared_parameter_is_one_finding(self) -> None:
        for old in ("parallel: 4", "level: 10", "method: rolling", "timeout: 120s"):
            key = old.partition(":")[0]
            text = GOLDEN.replace(old, f'{key}: "${{gone}}"')
            self.assertEqual(["C402"], [rule for rule, _, _ in _places(text)], key)

    def test_a_remaining_error_of_the_fleet_refuses(self) -> None:
        document = copy.deepcopy(DOCUMENT)
        document["procedures"].append({**document["procedures"][0], "id": "second"})
        found = _places(json.dumps(document))
        self.assertIn(("C503", "/procedures/1"), [place[:2] for place in found])

    @given(st.data(), st.sampled_from([DOCUMENT, EVERY_KEY]))
    def test_any_document_is_understood_or_refused(
        self, data: st.DataObject, whole: dict[str, Any]
    ) -> None:
        """What passes the rules can be read: no other error escapes."""
        junk: st.SearchStrategy[Any] = st.sampled_from(
            [None, 0, 2, -1, 1.5, True, "", "x", "5%", "${y}", "${version}", [], {}]
            + ["careful", "api", "stores", ["api"], [{}], "2.0", "single_step", "${"]
        )
        document = copy.deepcopy(whole)
        for _ in range(data.draw(st.integers(1, 3))):
            paths = [path for path in campaigns.nodes(document) if path]
            *way, last = data.draw(st.sampled_from(paths))
            node = document
            for part in way:
                node = node[part]
            if data.draw(st.booleans()):
                del node[last]
            else:
                node[last] = copy.deepcopy(data.draw(junk))
        text = json.dumps(document)
        self.assertIsInstance(_findings(text), list)
