"""``campaign revisions``, ``approve`` and ``set`` against the application."""

import argparse
import types
import unittest
from typing import Any

import tests  # noqa: F401
from escalator.cli import campaign, revision
from tests.fixtures import api
from tests.unit.cli import test_client


class TestCommands(test_client.ClientCase):
    def setUp(self) -> None:
        super().setUp()
        manager = types.SimpleNamespace(upgrade=self.client)
        self.app = types.SimpleNamespace(client_manager=manager)
        self.campaign_id = self.house.store.add("campaign", api.campaign_row())["id"]

    def run_command(self, kind: Any, *words: str) -> Any:
        made = kind(self.app, None)
        return made.take_action(
            made.get_parser("x").parse_args([self.campaign_id, *words])
        )

    def ordered(self) -> tuple[str, dict[str, Any]]:
        _, _, action, arguments, key = self.house.conductor.calls[-1]
        self.assertTrue(key, "no idempotency key")
        return action, arguments

    def test_set_says_all_that_changes(self) -> None:
        words = (
            "--parallel computes=25% --parallel stores=2 --budget rack=1 --exclude old"
            " --skip h1 --skip h2 --retry h3 --reason because --max-quarantined 4"
        )
        self.run_command(revision.Set, *words.split())
        self.assertEqual(
            (
                "change",
                {
                    "parallel": {"computes": "25%", "stores": 2},
                    "budgets": {"rack": 1},
                    "exclude": ["old"],
                    "skip": ["h1", "h2"],
                    "retry": ["h3"],
                    "max_quarantined": 4,
                    "reason": "because",
                },
            ),
            self.ordered(),
        )
        self.run_command(revision.Set, "--budget", "rack=2")
        self.assertEqual(("change", {"budgets": {"rack": 2}}), self.ordered())
        self.run_command(revision.Set, "--max-quarantined", "2.5%")
        self.assertEqual(("change", {"max_quarantined": "2.5%"}), self.ordered())
        self.run_command(revision.Set, "--max-quarantined", "0")
        self.assertEqual(("change", {"max_quarantined": 0}), self.ordered())

    def test_a_limit_without_a_name_or_number_is_refused(self) -> None:
        for text in ("rack", "=1", "rack=", "rack=many"):
            with self.assertRaises((argparse.ArgumentTypeError, ValueError)):
                revision._limit(text)

    def test_windows_are_two_times_or_what_a_file_says(self) -> None:
        """CM-1"""
        times = ("2026-12-01T22:00+01:00", "2026-12-02T05:00+01:00")
        weekly = {"days": ["mon", "tue"], "from": "23:00", "to": "05:30", "tz": "UTC"}
        self.run_command(
            revision.Set,
            "--window",
            "/".join(times),
            "--window",
            "{days: [mon, tue], from: 23:00, to: '05:30', tz: UTC}",
        )
        single = dict(zip(("start", "end"), times, strict=True))
        self.assertEqual(("change", {"windows": [single, weekly]}), self.ordered())
        self.run_command(revision.Set, "--no-window")
        self.assertEqual(("change", {"windows": []}), self.ordered())

    def test_windows_that_cannot_be_read_are_refused(self) -> None:
        for text in ("tonight", "/", "2026-12-01T22:00Z/", "{days: [", "{a: b} c"):
            with self.assertRaises(argparse.ArgumentTypeError, msg=text):
                revision._window(text)

    def test_approve(self) -> None:
        self.run_command(campaign.Approve, "--revision", "3")
        self.assertEqual(("approve", {"revision": 3}), self.ordered())
        self.run_command(campaign.Approve, "--gate", "computes/canary")
        self.assertEqual(("approve", {"gate": "computes/canary"}), self.ordered())

    def test_pause_of_a_procedure(self) -> None:
        self.run_command(campaign.Pause, "--procedure", "computes")
        self.assertEqual(("pause", {"procedure": "computes"}), self.ordered())

    def test_revisions_are_listed_with_what_they_changed(self) -> None:
        store = self.house.store
        store.add("revision", api.revision_row(self.campaign_id, 1))
        awaited = {**api.revision_row(self.campaign_id, 2), "awaits": "2 hosts joined"}
        store.add("revision", awaited)
        changed = {"joined": [], "left": ["h1"], "changed": ["skip h1"]}
        own = {"author": "op", "diff": changed, "approved_by": "boss"}
        store.add("revision", {**api.revision_row(self.campaign_id, 3), **own})
        names, rows = self.run_command(revision.Revisions)
        first, second, third = (dict(zip(names, row, strict=True)) for row in rows)
        self.assertEqual("", first["joined"], "everybody is new to a new plan")
        self.assertEqual("h9", second["joined"])
        self.assertEqual("(inventory)", second["author"])
        self.assertEqual("AWAITED: 2 hosts joined", second["approval"])
        self.assertEqual(
            ("h1", "skip h1", "op", "by boss"),
            (third["left"], third["changed"], third["author"], third["approval"]),
        )


if __name__ == "__main__":
    unittest.main()
