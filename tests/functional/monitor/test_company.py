"""Two monitors, each in a namespace of its own, beside a private RabbitMQ.

Each has two wires into the test's namespace: one to the hosts, one to the
broker.  The hosts are addresses of that namespace.
"""

import json
import os
import pathlib
import secrets
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from typing import Any, ClassVar

import tests  # noqa: F401  (chooses the threading backend)
from escalator.bus import events as bus_events
from escalator.domain import events
from escalator.monitor import sharing
from tests.fixtures import bus, netspace, rabbit

HOSTS = {f"host-{n:02d}": f"10.77.1.{n + 1}" for n in range(30)}
NAMES = ("m1", "m2")
READY_S = 30.0
OPTIONS = {"realtime": False, "inventory_interval_s": 0.5}


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


class Monitor:
    """One monitor's process and namespace."""

    def __init__(self, number: int, mark: str, settings: dict[str, Any]) -> None:
        self.name = f"m{number}"
        self.netns = f"esc-{mark}-{self.name}"
        self.wires = (f"data{number}", f"bus{number}")
        self._process: subprocess.Popen[bytes] | None = None
        self._settings = {**settings, "name": self.name}
        ip("netns", "add", self.netns)
        ip("-n", self.netns, "link", "set", "lo", "up")
        for kind, net in (("data", "10.77.0"), ("bus", "10.79.0")):
            port, bridge = f"{kind}{number}", f"br-{kind}"
            peer = ("peer", "name", kind, "netns", self.netns)
            ip("link", "add", port, "type", "veth", *peer)
            ip("link", "set", port, "master", bridge, "up")
            bits = "16" if kind == "data" else "24"
            address = f"{net}.{number + 1}/{bits}"
            ip("-n", self.netns, "addr", "add", address, "dev", kind)
            ip("-n", self.netns, "link", "set", kind, "up")

    def start(self, log: pathlib.Path) -> None:
        program = ["-m", "tests.functional.monitor.one_monitor"]
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                ["ip", "netns", "exec", self.netns, sys.executable, "-W", "ignore"]
                + [*program, json.dumps(self._settings)],
                stdout=output,
                stderr=output,
            )

    def kill9(self) -> None:
        if self._process is not None:
            os.kill(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def end(self) -> None:
        self.kill9()
        # A namespace's own end of a wire would go with it, but not at once.
        for port in self.wires:
            ip("link", "del", port)
        ip("netns", "del", self.netns)


class Tape:
    """Every fact about faults, and the conductor's table of raised ones."""

    def __init__(self, path: pathlib.Path) -> None:
        self.told: list[tuple[str, str, str, str, float]] = []
        self.raised: dict[str, dict[str, Any]] = {}
        self._path = path
        self._changed = threading.Condition()
        self.save()

    def __call__(self, batch: list[Any]) -> None:
        with self._changed:
            for found in batch:
                for fault in found.event.faults:
                    self._take(type(found.event), fault)
            self.save()
            self._changed.notify_all()

    def _take(self, kind: type[Any], fault: events.Fault) -> None:
        verb = "raised" if kind is events.FaultConfirmed else "cleared"
        entry = (verb, str(fault.fault_type), fault.host, fault.id, time.time())
        self.told.append(entry)
        if verb == "raised":
            row = {name: getattr(fault, name) for name in events.Fault.__slots__}
            self.raised[fault.id] = {**row, "state": "raised"}
        else:
            self.raised.pop(fault.id, None)

    def save(self) -> None:
        hosts = [{"name": h, "address": at, "nics": {}} for h, at in HOSTS.items()]
        draft = self._path.with_suffix(".draft")
        draft.write_text(
            json.dumps({"host": hosts, "fault": list(self.raised.values())})
        )
        draft.rename(self._path)

    def wait(self, verb: str, kind: str, hosts: set[str], limit_s: float) -> bool:
        def is_told() -> bool:
            return hosts <= {t[2] for t in self.told if t[:2] == (verb, kind)}

        with self._changed:
            return self._changed.wait_for(is_told, limit_s)

    def count(self, verb: str, kind: str) -> int:
        with self._changed:
            return sum(told[:2] == (verb, kind) for told in self.told)


@unittest.skipUnless(os.geteuid() == 0, "network namespaces need root")
class CompanyTest(unittest.TestCase):
    broker: ClassVar[rabbit.Rabbit]

    @classmethod
    def setUpClass(cls) -> None:
        cls.enterClassContext(netspace.namespace())
        for kind, at in (("data", "10.77.0.1/16"), ("bus", "10.79.0.1/24")):
            bridge = ("type", "bridge", "forward_delay", "0")
            ip("link", "add", f"br-{kind}", *bridge)
            ip("addr", "add", at, "dev", f"br-{kind}")
            ip("link", "set", f"br-{kind}", "up")
        cls.broker = rabbit.Rabbit(address="10.79.0.1").start()
        cls.addClassCleanup(cls.broker.stop)

    def setUp(self) -> None:
        folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        conf = bus.make_conf(self.broker.url)
        self.tape = Tape(folder / "store.json")
        kinds = (events.FaultConfirmed, events.FaultCleared)
        listener = bus_events.EventListener(
            conf, "inspector", dict.fromkeys(kinds, self.tape)
        )
        listener.start()
        self.addCleanup(listener.wait, 5.0)
        self.addCleanup(listener.stop)
        self.dead: set[str] = set()
        for host in HOSTS:
            self.revive(host)
        self.addCleanup(lambda: [self.kill(h) for h in HOSTS if h not in self.dead])
        settings = {
            "url": self.broker.url,
            "prefix": conf.bus.prefix,
            "store": str(folder / "store.json"),
            "monitor": OPTIONS,
        }
        mark = secrets.token_hex(3)
        self.log = folder / "log"
        self.monitors = [Monitor(number, mark, settings) for number in (1, 2)]
        for monitor in self.monitors:
            self.addCleanup(monitor.end)
            monitor.start(self.log)
        text = "share the hosts: m1, m2"
        ready = bus.eventually(lambda: self.read_log().count(text) == 2, READY_S)
        self.assertTrue(ready, self.read_log())
        time.sleep(2.0)

    def read_log(self) -> str:
        return self.log.read_text(errors="replace")

    def kill(self, host: str) -> None:
        self.dead.add(host)
        ip("addr", "del", f"{HOSTS[host]}/32", "dev", "lo")

    def revive(self, host: str) -> None:
        self.dead.discard(host)
        ip("addr", "add", f"{HOSTS[host]}/32", "dev", "lo")

    def told(self, verb: str, kind: str, hosts: set[str], limit_s: float) -> None:
        is_told = self.tape.wait(verb, kind, hosts, limit_s)
        self.assertTrue(is_told, f"{self.tape.told}\n{self.read_log()}")

    def test_the_other_one_takes_over_and_nothing_is_told_twice(self) -> None:
        ranks = sharing.rank(set(HOSTS), NAMES)
        mine = sorted(host for host in HOSTS if ranks[host][0] == "m1")
        theirs = sorted(set(HOSTS) - set(mine))
        before, during = mine[0], mine[1]
        self.kill(before)
        self.kill(theirs[0])
        self.told("raised", "host.down", {before, theirs[0]}, 3.0)
        self.monitors[0].kill9()
        killed_at = time.time()
        self.kill(during)
        self.told("raised", "host.down", {during}, 6.0)
        at = next(told[4] for told in self.tape.told if told[2] == during)
        print(f"taken over after {at - killed_at:.2f} s")
        self.revive(before)
        self.told("cleared", "host.down", {before}, 6.0)
        ids = {t[3] for t in self.tape.told if t[2] == before}
        self.assertEqual(1, len(ids), "the fault keeps its id")
        self.assertEqual(3, self.tape.count("raised", "host.down"))

    def test_one_that_is_cut_off_marks_nobody_and_says_so(self) -> None:
        ip("link", "set", "data1", "down")
        self.told("raised", "monitor.isolated", {"m1"}, 5.0)
        time.sleep(2.0)
        self.assertEqual(0, self.tape.count("raised", "host.down"), self.tape.told)
        ip("link", "set", "data1", "up")
        self.told("cleared", "monitor.isolated", {"m1"}, 15.0)
        self.assertEqual(0, self.tape.count("raised", "host.down"), self.tape.told)

    def test_what_both_see_dead_is_told_within_a_moment(self) -> None:
        began = time.time()
        for host in HOSTS:
            self.kill(host)
        self.told("raised", "host.down", set(HOSTS), 4.0)
        last = max(told[4] for told in self.tape.told)
        print(f"a storm of {len(HOSTS)}: told after {last - began:.2f} s")
        self.assertEqual(len(HOSTS), self.tape.count("raised", "host.down"))
        self.assertEqual(0, self.tape.count("raised", "monitor.isolated"))
