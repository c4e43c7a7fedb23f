"""When hosts may be begun, with fixed times (CM-1, P-4b)."""

import unittest

from hypothesis import given
from hypothesis import strategies as st

from escalator.domain import change_window, invariants
from escalator.domain.change_window import ChangeWindow, Hours

NIGHT = ChangeWindow(
    "night", days=("fri", "sat"), opens="23:00", closes="05:30", zone="Europe/Madrid"
)


def _at(text: str) -> float:
    return change_window.moment(text).timestamp()


def _told(*windows: ChangeWindow, now: str) -> tuple[str, str] | None:
    found = Hours(windows).following(_at(now))
    if found is None:
        return None
    return f"{found.start:%m-%d %H:%M}", f"{found.end:%m-%d %H:%M}"


def _single(start: str, end: str, name: str = "one") -> ChangeWindow:
    return ChangeWindow(name, start=start, end=end)


def _weekly(opens: str, closes: str, day: str = "sun") -> ChangeWindow:
    return ChangeWindow(
        "weekly", days=(day,), opens=opens, closes=closes, zone="Europe/Madrid"
    )


FIRST = _single("2026-12-01T22:00:00+01:00", "2026-12-02T05:00:00+01:00")
SECOND = _single("2026-12-03T00:00:00Z", "2026-12-03T02:00:00Z", "two")


class SingleTest(unittest.TestCase):
    def test_the_open_one_or_the_next(self) -> None:
        first, second = ("12-01 21:00", "12-02 04:00"), ("12-03 00:00", "12-03 02:00")
        for now, expected in (
            ("2026-11-01T00:00:00Z", first),
            ("2026-12-01T21:00:00Z", first),
            ("2026-12-02T03:59:59Z", first),
            ("2026-12-02T04:00:00Z", second),
            ("2026-12-03T02:00:00Z", None),
        ):
            self.assertEqual(expected, _told(SECOND, FIRST, now=now), now)

    def test_an_answer_is_kept_no_longer_than_it_is_true(self) -> None:
        hours = Hours((FIRST, SECOND))
        told = [
            hours.closed(_at(now))
            for now in (
                "2026-12-01T20:00:00Z",
                "2026-12-01T21:00:00Z",
                "2026-12-02T04:00:00Z",
                "2026-12-03T02:00:00Z",
                "2026-12-01T22:00:00Z",
            )
        ]
        self.assertEqual(
            [
                "waits: the change window opens at 2026-12-01 21:00:00 UTC",
                "",
                "waits: the change window opens at 2026-12-03 00:00:00 UTC",
                "waits: the last change window closed at 2026-12-03 02:00:00 UTC",
                "",
            ],
            told,
        )

    def test_windows_that_touch_are_one(self) -> None:
        later = _single("2026-12-02T04:00:00Z", "2026-12-02T06:00:00Z", "later")
        told = _told(later, FIRST, now="2026-12-01T23:00:00Z")
        self.assertEqual(("12-01 21:00", "12-02 06:00"), told)

    def test_what_would_not_end_before_it_closes(self) -> None:
        hours, now = Hours((FIRST,)), _at("2026-12-02T03:50:00Z")
        self.assertEqual("", hours.too_late(now, 600.0))
        self.assertEqual(
            "waits: it would not end before the change window closes at"
            " 2026-12-02 04:00:00 UTC: it takes up to 10 min",
            hours.too_late(now, 601.0),
        )

    def test_what_was_seen_before_it_opened_is_out_of_date(self) -> None:
        """V-5: nor is what was seen in the window before."""
        hours, now = Hours((FIRST, SECOND)), _at("2026-12-03T01:30:00Z")
        opened = _at(SECOND.start)
        told = "waits: a preflight comes first: the window opened at 2026-12-03 "
        for checked_at in (0.0, _at(FIRST.start), opened - 0.001):
            self.assertIn(told, hours.unchecked(now, checked_at), checked_at)
        self.assertEqual("", hours.unchecked(now, opened))
        self.assertEqual("", Hours().unchecked(now, 0.0))

    def test_they_are_over_once_the_last_one_is(self) -> None:
        """CM-1: not while one is open, nor between two."""
        hours = Hours((SECOND, FIRST))
        for now, is_over in (
            ("2026-12-01T00:00:00Z", False),
            ("2026-12-02T12:00:00Z", False),
            ("2026-12-03T01:59:59Z", False),
            ("2026-12-03T02:00:00Z", True),
        ):
            self.assertEqual(is_over, hours.is_over(_at(now)), now)

    def test_without_windows_it_is_always_open(self) -> None:
        self.assertEqual("", Hours().closed(0.0))
        self.assertEqual("", Hours().too_late(0.0, 1e9))
        self.assertFalse(Hours().is_over(0.0))

    def test_times_that_cannot_be(self) -> None:
        for text in ("2026-12-01T22:00:00", "2026-02-30T00:00:00Z", "soon"):
            with self.assertRaises(ValueError):
                change_window.moment(text)
        with self.assertRaisesRegex(ValueError, "out of range"):
            change_window.moment("0001-01-01T00:00:00+01:00")


class WeeklyTest(unittest.TestCase):
    """Europe/Madrid: UTC+2 from 2026-03-29 01:00 UTC to 2026-10-25 01:00 UTC."""

    def test_by_the_clock_of_the_place_on_both_sides_of_a_change(self) -> None:
        for now, expected in (
            ("2026-03-20T12:00:00Z", ("03-20 22:00", "03-21 04:30")),
            ("2026-03-28T12:00:00Z", ("03-28 22:00", "03-29 03:30")),
            ("2026-04-03T12:00:00Z", ("04-03 21:00", "04-04 03:30")),
            ("2026-10-24T12:00:00Z", ("10-24 21:00", "10-25 04:30")),
            ("2026-10-30T12:00:00Z", ("10-30 22:00", "10-31 04:30")),
        ):
            self.assertEqual(expected, _told(NIGHT, now=now), now)

    def test_it_belongs_to_the_day_on_which_it_begins(self) -> None:
        expected = ("03-21 22:00", "03-22 04:30")
        self.assertEqual(expected, _told(NIGHT, now="2026-03-22T04:00:00Z"))
        expected = ("03-27 22:00", "03-28 04:30")
        self.assertEqual(expected, _told(NIGHT, now="2026-03-22T04:30:00Z"))

    def test_a_time_that_is_left_out(self) -> None:
        """02:30 is no time on that Sunday: opened later, closed earlier."""
        now = "2026-03-29T00:00:00Z"
        self.assertEqual(
            ("03-29 01:30", "03-29 03:00"), _told(_weekly("02:30", "05:00"), now=now)
        )
        self.assertEqual(
            ("03-28 23:00", "03-29 00:30"), _told(_weekly("00:00", "02:30"), now=now)
        )
        self.assertEqual(
            ("04-05 00:15", "04-05 00:45"), _told(_weekly("02:15", "02:45"), now=now)
        )

    def test_a_time_that_comes_twice(self) -> None:
        """02:30 comes twice on that Sunday: the second opens, the first closes."""
        now = "2026-10-24T22:00:00Z"
        self.assertEqual(
            ("10-25 01:30", "10-25 04:00"), _told(_weekly("02:30", "05:00"), now=now)
        )
        self.assertEqual(
            ("10-24 22:00", "10-25 00:30"), _told(_weekly("00:00", "02:30"), now=now)
        )
        self.assertEqual(
            ("11-01 01:15", "11-01 01:45"), _told(_weekly("02:15", "02:45"), now=now)
        )

    def test_beside_a_single_one(self) -> None:
        single = _single("2026-03-25T00:00:00Z", "2026-03-25T01:00:00Z")
        told = _told(NIGHT, single, now="2026-03-23T00:00:00Z")
        self.assertEqual(("03-25 00:00", "03-25 01:00"), told)
        told = _told(NIGHT, single, now="2026-03-25T01:00:00Z")
        self.assertEqual(("03-27 22:00", "03-28 04:30"), told)

    def test_in_one_line(self) -> None:
        self.assertEqual(
            "night: fri,sat 23:00 to 05:30 Europe/Madrid",
            NIGHT.text(),
        )


_CLOCKS = st.times().map(lambda each: f"{each:%H:%M}")
_CHANGES = [_at("2026-03-29T01:00:00Z"), _at("2026-10-25T01:00:00Z")]


class GuardTest(unittest.TestCase):
    """The guard reads the clock on the wall; it finds what is open open (V-2)."""

    @given(
        _CLOCKS,
        _CLOCKS,
        st.sets(st.sampled_from(change_window.DAYS), min_size=1),
        st.sampled_from(_CHANGES),
        st.integers(-40 * 60, 40 * 60),
    )
    def test_both_agree_on_what_is_open(
        self, opens: str, closes: str, days: set[str], change: float, minute: int
    ) -> None:
        if opens == closes:
            return
        each = ChangeWindow("x", "", "", tuple(days), opens, closes, "Europe/Madrid")
        now = change + minute * 60.0
        is_breach = bool(invariants.check_windows(["h"], [each], now))
        is_closed = bool(Hours((each,)).closed(now))
        self.assertFalse(
            is_breach and not is_closed, "stopped by the guard for nothing"
        )
        is_near = abs(minute) <= 26 * 60
        self.assertTrue(is_near or is_breach == is_closed, "the guard is blind")

    def test_over_midnight_to_the_minute(self) -> None:
        """CM-1: the first minute behind the window is behind it for the guard, too."""
        for now, count in (
            ("2026-12-04T21:59:00Z", 1),
            ("2026-12-04T22:00:00Z", 0),
            ("2026-12-05T04:29:59Z", 0),
            ("2026-12-05T04:30:00Z", 1),
        ):
            found = invariants.check_windows(["h"], [NIGHT], _at(now))
            self.assertEqual(count, len(found), now)

    def test_single_ones(self) -> None:
        (found,) = invariants.check_windows(
            ["h1"], [FIRST, SECOND], _at("2026-12-02T04:00:00Z")
        )
        self.assertEqual("guard.window: h1 is begun outside the change windows", found)
        for now in ("2026-12-02T03:59:59Z", "2026-12-03T00:00:00Z"):
            self.assertEqual(
                [], invariants.check_windows(["h"], [FIRST, SECOND], _at(now))
            )
        self.assertEqual([], invariants.check_windows(["h"], [], 0.0))
