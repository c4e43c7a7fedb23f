"""The inspector on a real RabbitMQ with the simulated VIM."""

import dataclasses
import os
import tempfile
import time
import unittest
import uuid
from collections.abc import Sequence
from typing import Any

from escalator import errors
from escalator.bus import events as bus
from escalator.domain import events
from escalator.drivers.vim import simulated
from escalator.inspector import service
from tests.fixtures import bus as helpers
from tests.fixtures import rabbit

CLOUD = {
    "hosts": [{"name": "a"}, {"name": "b"}],
    "instances": [
        {"id": f"i{n}", "project": f"p{n % 2}", "host": "a"} for n in range(4)
    ],
}


class Unsteady(bus.EventPublisher):
    """A real publisher whose first attempts fail."""

    failures = 0

    def publish(self, event: events.Event) -> None:
        if self.failures:
            self.failures -= 1
            raise errors.BusUnavailable(timeout_s=0, reason="on purpose")
        super().publish(event)


class TestInspector(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.conf = helpers.make_conf(rabbit.shared().url, publish_timeout_s=5.0)
        self.vim = simulated.Simulated(os.path.join(folder.name, "vim.sqlite"), CLOUD)
        self.publisher = Unsteady(self.conf)
        self.addCleanup(self.publisher.close)
        self.impacts = helpers.Inbox()
        kinds = [events.HostMarkedDown, events.HostMarkedUp, events.ImpactCorroborated]
        self.listen("conductor", kinds)

    def listen(self, pool: str, kinds: Sequence[type[Any]]) -> None:
        listener = bus.EventListener(
            self.conf, pool, dict.fromkeys(kinds, self.impacts)
        )
        listener.start()
        self.addCleanup(listener.wait, 5.0)
        self.addCleanup(listener.stop)
        self.assertTrue(listener.wait_ready(10.0))

    def start(self) -> service.InspectorService:
        def listener(*given: Any) -> bus.EventListener:
            return bus.EventListener(self.conf, *given)

        made = service.InspectorService(
            self.conf, self.vim, self.publisher, listener, None
        )
        made.start()
        self.addCleanup(made.wait)
        self.addCleanup(made.stop)
        return made

    def told(self) -> list[Any]:
        return [found.event for batch in self.impacts.batches for found in batch]

    def test_a_fault_goes_through_and_back(self) -> None:
        """DR-5, DR-10."""
        self.start()
        fact = helpers.fault("a")
        self.publisher.publish(fact)
        self.assertTrue(self.impacts.wait(1))
        (impact,) = self.told()[0].impacts
        self.assertTrue(impact.is_marked_down)
        self.assertEqual(4, len(impact.instances))
        down = {each.name: each.is_forced_down for each in self.vim.list_hosts()}
        self.assertEqual({"a": True, "b": False}, down)
        self.publisher.publish(events.FaultCleared(str(uuid.uuid4()), fact.faults, 1.0))
        self.assertTrue(self.impacts.wait(2))
        self.assertFalse(any(each.is_forced_down for each in self.vim.list_hosts()))

    def test_what_further_probes_find_goes_through(self) -> None:
        """DR-4, DR-7."""
        self.start()
        fact = helpers.fault("a")
        (fault,) = fact.faults
        more = dataclasses.replace(fault, evidence={"probes": ["icmp", "tcp"]})
        self.publisher.publish(fact)
        self.assertTrue(self.impacts.wait(1))
        self.publisher.failures = 1
        grown = events.FaultCorroborated(
            str(uuid.uuid4()), (more,), {fault.id: 1}, time.time()
        )
        # The monitor repeats what the broker may not have taken.
        bus.EventPublisher.publish(self.publisher, grown)
        bus.EventPublisher.publish(self.publisher, grown)
        self.assertTrue(self.impacts.wait(3))
        _, told, again = self.told()
        self.assertIsInstance(told, events.ImpactCorroborated)
        self.assertEqual(told.event_id, again.event_id)
        (impact,) = told.impacts
        self.assertEqual(2, impact.fault.probes)
        self.assertEqual({fault.id: 1}, told.before)
        self.assertTrue(impact.is_marked_down)
        self.assertEqual(4, len(impact.instances))
        self.assertEqual(0, self.publisher.failures)

    def test_what_was_confirmed_before_the_inspector_came_is_not_lost(self) -> None:
        for _ in range(3):
            self.publisher.publish(helpers.fault("a"))
        self.start()
        self.assertTrue(self.impacts.wait(3))

    def test_a_failed_publish_is_made_up_for(self) -> None:
        """At least once: the bus gives the fact again; told once, with its id."""
        facts = [helpers.fault("a"), helpers.fault("b")]
        for fact in facts:
            self.publisher.publish(fact)
        self.publisher.failures = 3
        self.start()
        self.assertTrue(self.impacts.wait(2))
        self.assertEqual(
            {fact.faults[0].id for fact in facts},
            {event.impacts[0].fault.id for event in self.told()},
        )
        self.assertEqual(0, self.publisher.failures)
