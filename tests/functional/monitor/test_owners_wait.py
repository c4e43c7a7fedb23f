"""Owners who wait for further probes: monitor, inspector, notifier, conductor.

All of them on a real RabbitMQ, with a real database and real consumers; the
probes are the simulated one and the agents' heartbeats.
"""

import pathlib
import tempfile
import time
import unittest
import uuid
from collections.abc import Callable
from typing import Any

from escalator import context
from escalator.bus import events as bus
from escalator.conductor import inventory
from escalator.conductor import service as conductor
from escalator.db import models, store
from escalator.drivers import fleet
from escalator.drivers.sink import webhook
from escalator.drivers.vim import simulated
from escalator.inspector import service as inspector
from escalator.monitor import service as monitor
from escalator.notifier import service as notifier
from escalator.notifier import settings
from escalator.objects import base, subscription
from tests.fixtures import bus as bus_fixtures
from tests.fixtures import consumer, engine, rabbit
from tests.functional.monitor import test_service

OPTIONS: dict[str, dict[str, Any]] = {
    "monitor": {
        "probes": ["simulated", "heartbeat"],
        "interval_s": 0.02,
        "other_interval_s": 0.05,
        "inventory_interval_s": 0.1,
        "realtime": False,
    },
    "agent": {"heartbeat_interval_s": 0.05},
    "notifier": {
        "signing_key": "0123456789abcdef0123456789abcdef",
        "allowed_networks": ["127.0.0.0/8"],
    },
}
WAIT_S = 20.0
DOWN, UP = ["host.down"], ["host.up"]


class OwnersWaitTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = self.enterContext(tempfile.TemporaryDirectory())
        self.folder = pathlib.Path(folder)
        self.conf = bus_fixtures.make_conf(rabbit.shared().url, publish_timeout_s=5.0)
        for section, values in OPTIONS.items():
            for name, value in values.items():
                self.conf.set_override(name, value, section)
        self.addCleanup(setattr, base.EscalatorObject, "store", None)
        self.publisher = bus.EventPublisher(self.conf)
        self.addCleanup(self.publisher.close)
        prefix = uuid.uuid4().hex
        self.dead, self.alive = f"{prefix}-dead", f"{prefix}-alive"
        self.beating = {self.dead, self.alive}

    def start_all(self) -> None:
        """Start everything but the monitor, and three owners of one project."""
        vim = self.make_vim()
        database = engine.database(f"sqlite:///{self.folder / 'sqlite'}")
        self.addCleanup(database.dispose)
        self.bed = engine.EngineBed(database, engine.FakeFleet())
        inventory.Inventory(self.bed.engine, vim).sync()
        base.use_store(store.Store(database))
        intake = conductor.Intake(self.bed.results, self.bed.faults, self.bed.alarms)
        self.run_until_end(bus.EventListener(self.conf, "conductor", intake.handlers()))
        self.owners = [self.owner(count) for count in (1, 2, 3)]
        sinks = [webhook.Webhook(**settings.webhook_options(self.conf))]
        self.run_until_end(
            notifier.NotifierService(
                self.conf, self.publisher, bus.EventListener, sinks, None
            )
        )

        def listen(*given: Any) -> bus.EventListener:
            return bus.EventListener(self.conf, *given)

        self.run_until_end(
            inspector.InspectorService(self.conf, vim, self.publisher, listen, None)
        )

    def make_vim(self) -> simulated.Simulated:
        hosts = [
            {"name": name, "address": f"10.0.0.{at}"}
            for at, name in enumerate((self.dead, self.alive), 1)
        ]
        instances = [{"id": "i1", "project": "red", "host": self.dead}]
        cloud = {"hosts": hosts, "instances": instances}
        return simulated.Simulated(str(self.folder / "vim"), cloud)

    def watch(self) -> monitor.MonitorService:
        """Start a monitor; it knows all hosts when it has heard of them."""

        def hear(handle: Callable[..., None]) -> test_service.Beats:
            self.beats = test_service.Beats(handle)
            return self.beats

        made = monitor.MonitorService(self.conf, self.publisher, hear, None, True)
        made.start()
        self.addCleanup(made.stop)
        self.beat_for(0.5)
        return made

    def run_until_end(self, service: Any) -> None:
        service.start()
        self.addCleanup(service.wait, 1.0)
        self.addCleanup(service.stop)

    def owner(self, min_probes: int) -> consumer.ConsumerProcess:
        """Subscribe a consumer that waits for so many probes."""
        process = consumer.ConsumerProcess(self.folder / f"heard-{min_probes}")
        self.addCleanup(process.stop)
        subscription.Subscription(
            context=context.service_context("test"),
            id=str(uuid.uuid4()),
            project_id="red",
            user_id="u",
            name="",
            url=process.url,
            fault_types=["host.down"],
            min_severity="warning",
            min_probes=min_probes,
            is_admin=False,
        ).create()
        return process

    def beat_for(self, seconds: float) -> None:
        self.beat_until(lambda: False, seconds)

    def heard(self) -> list[list[str]]:
        """Return what the owners were told, those who wait for fewest first."""
        return [
            [each["body"]["event"] for each in owner.heard()] for owner in self.owners
        ]

    def fault(self) -> dict[str, Any]:
        (row,) = self.bed.rows(models.fault)
        return row

    def kill_by_and_by(self) -> None:
        """Let one probe find the host down, then the other one too."""
        one, *_ = self.owners
        fleet.fleet().kill(self.dead)
        self.assertTrue(self.beat_until(lambda: bool(one.heard())))
        self.beat_for(0.7)
        self.assertEqual([DOWN, [], []], self.heard())
        self.beating = {self.alive}
        told = [DOWN, DOWN, DOWN]
        self.assertTrue(self.beat_until(lambda: self.heard() == told), self.heard())
        probes = ["heartbeat", "simulated"]
        self.assertTrue(
            self.beat_until(lambda: self.fault()["evidence"]["probes"] == probes)
        )

    def revive(self) -> None:
        fleet.fleet().revive(self.dead)
        self.beating = {self.dead, self.alive}
        wanted = [DOWN + UP] * 3
        self.assertTrue(self.beat_until(lambda: self.heard() == wanted), self.heard())
        self.assertTrue(self.beat_until(lambda: self.fault()["state"] == "cleared"))
        self.beat_for(0.5)
        self.assertEqual(wanted, self.heard())

    def beat_until(self, is_so: Callable[[], bool], timeout_s: float = WAIT_S) -> bool:
        """Let agents beat until something is so; returns whether it became so."""
        deadline = time.monotonic() + timeout_s
        while not is_so():
            if time.monotonic() > deadline:
                return False
            for host in self.beating:
                self.beats.beat(host)
            time.sleep(0.02)
        return True

    def test_each_owner_hears_when_its_number_of_probes_agrees(self) -> None:
        """DR-4, DR-10: one at once, two later; three, of two, when all agree."""
        self.start_all()
        self.watch()
        self.kill_by_and_by()
        one, two, _ = self.owners
        soon, late = one.heard()[0]["body"], two.heard()[0]["body"]
        (first,), (second,) = soon["faults"], late["faults"]
        self.assertEqual(first["fault_id"], second["fault_id"])
        for hop in ("T0", "T1"):
            self.assertEqual(first["times"][hop], second["times"][hop])
        self.assertGreater(late["corroborated_at"], first["times"]["T5"])
        self.assertGreaterEqual(second["times"]["T2"], late["corroborated_at"])
        self.assertEqual(first["times"], self.fault()["times"])
        self.revive()

    def test_a_monitor_that_takes_over_repeats_nothing(self) -> None:
        """DR-4: and ends what the first one told, for those who heard of it."""
        self.start_all()
        first = self.watch()
        self.kill_by_and_by()
        first.stop()
        self.watch()
        self.beat_for(1.0)
        self.assertEqual([DOWN] * 3, self.heard())
        self.revive()

    def test_one_that_takes_over_before_the_second_probe_agrees_tells_of_it(
        self,
    ) -> None:
        """DR-4."""
        self.start_all()
        first = self.watch()
        one, *_ = self.owners
        fleet.fleet().kill(self.dead)
        self.assertTrue(self.beat_until(lambda: bool(one.heard())))
        self.assertTrue(self.beat_until(lambda: bool(self.bed.rows(models.fault))))
        first.stop()
        self.watch()
        self.assertEqual([DOWN, [], []], self.heard())
        self.beating = {self.alive}
        told = [DOWN, DOWN, DOWN]
        self.assertTrue(self.beat_until(lambda: self.heard() == told), self.heard())
        self.revive()
