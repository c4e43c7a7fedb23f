"""What a watcher sees."""

import io
import unittest
from typing import Any

from rich.console import Console

import tests  # noqa: F401
from escalator.cli import columns, picture, waiting, watch
from escalator.domain import states
from tests.fixtures import api

ID = "5a6e46a0-6d3c-4c27-8f44-0d3a9cb7cbbb"


def step(host: str, name: str, state: str, **extra: Any) -> dict[str, Any]:
    return {
        "procedure": "computes",
        "host": host,
        "name": name,
        "state": state,
        "intent": "run",
        "reason": "",
        **extra,
    }


def draw(thing: Any) -> str:
    console = Console(file=io.StringIO(), width=100)
    console.print(thing)
    return console.file.getvalue()


CAMPAIGN = {
    "id": ID,
    "name": "rolling",
    "state": "rolling_back",
    "state_reason": "fault of compute-02",
    "progress": {
        "slots": {"computes": {"done": 3, "reverting": 1, "quarantined": 1}},
        "targets": 12,
    },
}
STEPS = [
    step("compute-01", "drain", "done"),
    step("compute-01", "install", "done"),
    step("compute-02", "drain", "quarantined", reason="host is down"),
    step("compute-03", "drain", "reverted"),
    step("compute-03", "install", "skipped"),
    step("compute-03", "drain", "done", intent="revert"),
    step("compute-04", "drain", "running"),
]


class TestPicture(unittest.TestCase):
    def test_the_live_view_shows_bars_and_steps(self) -> None:
        drawn = draw(picture.screen(picture.Snapshot(CAMPAIGN, STEPS), 10))
        self.assertIn("rolling  rolling_back  fault of compute-02", drawn)
        self.assertIn("3/12", drawn)
        self.assertIn("1 quarantined", drawn)
        (row,) = [line for line in drawn.splitlines() if "compute-03" in line]
        self.assertEqual(["compute-03", "reverted", "skipped"], row.split())

    def test_a_large_fleet_shows_the_busy_first(self) -> None:
        many = [step(f"compute-{n:03}", "drain", "done") for n in range(100)]
        snapshot = picture.Snapshot(CAMPAIGN, [*many, step("zz", "drain", "running")])
        drawn = draw(picture.screen(snapshot, 5))
        self.assertIn("zz", drawn)
        self.assertIn("and 96 more", drawn)
        self.assertLess(len(drawn.splitlines()), 20)

    def test_outcomes(self) -> None:
        cases = {
            "upgraded": ["done", "done"],
            "undone": ["reverted", "skipped"],
            "untouched": ["blocked", "blocked"],
            "quarantined": ["done", "quarantined"],
            "revert failed": ["revert_failed", "reverted"],
            "midway": ["done", "running"],
        }
        for word, found in cases.items():
            steps = [step("h", str(n), state) for n, state in enumerate(found)]
            self.assertEqual(word, picture.outcome(steps))

    def test_the_summary_names_who_is_left(self) -> None:
        drawn = draw(picture.summary(picture.Snapshot(CAMPAIGN, STEPS), ["compute-02"]))
        (row,) = [line for line in drawn.splitlines() if "host is down" in line]
        self.assertIn("quarantined", row)
        self.assertIn("Quarantined: compute-02", drawn)

    def test_markup_in_a_name_is_only_text(self) -> None:
        snapshot = picture.Snapshot({**CAMPAIGN, "state_reason": "[red]x[/]"}, [])
        self.assertIn("[red]x[/]", draw(picture.screen(snapshot, 5)))

    def test_the_journal_in_plain_lines(self) -> None:
        line = picture.plain(
            {
                "at": "2026-11-21T12:00:01Z",
                "object_type": "step",
                "host": "compute-01",
                "name": "drain",
                "intent": "revert",
                "from_state": "ready",
                "to_state": "dispatched",
                "detail": "attempt 2",
            }
        )
        self.assertEqual(
            "12:00:01 step compute-01 drain [revert]: ready -> dispatched  (attempt 2)",
            line,
        )

    def test_every_state_of_the_house_has_a_meaning_here(self) -> None:
        """The client keeps its own words; this test keeps them equal."""
        known = picture._GOOD | picture._BUSY | picture._BAD | picture._UNTOUCHED
        steps = {state.value for state in states.StepState}
        self.assertEqual(set(), steps - known)
        self.assertEqual({s.value for s in states.ENDED}, set(waiting.ENDED))
        campaigns = {state.value for state in states.CampaignState}
        for goals in waiting.GOALS.values():
            self.assertLessEqual(goals, campaigns)


class ScriptedClient:
    """Plays a campaign in three looks."""

    def __init__(self) -> None:
        self.states = iter(["running", "running", "committed"])
        self.lines = iter([[api.journal_row(ID, 1)], [], [api.journal_row(ID, 2)]])
        self.asked: list[int] = []

    def campaign(self, campaign_id: str) -> dict[str, Any]:
        return {**CAMPAIGN, "state": next(self.states)}

    def steps(self, campaign_id: str) -> list[dict[str, Any]]:
        return STEPS

    def journal(self, campaign_id: str, after: int) -> list[dict[str, Any]]:
        self.asked.append(after)
        return next(self.lines)

    def hosts(self) -> list[dict[str, Any]]:
        return [{"name": "compute-02", "is_quarantined": True}]


class TestWatcher(unittest.TestCase):
    def watcher(self, client: Any) -> watch.Watcher:
        self.out = io.StringIO()
        console = Console(file=self.out, width=100)
        return watch.Watcher(client, ID, console, 0.1, sleep=lambda seconds: None)

    def test_plain_lines_until_the_end(self) -> None:
        client = ScriptedClient()
        watcher = self.watcher(client)
        last = watcher.follow_plain()
        watcher.sum_up(last)
        self.assertEqual([0, 1, 1], client.asked)
        self.assertEqual(2, self.out.getvalue().count("ready -> dispatched"))
        self.assertIn("committed", self.out.getvalue())

    def test_a_live_view_until_the_end(self) -> None:
        watcher = self.watcher(ScriptedClient())
        self.assertEqual("committed", watcher.follow_live().campaign["state"])


class TestColumns(unittest.TestCase):
    def test_times_of_a_fault(self) -> None:
        """DR-9: T0 to T9 with ms per hop."""
        cell = columns.Hops(
            [{"from": "T1", "to": "T2", "ms": 1.5, "meaning": "mapped"}]
        )
        self.assertEqual("T1 -> T2       1.500 ms  mapped", cell.human_readable())
        self.assertEqual("mapped", cell.machine_readable()[0]["meaning"])
        self.assertEqual(
            "T0  00:00:01.250", columns.Times({"T0": 1.25}).human_readable()
        )

    def test_progress(self) -> None:
        told = columns.Progress(CAMPAIGN["progress"]).human_readable()
        self.assertEqual(
            "computes: 3 done, 1 quarantined, 1 reverting\nof 12 hosts", told
        )
        self.assertEqual("of 0 hosts", columns.Progress(None).human_readable())
