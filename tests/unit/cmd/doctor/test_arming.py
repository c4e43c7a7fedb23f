"""A run begins only when no event of an earlier one is still on its way."""

import json
import unittest
import urllib.request

from escalator import errors
from escalator.cmd.doctor import consumer, main


class Alarms:
    """Alarms of which the first few settings fire at once.

    :ivar made: how often they were set.
    """

    def __init__(self, early):
        self.early = early
        self.made = 0

    def set_alarms(self, url):
        self.made += 1
        if self.made <= self.early:
            event = {"message_id": "e1"}
            told = {"current": "alarm", "reason_data": {"event": event}}
            body = json.dumps(told).encode()
            request = urllib.request.Request(f"{url}/i1", body, method="POST")
            urllib.request.urlopen(request).close()


class ArmTest(unittest.TestCase):
    def armed(self, early, timeout_s):
        given = ["--interface=e", "--settle-s=0.01", f"--timeout-s={timeout_s}"]
        test = main.DoctorTest(main.parse(given))
        test.consumer = consumer.Consumer("127.0.0.1", lambda _: "UP")
        test.consumer.owner_of["i1"] = "owner"
        test.consumer.start()
        self.addCleanup(test.consumer.stop)
        test.scene = Alarms(early)
        test._arm()
        return test

    def test_a_late_event_of_an_earlier_run_does_not_count(self):
        test = self.armed(early=2, timeout_s=60)
        self.assertEqual(3, test.scene.made)
        self.assertEqual([], test.consumer.wait(0, 0.0))

    def test_alarms_that_keep_firing_are_told(self):
        with self.assertRaisesRegex(errors.DoctorTestFailed, "i1 fires although"):
            self.armed(early=10**9, timeout_s=0.1)
