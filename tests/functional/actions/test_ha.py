"""Two real keepalived in network namespaces, and an address between them."""

import ctypes
import dataclasses
import os
import shutil
import subprocess
import tempfile
import time
import unittest
from typing import Any

from escalator.domain import commands
from escalator.drivers import base
from escalator.drivers.action import ha
from tests.fixtures import action_bed
from tests.unit.drivers import contract_action

CLONE_NEWNET = 0x40000000
ADDRESS = "10.9.0.100"
CONFIGURATION = """
global_defs {{
  vrrp_version 3
  router_id {name}
  script_user root
}}
track_file handover {{
  file "{track}"
  weight -50
}}
vrrp_instance pair {{
  state BACKUP
  interface {link}
  virtual_router_id 7
  priority {priority}
  advert_int 0.1
  virtual_ipaddress {{ {address}/32 dev {link} }}
  track_file {{ handover weight -50 }}
}}
"""


def ip(*arguments: str) -> str:
    done = subprocess.run(
        ["ip", *arguments], check=True, capture_output=True, text=True
    )
    return done.stdout


class Peer:
    """One node of the pair."""

    def __init__(self, folder: str, name: str, priority: int) -> None:
        self.name, self.space = name, f"esc-{os.getpid()}-{name}"
        self.track = os.path.join(folder, f"track-{name}")
        self.pid_file = os.path.join(folder, f"{name}.pid")
        self.ns = f"/run/netns/{self.space}"
        self._conf = os.path.join(folder, f"{name}.conf")
        self._process: subprocess.Popen[bytes] | None = None
        self.set_track()
        with open(self._conf, "w", encoding="utf-8") as conf:
            conf.write(
                CONFIGURATION.format(
                    name=name,
                    track=self.track,
                    link="pair",
                    priority=priority,
                    address=ADDRESS,
                )
            )

    def start(self) -> None:
        """Start keepalived, unless it runs."""
        if self._process is not None:
            return
        self._process = subprocess.Popen(
            [
                *("ip", "netns", "exec", self.space, "keepalived"),
                *("--dont-fork", "--vrrp", "--log-console", "--use-file", self._conf),
                *("--pid", self.pid_file, "--vrrp_pid", f"{self.pid_file}.vrrp"),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def stop(self) -> None:
        """End keepalived."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)
            self._process = None

    def set_track(self) -> None:
        """Let nothing be handed over."""
        with open(self.track, "w", encoding="utf-8") as track:
            track.write("0\n")

    def read_track(self) -> str:
        with open(self.track, encoding="utf-8") as track:
            return track.read()

    def has_address(self) -> bool:
        return f'"{ADDRESS}"' in ip("-n", self.space, "-json", "addr", "show")


def enter(space: int) -> None:
    """Move this thread, and what it starts, into a network namespace."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(space, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


def missing() -> str:
    if os.geteuid() != 0:
        return "network namespaces need root"
    return "" if shutil.which("keepalived") else "keepalived is not installed"


@unittest.skipIf(missing(), missing())
class Bench(action_bed.ActionBed):
    """A pair that lives as long as the class; every test finds it at rest."""

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.shared = os.path.realpath(folder.name)
        cls.here, cls.peer = Peer(cls.shared, "a", 100), Peer(cls.shared, "b", 90)
        pair = (cls.here, "10.9.0.1/24"), (cls.peer, "10.9.0.2/24")
        for node, _ in pair:
            ip("netns", "add", node.space)
            cls.addClassCleanup(ip, "netns", "del", node.space)
            cls.addClassCleanup(node.stop)
        ip(
            *("link", "add", "pair", "netns", cls.here.space, "type", "veth"),
            *("peer", "name", "pair", "netns", cls.peer.space),
        )
        for node, address in pair:
            ip("-n", node.space, "addr", "add", address, "dev", "pair")
            for link in ("lo", "pair"):
                ip("-n", node.space, "link", "set", link, "up")

    def setUp(self) -> None:
        super().setUp()
        for node in (self.here, self.peer):
            node.set_track()
            node.start()
        self.grant(writable=(self.path("etc"), self.shared))
        self.wait_for(self.here.has_address, "the election")
        self.wait_for(lambda: not self.peer.has_address(), "the peer's end")
        self.move(self.here)
        self.order = self.with_params(
            address=ADDRESS,
            track_file=self.here.track,
            pid_file=self.here.pid_file,
        )
        self.changes, self.inode = 0, os.stat(self.here.track).st_ino

    def move(self, node: Peer) -> None:
        """Go on as a process of ``node``, until the test ends."""
        for path, leave in (("/proc/thread-self/ns/net", True), (node.ns, False)):
            space = os.open(path, os.O_RDONLY)
            self.addCleanup(os.close, space)
            if leave:
                self.addCleanup(enter, space)
        enter(space)

    def read_target(self) -> Any:
        return self.here.has_address(), self.here.read_track()

    def count_changes(self) -> int:
        """Every change of the file makes another inode."""
        now = os.stat(self.here.track).st_ino
        if now != self.inode:
            self.inode, self.changes = now, self.changes + 1
        return self.changes

    def make_hopeless_order(self) -> commands.RunStep | None:
        params = {**self.order.params, "track_file": self.path("etc", "none")}
        return dataclasses.replace(self.order, step_id="hopeless", params=params)


class TestHandOver(Bench, contract_action.ActionContract):
    def make_action(self) -> base.Action:
        return ha.HandOver(self.resources)

    def make_undo(self) -> base.Action | None:
        return ha.TakeBack(self.resources)

    def test_the_peer_has_it_within_a_second(self) -> None:
        begun = time.monotonic()
        result = self.make_action().run(self.order)
        self.assertLess(time.monotonic() - begun, 3.0)
        self.assertEqual({"value": "0", "is_here": True}, result["previous"])
        self.assertFalse(result["is_here"])
        self.wait_for(self.peer.has_address, "the peer")

    def test_nobody_takes_it(self) -> None:
        self.peer.stop()
        order = dataclasses.replace(self.order, timeout_s=2.0)
        error = self.refused(self.make_action(), order)
        self.assertEqual("timeout", error.failure_class)
        self.assertIn("no peer", str(error))
        self.assertTrue(self.here.has_address())
        ha.TakeBack(self.resources).run(self.make_undo_order(error.result))
        self.assertEqual("0\n", self.here.read_track())

    def test_a_node_that_does_not_hold_it_will_not_take_it(self) -> None:
        self.move(self.peer)
        params = {"track_file": self.peer.track, "pid_file": self.peer.pid_file}
        self.order = self.with_params(address=ADDRESS, **params)
        result = self.make_action().run(self.order)
        self.assertFalse(result["previous"]["is_here"])
        self.assertEqual("1\n", self.peer.read_track())

    def test_alone_there_is_nobody(self) -> None:
        self.order.params["pid_file"] = self.path("none.pid")
        result = self.make_action().run(self.order)
        self.assertTrue(result["is_skipped"])
        self.assertIn("no keepalived", result["reason"])
        self.assertEqual((True, "0\n"), self.read_target())


class TestTakeBack(Bench, contract_action.ActionContract):
    def setUp(self) -> None:
        super().setUp()
        order = dataclasses.replace(self.order, step_id="hand-over")
        ha.HandOver(self.resources).run(order)
        self.wait_for(self.peer.has_address, "the peer")
        self.order.params["expect_address"] = True
        self.count_changes()

    def make_action(self) -> base.Action:
        return ha.TakeBack(self.resources)

    def make_undo(self) -> base.Action | None:
        return ha.HandOver(self.resources)

    def test_it_comes_back(self) -> None:
        result = self.make_action().run(self.order)
        self.assertTrue(result["is_here"])
        self.assertTrue(self.here.has_address())
        self.wait_for(lambda: not self.peer.has_address(), "the peer's end")
