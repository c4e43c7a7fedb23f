"""The answer to a question, as a table and as a picture (P-2)."""

import pathlib
import tempfile
import unittest
import xml.dom.minidom

from escalator.cli import what_if
from tests.fixtures import api

PLAN = {**api.PLAN, "what_if": api.WHAT_IF}


class WhatIfTest(unittest.TestCase):
    def test_before_and_after_side_by_side(self) -> None:
        told = {
            name: cell.human_readable()
            for name, cell in what_if.cells(api.WHAT_IF).items()
        }
        self.assertEqual("parallel.computes=2", told["what_if"])
        self.assertIn("p90: 190 -> 95", told["what_if_end_s"])
        self.assertEqual(
            "committed: 1 -> 0.75\nrolled_back: - -> 0.25", told["outcomes"]
        )
        self.assertEqual("rack: 1 -> 2", told["most_down"])
        self.assertEqual("red moved: 2\nred moving_s: 9.5", told["owners"])
        self.assertIn("is_feasible: True -> False", told["feasible"])
        self.assertEqual("spare.compute=1", told["relaxations"])

    def test_programs_get_the_numbers(self) -> None:
        cells = what_if.cells(api.WHAT_IF)
        found = cells["what_if_end_s"].machine_readable()
        self.assertEqual(95.0, found["after"]["p90"])

    def test_the_same_answer_the_same_picture(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            paths = [pathlib.Path(folder) / name for name in ("a.svg", "b.svg")]
            for path in paths:
                what_if.draw(PLAN, path)
            text = paths[0].read_text()
            root = xml.dom.minidom.parseString(text).documentElement
            self.assertEqual("svg", root.tagName)
            self.assertEqual(text, paths[1].read_text())
