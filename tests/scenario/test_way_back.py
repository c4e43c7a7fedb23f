"""Back after success, forward again, and the commit, on real nodes with apt."""

import unittest
from typing import Any

from tests.fixtures import nodes
from tests.scenario import test_real_nodes


def _careful(document: dict[str, Any]) -> None:
    """Rehearse the undo, and wait for an operator at the end."""
    document["procedures"][0]["rehearse_undo"] = True
    document["finish"] = {"commit": "manual"}


@unittest.skipIf(nodes.missing(), nodes.missing())
class TestWayBack(test_real_nodes.RealNodes):
    def test_e_there_and_back_and_there_again(self) -> None:
        """R-2, S-7: the undo rehearsed, a rollback after success, a new start."""
        first = self.stage.computes[0].name
        campaign_id = self.stage.begin("2.0", "s2", _careful)
        self.assert_rests(campaign_id, "completed", "2.0")
        there, back = "2.0 configure 1.0", "1.0 configure 2.0"
        usual = ["1.0 configure none", there]
        for node in self.stage.computes:
            is_first = node.name == first
            runs = [*usual, back, there] if is_first else usual
            self.assertEqual(runs, self.stage.runs(node.name), node.name)
        self.stage.order(campaign_id, "rollback")
        self.assert_rests(campaign_id, "rolled_back", "1.0")
        self.stage.order(campaign_id, "start")
        self.assert_rests(campaign_id, "completed", "2.0")
        for node in self.stage.computes:
            runs = self.stage.runs(node.name)
            self.assertEqual([there, back, there], runs[-3:], node.name)
        self.stage.order(campaign_id, "commit")
        with self.assertRaisesRegex(AssertionError, "is committed"):
            self.stage.order(campaign_id, "rollback")
        self.assert_rests(campaign_id, "committed", "2.0")

    def assert_rests(self, campaign_id: str, state: str, version: str) -> None:
        ended = self.stage.wait_end(campaign_id, 240)
        self.assertEqual(state, ended["state"], ended["state_reason"])
        self.assert_versions(self.all_at(version))
