"""Six hosts behind one wire of the monitor: whose failure is it?"""

import os
import secrets
import subprocess
import time
import unittest

from escalator.domain import events
from tests.fixtures import netspace
from tests.functional.monitor import tape, test_service

HOSTS = {f"host-{n}": f"10.95.0.{n + 1}" for n in range(6)}
WIRE = "wire"


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


@unittest.skipUnless(os.geteuid() == 0, "network namespaces need root")
class SmallCloudTest(test_service.ServiceCase):
    """One monitor with the options of a fresh installation; no agents."""

    probe = "icmp"

    def setUp(self) -> None:
        super().setUp()
        self.enterContext(netspace.namespace())
        self.netns = f"esc-{secrets.token_hex(3)}-hosts"
        ip("netns", "add", self.netns)
        self.addCleanup(ip, "netns", "del", self.netns)
        peer = ("peer", "name", "eth0", "netns", self.netns)
        ip("link", "add", WIRE, "type", "veth", *peer)
        ip("addr", "add", "10.95.0.254/24", "dev", WIRE)
        ip("link", "set", WIRE, "up")
        ip("-n", self.netns, "link", "set", "eth0", "up")
        for host in HOSTS:
            ip("-n", self.netns, "addr", "add", f"{HOSTS[host]}/32", "dev", "eth0")
        ip("-n", self.netns, "route", "add", "10.95.0.254", "dev", "eth0")
        monitor = self.launch(test_service.Conductor(HOSTS), in_process=False)
        # No host is to be found dead only because the wire was not up yet.
        tape.wait_until(lambda: monitor.lateness.summary()["ticks"] > 0)
        self.assertEqual([], self.broker.wait(1, 1.0))

    def kill(self, host: str) -> None:
        ip("-n", self.netns, "addr", "del", f"{HOSTS[host]}/32", "dev", "eth0")

    def told(self) -> list[tuple[str, str]]:
        return [
            (type(event).__name__, f"{fault.fault_type} {fault.host}")
            for event in self.broker.events
            for fault in event.faults
        ]

    def test_when_its_own_wire_is_cut_no_host_is_told_or_marked(self) -> None:
        ip("link", "set", WIRE, "down")
        (isolated,) = self.broker.wait(1, 15.0)
        (fault,) = isolated.faults
        self.assertEqual(events.FaultType.MONITOR_ISOLATED, fault.fault_type)
        self.assertEqual(6, fault.evidence["hosts"])
        ip("link", "set", WIRE, "up")
        cleared = self.broker.wait(2, 15.0)[1]
        self.assertIsInstance(cleared, events.FaultCleared)
        self.assertEqual((fault,), cleared.faults)
        self.assertEqual([], [told for told in self.told() if "host.down" in told[1]])

    def test_half_of_the_hosts_are_told_at_once(self) -> None:
        victims = sorted(HOSTS)[:3]
        began = time.time()
        for host in victims:
            self.kill(host)
        tape.wait_until(lambda: len(self.told()) >= len(victims), 5.0)
        wanted = [("FaultConfirmed", f"host.down {host}") for host in victims]
        self.assertEqual(wanted, sorted(self.told()))
        last = max(f.times["T1"] for e in self.broker.events for f in e.faults)
        self.assertLess(last - began, 1.0)
