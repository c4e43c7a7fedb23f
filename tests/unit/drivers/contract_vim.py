"""What every VIM driver keeps to (O-4); inherit beside ``unittest.TestCase``.

For drivers of third parties too: give :meth:`VimContract.make_vim`.
"""

import time
import typing

from escalator import errors
from escalator.drivers import base


class VimContract:
    """Tests of one driver on a cloud of its own.

    The cloud has at least three hosts that take instances; ``FULL`` has two or
    more instances and the others have room for them.
    """

    FULL: typing.ClassVar[str] = "host-1"

    def make_vim(self) -> base.Vim:
        """Return the driver under test, always of the same cloud."""
        raise NotImplementedError

    @property
    def check(self) -> typing.Any:
        return self

    def on(self, host: str) -> dict[str, str]:
        """Return instance id -> state of those on ``host``."""
        listed = self.make_vim().list_instances()
        return {each.id: each.state for each in listed if each.host == host}

    def await_states(self, wanted: dict[str, str]) -> None:
        """See the states on ``FULL`` at once, or soon where the driver says so."""
        patience_s = 0.0 if self.make_vim().waits_for_states else 10.0
        deadline = time.monotonic() + patience_s
        while self.on(self.FULL) != wanted and time.monotonic() < deadline:
            time.sleep(0.02)
        self.check.assertEqual(wanted, self.on(self.FULL))

    def test_names_and_ids_are_unique_and_places_exist(self) -> None:
        vim = self.make_vim()
        hosts = [each.name for each in vim.list_hosts()]
        ids = [each.id for each in vim.list_instances()]
        self.check.assertEqual(sorted(set(hosts)), sorted(hosts))
        self.check.assertEqual(sorted(set(ids)), sorted(ids))
        self.check.assertLessEqual(
            {each.host for each in vim.list_instances()}, set(hosts)
        )

    def test_reading_is_no_change(self) -> None:
        vim = self.make_vim()
        before = vim.read_changes()
        vim.list_hosts(), vim.list_instances()
        self.check.assertEqual(before, vim.read_changes())

    def test_every_change_raises_the_number(self) -> None:
        vim = self.make_vim()
        for change in (
            lambda: vim.set_scheduling(self.FULL, False, "test"),
            lambda: vim.drain(self.FULL),
            lambda: vim.mark_down([self.FULL], True),
            lambda: vim.mark_down([self.FULL], False),
            lambda: vim.set_scheduling(self.FULL, True, ""),
        ):
            before = vim.read_changes()
            change()
            self.check.assertGreater(vim.read_changes(), before)

    def test_scheduling_is_refused_and_allowed_and_may_be_repeated(self) -> None:
        vim = self.make_vim()
        for is_enabled in (False, False, True, True):
            vim.set_scheduling(self.FULL, is_enabled, "test")
            found = {each.name: each.is_enabled for each in vim.list_hosts()}
            self.check.assertEqual(is_enabled, found.pop(self.FULL))
            self.check.assertEqual({True}, set(found.values()))

    def test_a_drained_host_is_empty_and_nothing_is_lost(self) -> None:
        vim = self.make_vim()
        before = {each.id for each in vim.list_instances()}
        there = self.on(self.FULL)
        self.check.assertGreaterEqual(len(there), 2)
        told: list[tuple[int, int]] = []
        moved = vim.drain(self.FULL, lambda done, total: told.append((done, total)))
        total = len(there)
        self.check.assertEqual([(n + 1, total) for n in range(total)], told)
        places = {each.id: each.host for each in vim.list_instances()}
        self.check.assertEqual(set(there), set(moved))
        self.check.assertEqual(before, set(places))
        self.check.assertEqual(moved, {id: places[id] for id in moved})
        self.check.assertNotIn(self.FULL, places.values())

    def test_an_empty_host_may_be_drained(self) -> None:
        vim = self.make_vim()
        vim.drain(self.FULL)
        self.check.assertEqual({}, vim.drain(self.FULL))

    def test_a_dry_run_finds_nothing_where_a_drain_succeeds(self) -> None:
        """V-3: and changes nothing."""
        vim = self.make_vim()
        changes, places = vim.read_changes(), vim.list_instances()
        self.check.assertEqual([], vim.try_drain(self.FULL))
        self.check.assertEqual(places, vim.list_instances())
        self.check.assertEqual(changes, vim.read_changes())
        vim.drain(self.FULL)
        self.check.assertEqual([], vim.try_drain(self.FULL))

    def test_a_dry_run_names_every_instance_that_can_go_nowhere(self) -> None:
        """V-3: with all other hosts closed; opened again, nothing is in the way."""
        vim = self.make_vim()
        others = [h.name for h in vim.list_hosts() if h.name != self.FULL]
        for name in others:
            vim.set_scheduling(name, False, "test")
        told = vim.try_drain(self.FULL)
        for instance_id in self.on(self.FULL):
            self.check.assertIn(instance_id, "\n".join(told))
        with self.check.assertRaises(errors.ActionFailed):
            vim.drain(self.FULL)
        for name in others:
            vim.set_scheduling(name, True, "")
        self.check.assertEqual([], vim.try_drain(self.FULL))

    def test_a_dry_run_of_a_dead_or_unknown_host(self) -> None:
        vim = self.make_vim()
        vim.mark_down([self.FULL], True)
        (told,) = vim.try_drain(self.FULL)
        self.check.assertIn("is down", told)
        with self.check.assertRaises(errors.NotFound):
            vim.try_drain("nowhere")

    def test_nothing_is_drained_to_a_host_that_refuses(self) -> None:
        vim = self.make_vim()
        refusing = sorted(set(vim.drain(self.FULL).values()))[0]
        before = set(self.on(refusing))
        vim.set_scheduling(refusing, False, "test")
        others = [h.name for h in vim.list_hosts() if h.name != refusing]
        vim.drain(others[-1])
        self.check.assertEqual(before, set(self.on(refusing)))

    def test_marked_down_hosts_and_instances_show_it(self) -> None:
        vim = self.make_vim()
        before = self.on(self.FULL)
        for _ in range(2):
            vim.mark_down([self.FULL], True)
            down = {each.name for each in vim.list_hosts() if each.is_forced_down}
            self.check.assertEqual({self.FULL}, down)
            self.await_states(dict.fromkeys(before, "error"))
        for _ in range(2):
            vim.mark_down([self.FULL], False)
            self.await_states(before)
        self.check.assertFalse(any(h.is_forced_down for h in vim.list_hosts()))

    def test_many_hosts_are_marked_in_one_call(self) -> None:
        vim = self.make_vim()
        hosts = [each.name for each in vim.list_hosts()]
        vim.mark_down(hosts, True)
        self.check.assertTrue(all(h.is_forced_down for h in vim.list_hosts()))
        vim.mark_down([], False)
        self.check.assertTrue(all(h.is_forced_down for h in vim.list_hosts()))
