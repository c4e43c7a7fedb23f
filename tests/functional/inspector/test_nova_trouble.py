"""Whatever Nova answers, the owners hear in time and the log says why (DR-2, DR-5).

The inspector and the driver ``openstack`` as they are, a real RabbitMQ, and a Nova
that misbehaves.
"""

import time
import unittest
import uuid
from typing import Any

from escalator.bus import events as bus
from escalator.domain import events
from escalator.drivers.vim.openstack import driver, following, settings
from escalator.inspector import service
from tests.fixtures import bus as helpers
from tests.fixtures import nova as novas
from tests.fixtures import rabbit

HOSTS = tuple(f"c{n}" for n in range(10))
SLACK_S = 1.0
"""From the fault's publication to the notice, beside the wait for Nova."""

FORCE = "PUT /os-services"
HANG_S = 5.0
LONG = 1000
"""So many errors are more than any test waits for."""


class Case(unittest.TestCase):
    patience_s = 0.3
    """``[inspector] mark_down_timeout_s``."""

    timeout_s = 1.0
    """``[vim] timeout_s``."""

    def setUp(self) -> None:
        self.nova = novas.Nova()
        self.addCleanup(self.nova.stop)
        for name in HOSTS:
            self.nova.add_host(name)
        self.instance_id = self.nova.add_server("c0")
        self.conf = helpers.make_conf(rabbit.shared().url)
        self.conf.set_override("mark_down_timeout_s", self.patience_s, "inspector")
        self.publisher = bus.EventPublisher(self.conf)
        self.addCleanup(self.publisher.close)
        self.notices = helpers.Inbox()
        self.listeners: list[bus.EventListener] = []
        kinds = (events.HostMarkedDown, events.HostMarkedUp)
        notifier = self.listener("notifier", dict.fromkeys(kinds, self.notices))
        notifier.start()
        self.addCleanup(notifier.wait, 5.0)
        self.addCleanup(notifier.stop)
        self.inspector = self.started()
        self.assertTrue(all(each.wait_ready(10.0) for each in self.listeners))

    def listener(self, *given: Any) -> bus.EventListener:
        self.listeners.append(bus.EventListener(self.conf, *given))
        return self.listeners[-1]

    def started(self) -> service.InspectorService:
        source = following.Source(interval_s=3600.0)
        vim = driver.Openstack(
            self.nova.compute(self.timeout_s),
            self.timeout_s,
            settings.Options(source=source, reset_delay_s=0.0),
        )
        self.addCleanup(vim.stop)
        made = service.InspectorService(
            self.conf, vim, self.publisher, self.listener, None
        )
        made.start()
        self.addCleanup(made.wait)
        self.addCleanup(made.stop)
        return made

    def observe(self, host: str) -> events.FaultConfirmed:
        """Publish a fault of ``host`` as a monitor does."""
        fact = helpers.fault(host)
        self.publisher.publish(fact)
        return fact

    def told(self) -> list[Any]:
        return [found.event for batch in self.notices.batches for found in batch]

    def notice(self, host: str) -> events.Impact:
        """Publish a fault; return what is told of it, which has to be in time."""
        count = len(self.told())
        began = time.monotonic()
        fact = self.observe(host)
        self.assertTrue(self.notices.wait(count + 1))
        self.assertLess(time.monotonic() - began, self.patience_s + SLACK_S)
        (impact,) = self.told()[count].impacts
        self.assertEqual(fact.faults[0].id, impact.fault.id)
        return impact

    def heal(self, *hosts: str) -> None:
        """Let Nova work again; what is owed has to be done."""
        self.nova.trouble.clear()
        settled = self.inspector.marking.is_settled
        self.assertTrue(helpers.eventually(lambda: settled(hosts), 20.0))
        for host in hosts:
            self.assertTrue(self.nova.services[host]["forced_down"])

    def await_line(self, lines: list[str], pattern: str) -> None:
        """Wait for a line of the log; it must not tell what is secret."""
        came = helpers.eventually(lambda: any(pattern in line for line in list(lines)))
        self.assertTrue(came, (pattern, lines))
        for secret in ("secret", "token-"):
            self.assertNotIn(secret, "\n".join(lines))


class InTimeTest(Case):
    """Nova comes round before the notice has to go out: it says confirmed."""

    patience_s = 5.0
    timeout_s = 5.0

    def test_errors_that_heal_leave_a_line_each(self) -> None:
        with self.assertLogs("escalator", "WARNING") as log:
            self.nova.trouble[FORCE] = [500, 503]
            self.assertTrue(self.notice("c0").is_marked_down)
        first, second = log.output
        for line, attempt, status in ((first, 2, 500), (second, 3, 503)):
            self.assertIn("openstack.calls:PUT /os-services/", line)
            self.assertIn(f"attempt {attempt} of 3", line)
            self.assertIn("did not carry out force_down within 5.0 s", line)
            self.assertIn(f"HTTP {status}", line)

    def test_a_conflict_of_an_instance_delays_no_notice(self) -> None:
        """409: Nova has another task for it; tried again behind the notice."""
        self.nova.trouble[f"POST /servers/{self.instance_id}"] = [409, 409]
        with self.assertLogs("escalator", "WARNING") as log:
            impact = self.notice("c0")
            server = self.nova.servers[self.instance_id]
            self.assertTrue(
                helpers.eventually(lambda: server["OS-EXT-STS:vm_state"] == "error")
            )
        self.assertTrue(impact.is_marked_down)
        self.assertEqual((self.instance_id,), tuple(i.id for i in impact.instances))
        first, second = log.output
        for line, attempt in ((first, 2), (second, 3)):
            self.assertIn(f"The state of {self.instance_id} is set again", line)
            self.assertIn(f"attempt {attempt} of 6: reset_state failed", line)
            self.assertIn("HTTP 409", line)

    def test_a_token_that_expires_in_mid_storm(self) -> None:
        with self.assertLogs("escalator", "INFO") as log:
            facts = []
            for host in HOSTS:
                facts.append(self.observe(host))
                self.nova.logins += 1  # Every token given so far is void.
                time.sleep(0.02)
            self.assertTrue(self.notices.wait(len(HOSTS)))
            self.await_line(log.output, "A new token was fetched")
        impacts = [impact for event in self.told() for impact in event.impacts]
        self.assertEqual(
            {fact.faults[0].id for fact in facts},
            {impact.fault.id for impact in impacts},
        )
        self.heal(*HOSTS)

    def test_one_token_that_expires_leaves_one_line(self) -> None:
        with self.assertLogs("escalator", "INFO") as log:
            self.nova.logins += 1
            self.assertTrue(self.notice("c1").is_marked_down)
            self.assertTrue(self.notice("c2").is_marked_down)
        renewed = [line for line in log.output if "A new token was fetched" in line]
        self.assertEqual(1, len(renewed), log.output)


class TooLateTest(Case):
    """Nova does not come round: the notice goes out and says not confirmed."""

    def unconfirmed(self, host: str, trouble: Any, *patterns: str) -> None:
        self.nova.trouble[FORCE] = trouble
        with self.assertLogs("escalator", "WARNING") as log:
            self.assertFalse(self.notice(host).is_marked_down)
            for pattern in patterns:
                self.await_line(log.output, pattern)
        self.assertFalse(self.nova.services[host]["forced_down"])
        self.heal(host)

    def test_errors(self) -> None:
        for host, status in (("c1", 500), ("c2", 503)):
            with self.subTest(status):
                self.unconfirmed(
                    host,
                    [status] * LONG,
                    "attempt 2 of 3: The VIM did not carry out force_down",
                    "1 hosts are still to be marked: The VIM did not carry out"
                    f" force_down within 1.0 s: planted (HTTP {status})",
                )

    def test_the_mark_that_came_late_is_told_as_a_checkpoint(self) -> None:
        """DR-9: the conductor hears when Nova came round, and of the states."""
        later = helpers.Inbox()
        handlers = {events.CheckpointReached: later}
        conductor = self.listener("conductor", handlers)
        conductor.start()
        self.addCleanup(conductor.wait, 5.0)
        self.addCleanup(conductor.stop)
        self.assertTrue(conductor.wait_ready(10.0))
        began = time.time()
        self.unconfirmed("c0", [503] * LONG, "attempt 2 of 3")
        self.assertTrue(later.wait(2))
        told = {f.event.checkpoint: f.event for batch in later.batches for f in batch}
        fault_id = self.told()[0].impacts[0].fault.id
        self.assertEqual({"T3", "T4"}, told.keys())
        for fact in told.values():
            self.assertEqual({fault_id}, fact.reached_at.keys())
            self.assertLess(began, fact.reached_at[fault_id])
        self.assertEqual(
            "error", self.nova.servers[self.instance_id]["OS-EXT-STS:vm_state"]
        )

    def test_a_conflict(self) -> None:
        """A refusal is not repeated within the deadline: told at once."""
        self.unconfirmed(
            "c1", [409] * LONG, "fails to mark c1; it is asked on", "HTTP 409"
        )

    def test_a_timeout(self) -> None:
        self.unconfirmed(
            "c1",
            HANG_S,
            "The VIM did not mark 1 hosts within 0.3 s; it is asked on",
            "1 hosts are still to be marked: The VIM did not carry out force_down"
            " within 1.0 s",
            "timed out",
        )

    def test_a_keystone_that_hangs_when_the_token_expires(self) -> None:
        self.notice("c0")
        self.nova.trouble["login"] = HANG_S
        self.nova.logins += 1
        with self.assertLogs("escalator", "INFO") as log:
            self.assertFalse(self.notice("c1").is_marked_down)
            self.await_line(log.output, "did not mark 1 hosts within 0.3 s")
            self.await_line(log.output, "1 hosts are still to be marked")
            self.heal("c1")
            self.await_line(log.output, "A new token was fetched")

    def test_the_end_of_a_fault_is_told_in_time_too(self) -> None:
        self.notice("c1")
        fault = self.told()[0].impacts[0].fault
        self.nova.trouble[FORCE] = [503] * LONG
        with self.assertLogs("escalator", "WARNING") as log:
            began = time.monotonic()
            over = events.FaultCleared(str(uuid.uuid4()), (fault,), time.time())
            self.publisher.publish(over)
            self.assertTrue(self.notices.wait(2))
            self.assertLess(time.monotonic() - began, self.patience_s + SLACK_S)
            self.await_line(log.output, "attempt 2 of 3")
        self.assertTrue(self.told()[1].impacts[0].is_marked_down, "still down in Nova")
        self.nova.trouble.clear()
        self.assertTrue(
            helpers.eventually(lambda: not self.nova.services["c1"]["forced_down"])
        )

    def test_a_storm_in_which_nova_is_away_loses_no_notice(self) -> None:
        self.nova.trouble[FORCE] = [503] * LONG
        with self.assertLogs("escalator", "WARNING") as log:
            facts = [self.observe(host) for host in HOSTS]
            self.assertTrue(self.notices.wait(len(HOSTS)))
            self.await_line(log.output, "HTTP 503")
        impacts = [impact for event in self.told() for impact in event.impacts]
        self.assertEqual(
            {fact.faults[0].id for fact in facts},
            {impact.fault.id for impact in impacts},
        )
        self.assertFalse(any(impact.is_marked_down for impact in impacts))
        self.heal(*HOSTS)
