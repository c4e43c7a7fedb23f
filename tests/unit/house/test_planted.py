"""The hand-made bugs of ``make mutants`` still fit the code they are planted in."""

import pathlib
import unittest

import escalator
from tests.planted import mutants

ROOM = pathlib.Path(escalator.__file__).parent


class TestPlanted(unittest.TestCase):
    def test_each_stands_in_exactly_one_place(self):
        for mutant in mutants.MUTANTS:
            text = (ROOM / mutant.path).read_text("utf-8")
            self.assertEqual(1, text.count(mutant.old), (mutant.path, mutant.rule))
            self.assertNotEqual(mutant.old, mutant.new, mutant.rule)
