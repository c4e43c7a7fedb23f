"""The map follows the VIM and survives its absence."""

import unittest

from escalator.domain import events
from escalator.drivers import base
from escalator.inspector import mapping
from tests.unit.inspector import fakes

RED = fakes.instance("i1", "red", "a")
BLUE = fakes.instance("i2", "blue", "a")
LONE = fakes.instance("i3", "red", "b")


class TestMapping(unittest.TestCase):
    def setUp(self) -> None:
        self.vim = fakes.FakeVim(RED, BLUE, LONE)
        self.mapping = mapping.Mapping(self.vim, 0.001)
        self.addCleanup(self.mapping.stop)

    def test_instances_are_found_by_host_with_their_owners(self) -> None:
        """DR-5: physical machine -> instances -> projects."""
        self.mapping.refresh()
        self.assertEqual(
            {
                "a": (
                    events.AffectedInstance("i1", "red", "name-i1"),
                    events.AffectedInstance("i2", "blue", "name-i2"),
                ),
                "b": (events.AffectedInstance("i3", "red", "name-i3"),),
            },
            self.mapping.where,
        )

    def test_a_migration_moves_the_instance_in_the_map(self) -> None:
        """DR-5: the map stays live; a reader's old map is not touched."""
        self.mapping.refresh()
        before = self.mapping.where
        self.vim.instances = [RED, LONE, fakes.instance("i2", "blue", "b")]
        self.vim.changes += 1
        self.mapping.refresh()
        self.assertEqual(2, len(self.mapping.where["b"]))
        self.assertEqual(2, len(before["a"]))

    def test_an_unchanged_vim_is_not_read_again(self) -> None:
        for _ in range(3):
            self.mapping.refresh()
        self.assertEqual(1, self.vim.readings)

    def test_a_vim_that_is_away_leaves_the_last_map(self) -> None:
        self.mapping.refresh()
        self.vim.changes += 1
        self.vim.failures = [fakes.away()]
        self.mapping.refresh()
        self.assertIn("a", self.mapping.where)
        self.vim.instances = []
        self.mapping.refresh()
        self.assertEqual({}, self.mapping.where)

    def test_a_change_while_reading_is_seen_by_the_next_reading(self) -> None:
        """The number is read first: too early, never too late."""
        listed = self.vim.list_instances

        def change_meanwhile() -> list[base.VimInstance]:
            found = listed()
            if self.vim.readings == 1:
                self.vim.instances.append(fakes.instance("i9", "red", "c"))
                self.vim.changes += 1
            return found

        self.vim.list_instances = change_meanwhile  # type: ignore[method-assign]
        self.mapping.refresh()
        self.assertNotIn("c", self.mapping.where)
        self.mapping.refresh()
        self.assertIn("c", self.mapping.where)

    def test_the_thread_lives_through_any_error(self) -> None:
        self.vim.failures = [fakes.away(), RuntimeError("unheard of")]
        with self.assertLogs("escalator.inspector", "ERROR"):
            self.mapping.start()
            self.assertTrue(self.mapping.wait_ready(fakes.PATIENCE_S))
        self.assertIn("a", self.mapping.where)

    def test_not_ready_before_the_first_map(self) -> None:
        self.vim.failures = [fakes.away()]
        self.mapping.refresh()
        self.assertFalse(self.mapping.wait_ready(0.0))
