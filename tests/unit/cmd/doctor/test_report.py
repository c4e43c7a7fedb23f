"""The verdict of a run (DR-1, DR-2, DR-8)."""

import unittest

from escalator.cmd.doctor import consumer, report

FAULT = {
    "times": {"T0": 99.7, "T1": 100.0, "T2": 100.01, "T5": 100.02},
    "notices": [
        {"times": {"T6": 100.03, "T7": 100.031, "T8": 100.04}},
        {"times": {"T6": 100.03, "T7": 100.031, "T8": 100.06, "T9": 100.08}},
    ],
}


def heard(at, instance, status="", event_id="e1"):
    return consumer.Heard(at, instance, status, event_id)


def judge(*notices, instances=("i1",), budget_s=1.0):
    return report.judge(99.8, 100.0, notices, FAULT, instances, budget_s)


class JudgeTest(unittest.TestCase):
    def test_ok(self):
        run = judge(heard(100.2, "i1", "DOWN"))
        self.assertTrue(run["is_ok"], run["wrong"])
        self.assertAlmostEqual(0.2, run["notification_time_s"])
        self.assertAlmostEqual(0.2, run["cut_to_detected_s"])

    def test_the_last_one_counts(self):
        run = judge(
            heard(100.2, "i1", "DOWN"), heard(101.0, "i2"), instances=("i1", "i2")
        )
        self.assertFalse(run["is_ok"])
        self.assertAlmostEqual(1.0, run["notification_time_s"])

    def test_before_the_detection_is_as_wrong_as_too_late(self):
        self.assertFalse(judge(heard(99.9, "i1", "DOWN"))["is_ok"])

    def test_one_that_never_came(self):
        run = judge(heard(100.2, "i1", "DOWN"), instances=("i1", "i2"))
        self.assertEqual(["i2"], run["lost"])
        self.assertFalse(run["is_ok"])

    def test_none_came(self):
        run = judge()
        self.assertIsNone(run["notification_time_s"])
        self.assertFalse(run["is_ok"])

    def test_a_repeat_is_counted_and_harmless(self):
        run = judge(heard(100.2, "i1", "DOWN"), heard(105.0, "i1"))
        self.assertEqual((1, 0), (run["repeated"], run["fired_again"]))
        self.assertTrue(run["is_ok"], run["wrong"])

    def test_another_event_for_the_same_alarm_is_no_repeat(self):
        run = judge(heard(100.2, "i1", "DOWN"), heard(101.5, "i1", event_id="e2"))
        self.assertEqual((0, 1), (run["repeated"], run["fired_again"]))
        self.assertTrue(run["is_ok"], run["wrong"])

    def test_the_host_must_show_as_down_to_its_owner(self):
        for status in ("UP", "UNKNOWN", "not told by Nova's policy"):
            self.assertFalse(judge(heard(100.2, "i1", status))["is_ok"])
        self.assertFalse(judge(heard(100.2, "i1"))["is_ok"], "nobody asked")

    def test_hops(self):
        found = judge(heard(100.2, "i1", "DOWN"))["hops_ms"]
        self.assertAlmostEqual(-300.0, found["T0"])
        self.assertAlmostEqual(60.0, found["T8"])
        self.assertAlmostEqual(200.0, found["T9"], msg="the consumer's own clock")


class SummaryTest(unittest.TestCase):
    def test_spread(self):
        runs = [judge(heard(100.0 + n / 100, "i1", "DOWN")) for n in range(1, 101)]
        told = report.summarize(runs)
        self.assertEqual((100, 99, 0), (told["runs"], told["ok"], told["lost"]))
        self.assertAlmostEqual(0.5, told["last_s"]["p50"])
        self.assertAlmostEqual(0.99, told["last_s"]["p99"])

    def test_nothing_heard(self):
        self.assertEqual({}, report.summarize([judge()])["last_s"])
