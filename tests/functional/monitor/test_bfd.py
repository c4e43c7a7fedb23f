"""The probe bfd against real BIRD daemons, one namespace for each host."""

import os
import pathlib
import random
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
import unittest
from typing import ClassVar

from oslo_config import cfg

from escalator import conf as sections
from escalator.drivers.probe import bfd
from escalator.monitor import prober, rounds
from tests.fixtures import netspace
from tests.functional.monitor import tape
from tests.unit.drivers import contract_probe

RUNS = 5
NEIGHBOR = 'neighbor {address} dev "{device}" local {local};'
CONF = """
router id {id};
protocol device {{ }}
protocol bfd {{
    interface "*" {{ interval 50 ms; multiplier 3; }};
    {neighbors}
}}
"""


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


@unittest.skipUnless(os.geteuid() == 0, "network namespaces need root")
@unittest.skipUnless(shutil.which("bird"), "not installed (see bindep.txt): bird")
class BfdTest(contract_probe.ProbeContract, unittest.TestCase):
    targets: ClassVar[dict[str, str]] = {
        host: f"10.88.{at}.2" for at, host in enumerate("abc")
    }

    @classmethod
    def setUpClass(cls) -> None:
        cls.enterClassContext(netspace.namespace())
        folder = cls.enterClassContext(tempfile.TemporaryDirectory())
        cls.folder = pathlib.Path(folder)
        cls.birds: dict[str, subprocess.Popen[bytes]] = {}
        cls.mark = secrets.token_hex(3)
        neighbors = [cls.add_host(at, host) for at, host in enumerate("abc")]
        cls.start_bird("hub", "10.88.255.1", neighbors)

    @classmethod
    def add_host(cls, at: int, host: str) -> str:
        name, port = f"esc-{cls.mark}-{host}", f"wire-{host}"
        local, address = f"10.88.{at}.1", cls.targets[host]
        ip("netns", "add", name)
        cls.addClassCleanup(ip, "netns", "del", name)
        peer = ("peer", "name", "eth0", "netns", name)
        ip("link", "add", port, "type", "veth", *peer)
        ip("addr", "add", f"{local}/24", "dev", port)
        ip("-n", name, "addr", "add", f"{address}/24", "dev", "eth0")
        ip("link", "set", port, "up")
        ip("-n", name, "link", "set", "eth0", "up")
        theirs = NEIGHBOR.format(address=local, device="eth0", local=address)
        enter = ["ip", "netns", "exec", name]
        cls.start_bird(host, address, [theirs], enter)
        return NEIGHBOR.format(address=address, device=port, local=local)

    @classmethod
    def start_bird(
        cls, name: str, id: str, neighbors: list[str], enter: list[str] | None = None
    ) -> None:
        conf, control = cls.folder / f"{name}.conf", cls.folder / f"{name}.ctl"
        conf.write_text(CONF.format(id=id, neighbors="\n".join(neighbors)))
        argv = ["bird", "-f", "-c", str(conf), "-s", str(control)]
        bird = cls.birds[name] = subprocess.Popen([*(enter or []), *argv])
        cls.addClassCleanup(bird.wait)
        cls.addClassCleanup(bird.terminate)

    def setUp(self) -> None:
        self.probe = bfd.Bfd(str(self.folder / "hub.ctl"))
        self.addCleanup(self.probe.close)
        for host in self.targets:
            ip("link", "set", f"wire-{host}", "up")
        self.probe.set_targets(self.targets)
        self.await_heard(["a", "b", "c"])

    def await_heard(self, hosts: list[str], limit_s: float = 20.0) -> float:
        began = time.monotonic()
        while self.heard_now() != hosts:
            self.assertLess(time.monotonic() - began, limit_s)
            time.sleep(0.005)
        return time.monotonic() - began

    def heard_now(self) -> list[str]:
        self.probe.send()
        return sorted(reply.host for reply in self.probe.receive(0.0))

    def kill(self, host: str) -> None:
        ip("link", "set", f"wire-{host}", "down")
        self.await_heard([other for other in "abc" if other != host])

    def revive(self, host: str) -> None:
        ip("link", "set", f"wire-{host}", "up")
        self.await_heard(["a", "b", "c"])

    def watch(self) -> tape.Tape:
        """Let the monitor's own loop probe in a process, as configured by default."""
        conf = cfg.ConfigOpts()
        sections.register_opts(conf)
        conf([], default_config_files=[], default_config_dirs=[])
        conf.set_override("probes", ["bfd"], "monitor")
        conf.set_override("bfd_socket", str(self.folder / "hub.ctl"), "monitor")
        outlet = tape.Tape()
        law = prober.read_law(conf, "bfd")
        order = rounds.Order(self.targets)
        loop = prober.make(conf, "bfd", law, lambda: order, outlet, in_process=False)
        loop.start()
        self.addCleanup(loop.stop)
        return outlet

    def test_the_verdict_follows_within_a_round_of_birds_own(self) -> None:
        """BIRD has counted the misses: they are not counted once more."""
        outlet, hung = self.watch(), self.birds["b"]
        self.addCleanup(os.kill, hung.pid, signal.SIGCONT)
        added_s = []
        for number in range(1, RUNS + 1):
            # Anywhere within a round of the loop, which the last return was the end of.
            time.sleep(random.uniform(0.0, 0.1))
            cut_at = time.time()
            os.kill(hung.pid, signal.SIGSTOP)
            bird_s = self.await_heard(["a", "c"])
            told = outlet.wait(lambda n=number: len(outlet.failed) >= n)
            self.assertTrue(told, "no verdict")
            verdict_s = outlet.failed_at["b"] - cut_at
            added_s.append(verdict_s - bird_s)
            print(
                f"cut to BIRD's verdict {bird_s * 1000:.0f} ms,"
                f" to Escalator's {verdict_s * 1000:.0f} ms"
            )
            os.kill(hung.pid, signal.SIGCONT)
            self.await_heard(["a", "b", "c"])
            back = outlet.wait(lambda n=number: len(outlet.returned) >= n, 20.0)
            self.assertTrue(back, "not back")
        self.assertEqual(["b"] * RUNS, outlet.names())
        self.assertLess(min(added_s), 0.15, "three rounds would take 0.2 s and more")
        self.assertLess(max(added_s), 1.0)

    def test_a_silent_peer_is_known_within_its_detection_time(self) -> None:
        """The link stays up and the kernel answers: only BIRD hangs."""
        hung = self.birds["b"]
        self.addCleanup(os.kill, hung.pid, signal.SIGCONT)
        os.kill(hung.pid, signal.SIGSTOP)
        took_s = self.await_heard(["a", "c"])
        print(f"BFD found a silent peer after {took_s * 1000:.0f} ms")
        self.assertLess(took_s, 1.0)
