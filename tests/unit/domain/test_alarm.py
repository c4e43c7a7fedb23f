"""What a report of an alarm is taken for."""

import dataclasses
import unittest
import uuid

from escalator.domain import alarm, events

Verdict = alarm.Verdict


def report(
    current: str, at: float = 10.0, message_id: str = ""
) -> events.AlarmReported:
    return events.AlarmReported(
        event_id=str(uuid.uuid4()),
        token_digest="0" * 64,
        alarm_id="a1",
        alarm_name="load",
        severity="moderate",
        previous="ok",
        current=current,
        reason="too much",
        message_id=message_id,
        reported_at=at,
    )


class TestStates(unittest.TestCase):
    """An alarm that tells of a state: a threshold, or several together."""

    def test_a_change_is_news_and_the_same_again_is_not(self) -> None:
        wanted = {
            "ok": Verdict.CLEARED,
            "alarm": Verdict.RAISED,
            "insufficient data": Verdict.UNKNOWN,
        }
        for before in ("", *wanted):
            for current, verdict in wanted.items():
                with self.subTest(before=before, current=current):
                    found = alarm.judge(report(current), alarm.Known(before, 9.0))
                    same = before == current
                    self.assertEqual(Verdict.REPEATED if same else verdict, found)

    def test_what_the_broker_kept_does_not_overtake_what_came_since(self) -> None:
        known = alarm.Known("ok", 11.0)
        self.assertEqual(Verdict.LATE, alarm.judge(report("alarm", 10.0), known))
        self.assertEqual(Verdict.RAISED, alarm.judge(report("alarm", 11.0), known))

    def test_the_very_report_again(self) -> None:
        known = alarm.Known("ok", 10.0, is_told=True)
        self.assertEqual(Verdict.REPEATED, alarm.judge(report("alarm"), known))


class TestEvents(unittest.TestCase):
    """An event alarm: it stays ``alarm``, and every event counts."""

    def test_each_event_is_an_occurrence_also_a_late_one(self) -> None:
        known = alarm.Known("alarm", 20.0)
        found = alarm.judge(report("alarm", 10.0, "m2"), known)
        self.assertEqual(Verdict.OCCURRED, found)

    def test_the_same_event_again_is_not(self) -> None:
        known = alarm.Known("ok", 1.0, is_told=True)
        found = alarm.judge(report("alarm", message_id="m1"), known)
        self.assertEqual(Verdict.REPEATED, found)

    def test_an_event_is_known_by_its_id_another_report_by_its_own(self) -> None:
        one, two = report("alarm", message_id="m"), report("alarm", message_id="m")
        self.assertEqual(alarm.key(one), alarm.key(two))
        over = dataclasses.replace(one, current="ok")
        self.assertNotEqual(alarm.key(one), alarm.key(over))
        self.assertNotEqual(alarm.key(report("alarm")), alarm.key(report("alarm")))


class TestWords(unittest.TestCase):
    def test_severity(self) -> None:
        for chosen, reported, wanted in (
            ("", "low", "minor"),
            ("", "moderate", "major"),
            ("", "critical", "critical"),
            ("", "of Aodh's next release", "major"),
            ("warning", "critical", "warning"),
        ):
            self.assertEqual(wanted, alarm.severity(chosen, reported))

    def test_a_reason_names_the_alarm_and_is_bounded(self) -> None:
        made = report("alarm")
        self.assertEqual("alarm load (moderate): too much", alarm.reason(made))
        long = dataclasses.replace(made, reason="x" * 5000)
        self.assertEqual(alarm.MAX_TEXT, len(alarm.reason(long)))
