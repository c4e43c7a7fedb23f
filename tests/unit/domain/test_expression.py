"""Times that depend on the host (P-4e)."""

import unittest

import hypothesis
from hypothesis import strategies as st

from escalator.domain import expression
from escalator.domain.expression import Mistake, Unit

DURATIONS = {"500ms": 0.5, "30s": 30.0, "1.5m": 90.0, "2h": 7200.0, "1d": 86400.0}
NUMBERS = {"0": 0.0, "1": 1.0, "0.5": 0.5, "12": 12.0}
DIVISORS = {"2": 2.0, "0.25": 0.25, "7": 7.0}


class Grammar:
    """Writes expressions, and reckons each while it is written: the oracle."""

    def __init__(self, draw, instances):
        self.draw = draw
        self.instances = float(instances)

    def pick(self, known):
        return self.draw(st.sampled_from(sorted(known.items())))

    def gap(self):
        return self.draw(st.sampled_from(["", " "]))

    def sum(self, unit, depth):
        text, value = self.product(unit, depth)
        for _ in range(self.draw(st.integers(0, 2))):
            sign = self.draw(st.sampled_from("+-"))
            more, other = self.product(unit, depth)
            text += self.gap() + sign + self.gap() + more
            value = value + other if sign == "+" else value - other
        return text, value

    def product(self, unit, depth):
        count = self.draw(st.integers(1, 3))
        at = self.draw(st.integers(0, count - 1))
        text, value = "", 1.0
        for index in range(count):
            is_duration = unit is Unit.DURATION and index == at
            kind = Unit.DURATION if is_duration else Unit.NUMBER
            more, other = self.factor(kind, depth)
            text, value = (
                (text + self.gap() + "*" + self.gap() + more, value * other)
                if index
                else (more, other)
            )
        if self.draw(st.booleans()):
            more, other = self.pick(DIVISORS)
            text, value = f"{text}{self.gap()}/{self.gap()}{more}", value / other
        return text, value

    def factor(self, unit, depth):
        usual = ["literal", "literal", "fact"]
        match self.draw(st.sampled_from(usual + ["nested", "min", "max"] * depth)):
            case "fact" if unit is Unit.NUMBER:
                return "instances", self.instances
            case "nested":
                text, value = self.sum(unit, depth - 1)
                return f"({text})", value
            case ("min" | "max") as name:
                parts = [self.sum(unit, depth - 1) for _ in range(2)]
                known = [value for _, value in parts]
                text = f",{self.gap()}".join(text for text, _ in parts)
                return f"{name}({text})", min(known) if name == "min" else max(known)
        return self.pick(DURATIONS if unit is Unit.DURATION else NUMBERS)


@st.composite
def expressions(draw):
    """Return a text, instances and the seconds that the text means on that host."""
    instances = draw(st.integers(0, 200))
    text, value = Grammar(draw, instances).sum(Unit.DURATION, 2)
    hypothesis.assume(len(text) <= expression.MOST_CHARACTERS)
    return text, instances, value


class MeaningTest(unittest.TestCase):
    @hypothesis.given(expressions())
    def test_as_an_oracle_reckons_it(self, known):
        text, instances, value = known
        found = expression.parse(text)
        self.assertEqual(value, found.seconds(instances))
        self.assertEqual(text, found.text)
        self.assertEqual("instances" not in text, found.is_constant)

    def test_examples(self):
        for text, seconds in (
            ("30s + 20s * instances", (30, 50, 230)),
            ("max(60s, 15s * instances)", (60, 60, 150)),
            ("2 * instances * 1m / 4", (0, 30, 300)),
            ("min(2m,1s*instances,5s)+1s", (1, 2, 6)),
            ("1h - 1m - 1m", (3480, 3480, 3480)),
            ("((instances + 1)) * 500ms", (0.5, 1, 5.5)),
            ("12s / 2 / 3", (2, 2, 2)),
        ):
            with self.subTest(text):
                known = expression.read(text)
                found = tuple(known.seconds(each) for each in (0, 1, 10))
                self.assertEqual(seconds, found)

    def test_a_constant_is_one_too(self):
        for value, text in (("30s", "30s"), (30, "30.000000s"), (" 0.5m ", "0.5m")):
            known = expression.read(value)
            self.assertEqual((text, 30.0), (known.text, known.seconds(9)))
            self.assertTrue(known.is_constant)
            self.assertEqual(30.0, expression.parse(f"max(1s, {text})").seconds(0))


class RefusalTest(unittest.TestCase):
    def test_what_does_not_fit_is_told_with_its_place(self):
        for text, told in {
            "30s + 20": "+ at character 5 joins a duration and a number",
            "3 - 5s": "- at character 3 joins",
            "max(1s, 2)": "max at character 1 joins",
            "30s * 20s": "* at character 5 multiplies two durations",
            "30 / 2s": "/ at character 4 divides by a duration",
            "30s / 2s": "/ at character 5 divides by a duration",
            "30s / instances": "/ at character 5 divides by what is, or may be, zero",
            "30s / (2 - 2)": "may be, zero",
            "2 * instances": "2 * instances is a number, not a duration",
            "instances": "is a number",
            "20s * guests": "nobody knows guests at character 7",
            "20s * facts.cpus": "nobody knows facts.cpus",
            "min(30s)": "chooses between fewer than two",
            "min 1s + 2s": "( is missing: 1s at character 5",
            "(1s, 2s)": "is missing",
            "(1s + 2s": ") is missing: at the end",
            "max(1s, 2s": ") is missing: at the end",
            "30s +": "is missing: at the end",
            "(1s) 2s": "+, -, * or / is missing: 2s at character 6",
            "-5s + 3s": "is missing: - at character 1",
            "20sec + 1s": "is missing: 20sec at character 1",
            "30\u00a0s + 1s": "is missing",
            "\u0661s + 1s": "is missing",
            "1s" + "+1s" * 100: "of 302 characters, 200 are allowed",
            "(" * 17 + "1s" + ")" * 17: "nested deeper than 16",
        }.items():
            with self.subTest(text), self.assertRaises(Mistake) as caught:
                expression.read(text)
            self.assertIn(told, str(caught.exception))
            self.assertTrue(caught.exception.remedy)

    def test_what_is_allowed_to_the_last(self):
        text = "1s" + "+1s" * 66
        self.assertEqual(200, len(text))
        self.assertEqual(67.0, expression.parse(text).seconds(0))
        deep = "(" * 16 + "1s" + ")" * 16
        self.assertEqual(1.0, expression.parse(deep).seconds(0))

    def test_what_is_meant_as_a_duration_is_told_of_as_one(self):
        for text in ("2 minutes", "soon", "-5s", "1:30", "1m30s", "", "5"):
            with self.subTest(text), self.assertRaises(ValueError) as caught:
                expression.read(text)
            self.assertIn("is not a duration", str(caught.exception))

    @hypothesis.given(
        st.text() | st.text("0123456789smhd.+-*/(), instacemx", max_size=30)
    )
    def test_junk_is_refused_and_nothing_else_happens(self, text):
        try:
            known = expression.read(text)
        except ValueError as error:
            self.assertTrue(str(error))
            return
        for instances in (0, 1, 1000):
            self.assertIsInstance(known.seconds(instances), float)
