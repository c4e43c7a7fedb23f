import unittest

from escalator.domain import duration


class DurationTest(unittest.TestCase):
    def test_units(self) -> None:
        cases: dict[object, float] = {
            "500ms": 0.5,
            "1s": 1,
            "5m": 300,
            "1.5h": 5400,
            "2d": 172800,
            7: 7,
            0.25: 0.25,
        }
        for text, seconds in cases.items():
            with self.subTest(text):
                self.assertAlmostEqual(seconds, duration.parse(text))

    def test_what_is_no_duration_is_refused(self) -> None:
        wrong = ("", "5", "s", "-1s", -1, "1m30s", "1:30", True, None, [1], 10**400)
        for value in (*wrong, float("inf"), float("nan"), "\u0661s", "9" * 400 + "d"):
            with self.subTest(value), self.assertRaises(ValueError):
                duration.parse(value)
