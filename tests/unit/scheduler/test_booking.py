import copy
import datetime
import unittest
from collections.abc import Sequence
from typing import Any

from escalator import errors
from escalator.drivers.base import Demand, Solver
from escalator.drivers.solver import greedy
from escalator.scheduler import booking

REQUEST: dict[str, Any] = {
    "window": {
        "earliest": "2026-01-31T23:00:00+01:00",
        "latest": "2026-02-01T02:00:00+01:00",
    },
    "length_min": 60,
    "targets": ["h1", "h2", "h3"],
    "concurrent": 2,
    "taken": [
        {
            "target": "h1",
            "start": "2026-01-31T21:00:00Z",
            "end": "2026-01-31T22:30:30Z",
        }
    ],
}


class _Liar(Solver):
    """Proposes the same minute for everybody, or nothing."""

    def __init__(self, start: int | None) -> None:
        self._start = start

    def solve(
        self,
        demands: Sequence[Demand],
        window_min: tuple[int, int],
        taken: Sequence[tuple[str, int, int]],
        concurrent: int,
    ) -> dict[str, int]:
        if self._start is None:
            return {}
        return {demand.id: self._start for demand in demands}


def _find(solver: Solver | None = None, **changes: Any) -> dict[str, Any]:
    request = {**copy.deepcopy(REQUEST), **changes}
    return booking.find_times(solver or greedy.Greedy(), request)


class FindTimesTest(unittest.TestCase):
    def test_times_that_hold(self) -> None:
        """CM-1, CM-5: others' work is kept clear of, to the started minute."""
        answer = _find()
        starts = {each["target"]: each["start"] for each in answer["bookings"]}
        expected = {
            "h1": "2026-01-31T22:31:00+00:00",
            "h2": "2026-01-31T22:00:00+00:00",
        }
        self.assertEqual(expected, {name: starts[name] for name in expected})
        self.assertEqual("2026-02-01T00:00:00+00:00", answer["end"])

    def test_the_solver_is_not_believed(self) -> None:
        """Idea 4 of the architecture: the core checks every proposal."""
        for start, told in (
            (0, "needs h1"),
            (40, "3 at once"),
            (121, "no change window"),
        ):
            with self.assertRaisesRegex(errors.NoSchedule, told):
                _find(_Liar(start))
        with self.assertRaisesRegex(errors.NoSchedule, "left out h1, h2, h3"):
            _find(_Liar(None))

    def test_no_time_and_why(self) -> None:
        """CM-9"""
        with self.assertRaisesRegex(errors.NoSchedule, "h. .60 min.*1 run at once"):
            _find(concurrent=1, targets=["h1", "h2", "h3", "h4"])
        busy = {**REQUEST["taken"][0], "end": "2026-02-01T01:00:00Z"}
        with self.assertRaisesRegex(errors.NoSchedule, "h1 is taken"):
            _find(taken=[busy])

    def test_one_at_a_time_unless_told(self) -> None:
        request = {key: REQUEST[key] for key in ("window", "length_min", "targets")}
        answer = booking.find_times(greedy.Greedy(), request)
        starts = [each["start"][11:16] for each in answer["bookings"]]
        self.assertEqual(["22:00", "23:00", "00:00"], starts)


class RefusalTest(unittest.TestCase):
    def _expect(self, pointer: str, **changes: Any) -> None:
        with self.assertRaises(errors.InvalidInput) as caught:
            _find(**changes)
        found = caught.exception.findings
        self.assertEqual([pointer], [each["pointer"] for each in found])

    def test_shapes(self) -> None:
        self._expect("/length_min", length_min=0)
        self._expect("/targets", targets=[])
        self._expect("/targets", targets=["h1", "h1"])
        self._expect("/concurrent", concurrent="2")
        self._expect("", colour="red")

    def test_times(self) -> None:
        earliest = REQUEST["window"]["earliest"]
        for latest in (
            "2026-02-01T02:00:00",
            "tomorrow",
            earliest,
            "2025-01-01T00:00:00Z",
            "2027-01-01T00:00:00Z",
            "9999-12-31T23:59:59-14:00",
        ):
            with self.subTest(latest):
                window = {"earliest": earliest, "latest": latest}
                self._expect("/window/latest", window=window)
        taken = {**REQUEST["taken"][0], "start": "2026-03-01T00:00:00Z"}
        self._expect("/taken/0/end", taken=[taken])
        taken["start"] = "now"
        self._expect("/taken/0/start", taken=[taken])

    def test_everything_wrong_with_the_shape_at_once(self) -> None:
        with self.assertRaises(errors.InvalidInput) as caught:
            booking.find_times(greedy.Greedy(), {"targets": 1, "concurrent": 0})
        self.assertEqual(4, len(caught.exception.findings))

    def test_the_longest_window(self) -> None:
        start = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
        end = start + datetime.timedelta(minutes=booking.MAX_WINDOW_MIN)
        window = {"earliest": start.isoformat(), "latest": end.isoformat()}
        self.assertEqual(3, len(_find(window=window, taken=[])["bookings"]))
