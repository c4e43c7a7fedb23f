"""The whole monitor beside a fake conductor and a broker that comes and goes."""

import datetime
import os
import signal
import threading
import time
import unittest
import uuid
from collections.abc import Callable
from typing import Any

from oslo_config import cfg

import tests  # noqa: F401  (chooses the threading backend)
from escalator import conf as sections
from escalator import errors
from escalator.domain import events
from escalator.drivers import fleet
from escalator.monitor import service
from escalator.objects import base
from tests.fixtures import netspace
from tests.functional.monitor import tape

CAMPAIGN = str(uuid.UUID(int=7))


class Conductor:
    """Store of hosts and raised faults, as the objects see it."""

    def __init__(self, targets: dict[str, str]) -> None:
        self.targets = targets
        self.raised: list[events.Fault] = []
        self.is_away = False
        self.windows: dict[str, datetime.datetime] = {}
        self.most_probes = 1

    def read(self, kind: str, marker: str | None = None, **query: Any) -> Any:
        if self.is_away:
            raise errors.BusUnavailable(timeout_s=0, reason="away")
        if marker is not None:
            return []
        if kind == "host_digest":
            return [
                {"digest": repr((self.targets, sorted(self.windows), self.most_probes))}
            ]
        if kind == "subscription_probes":
            return [{"most": self.most_probes}]
        if kind == "fault":
            return [
                {name: getattr(fault, name) for name in events.Fault.__slots__}
                for fault in self.raised
            ]
        return [
            {
                "name": name,
                "address": address,
                "agent_seen_at": None,
                "campaign_id": CAMPAIGN if name in self.windows else None,
                "expected_down_until": self.windows.get(name),
                "nics": {},
            }
            for name, address in sorted(self.targets.items())
            if query.get("name") in (None, name)
        ]

    def write(self, kind: str, verb: str, **values: Any) -> dict[str, Any]:
        raise AssertionError("the monitor writes nothing")


class Broker:
    """Publisher whose broker may be away."""

    def __init__(self) -> None:
        self.is_away = False
        self.events: list[Any] = []
        self._changed = threading.Condition()

    def publish(self, event: events.Event) -> None:
        if self.is_away:
            raise errors.BusUnavailable(timeout_s=0, reason="away")
        with self._changed:
            self.events.append(event)
            self._changed.notify_all()

    def wait(self, count: int, timeout_s: float = 10.0) -> list[Any]:
        with self._changed:
            self._changed.wait_for(lambda: len(self.events) >= count, timeout_s)
            return list(self.events)


class Beats:
    """Stands for the bus: hands beats to the monitor's handler."""

    def __init__(self, handle: Callable[[events.AgentBeat], None]) -> None:
        self.handle = handle

    def beat(self, host: str) -> None:
        self.handle(events.AgentBeat(host, "0", ("node",), {}, 0.0, 0.05))

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def wait(self) -> None: ...


class ServiceCase(unittest.TestCase):
    probe = "simulated"

    def setUp(self) -> None:
        self.conf = cfg.ConfigOpts()
        sections.register_opts(self.conf)
        self.conf([], default_config_files=[], default_config_dirs=[])
        self.conf.set_override("probes", [self.probe], "monitor")
        self.conf.set_override("inventory_interval_s", 0.05, "monitor")
        self.broker = Broker()
        self.addCleanup(setattr, base.EscalatorObject, "store", None)

    def launch(self, conductor: Any, in_process: bool) -> service.MonitorService:
        base.use_store(conductor)
        made = service.MonitorService(
            self.conf, self.broker, self.make_beats, None, in_process
        )
        made.start()
        self.addCleanup(made.stop)
        return made

    def make_beats(self, handle: Callable[[events.AgentBeat], None]) -> Beats:
        self.beats = Beats(handle)
        return self.beats


class EmbeddedTest(ServiceCase):
    """Probe loop in a thread, simulated hosts."""

    def setUp(self) -> None:
        super().setUp()
        prefix = uuid.uuid4().hex
        self.names = [f"{prefix}-{n}" for n in range(3)]
        self.conductor = Conductor({name: "10.0.0.1" for name in self.names})
        self.conf.set_override("interval_s", 0.02, "monitor")

    def test_a_fault_is_confirmed_and_cleared(self) -> None:
        monitor = self.launch(self.conductor, in_process=True)
        fleet.fleet().kill(self.names[1])
        (raised,) = self.broker.wait(1)
        self.assertIsInstance(raised, events.FaultConfirmed)
        (fault,) = raised.faults
        self.assertEqual(self.names[1], fault.host)
        self.assertLessEqual(fault.times["T0"], fault.times["T1"])
        fleet.fleet().revive(self.names[1])
        cleared = self.broker.wait(2)[1]
        self.assertIsInstance(cleared, events.FaultCleared)
        self.assertEqual((fault,), cleared.faults)
        self.assertFalse(monitor.wait(0))
        monitor.stop()
        self.assertTrue(monitor.wait(1))

    def test_a_host_rebooted_by_our_own_step_is_expected_down(self) -> None:
        """Neither told nor marked before the window ends, and then at once."""
        name = self.names[0]
        end = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=1.5)
        self.conductor.windows[name] = end
        self.launch(self.conductor, in_process=True)
        fleet.fleet().kill(name)
        (raised,) = self.broker.wait(1)
        (fault,) = raised.faults
        self.assertEqual(name, fault.host)
        late_s = fault.times["T1"] - end.timestamp()
        self.assertTrue(0.0 <= late_s < 0.5, late_s)

    def test_a_window_does_not_cover_other_hosts_nor_a_return(self) -> None:
        now = datetime.datetime.now(datetime.UTC)
        self.conductor.windows[self.names[0]] = now + datetime.timedelta(seconds=1.0)
        self.launch(self.conductor, in_process=True)
        fleet.fleet().kill(self.names[0])
        self.assertEqual([], self.broker.wait(1, 0.5))
        fleet.fleet().revive(self.names[0])
        fleet.fleet().kill(self.names[1])
        (raised,) = self.broker.wait(1)
        self.assertEqual([self.names[1]], [fault.host for fault in raised.faults])
        self.assertEqual(1, len(self.broker.wait(2, 1.0)))

    def test_two_probes_must_agree(self) -> None:
        """k of n: hosts that only stopped to answer, or only to beat, are up."""
        self.conf.set_override("probes", ["simulated", "heartbeat"], "monitor")
        self.conf.set_override("votes", 2, "monitor")
        self.conf.set_override("other_interval_s", 0.05, "monitor")
        self.conf.set_override("heartbeat_interval_s", 0.05, "agent")
        mute, quiet, dead = self.names
        self.launch(self.conductor, in_process=True)
        self.beat_for(0.5, mute, quiet, dead)
        fleet.fleet().kill(mute)
        self.assertEqual([], self.beat_for(1.0, mute, dead))
        fleet.fleet().kill(dead)
        (fault,) = self.beat_for(1.5, mute)
        self.assertEqual(dead, fault.host)
        self.assertEqual(["heartbeat", "simulated"], fault.evidence["probes"])

    def test_a_probe_that_agrees_later_is_told_to_those_who_wait(self) -> None:
        """DR-4: and to nobody if nobody does; a change takes effect by itself."""
        self.conf.set_override("probes", ["simulated", "heartbeat"], "monitor")
        self.conf.set_override("other_interval_s", 0.05, "monitor")
        self.conf.set_override("heartbeat_interval_s", 0.05, "agent")
        first, second, third = self.names
        self.launch(self.conductor, in_process=True)
        self.beat_for(0.5, first, second, third)
        fleet.fleet().kill(first)
        self.beat_for(0.3, first, second, third)
        self.beat_for(1.5, second, third)
        self.assertEqual(["FaultConfirmed"], self.kinds_of(first))
        self.conductor.most_probes = 2
        self.beat_for(0.5, second, third)
        fleet.fleet().kill(second)
        (_, raised) = self.beat_for(0.3, second, third)
        self.assertEqual(["simulated"], raised.evidence["probes"])
        self.assertEqual(["FaultConfirmed"], self.kinds_of(second))
        self.beat_for(1.5, third)
        wanted = ["FaultConfirmed", "FaultCorroborated"]
        self.assertEqual(wanted, self.kinds_of(second))
        grown = [e for e in self.broker.events if hasattr(e, "before")][-1]
        self.assertEqual({raised.id: 1}, grown.before)
        self.assertEqual(raised.times, grown.faults[0].times)
        both = ["heartbeat", "simulated"]
        self.assertEqual(both, grown.faults[0].evidence["probes"])

    def kinds_of(self, host: str) -> list[str]:
        """Return what was told of a dead host, in order."""
        return [
            type(event).__name__
            for event in self.broker.events
            for fault in event.faults
            if (fault.host, fault.fault_type) == (host, "host.down")
        ]

    def test_a_broker_that_dies_takes_no_host_down(self) -> None:
        """Beats alone decide here, and all of them end at once."""
        self.conf.set_override("probes", ["heartbeat"], "monitor")
        self.conf.set_override("heartbeat_interval_s", 0.05, "agent")
        prefix = uuid.uuid4().hex
        names = [f"{prefix}-{n}" for n in range(6)]
        self.conductor.targets = dict.fromkeys(names, "10.0.0.1")
        self.launch(self.conductor, in_process=True)
        self.beat_for(0.5, *names)
        self.conductor.is_away = self.broker.is_away = True
        time.sleep(2.0)
        self.conductor.is_away = self.broker.is_away = False
        self.assertEqual([], self.beat_for(1.0, *names))
        (fault,) = self.beat_for(1.0, *names[1:])
        self.assertEqual(names[0], fault.host)

    def beat_for(self, seconds: float, *hosts: str) -> list[events.Fault]:
        """Let agents beat for a while; returns the hosts found down so far."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for host in hosts:
                self.beats.beat(host)
            time.sleep(0.02)
        faults = [fault for event in self.broker.events for fault in event.faults]
        return [fault for fault in faults if fault.fault_type == "host.down"]

    def test_no_fault_is_lost_and_order_is_kept_while_the_broker_is_away(
        self,
    ) -> None:
        self.broker.is_away = True
        monitor = self.launch(self.conductor, in_process=True)
        fleet.fleet().kill(self.names[0])
        self.assertTrue(tape.wait_until(lambda: bool(monitor._detection.hosts_down())))
        fleet.fleet().revive(self.names[0])
        self.assertTrue(tape.wait_until(lambda: not monitor._detection.hosts_down()))
        fleet.fleet().kill(self.names[2])
        self.assertEqual([], self.broker.events)
        self.broker.is_away = False
        kinds = [type(event).__name__ for event in self.broker.wait(3)]
        self.assertEqual(["FaultConfirmed", "FaultCleared", "FaultConfirmed"], kinds)

    def test_a_restarted_monitor_knows_the_faults_of_the_last(self) -> None:
        old = events.Fault(
            str(uuid.uuid4()), self.names[0], "host.down", "critical", {"T0": 1.0}
        )
        self.conductor.raised = [old]
        fleet.fleet().kill(self.names[0])
        fleet.fleet().kill(self.names[1])
        self.launch(self.conductor, in_process=True)
        raised = self.broker.wait(1)[0]
        self.assertEqual([self.names[1]], [fault.host for fault in raised.faults])
        fleet.fleet().revive(self.names[0])
        cleared = self.broker.wait(2)[1]
        self.assertEqual([old.id], [fault.id for fault in cleared.faults])

    def test_a_silent_agent_is_a_fault_until_it_beats(self) -> None:
        self.launch(self.conductor, in_process=True)
        loud, quiet, _ = self.names
        self.beats.beat(quiet)

        def is_told() -> bool:
            self.beats.beat(loud)
            return bool(self.broker.events)

        self.assertTrue(tape.wait_until(is_told))
        (fault,) = self.broker.events[0].faults
        self.assertEqual(("agent.silent", "major"), (fault.fault_type, fault.severity))
        self.assertEqual(quiet, fault.host)
        self.beats.beat(quiet)
        self.assertIsInstance(self.broker.wait(2)[1], events.FaultCleared)

    def test_a_reload_follows_the_law_and_forgets_no_fault(self) -> None:
        monitor = self.launch(self.conductor, in_process=True)
        fleet.fleet().kill(self.names[0])
        self.broker.wait(1)
        self.conf.set_override("misses", 5, "monitor")
        monitor.reload()
        fleet.fleet().kill(self.names[1])
        (fault,) = self.broker.wait(2)[1].faults
        self.assertEqual((self.names[1], 5), (fault.host, fault.evidence["misses"]))


@unittest.skipUnless(os.geteuid() == 0, "a network namespace needs root")
class RealTest(ServiceCase):
    """Probe loop in its own process, real ICMP."""

    probe = "icmp"

    def test_hosts_that_fail_together_are_one_event_also_after_a_kill(self) -> None:
        targets = netspace.addresses(100)
        firewall = self.enterContext(netspace.namespace())
        monitor = self.launch(Conductor(targets), in_process=False)
        tape.wait_until(lambda: monitor.lateness.summary()["ticks"] > 0)
        firewall.cut(list(targets.values())[:10])
        (raised,) = self.broker.wait(1)
        self.assertEqual(10, len(raised.faults))
        os.kill(monitor._probers.loops[0].pid, signal.SIGKILL)  # type: ignore[arg-type, union-attr]
        firewall.mend(list(targets.values())[:10])
        cleared = self.broker.wait(2)[1]
        self.assertIsInstance(cleared, events.FaultCleared)
        ids = {fault.id for event in self.broker.events[1:] for fault in event.faults}
        self.assertEqual({fault.id for fault in raised.faults}, ids)
