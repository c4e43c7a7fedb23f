"""What the probe bfd reads; see also the functional test with real BIRD."""

import unittest

from escalator.drivers.probe import bfd

SESSIONS = """1020-bfd1:
 IP address                Interface  State      Since         Interval  Timeout
 10.88.0.2                 a          Up         11:50:34.061    0.050    0.150
 10.88.1.2                 b          Down       11:50:34.062    0.300    0.000
 fe80::2                   c          Up         11:50:34.062    0.050    0.150
0000 
"""  # noqa: W291


class Bird(bfd.Bfd):
    """BIRD's next answers; None: it does not come in time."""

    def __init__(self, *answers: str | None) -> None:
        super().__init__("/nonexistent/bird.ctl", iter(range(100)).__next__)
        self.answers = [*answers]

    def _ask(self) -> str:
        answer = self.answers.pop(0)
        if answer is None:
            raise TimeoutError
        return answer


class ReadTest(unittest.TestCase):
    def test_only_sessions_that_are_up_count(self) -> None:
        self.assertEqual(["10.88.0.2", "fe80::2"], bfd.read_up(SESSIONS))

    def test_without_bird_nobody_answers(self) -> None:
        probe = bfd.Bfd("/nonexistent/bird.ctl")
        probe.set_targets({"a": "10.88.0.2"})
        probe.send()
        self.assertEqual([], probe.receive(0.0))

    def heard(self, probe: bfd.Bfd) -> list[tuple[str, float]]:
        probe.send()
        return [(reply.host, reply.at) for reply in probe.receive(0.0)]

    def test_one_answer_that_is_late_is_not_the_silence_of_the_hosts(self) -> None:
        """One miss is enough for a fault, so it has to be the host's own."""
        probe = Bird(SESSIONS, None, None, SESSIONS)
        probe.set_targets({"a": "10.88.0.2", "b": "10.88.1.2"})
        found = [self.heard(probe) for _ in range(4)]
        self.assertEqual([[("a", 0)]] * 3 + [[("a", 1)]], found)

    def test_bird_that_stays_away_answers_for_nobody(self) -> None:
        probe = Bird(SESSIONS, None, None, None, SESSIONS)
        probe.set_targets({"a": "10.88.0.2"})
        found = [bool(self.heard(probe)) for _ in range(5)]
        self.assertEqual([True, True, True, False, True], found)

    def test_a_session_that_bird_shows_as_down_counts_at_once(self) -> None:
        probe = Bird(SESSIONS, SESSIONS.replace("Up", "Down"))
        probe.set_targets({"a": "10.88.0.2"})
        self.assertEqual([1, 0], [len(self.heard(probe)) for _ in range(2)])
