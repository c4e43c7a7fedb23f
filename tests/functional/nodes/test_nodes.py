"""The test bed itself: a scenario that fails must not be the bed's fault."""

import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request
from collections.abc import Callable

from tests.fixtures import nodes, packages, repository


def wait_for(what: str, condition: Callable[[], bool], limit_s: float = 10.0) -> None:
    deadline = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {limit_s} s")
        time.sleep(0.02)


def leftovers(prefix: str) -> list[str]:
    """Return what of a bed is still on the machine."""
    mounts = pathlib.Path("/proc/self/mounts").read_text().splitlines()
    spaces = [str(p) for p in pathlib.Path("/run/netns").glob(f"{prefix}*")]
    processes = subprocess.run(
        ["ps", "-eo", "pid,args"], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    lines = [*mounts, *spaces, *processes]
    files = nodes.runs_dir().glob(f"{prefix}*")
    return [line for line in lines if prefix in line] + [str(f) for f in files]


@unittest.skipIf(nodes.missing(), nodes.missing())
class TestBed(unittest.TestCase):
    bed: nodes.Bed
    repository: repository.Repository

    @classmethod
    def setUpClass(cls) -> None:
        cls.bed = nodes.Bed(2)
        cls.addClassCleanup(cls._prove_clean, cls.bed)
        cls.bed.up()
        cls.addClassCleanup(cls.bed.down)
        cls.repository = repository.Repository(cls.bed).start()
        cls.addClassCleanup(cls.repository.stop)

    @staticmethod
    def _prove_clean(bed: nodes.Bed) -> None:
        if found := leftovers(bed.prefix):
            raise AssertionError(f"the bed left: {found}")

    def setUp(self) -> None:
        self.one, self.two = self.bed.nodes

    def _pings(self, node: nodes.Node) -> bool:
        argv = ["ping", "-c", "1", "-W", "1", node.address]
        return self.bed.hub.run(argv).returncode == 0

    def _answer(self, node: nodes.Node) -> str:
        with self.bed.hub.entered():
            url = f"http://{node.address}:{packages.PORT}/"
            with urllib.request.urlopen(url, timeout=5) as response:
                return str(response.read().decode().strip())

    def _installed(self, node: nodes.Node) -> list[str]:
        argv = ["dpkg-query", "-Wf", "${Version}\n", packages.NAME, packages.COMMON]
        return node.run(argv, check=True).stdout.split()

    def test_a_node_is_a_machine_of_its_own(self) -> None:
        """Own name, own files, own processes; the product is at hand."""
        self.assertEqual("compute-1\n", self.one.run(["hostname"]).stdout)
        self.one.write("/srv/deep/file", "one\n")
        self.assertEqual("one\n", self.one.run(["cat", "/srv/deep/file"]).stdout)
        self.assertNotEqual(0, self.two.run(["cat", "/srv/deep/file"]).returncode)
        self.assertEqual("1", self.one.run(["pgrep", "-xo", "python3"]).stdout.strip())
        probe = "import escalator, os; os.stat('/tmp'); open('/outside/x')"
        done = self.one.run([sys.executable, "-c", probe])
        self.assertIn("'/outside/x'", done.stderr)
        place = self.one.run(["touch", str(nodes.SOURCE_TREE / "x")])
        self.assertIn("Read-only", place.stderr)

    def test_a_cut_link_stops_answers(self) -> None:
        self.assertTrue(self._pings(self.one))
        self.one.link_down()
        self.addCleanup(self.one.link_up)
        self.assertFalse(self._pings(self.one))
        self.assertTrue(self._pings(self.two))
        self.one.link_up()
        self.assertTrue(self._pings(self.one))

    def test_unprivileged_ping_works_everywhere(self) -> None:
        """The monitor's ICMP datagram socket needs no privilege."""
        script = (
            "import os, socket; os.setgid(65534); os.setuid(65534); "
            "socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP)"
        )
        for place in (self.bed.hub, self.one):
            done = place.run(["/usr/bin/python3", "-c", script])
            self.assertEqual("", done.stderr)

    def test_kill_9_of_a_program_leaves_its_children(self) -> None:
        """An agent that dies does not take its jobs along."""
        with tempfile.TemporaryDirectory() as place:
            log = pathlib.Path(place, "log")
            spawned = self.one.spawn(["sh", "-c", "sleep 71 & wait"], log)
            wait_for("the child", lambda: self._sleepers() != [])
            spawned.kill9()
        self.assertFalse(spawned.is_alive)
        (child,) = self._sleepers()
        parent = self.one.run(["ps", "-o", "ppid=", "-p", child]).stdout.strip()
        self.assertEqual("1", parent)
        self.one.run(["kill", child], check=True)
        wait_for("init buried the orphan", lambda: self._sleepers() == [])

    def _sleepers(self) -> list[str]:
        return self.one.run(["pgrep", "-fx", "sleep 71"]).stdout.split()

    def test_power_off_ends_everything_but_the_files(self) -> None:
        with tempfile.TemporaryDirectory() as place:
            spawned = self.two.spawn(["sleep", "72"], pathlib.Path(place, "log"))
            self.two.write("/srv/kept", "kept\n")
            self.two.power_off()
            wait_for("the program ended", lambda: not spawned.is_alive)
        self.assertFalse(self._pings(self.two))
        self.two.power_on()
        self.assertTrue(self._pings(self.two))
        self.assertEqual("kept\n", self.two.run(["cat", "/srv/kept"]).stdout)

    def test_packages_go_up_and_down_by_plain_apt(self) -> None:
        """A downgrade that does not name the whole closure is refused."""
        self.repository.enrol(self.one, "s2")
        self.one.run(["apt-get", "update"], check=True)
        apt = ["apt-get", "install", "-y", "--allow-downgrades"]
        first = [f"{packages.NAME}=1.0", f"{packages.COMMON}=1.0"]
        self.one.run([*apt, *first], check=True)
        self._check_version("1.0")
        self.one.run([*apt, f"{packages.NAME}=2.0"], check=True)
        self._check_version("2.0")
        self.assertNotEqual(0, self.one.run([*apt, first[0]]).returncode)
        self.one.run([*apt, *first], check=True)
        self._check_version("1.0")
        runs = self.one.run(["cut", "-d", " ", "-f", "1-3", packages.RUNS]).stdout
        expected = ["1.0 configure none", "2.0 configure 1.0", "1.0 configure 2.0"]
        self.assertEqual(expected, runs.splitlines())

    def _check_version(self, version: str) -> None:
        self.assertEqual([version, version], self._installed(self.one))
        self.assertEqual(version, self._answer(self.one))

    def test_one_version_is_broken_where_the_mark_is(self) -> None:
        self.two.write(packages.BROKEN_MARK, "")
        self.repository.enrol(self.two, "s3")
        self.two.run(["apt-get", "update"], check=True)
        self.two.run(["apt-get", "install", "-y", packages.NAME], check=True)
        self.assertEqual(["2.1", "2.1"], self._installed(self.two))
        with self.assertRaisesRegex(OSError, "500"):
            self._answer(self.two)


@unittest.skipIf(nodes.missing(), nodes.missing())
class TestTeardown(unittest.TestCase):
    def test_a_killed_run_is_swept_away_by_the_next(self) -> None:
        script = (
            "from tests.fixtures import nodes; bed = nodes.Bed(1).up(); "
            "print(bed.prefix, flush=True); input()"
        )
        process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", script],
            cwd=nodes.SOURCE_TREE,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        with process:
            assert process.stdout is not None
            prefix = process.stdout.readline().strip()
            self.assertTrue(leftovers(prefix))
            os.kill(process.pid, signal.SIGKILL)
        bed = nodes.Bed(0)
        self.addCleanup(bed.down)
        bed.up()
        wait_for("all gone", lambda: leftovers(prefix) == [])

    def test_a_bed_that_cannot_come_up_leaves_nothing(self) -> None:
        bed = nodes.Bed(2)
        bed.nodes[1].address = "not an address"
        with self.assertRaises(RuntimeError):
            bed.up()
        self.assertEqual([], leftovers(bed.prefix))
