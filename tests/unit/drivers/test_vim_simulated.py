"""The simulated VIM keeps the contract, its placement rules and its file."""

import os
import pathlib
import signal
import sqlite3
import tempfile
import threading
import unittest
from typing import Any

from escalator import errors
from escalator.drivers import base
from escalator.drivers.vim import inventory, simulated
from tests.unit.drivers import contract_vim

SAMPLE = pathlib.Path(__file__).parents[3] / "etc/escalator/simulated-inventory.yaml"


def host(name: str, **given: Any) -> dict[str, Any]:
    return {"name": name, **given}


def instance(id: str, on: str, group: str = "") -> dict[str, Any]:
    return {"id": id, "project": "red", "host": on, "group": group}


CLOUD = {
    "hosts": [host(f"host-{n}", capacity=4) for n in range(1, 5)],
    "instances": [
        instance("i1", "host-1", "g"),
        instance("i2", "host-1"),
        instance("i3", "host-2", "g"),
    ],
}


class Case(unittest.TestCase):
    cloud: Any = CLOUD

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, "vim", "vim.sqlite")
        self.vim = simulated.Simulated(self.path, self.cloud)

    def make_vim(self) -> base.Vim:
        return self.vim

    def places(self) -> dict[str, str]:
        return {each.id: each.host for each in self.vim.list_instances()}


class TestContract(Case, contract_vim.VimContract):
    pass


class TestDryRun(Case):
    cloud: Any = {
        "hosts": [host(f"host-{n}", capacity=2) for n in range(1, 4)],
        "instances": [
            instance("i1", "host-1", "g"),
            instance("i2", "host-1"),
            instance("i3", "host-2", "g"),
            instance("i4", "host-2"),
            instance("i5", "host-3"),
        ],
    }

    def test_it_finds_whom_the_drain_leaves(self) -> None:
        """V-3: the room of one is taken by the other."""
        before = self.places()
        told = self.vim.try_drain("host-1")
        self.assertEqual(["instance i2 fits on no other host"], told)
        self.assertEqual(before, self.places())
        with self.assertRaisesRegex(errors.ActionFailed, told[0]):
            self.vim.drain("host-1")

    def test_a_group_is_kept_apart(self) -> None:
        self.vim.set_scheduling("host-3", False, "test")
        with self.vim._storage.change() as db:
            db.execute("UPDATE host SET capacity = 9")
        told = self.vim.try_drain("host-1")
        self.assertEqual(["instance i1 fits on no other host"], told)

    def test_it_leaves_no_lock(self) -> None:
        self.vim.try_drain("host-1")
        with self.assertRaises(errors.NotFound):
            self.vim.try_drain("nowhere")
        self.vim.set_scheduling("host-1", False, "another change")


class TestPlacement(Case):
    def test_members_of_a_group_never_meet(self) -> None:
        """P-4b: hard anti-affinity, on drain, boot and evacuation."""
        self.assertNotEqual("host-2", self.vim.drain("host-1")["i1"])
        taken = {self.vim.boot(f"b{n}", "red", "g") for n in range(2)}
        self.assertEqual(4, len(taken | {self.places()["i1"], "host-2"}))
        with self.assertRaises(errors.ActionFailed):
            self.vim.boot("b9", "red", "g")
        self.assertEqual([], self.vim.invariants())

    def test_a_full_host_takes_no_more(self) -> None:
        for number in range(13):
            self.vim.boot(f"b{number}", "red")
        with self.assertRaises(errors.ActionFailed):
            self.vim.boot("one too many", "red")

    def test_a_cordoned_and_a_dead_host_take_nothing(self) -> None:
        """O-0d."""
        self.vim.set_scheduling("host-3", False, "test")
        self.vim.mark_down(["host-4"], True)
        hosts = {self.vim.boot(f"b{n}", "red") for n in range(5)}
        self.assertEqual({"host-1", "host-2"}, hosts)

    def test_a_drain_that_cannot_end_says_what_is_stuck(self) -> None:
        for name in ("host-3", "host-4"):
            self.vim.set_scheduling(name, False, "test")
        with self.assertRaises(errors.ActionFailed) as caught:
            self.vim.drain("host-1")
        self.assertEqual("permanent", caught.exception.failure_class)
        self.assertIn("i1", str(caught.exception))
        self.assertEqual({"moved": {}}, caught.exception.result)
        self.assertEqual("host-1", self.places()["i1"])

    def test_a_dead_host_is_not_drained(self) -> None:
        """What is dead cannot be migrated: its owners recreate it."""
        self.vim.mark_down(["host-1"], True)
        with self.assertRaises(errors.ActionFailed):
            self.vim.drain("host-1")
        self.assertEqual("host-1", self.places()["i1"])

    def test_evacuated_instances_stay_evacuated(self) -> None:
        """DR-10."""
        self.vim.mark_down(["host-1"], True)
        moved = self.vim.evacuate(["i1", "i3", "no such"])
        self.assertEqual(["i1"], list(moved))
        self.assertEqual({}, self.vim.evacuate(["i1"]))
        self.vim.mark_down(["host-1"], False)
        states = {e.id: (e.host, e.state) for e in self.vim.list_instances()}
        self.assertEqual((moved["i1"], "active"), states["i1"])
        self.assertEqual(("host-1", "active"), states["i2"])

    def test_a_project_evacuates_what_it_has_on_dead_hosts(self) -> None:
        """DR-10."""
        self.assertEqual({}, self.vim.evacuate_project("red"))
        self.vim.mark_down(["host-1"], True)
        mine = {e.id: e.project_id for e in self.vim.list_instances()}
        moved = self.vim.evacuate_project("red")
        self.assertTrue(moved)
        self.assertEqual({"red"}, {mine[each] for each in moved})
        self.assertEqual({}, self.vim.evacuate_project("red"))

    def test_a_repeated_boot_makes_one_instance(self) -> None:
        self.assertEqual(self.vim.boot("b", "red"), self.vim.boot("b", "red"))
        self.assertEqual(4, len(self.places()))

    def test_an_error_from_before_stays_one(self) -> None:
        self.vim.mark_down(["host-1"], True)
        self.vim.mark_down(["host-1"], True)
        self.vim.mark_down(["host-1"], False)
        self.assertEqual({"active"}, {each.state for each in self.vim.list_instances()})

    def test_an_unknown_host_is_refused_and_the_others_are_marked(self) -> None:
        for call in (
            lambda: self.vim.drain("no such"),
            lambda: self.vim.set_scheduling("no such", False, ""),
            lambda: self.vim.mark_down(["no such", "host-1"], True),
        ):
            with self.assertRaises(errors.NotFound):
                call()
        self.assertEqual(
            ["host-1"], [h.name for h in self.vim.list_hosts() if h.is_forced_down]
        )

    def test_what_changes_nothing_is_no_change(self) -> None:
        """A repeat must not make every reader read the whole cloud again."""
        self.vim.mark_down(["host-1"], True)
        self.vim.set_scheduling("host-2", False, "test")
        self.vim.drain("host-4")
        before = self.vim.read_changes()
        self.vim.mark_down(["host-1"], True)
        self.vim.set_scheduling("host-2", False, "test")
        self.vim.drain("host-4")
        self.assertEqual(before, self.vim.read_changes())


class TestFile(Case):
    def test_a_second_process_finds_it_as_it_is(self) -> None:
        self.vim.drain("host-1")
        other = simulated.Simulated(self.path, {"hosts": [host("of another file")]})
        self.assertEqual(self.vim.list_hosts(), other.list_hosts())
        self.assertEqual(self.vim.list_instances(), other.list_instances())

    def test_a_busy_file_is_a_vim_that_is_away(self) -> None:
        """Bounded: a writer that hangs is reported, not waited for for ever."""
        blocker = sqlite3.connect(self.path, isolation_level=None)
        self.addCleanup(blocker.close)
        blocker.execute("BEGIN IMMEDIATE")
        self.vim.list_hosts()
        self.vim._storage._idle[0].execute("PRAGMA busy_timeout=10")
        with self.assertRaises(errors.VimUnavailable) as caught:
            self.vim.mark_down(["host-1"], True)
        self.assertTrue(caught.exception.retryable)
        self.assertEqual(3, len(self.vim.list_instances()))
        blocker.execute("ROLLBACK")
        self.vim.mark_down(["host-1"], True)

    def test_a_file_that_is_no_database_is_a_vim_that_is_away(self) -> None:
        other = os.path.join(os.path.dirname(self.path), "text")
        pathlib.Path(other).write_text("not a database " * 100)
        with self.assertRaises(errors.VimUnavailable):
            simulated.Simulated(other)

    def test_a_failed_call_leaves_nothing_behind(self) -> None:
        before = self.vim.read_changes()
        with self.assertRaises(ZeroDivisionError):
            with self.vim._storage.change() as db:
                db.execute("DELETE FROM instance")
                raise ZeroDivisionError
        self.assertEqual(3, len(self.vim.list_instances()))
        self.assertEqual(before, self.vim.read_changes())

    def test_threads_leave_no_connection_open(self) -> None:
        """A long-lived process makes many threads."""
        self.vim.list_hosts()
        before = self.count_open()
        for _ in range(100):
            thread = threading.Thread(target=self.vim.list_hosts)
            thread.start()
            thread.join()
        self.assertEqual(before, self.count_open())

    def count_open(self) -> int:
        links = pathlib.Path("/proc/self/fd").iterdir()
        folder = os.path.dirname(self.path)
        return sum(_target(link).startswith(folder) for link in links)

    def test_it_may_be_made_before_a_fork_but_not_used(self) -> None:
        """SQLite's locks do not survive a fork: others' would be ignored."""
        self.assertEqual(0, self.in_child(lambda: len(self.vim.list_hosts()) - 4))
        self.vim.list_hosts()
        self.assertEqual(7, self.in_child(self.vim.list_hosts))

    def in_child(self, call: Any) -> int:
        """Return what ``call`` gives in a forked child, 7 if it is refused."""
        child = os.fork()
        if child == 0:
            signal.alarm(20)
            try:
                status = call()
            except RuntimeError:
                status = 7
            except BaseException:
                status = 9
            os._exit(status if isinstance(status, int) else 8)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _target(link: pathlib.Path) -> str:
    try:
        return os.readlink(link)
    except OSError:
        return ""


class TestInventory(unittest.TestCase):
    def refuse(self, source: Any) -> str:
        with self.assertRaises(errors.ConfigError) as caught:
            inventory.read(source)
        self.assertIn("[vim]/simulated_inventory", str(caught.exception))
        return str(caught.exception)

    def test_every_mistake_is_refused_with_its_place(self) -> None:
        """Configuration errors name the option, and where to look."""
        one, two = host("a", capacity=1), host("b")
        cases: list[tuple[Any, str]] = [
            ({"host": []}, "'host' was unexpected"),
            ({"hosts": {}}, "hosts: {} is not of type 'array'"),
            ({"hosts": [one, "b"]}, "hosts[1]: 'b'"),
            ({"hosts": [one, {"rack": "r"}]}, "hosts[1]: 'name' is a required"),
            ({"hosts": [host("a", size=1)]}, "hosts[0]: Additional properties"),
            ({"hosts": [host("a", capacity="9")]}, "hosts[0].capacity: '9'"),
            ({"hosts": [host("a", tags="x")]}, "hosts[0].tags: 'x'"),
            ({"hosts": [one, two, one]}, "hosts[2].name: a is also that of hosts[0]"),
            ({"hosts": [one], "instances": [{"id": "i"}]}, "instances[0]: "),
            (
                {"hosts": [two], "instances": [instance("i", "b")] * 2},
                "instances[1].id: i is also that of instances[0]",
            ),
            (
                {"hosts": [one], "instances": [instance("i", "c")]},
                "instances[0].host: c is no host",
            ),
            (
                {"hosts": [one], "instances": [instance(i, "a") for i in "xy"]},
                "instances[1].host: a takes 1 only",
            ),
            (
                {"hosts": [two], "instances": [instance(i, "b", "g") for i in "xy"]},
                "instances[1].group: g has instances[0] on b too",
            ),
            ({"scaling": [{"name": "p"}]}, "scaling[0]: 'project' is a required"),
            (
                {"scaling": [{"name": "p", "project": "r", "enabled": 1}]},
                "scaling[0].enabled: 1 is not of type 'boolean'",
            ),
            (
                {"scaling": [{"name": "p", "project": "r"}] * 2},
                "scaling[1].name: p is also that of scaling[0]",
            ),
        ]
        for source, expected in cases:
            self.assertIn(expected, self.refuse(source))

    def test_a_file_is_named_and_so_is_the_line(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "inventory.yaml")
            self.assertIn(path, self.refuse(path))
            for text, expected in (
                ("hosts:\n  - {name: a", "line 2"),
                ("", "None is not of type 'object'"),
                ("hosts: [{name: 1}]", "hosts[0].name: 1"),
                ("!!python/object/apply:os.system [id]", "could not determine"),
            ):
                pathlib.Path(path).write_text(text)
                reason = self.refuse(path)
                self.assertIn(path, reason)
                self.assertIn(expected, reason)

    def test_a_refused_inventory_leaves_the_vim_to_be_filled(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "vim.sqlite")
            with self.assertRaises(errors.ConfigError):
                simulated.Simulated(path, {"hosts": [{}]})
            vim = simulated.Simulated(path, {"hosts": [host("a")]})
            self.assertEqual(["a"], [each.name for each in vim.list_hosts()])

    def test_the_first_look_is_what_the_issue_says(self) -> None:
        content = inventory.read(str(SAMPLE))
        self.assertEqual(12, len(content["hosts"]))
        self.assertEqual(3, len({each["rack"] for each in content["hosts"]}))
        self.assertEqual(60, len(content["instances"]))
        self.assertEqual(3, len({each["project"] for each in content["instances"]}))
        self.assertTrue(any(each.get("group") for each in content["instances"]))

    def test_nothing_is_an_empty_cloud(self) -> None:
        empty: dict[str, Any] = {"hosts": [], "instances": [], "scaling": []}
        self.assertEqual(empty, inventory.read(None))
