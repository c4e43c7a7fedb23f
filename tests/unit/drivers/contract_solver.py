"""What every solver must do; inherit and say how to make yours."""

import datetime
import unittest

from hypothesis import given
from hypothesis import strategies as st

from escalator import errors
from escalator.domain.window import Booking, Window, check_schedule
from escalator.drivers.base import Demand, Solver

_ORIGIN = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
_DEMANDS = st.lists(
    st.tuples(st.integers(1, 9), st.sets(st.sampled_from("abcd"), min_size=1)),
    min_size=1,
    max_size=6,
)
_TAKEN = st.lists(
    st.tuples(st.sampled_from("abcd"), st.integers(-5, 40), st.integers(1, 20)),
    max_size=6,
)


def _booking(name: str, start: int, end: int, resources: tuple[str, ...]) -> Booking:
    minutes = [_ORIGIN + datetime.timedelta(minutes=m) for m in (start, end)]
    return Booking(name, minutes[0], minutes[1], resources)


class SolverContract(unittest.TestCase):
    """Runs through the test of each driver; it is no test by itself."""

    def make(self) -> Solver:
        """Return the solver under test."""
        raise NotImplementedError

    @given(_DEMANDS, _TAKEN, st.integers(1, 4), st.integers(0, 30))
    def test_what_it_proposes_holds(
        self,
        drawn: list[tuple[int, set[str]]],
        spans: list[tuple[str, int, int]],
        concurrent: int,
        first: int,
    ) -> None:
        """CM-2: judged by the core, as every proposal is."""
        demands = [
            Demand(f"d{n}", length, tuple(sorted(resources)))
            for n, (length, resources) in enumerate(drawn)
        ]
        taken = [(name, start, start + length) for name, start, length in spans]
        try:
            starts = self.make().solve(demands, (first, 60), taken, concurrent)
        except errors.NoSchedule:
            return
        self.assertEqual({demand.id for demand in demands}, set(starts))
        bookings = [
            _booking(d.id, starts[d.id], starts[d.id] + d.length_min, d.resources)
            for d in demands
        ]
        others = [_booking(str(n), s, e, (r,)) for n, (r, s, e) in enumerate(taken)]
        span = _booking("window", first, 60, ())
        windows = [Window(span.start, span.end)]
        self.assertEqual((), check_schedule(bookings, windows, others, concurrent))

    def test_a_single_demand_is_always_placed_if_it_fits(self) -> None:
        taken = [("a", 0, 10), ("a", 15, 30), ("b", 9, 11)]
        starts = self.make().solve([Demand("d", 5, ("a",))], (0, 35), taken, 1)
        self.assertIn(starts["d"], (10, 30))

    def test_what_cannot_be_is_refused_with_its_reason(self) -> None:
        """CM-9: why not."""
        cases = [
            ([Demand("d", 10, ("a",))], (0, 9), [], 1),
            ([Demand("d", 10, ("a",))], (0, 20), [("a", 5, 15)], 1),
            ([Demand("d", 10, ("a",)), Demand("e", 10, ("b",))], (0, 19), [], 1),
            ([Demand("d", 10, ("a",)), Demand("e", 10, ("a",))], (0, 19), [], 2),
        ]
        for demands, window_min, taken, concurrent in cases:
            with self.assertRaises(errors.NoSchedule) as caught:
                self.make().solve(demands, window_min, taken, concurrent)
            self.assertRegex(str(caught.exception.fields["reason"]), "^[de] ")
