"""A node brought back to its checkpoint, packages and all, and tried again."""

import unittest
from typing import Any

from tests.fixtures import nodes, packages
from tests.scenario.stage import wait_for
from tests.scenario.test_real_nodes import BROKEN, RealNodes

CORDON = ("cordon", "revert", "done")


def _restoring(document: dict[str, Any]) -> None:
    """Put the checkpoint back where the usual file undoes and tries again."""
    ladder = document["recovery"]["node-ladder"]
    at = [rung["try"] for rung in ladder].index("compensate")
    ladder[at] = {"try": "restore", "times": 1}


@unittest.skipIf(nodes.missing(), nodes.missing())
class TestRestore(RealNodes):
    version, release = "2.0", "s2"
    has_server_groups = False

    def test_h_a_node_is_restored_and_tried_again(self) -> None:
        """R-1, P-4d: apt brings every package back; what broke it is mended."""
        node = self.stage.bed.node(BROKEN)
        node.write(packages.BROKEN_MARK, "")
        campaign_id = self.stage.begin("2.1", "s3", _restoring)
        wait_for("a node fails", lambda: self.failed(campaign_id) != [], 180)
        node.run(["rm", packages.BROKEN_MARK], check=True)
        ended = self.stage.wait_end(campaign_id, 240)
        self.assertEqual("committed", ended["state"], ended["state_reason"])
        self.assertEqual([(BROKEN, "answer")], self.failed(campaign_id))
        self.assert_versions(self.all_at("2.1"))
        self.assert_budgets_held(campaign_id)
        self.assertEqual(
            [
                "2.0 configure none",
                "2.1 configure 2.0",
                "2.0 configure 2.1",
                "2.1 configure 2.0",
            ],
            self.stage.runs(BROKEN),
        )
        restore = ("checkpoint", "restore", "done")
        self.assertEqual([restore, CORDON], self.back(campaign_id))

    def test_i_what_cannot_be_made_to_work_is_left_as_it_was(self) -> None:
        """R-1, R-2: restored once, then the whole procedure is rolled back."""
        node = self.stage.bed.node(BROKEN)
        before = self.manifest(node)
        node.write(packages.BROKEN_MARK, "")
        campaign_id = self.stage.begin("2.1", "s3", _restoring)
        ended = self.stage.wait_end(campaign_id, 240)
        self.assertEqual("rolled_back", ended["state"], ended["state_reason"])
        self.assertIn(BROKEN, ended["state_reason"])
        self.assertEqual([(BROKEN, "answer")] * 2, self.failed(campaign_id))
        self.assert_versions(self.all_at("2.0"))
        self.assertEqual(before, self.manifest(node))
        restore = ("checkpoint", "restore", "superseded")
        undo = ("install", "revert", "done")
        self.assertEqual([restore, CORDON, undo, CORDON], self.back(campaign_id))

    def manifest(self, node: nodes.Node) -> list[str]:
        """Return every package of the node, its version and its state."""
        form = "${Package} ${Version} ${db:Status-Abbrev}\n"
        return node.run(["dpkg-query", "-Wf", form], check=True).stdout.splitlines()

    def failed(self, campaign_id: str) -> list[tuple[str, str]]:
        return [
            (line["host"], line["name"])
            for line in self.stage.journal(campaign_id)
            if line["object_type"] == "step" and line["to_state"] == "failed"
        ]

    def back(self, campaign_id: str) -> list[tuple[str, str, str]]:
        """Return what led the broken node back: names, intents and states."""
        return [
            (step["name"], step["intent"], step["state"])
            for step in self.stage.steps(campaign_id)
            if step["host"] == BROKEN and step["intent"] != "run"
        ]


if __name__ == "__main__":
    unittest.main()
