import datetime
import itertools
import unittest

from hypothesis import given
from hypothesis import strategies as st

from escalator.domain.window import Booking, Window, check_schedule

NIGHT = datetime.datetime(2026, 1, 31, 22, tzinfo=datetime.UTC)


def _at(minute: int) -> datetime.datetime:
    return NIGHT + datetime.timedelta(minutes=minute)


def _booking(name: str, start: int, end: int, *resources: str) -> Booking:
    return Booking(name, _at(start), _at(end), resources or (name,))


def _rules(
    bookings: list[Booking], taken: tuple[Booking, ...] = (), concurrent: int = 9
) -> list[tuple[str, str]]:
    windows = [Window(_at(0), _at(60)), Window(_at(120), _at(180))]
    found = check_schedule(bookings, windows, taken, concurrent)
    return [(each.rule, each.booking) for each in found]


class CheckScheduleTest(unittest.TestCase):
    def test_a_faultless_schedule(self) -> None:
        """Touching is no clash: intervals are open at their end."""
        bookings = [
            _booking("a", 0, 30),
            _booking("b", 30, 60, "a"),
            _booking("c", 120, 180),
        ]
        taken = (_booking("x", 60, 120, "a"), _booking("y", 0, 180, "z"))
        self.assertEqual([], _rules(bookings, taken, 1))

    def test_windows(self) -> None:
        """CM-2: within one window, not over the gap between two."""
        self.assertEqual([("window", "a")], _rules([_booking("a", 50, 61)]))
        self.assertEqual([("window", "a")], _rules([_booking("a", -1, 5)]))
        self.assertEqual([("window", "a")], _rules([_booking("a", 30, 150)]))

    def test_taken_assets(self) -> None:
        """CM-3, CM-5: other work, earlier, later, around or within."""
        mine = _booking("a", 20, 40, "host", "spare")
        for start, end in ((10, 21), (39, 50), (0, 60), (25, 30)):
            taken = (_booking("x", start, end, "host"),)
            self.assertEqual([("taken", "a")], _rules([mine], taken))

    def test_a_short_one_behind_a_long_one_is_no_way_round(self) -> None:
        taken = (_booking("x", 0, 60, "h"), _booking("y", 5, 10, "h"))
        self.assertEqual([("taken", "a")], _rules([_booking("a", 50, 60, "h")], taken))

    def test_shared_assets_and_repeats(self) -> None:
        bookings = [_booking("a", 0, 30, "h"), _booking("b", 29, 40, "h", "h")]
        self.assertEqual([("shared", "b")], _rules(bookings))
        twice = [_booking("a", 0, 10), _booking("a", 20, 30)]
        self.assertEqual([("twice", "a")], _rules(twice))

    def test_other_work_may_overlap_itself(self) -> None:
        taken = (_booking("x", 0, 30, "h"), _booking("y", 10, 40, "h"))
        self.assertEqual([], _rules([_booking("a", 40, 50, "h")], taken))

    def test_concurrency(self) -> None:
        bookings = [_booking(name, 0, 10 * n) for n, name in enumerate("abc", 1)]
        self.assertEqual([], _rules(bookings, (), 3))
        self.assertEqual([("concurrent", "c")], _rules(bookings, (), 2))

    def test_other_zones_are_the_same_moments(self) -> None:
        zone = datetime.timezone(datetime.timedelta(hours=5))
        mine = Booking("a", _at(0).astimezone(zone), _at(60).astimezone(zone), ("a",))
        self.assertEqual([], _rules([mine]))

    def test_times_without_a_zone_or_a_length_are_refused(self) -> None:
        naive = NIGHT.replace(tzinfo=None)
        for start, end in ((naive, naive), (NIGHT, naive), (NIGHT, NIGHT)):
            with self.assertRaises(ValueError):
                Booking("a", start, end, ())
            with self.assertRaises(ValueError):
                Window(start, end)

    @given(
        st.lists(
            st.tuples(st.integers(0, 12), st.integers(1, 6), st.sampled_from("xyz")),
            max_size=7,
        ),
        st.integers(0, 7),
        st.integers(1, 4),
    )
    def test_agrees_with_looking_at_every_minute(
        self, drawn: list[tuple[int, int, str]], foreign: int, concurrent: int
    ) -> None:
        """The sweeps find a clash if and only if some minute shows one."""
        all_of_them = [
            _booking(f"b{number}", start, start + length, resource)
            for number, (start, length, resource) in enumerate(drawn)
        ]
        taken, bookings = all_of_them[:foreign], all_of_them[foreign:]
        found = {each[0] for each in _rules(bookings, tuple(taken), concurrent)}
        expected = set()
        for minute in range(20):
            ours = [b for b in bookings if b.start <= _at(minute) < b.end]
            theirs = [b for b in taken if b.start <= _at(minute) < b.end]
            if len(ours) > concurrent:
                expected.add("concurrent")
            pairs = itertools.combinations(ours, 2)
            if any(one.resources == other.resources for one, other in pairs):
                expected.add("shared")
            mixed = itertools.product(ours, theirs)
            if any(one.resources == other.resources for one, other in mixed):
                expected.add("taken")
        self.assertEqual(expected, found)
