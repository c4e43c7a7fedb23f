"""Hosts with two interfaces each, wired to a gateway's namespace (DR-3)."""

import os
import secrets
import subprocess
import tempfile
import time

from escalator.conductor import inventory
from escalator.db import store
from escalator.domain import events
from escalator.drivers.vim import simulated
from tests.fixtures import engine, netspace
from tests.functional.monitor import test_service

HOSTS = ("a", "b")


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


class NicsTest(test_service.ServiceCase):
    """From the VIM through the conductor's database to the probes and back."""

    probe = "icmp"

    def setUp(self) -> None:
        super().setUp()
        self.enterContext(netspace.namespace())
        self.mark = secrets.token_hex(3)
        hosts = [self.add_host(host, at) for at, host in enumerate(HOSTS)]
        self.launch(self.list_hosts(hosts), in_process=False)
        time.sleep(0.5)

    def list_hosts(self, hosts: list[dict[str, object]]) -> store.Store:
        """Let a conductor take the inventory of a VIM; return its store."""
        folder = self.enterContext(tempfile.TemporaryDirectory())
        vim = simulated.Simulated(os.path.join(folder, "vim"), {"hosts": hosts})
        database = engine.database("sqlite:///" + os.path.join(folder, "sqlite"))
        self.addCleanup(database.dispose)
        bed = engine.EngineBed(database, engine.FakeFleet())
        inventory.Inventory(bed.engine, vim).sync()
        return store.Store(database)

    def add_host(self, host: str, at: int) -> dict[str, object]:
        """Make a namespace with two interfaces, each a network of its own."""
        name = f"esc-{self.mark}-{host}"
        ip("netns", "add", name)
        self.addCleanup(ip, "netns", "del", name)
        ip("-n", name, "link", "set", "lo", "up")
        nics = {}
        for nic in (1, 2):
            net, port = f"10.{90 + at}.{nic}", f"{host}{nic}"
            peer = ("peer", "name", f"eth{nic}", "netns", name)
            ip("link", "add", port, "type", "veth", *peer)
            ip("addr", "add", f"{net}.254/24", "dev", port)
            ip("-n", name, "addr", "add", f"{net}.1/24", "dev", f"eth{nic}")
            ip("link", "set", port, "up")
            ip("-n", name, "link", "set", f"eth{nic}", "up")
            nics[f"eth{nic}"] = f"{net}.1"
        return {"name": host, "address": nics["eth1"], "nics": nics}

    def test_one_link_down_names_it_and_all_of_them_are_the_host(self) -> None:
        began = time.time()
        ip("link", "set", "a2", "down")
        (raised,) = self.broker.wait(1)
        (fault,) = raised.faults
        self.assertEqual(("link.down", "a"), (fault.fault_type, fault.host))
        self.assertEqual(["eth2"], fault.evidence["nics"])
        self.assertEqual(["eth1"], fault.evidence["nics_alive"])
        self.assertLess(fault.times["T1"] - began, 1.0)
        ip("link", "set", "a1", "down")
        second = self.broker.wait(2)[1]
        (down,) = second.faults
        self.assertEqual(("host.down", "a"), (down.fault_type, down.host))
        ip("link", "set", "a1", "up")
        ip("link", "set", "a2", "up")
        told = self.broker.wait(3, 20.0)
        ended = {
            fault.id
            for event in told
            if isinstance(event, events.FaultCleared)
            for fault in event.faults
        }
        deadline = time.monotonic() + 15
        while ended < {fault.id, down.id} and time.monotonic() < deadline:
            told = self.broker.wait(len(told) + 1, 5.0)
            ended |= {
                fault.id
                for event in told
                if isinstance(event, events.FaultCleared)
                for fault in event.faults
            }
        self.assertLessEqual({fault.id, down.id}, ended)
        hosts = {f.host for e in told for f in e.faults}
        self.assertEqual({"a"}, hosts, "the other host never failed")
