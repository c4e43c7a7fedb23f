"""Beats as answers."""

import unittest

from escalator.drivers.probe import heartbeat
from tests.unit.drivers import contract_probe


class HeartbeatTest(contract_probe.ProbeContract, unittest.TestCase):
    def setUp(self) -> None:
        self.probe = heartbeat.Heartbeat()
        self.living = set(self.targets)

    def kill(self, host: str) -> None:
        self.living.remove(host)

    def revive(self, host: str) -> None:
        self.living.add(host)

    def heard(self) -> list[str]:
        for host in self.living:
            self.probe.hear(host)
        return super().heard()

    def test_an_agent_speaks_for_every_interface_of_its_host(self) -> None:
        self.probe.set_targets({"a%eth1": "", "a%eth2": "", "b": ""})
        self.assertEqual(["a%eth1", "a%eth2", "b"], self.heard())
