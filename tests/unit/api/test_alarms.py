"""Alarms of Aodh by HTTP, on fakes."""

import datetime
import hashlib
import json
import logging
import unittest
import uuid
from typing import Any

import tests  # noqa: F401
from escalator import errors
from escalator.api import refusals
from escalator.api.routes import MAX_REPORT
from escalator.objects import base
from tests.fixtures import api

KEYSTONE = "http://keystone.example:5000"
REPORT = {
    "alarm_name": "load",
    "alarm_id": "6c0f4fe5-18fd-4ca3-8bbc-4ba2e8c4ab11",
    "severity": "low",
    "previous": "ok",
    "current": "alarm",
    "reason": "Event <id=m1,event_type=x> hits the query <query=[]>.",
    "reason_data": {"type": "event", "event": {"message_id": "m1", "traits": []}},
}


class Case(unittest.TestCase):
    def setUp(self) -> None:
        self.house = api.House()
        base.use_store(self.house.store)

    def create(self, **given: Any) -> Any:
        return self.house.post("/v1/alarms", {"alarm": {"name": "load", **given}})

    def created(self, **given: Any) -> dict[str, Any]:
        answer = self.create(**given)
        self.assertEqual(201, answer.status_code, answer.text)
        made: dict[str, Any] = answer.json["alarm"]
        return made

    def told(self) -> list[Any]:
        calls = self.house.conductor.calls
        return [call[1] for call in calls if call[0] == "alarm_report"]


class TestBinding(Case):
    def test_the_token_is_shown_once_and_kept_nowhere(self) -> None:
        made = self.created()
        token = made["token"]
        self.assertGreaterEqual(len(token) * 6, 256)
        self.assertEqual(f"/v1/alarms/aodh/{token}", made["callback_path"])
        self.assertEqual(
            f"http://localhost{made['callback_path']}", made["callback_url"]
        )
        digest = hashlib.sha256(token.encode()).hexdigest()
        self.assertIn(digest, str(self.house.store.rows))
        self.assertNotIn(token, str(self.house.store.rows))
        for path in ("/v1/alarms", f"/v1/alarms/{made['id']}"):
            shown = self.house.get(path).text
            self.assertIn(made["id"], shown)
            self.assertNotIn(token, shown)
            self.assertNotIn(digest, shown)
        self.assertNotEqual(token, self.created()["token"])

    def test_what_is_bound_to_what(self) -> None:
        self.house.store.add("host", api.host_row("h1"))
        campaign = self.house.store.add("campaign", api.campaign_row())["id"]
        self.assertEqual("observe", self.created()["reaction"])
        self.assertEqual("hold", self.created(campaign_id=campaign)["reaction"])
        made = self.created(campaign_id=campaign, reaction="rollback")
        self.assertEqual("rollback", made["reaction"])
        self.assertEqual("alarm", self.created(host="h1")["fault_type"])
        made = self.created(host="h1", fault_type="host.down", severity="major")
        self.assertEqual(("host.down", "major"), (made["fault_type"], made["severity"]))

    def test_what_means_nothing_is_refused_with_its_place(self) -> None:
        self.house.store.add("host", api.host_row("h1"))
        campaign = self.house.store.add("campaign", api.campaign_row())["id"]
        for given, place in (
            ({"host": "h1", "campaign_id": campaign}, "host"),
            ({"host": "h2"}, "host"),
            ({"reaction": "hold"}, "reaction"),
            ({"host": "h1", "reaction": "hold"}, "reaction"),
            ({"fault_type": "host.down"}, "fault_type"),
            ({"campaign_id": campaign, "severity": "major"}, "severity"),
            ({"host": "h1", "fault_type": "link.down"}, "fault_type"),
            ({"campaign_id": campaign, "reaction": "explode"}, "reaction"),
        ):
            with self.subTest(given):
                answer = self.create(**given)
                self.assertEqual(400, answer.status_code, answer.text)
                (problem,) = answer.json["errors"]
                self.assertEqual({"pointer": f"/alarm/{place}"}, problem["source"])
        self.assertEqual(404, self.create(campaign_id=str(uuid.uuid4())).status_code)
        self.assertEqual([], self.house.store.rows["alarm"])

    def test_a_project_binds_its_own_campaigns_only(self) -> None:
        """Hosts, and other projects' campaigns, are the operator's."""
        house = api.House(self.house.store, denied=("escalator:alarms:create_all",))
        house.store.add("host", api.host_row("h1"))
        own = house.store.add("campaign", api.campaign_row(project_id="noauth"))["id"]
        other = house.store.add("campaign", api.campaign_row(project_id="red"))["id"]
        for given, status in (
            ({"campaign_id": own}, 201),
            ({}, 201),
            ({"campaign_id": other}, 404),
            ({"host": "h1"}, 403),
            ({"host": "h1", "fault_type": "host.down"}, 403),
            ({"project_id": "red"}, 403),
        ):
            body = {"alarm": {"name": "load", **given}}
            answer = house.post("/v1/alarms", body)
            self.assertEqual(status, answer.status_code, given)

    def test_a_project_sees_and_revokes_its_own(self) -> None:
        mine, theirs = self.created(), self.created(project_id="red")
        rules = [f"escalator:alarms:{verb}_all" for verb in ("list", "show", "delete")]
        house = api.House(self.house.store, denied=tuple(rules))
        listed = house.get("/v1/alarms").json["alarms"]
        self.assertEqual([mine["id"]], [row["id"] for row in listed])
        for method, path in (
            ("GET", ""),
            ("GET", "/observations"),
            ("DELETE", ""),
        ):
            answer = house.client.call(method, f"/v1/alarms/{theirs['id']}{path}")
            self.assertEqual(404, answer.status_code, (method, path))
        self.assertEqual([], house.conductor.calls)
        path = f"/v1/alarms/{mine['id']}"
        self.assertEqual(204, house.client.call("DELETE", path).status_code)
        self.assertIsNotNone(house.get(path).json["alarm"]["revoked_at"])

    def test_observations_are_paged_newest_first(self) -> None:
        made = self.created()
        for seq in range(1, 6):
            self.house.store.add(
                "observation",
                {
                    "seq": seq,
                    "alarm_id": made["id"],
                    "at": datetime.datetime.now(datetime.UTC),
                    "previous": "ok",
                    "state": "alarm",
                    "reason": "",
                    "verdict": "raised",
                    "outcome": "observed",
                },
            )
        path, found = f"/v1/alarms/{made['id']}/observations?limit=2", []
        while path:
            page = self.house.get(path).json
            found += [row["seq"] for row in page["observations"]]
            links = page["links"]
            path = links[0]["href"].removeprefix("http://localhost") if links else ""
        self.assertEqual([5, 4, 3, 2, 1], found)


class TestReport(Case):
    def setUp(self) -> None:
        super().setUp()
        self.made = self.created()
        self.path = self.made["callback_path"]

    def post(self, body: Any = None, path: str = "") -> Any:
        return self.house.post(path or self.path, body or REPORT)

    def test_no_token_of_keystone_is_needed(self) -> None:
        self.assertEqual(202, self.post().status_code)
        (told,) = self.told()
        digest = hashlib.sha256(self.made["token"].encode()).hexdigest()
        self.assertEqual(digest, told.token_digest)
        self.assertEqual("m1", told.message_id)
        self.assertEqual("alarm", told.current)
        self.assertNotIn(self.made["token"], repr(told))

    def test_nor_with_keystone_in_front_while_all_else_needs_one(self) -> None:
        house = api.House(self.house.store, keystone=KEYSTONE, auth_strategy="keystone")
        answer = house.post(self.path, REPORT)
        self.assertEqual(202, answer.status_code, answer.text)
        self.assertEqual(1, len(house.conductor.calls))
        self.assertEqual(401, house.get("/v1/alarms").status_code)
        for body in ({"alarm": {"name": "x"}}, {}):
            self.assertEqual(401, house.post("/v1/alarms", body).status_code)

    def test_an_alarm_without_an_event(self) -> None:
        for data in (None, {}, {"event": 7}, {"event": {"message_id": 7}}):
            self.assertEqual(
                202, self.post({**REPORT, "reason_data": data}).status_code
            )
        self.assertEqual({""}, {told.message_id for told in self.told()})

    def test_whatever_aodh_may_add_is_taken(self) -> None:
        self.assertEqual(202, self.post({**REPORT, "novelty": [1]}).status_code)

    def test_a_malformed_report_is_refused_with_its_place(self) -> None:
        without = {k: v for k, v in REPORT.items() if k != "current"}
        for body, place in (
            ({**REPORT, "current": "ALARM"}, "/current"),
            ({**REPORT, "current": None}, "/current"),
            ({**REPORT, "previous": "?"}, "/previous"),
            ({**REPORT, "alarm_id": ""}, "/alarm_id"),
            ({**REPORT, "alarm_id": "x" * 256}, "/alarm_id"),
            ({**REPORT, "reason_data": []}, "/reason_data"),
            ({**REPORT, "reason": 7}, "/reason"),
            (without, ""),
        ):
            with self.subTest(place=place), self.assertLogs("escalator.api"):
                answer = self.post(body)
                self.assertEqual(400, answer.status_code, answer.text)
                (problem,) = answer.json["errors"]
                self.assertEqual(place, problem["source"]["pointer"])
        self.assertEqual([], self.told())

    def test_what_is_no_json_is_refused(self) -> None:
        call = self.house.client.call
        for data, kind, status in (
            (b"{", "application/json", 400),
            (b"[]", "application/json", 400),
            (b"\xff", "application/json", 400),
            (json.dumps(REPORT).encode(), "text/plain", 415),
        ):
            answer = call("POST", self.path, data=data, content_type=kind)
            self.assertEqual(status, answer.status_code, data)
        self.assertEqual([], self.told())

    def test_an_oversized_report_is_refused(self) -> None:
        spare = MAX_REPORT - len(json.dumps({**REPORT, "reason": ""}))
        whole = json.dumps({**REPORT, "reason": "x" * spare}).encode()
        self.assertEqual(MAX_REPORT, len(whole))
        call = self.house.client.call
        kind = "application/json"
        answer = call("POST", self.path, data=whole, content_type=kind)
        self.assertEqual(202, answer.status_code, answer.text)
        with self.assertLogs("escalator.api.refusals", "WARNING"):
            answer = call("POST", self.path, data=whole + b" ", content_type=kind)
        self.assertEqual(413, answer.status_code)
        self.assertEqual(1, len(self.told()))

    def test_unknown_and_revoked_are_answered_alike(self) -> None:
        answers = []
        self.house.conductor.failure = errors.NotFound("No alarm has this token.")
        for token in (self.made["token"], "A" * 43, "A", "A" * 44, "%2e", "ü"):
            answer = self.post(path=f"/v1/alarms/aodh/{token}")
            self.assertEqual(404, answer.status_code, token)
            (problem,) = answer.json["errors"]
            answers.append({k: v for k, v in problem.items() if k != "request_id"})
        self.assertEqual([answers[0]] * len(answers), answers)

    def test_what_the_conductor_cannot_take_is_left_to_the_broker(self) -> None:
        for failure in (
            errors.CallTimeout(method="alarm_report"),
            errors.NobodyListens(target="conductor"),
            errors.RemoteFailure(method="alarm_report", reason="no database"),
        ):
            self.house.conductor.failure = failure
            with self.assertLogs("escalator.api.handlers.alarms", "WARNING"):
                self.assertEqual(202, self.post().status_code)
        self.assertEqual(self.told(), self.house.publisher.events)

    def test_what_nobody_takes_is_not_accepted(self) -> None:
        self.house.conductor.failure = errors.BusUnavailable(timeout_s=1, reason="gone")
        self.house.publisher.failure = self.house.conductor.failure
        with self.assertLogs("escalator.api", "WARNING"):
            self.assertEqual(503, self.post().status_code)


class TestSecrecy(Case):
    def test_no_log_has_the_token_however_it_is_called(self) -> None:
        token = self.created()["token"]
        paths = (
            f"/v1/alarms/aodh/{token}",
            f"/v1/alarms/aodh/{token}/",
            f"/v1/alarms/aodh/{token}/more",
            f"//v1/alarms/aodh/{token}",
            f"/V1/Alarms/aodh/{token}",
            f"/prefix/v1/alarms/aodh/{token}",
            f"/v1/alarms//aodh//{token}",
            f"/v1/alarm/aodh/{token}",
        )
        root = logging.getLogger()
        before = root.level
        self.addCleanup(root.setLevel, before)
        with self.assertLogs(level="DEBUG") as logs:
            for path in paths:
                for method in ("POST", "GET", "PUT"):
                    self.house.client.http.open(path, method=method, json=REPORT)
                self.house.client.http.open(path, method="POST", data=b"{")
        self.assertNotIn(token, "\n".join(logs.output))
        self.assertIn("/v1/alarms/aodh/***", "\n".join(logs.output))


class TestRefusals(unittest.TestCase):
    def test_a_flood_is_a_few_lines_with_its_size(self) -> None:
        now = 100.0
        told = refusals.Refusals(10.0, lambda: now)
        with self.assertLogs("escalator.api.refusals", "WARNING") as logs:
            for _ in range(1000):
                told.note("192.0.2.1", "NotFound: x\nforged line")
            now = 111.0
            told.note("192.0.2.2", "NotFound: y")
        self.assertEqual(2, len(logs.output))
        self.assertIn(" 1 since", logs.output[0])
        self.assertIn(" 1000 since", logs.output[1])
        self.assertNotIn("\n", "".join(logs.output))
