"""The client against the application itself, without a network."""

import argparse
import io
import sys
import tempfile
import unittest
from typing import Any
from unittest import mock
from urllib.parse import urlencode

from osc_lib import exceptions

import tests  # noqa: F401
from escalator.cli import client as cli_client
from escalator.cli import document, preflight, waiting
from escalator.objects import base
from tests.fixtures import api


class Answer:
    """The application's answer in the shape that requests gives it."""

    def __init__(self, response: Any) -> None:
        self.status_code = response.status_code
        self.reason = response.status.partition(" ")[2]
        self.content = response.data
        self.json = lambda: response.get_json()


class DirectClient(cli_client.Client):
    """Calls the application in the same process."""

    def __init__(self, house: api.House) -> None:
        self.house = house
        self.default_microversion = None
        self.requests: list[tuple[str, str, Any]] = []

    def request(self, url: str, method: str, **kwargs: Any) -> Any:
        params = kwargs.get("params")
        self.requests.append((method, url, params))
        path = f"/v1{url}" + (f"?{urlencode(params)}" if params else "")
        options = {"headers": kwargs.get("headers", {})}
        if kwargs.get("json") is not None:
            options["json"] = kwargs["json"]
        return Answer(self.house.client.call(method, path, **options))


class ClientCase(unittest.TestCase):
    def setUp(self) -> None:
        self.house = api.House()
        base.use_store(self.house.store)
        self.client = DirectClient(self.house)


class TestClient(ClientCase):
    def test_pages_are_followed_to_the_end(self) -> None:
        for n in range(5):
            self.house.store.add("campaign", api.campaign_row(name=str(n)))
        self.house.conf.set_override("max_limit", 2, group="api")
        names = [row["name"] for row in self.client.campaigns()]
        self.assertEqual(list("01234"), names)
        self.assertEqual(3, len(self.client.requests))

    def test_a_limit_asks_for_no_more(self) -> None:
        for n in range(5):
            self.house.store.add("campaign", api.campaign_row(name=str(n)))
        self.house.conf.set_override("max_limit", 2, group="api")
        names = [row["name"] for row in self.client.campaigns(limit=3)]
        self.assertEqual(list("012"), names)
        self.assertEqual(2, len(self.client.requests))

    def test_hosts_and_services(self) -> None:
        self.house.store.add("host", api.host_row("rack 1"))
        kept = self.client.act_on_host("rack 1", "release", {})
        self.assertFalse(kept["is_quarantined"])
        self.assertEqual([], self.client.services())
        for name in ("", "..", "."):
            with self.assertRaises(exceptions.CommandError):
                self.client.host(name)

    def test_orders_and_reads(self) -> None:
        made = self.client.create_campaign(api.DOCUMENT, {"v": "2"}, "key-1")
        self.assertEqual("key-1", self.house.conductor.calls[0][3])
        self.client.act(made["id"], "start", {"reason": "now"}, "key-2")
        self.assertEqual("running", self.client.campaign(made["id"])["state"])
        self.assertEqual("held", self.client.explain(made["id"])[0]["state"])
        self.house.store.add("preflight", api.preflight_row(made["id"]))
        self.assertEqual("refused", self.client.preflight(made["id"])["verdict"])
        self.assertEqual(
            {"steps": 6}, self.client.validate_campaign("x", {})["summary"]
        )
        hook = self.client.create_subscription(url="https://noc.example/")
        self.assertEqual([hook["id"]], [s["id"] for s in self.client.subscriptions()])
        self.client.delete_subscription(hook["id"])
        self.assertEqual([], list(self.client.subscriptions()))

    def test_a_question_and_its_answer(self) -> None:
        """P-2: only asked if there is one; the answer fills the table."""
        self.assertNotIn("what_if", self.client.plan_campaign("x", {}, 1))
        plan = self.client.plan_campaign("x", {}, 1, {"deaths": "2"})
        self.assertEqual(api.WHAT_IF, plan["what_if"])
        calls = self.house.conductor.calls
        self.assertEqual(
            [("plan", "x", {}, 1), ("plan", "x", {}, 1, {"deaths": "2"})], calls
        )

    def test_a_refusal_tells_place_rule_and_remedy(self) -> None:
        self.house.conductor.findings = [
            {
                "rule": "C101",
                "pointer": "/procedures/0",
                "line": 7,
                "detail": "wrong",
                "remedy": "right it",
            }
        ]
        with self.assertRaises(cli_client.Refused) as caught:
            self.client.create_campaign("x", {}, "k")
        told = str(document.complain("file.yaml", caught.exception))
        self.assertIn("file.yaml:7:/procedures/0: wrong [C101]", told)
        self.assertIn("Remedy: right it", told)
        self.assertTrue(told.endswith("file.yaml: refused, 1 finding"))

    def test_an_answer_of_a_stranger_is_told(self) -> None:
        class Gateway:
            status_code, reason = 502, "Bad Gateway"

            def json(self) -> Any:
                raise ValueError("no JSON")

        (problem,) = cli_client._problems(Gateway())
        self.assertEqual("Bad Gateway", problem["detail"])

    def test_an_id_cannot_lead_elsewhere(self) -> None:
        for text in ("", "../hosts", "a?b", "a/b"):
            with self.assertRaises(exceptions.CommandError):
                self.client.campaign(text)


class TestDocument(unittest.TestCase):
    def test_params(self) -> None:
        params = document.read_params(["version=2.0", "note=a=b", "empty="])
        self.assertEqual({"version": "2.0", "note": "a=b", "empty": ""}, params)
        for bad in (["version"], ["=1"], ["a=1", "a=2"]):
            with self.assertRaises(exceptions.CommandError):
                document.read_params(bad)

    def test_a_missing_file(self) -> None:
        with self.assertRaisesRegex(exceptions.CommandError, "No such file"):
            document.read("/nowhere/campaign.yaml")

    def test_a_huge_file_is_refused_without_being_read(self) -> None:
        """100 MB, and an input that never ends."""
        with tempfile.NamedTemporaryFile() as huge:
            huge.truncate(100_000_000)
            with self.assertRaisesRegex(exceptions.CommandError, "split the campaign"):
                document.read(huge.name)
        with tempfile.NamedTemporaryFile("w", encoding="utf-8") as wide:
            wide.write("\u20ac" * (document.MAX_BYTES // 2))
            wide.flush()
            with self.assertRaisesRegex(exceptions.CommandError, "split the campaign"):
                document.read(wide.name)

        class Endless(io.TextIOBase):
            taken = 0

            def read(self, size: int | None = -1) -> str:
                assert size is not None and 0 <= size < 10_000_000, "all at once"
                self.taken += size
                return "x" * size

        endless = Endless()
        with (
            mock.patch.object(sys, "stdin", endless),
            self.assertRaisesRegex(exceptions.CommandError, "split the campaign"),
        ):
            document.read("-")
        self.assertLess(endless.taken, 2 * document.MAX_BYTES)


class TestPreflight(unittest.TestCase):
    def test_the_report_is_shown_once_the_agents_have_answered(self) -> None:
        """V-7: what was mended stands in it."""
        mended = [{"host": "h1", "check": "disk", "state": "done"}]
        told = {"refusal": "", "made_at": "", "plan_rev": 1, "findings": []}
        answers = [
            {**told, "verdict": "waits", "remedies": []},
            {**told, "verdict": "passed", "remedies": mended},
        ]
        client = mock.Mock()
        client.preflight.side_effect = answers
        command = preflight.Preflight(mock.Mock(), None)
        with (
            mock.patch.object(preflight, "client_of", return_value=client),
            mock.patch.object(preflight.time, "sleep") as sleep,
        ):
            names, cells = command.take_action(argparse.Namespace(campaign="c"))
        sleep.assert_called_once_with(preflight.INTERVAL_S)
        found = dict(zip(names, cells, strict=True))
        self.assertEqual("passed", found["verdict"])
        self.assertEqual(mended, found["remedies"].machine_readable())
        self.assertEqual(0, command.exit_code)


class TestWait(unittest.TestCase):
    def wait(
        self, action: str, *states: str, timeout_s: float = 0.0
    ) -> tuple[str, int]:
        now = [0.0]
        answers = iter([{"id": "c", "state": state} for state in states])
        wait = waiting.Wait(
            action,
            timeout_s=timeout_s,
            sleep=lambda seconds: now.__setitem__(0, now[0] + seconds),
            clock=lambda: now[0],
        )
        last = wait.follow(lambda: next(answers), next(answers))
        return last["state"], wait.exit_code(last)

    def test_a_preflight_that_asks_agents_is_waited_for(self) -> None:
        """V-7: a campaign that stays paused meanwhile was not refused yet."""
        states = [
            {"id": "c", "state": "paused", "state_reason": reason}
            for reason in (
                "waits: preflight: 2 questions to agents are not answered yet",
                "waits: preflight: remedies on 1 hosts are not over",
                "preflight refused: h1: it is down",
            )
        ]
        answers = iter(states)
        wait = waiting.Wait("resume", sleep=lambda seconds: None)
        self.assertEqual(states[2], wait.follow(lambda: next(answers), next(answers)))

    def test_goals_and_misses(self) -> None:
        cases = [
            ("start", ("running", "pausing", "paused", "running", "committed"), 0),
            ("start", ("running", "rolling_back", "rolled_back"), 1),
            ("start", ("running", "holding"), 1),
            ("start", ("validated",), 1),
            ("resume", ("running", "failed"), 1),
            ("start", ("running", "soaking", "completed"), 0),
            ("commit", ("committed",), 0),
            ("rollback", ("rolling_back", "rolled_back"), 0),
            ("rollback", ("rolling_back", "failed"), 1),
            ("pause", ("pausing", "paused"), 0),
            ("resume", ("paused",), 1),
            ("pause", ("pausing", "holding"), 1),
            ("cancel", ("cancelled",), 0),
            ("approve", ("running", "committed"), 0),
            ("approve", ("running", "holding"), 1),
        ]
        for action, states, code in cases:
            with self.subTest(action=action, states=states):
                self.assertEqual((states[-1], code), self.wait(action, *states))

    def test_the_time_is_over(self) -> None:
        with self.assertRaisesRegex(exceptions.CommandError, "still running"):
            self.wait("start", *["running"] * 9, timeout_s=3.0)

    def test_an_absent_api_is_borne_for_a_while(self) -> None:
        now = [0.0]
        patience = waiting.Patience(limit_s=10.0, clock=lambda: now[0])

        def absent() -> None:
            raise cli_client.Refused(503, [{"status": 503, "detail": "away"}])

        self.assertEqual("old", patience.ask(absent, "old"))
        now[0] = 9.0
        self.assertEqual("old", patience.ask(absent, "old"))
        self.assertEqual("new", patience.ask(lambda: "new", "old"))
        now[0] = 18.0
        self.assertEqual("new", patience.ask(absent, "new"))
        now[0] = 29.0
        with self.assertRaises(cli_client.Refused):
            patience.ask(absent, "new")

    def test_a_refusal_is_not_borne(self) -> None:
        def gone() -> None:
            raise cli_client.Refused(404, [{"status": 404, "detail": "none"}])

        with self.assertRaises(cli_client.Refused):
            waiting.Patience().ask(gone, None)
