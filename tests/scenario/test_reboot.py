"""Hosts that a campaign reboots: the kernel ends the node, the agent comes back."""

import unittest
from typing import Any

from tests.fixtures import consumer, nodes
from tests.scenario import machines, stage
from tests.scenario.test_real_nodes import BUDGET_S, PROJECTS, RealNodes

OFF_S = 1.0
"""Longer than the monitor takes to find a silent host down."""
LIMIT_S = 12


def _rebooting(document: dict[str, Any]) -> None:
    """Reboot each host after the install, with what its owners have there."""
    (procedure,) = document["procedures"]
    steps = [step for step in procedure["steps"] if step["id"] != "drain"]
    procedure["steps"] = steps
    at = [step["id"] for step in steps].index("verify")
    step = {"id": "reboot", "action": "host.reboot", "may_reboot": True}
    steps.insert(at, step | {"expected": "5s", "timeout": f"{LIMIT_S}s"})


class RebootingStage(stage.Stage):
    def _node_options(self, name: str) -> str:
        return machines.OPTIONS


@unittest.skipIf(nodes.missing(), nodes.missing())
class Rebooting(RealNodes):
    broken = ""

    def make_stage(self) -> stage.Stage:
        return RebootingStage(self.has_spare, self.has_server_groups)

    def setUp(self) -> None:
        super().setUp()
        self.machines = machines.Machines(self.stage, OFF_S, self.broken)
        self.addCleanup(self.machines.stop)
        self.owners = {project: self.stage.owner(project) for project in PROJECTS}

    def reboots(self, campaign_id: str) -> dict[str, list[dict[str, Any]]]:
        """Return host -> its reboot steps' rows."""
        found: dict[str, list[dict[str, Any]]] = {}
        for step in self.stage.steps(campaign_id):
            if step["name"] == "reboot":
                found.setdefault(str(step["host"]), []).append(step)
        return found


class TestReboot(Rebooting):
    def test_f_each_node_reboots_once_and_nobody_is_told(self) -> None:
        """E-2, DR-4: the agent survives; a host down by our own step is expected."""
        before = {
            node.name: self.machines.boot_id(node) for node in self.stage.computes
        }
        campaign_id = self.stage.begin("2.0", "s2", _rebooting)
        ended = self.stage.wait_end(campaign_id, 240)
        self.assertEqual([], self.machines.troubles)
        self.assertEqual("committed", ended["state"], ended["state_reason"])
        self.assert_versions(self.all_at("2.0"))
        self.assert_budgets_held(campaign_id)
        reboots = self.reboots(campaign_id)
        for node in self.stage.computes:
            (boot,) = self.machines.boots[node.name]
            (step,) = reboots[node.name]
            self.assertEqual(("done", 1), (step["state"], step["attempt"]))
            self.assertEqual(
                {
                    "previous": {"boot_id": before[node.name]},
                    "boot_id": boot,
                },
                step["result"],
            )
            self.assertEqual([], self.stage.faults(node.name))
        for project, owner in self.owners.items():
            self.assertEqual([], _lost(owner), project)


class TestNoReturn(Rebooting):
    broken = "compute-6"
    has_server_groups = False

    def test_g_one_that_does_not_come_back_is_told_and_the_rest_undone(self) -> None:
        """DR-1, E-2: expected until the step's time is over, and no longer."""
        campaign_id = self.stage.begin("2.0", "s2", _rebooting)
        for project, owner in self.owners.items():
            lost = [f"{project}-{self.broken}"]
            stage.wait_for(
                f"{project} is told", lambda o=owner, i=lost: _lost(o) == i, 120
            )
        (step,) = self.reboots(campaign_id)[self.broken]
        over_at = stage.epoch(step["started_at"]) + LIMIT_S
        for project, owner in self.owners.items():
            late_s = owner.heard()[0]["at"] - over_at
            self.tell(f"{project}: told {late_s * 1000:.0f} ms after its time was over")
            self.assertGreaterEqual(late_s, 0.0)
            self.assertLess(late_s, BUDGET_S)
        ended = self.stage.wait_end(campaign_id, 240)
        self.assertEqual([], self.machines.troubles)
        self.assertEqual("rolled_back", ended["state"], ended["state_reason"])
        self.assertIn(f"{self.broken}: host.down", ended["state_reason"])
        hosts = {h["name"]: h for h in self.stage.api.pages("/v1/hosts", "hosts")}
        quarantined = [name for name, each in hosts.items() if each["is_quarantined"]]
        self.assertEqual([self.broken], quarantined)
        for node in self.stage.computes:
            if node.name != self.broken:
                self.assertEqual("1.0 configure 2.0", self.stage.runs(node.name)[-1])


def _lost(owner: consumer.ConsumerProcess) -> list[str]:
    """Return the instances that the owner was told to be on a dead host."""
    return [
        str(instance["name"])
        for heard in owner.heard()
        if heard["body"]["event"] == "host.down"
        for fault in heard["body"]["faults"]
        for instance in fault["instances"]
    ]


if __name__ == "__main__":
    unittest.main()
