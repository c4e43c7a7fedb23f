"""P-4b, E-0: a wait or failure is found by its sentence."""

import unittest

from escalator.domain import reason


class FindTest(unittest.TestCase):
    def test_the_more_exact_one_wins(self):
        for code, text in (
            ("W103", "waits: budget rack R1 2/2 held by h1, h2"),
            ("W116", "waits: failed: exit status 1"),
            ("W118", "waits: gate computes/canary: its stage is done"),
            ("W119", "waits: gate computes/canary: h1 quarantined"),
            ("W120", "waits: gate computes/canary: its stage is not done"),
            ("W147", "waits: gate computes/canary: preflight refused: h1: it is down"),
            ("W156", "waits: the campaign holds: h1: install failed (permanent): x"),
            (
                "W157",
                "waits: the campaign holds: the guard stopped it, nothing was sent: x",
            ),
            ("W137", "waits: the change window opens at 2026-12-01 21:00:00 UTC"),
            ("W139", "waits: the last change window closed at 2026-12-01 21:00:00"),
            ("W166", "waits: the campaign holds: the last change window closed at x"),
            ("W129", "waits: guard.budget: fleet: 5 of 4 are out"),
            ("W130", "left out by the preflight: down: it is down"),
            ("W133", "waits: lost: its agent is gone"),
            ("W134", "waits: lost hosts: h1"),
            ("W101", "waits: admission is closed by an operator"),
            ("W104", "waits: an earlier procedure"),
            ("W111", "waits: admission is closed"),
            ("W171", "waits: admission is closed, procedure a/b holds: h1: x failed"),
            ("W172", "waits: an earlier procedure holds: a/b"),
            ("W100", "waits: for better weather"),
        ):
            self.assertEqual(code, reason.find(text).code, text)

    def test_of_steps(self):
        self.assertEqual("F203", reason.of_step("failed", "x", "verification").code)
        self.assertEqual("L101", reason.of_step("late", "outcome done, fence 1").code)
        self.assertEqual("S101", reason.of_step("running", "").code)
        self.assertEqual(
            "W114", reason.of_step("running", "waits: silent, its agent is asked").code
        )
