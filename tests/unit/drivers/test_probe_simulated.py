"""The probe of the simulated fleet."""

import unittest

from escalator.drivers import fleet
from escalator.drivers.probe import simulated
from tests.unit.drivers import contract_probe


class SimulatedTest(contract_probe.ProbeContract, unittest.TestCase):
    def setUp(self) -> None:
        self.now = 5.0
        self.dead: set[str] = set()
        self.probe = simulated.Simulated(self, lambda: self.now, self.sleep)  # type: ignore[arg-type]

    def is_alive(self, host: str) -> bool:
        return host not in self.dead

    def sleep(self, span: float) -> None:
        self.now += span

    def kill(self, host: str) -> None:
        self.dead.add(host)

    def revive(self, host: str) -> None:
        self.dead.remove(host)

    def test_it_waits_only_if_nobody_answered(self) -> None:
        self.probe.set_targets({"a": ""})
        self.probe.send()
        self.probe.receive(1.0)
        self.assertEqual(5.0, self.now)
        self.probe.receive(1.0)
        self.assertEqual(6.0, self.now)

    def test_without_arguments_it_asks_the_fleet_of_the_process(self) -> None:
        probe = simulated.Simulated()
        probe.set_targets({"nobody-killed-me": ""})
        probe.send()
        self.assertTrue(fleet.fleet().is_alive("nobody-killed-me"))
        self.assertEqual(1, len(probe.receive(0.0)))
