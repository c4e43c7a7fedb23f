"""Campaigns by HTTP, on fakes."""

import unittest
import uuid

import tests  # noqa: F401
from escalator import errors
from escalator.api.policies.campaigns import ACTIONS
from escalator.objects import base
from tests.fixtures import api

FINDING = {
    "rule": "step.undo",
    "pointer": "/procedures/0/steps/1",
    "line": 12,
    "detail": "cordon changes the target but says no undo.",
    "remedy": "Add undo, or undo: none_needed.",
}


class CampaignCase(unittest.TestCase):
    def setUp(self) -> None:
        self.house = api.House()
        base.use_store(self.house.store)

    def submit(self, body: object, **kwargs: object) -> object:
        return self.house.post("/v1/campaigns", body, **kwargs)


class TestCreate(CampaignCase):
    def test_text_and_params_reach_the_conductor_with_the_key(self) -> None:
        body = {"campaign": {"document": api.DOCUMENT, "params": {"version": "2.0"}}}
        answer = self.submit(body, headers={"Idempotency-Key": "once"})
        self.assertEqual(201, answer.status_code, api.pretty(answer))
        made = answer.json["campaign"]
        self.assertTrue(answer.headers["Location"].endswith(made["id"]))
        self.assertEqual(
            [("create", api.DOCUMENT, {"version": "2.0"}, "once")],
            self.house.conductor.calls,
        )

    def test_an_object_travels_as_text(self) -> None:
        self.submit({"campaign": {"document": {"kind": "Campaign"}}})
        self.assertEqual('{"kind": "Campaign"}', self.house.conductor.calls[0][1])

    def test_a_bare_file_is_taken(self) -> None:
        answer = self.house.client.call(
            "POST",
            "/v1/campaigns",
            data=api.DOCUMENT,
            content_type="application/yaml; charset=utf-8",
        )
        self.assertEqual(201, answer.status_code)
        self.assertEqual(api.DOCUMENT, self.house.conductor.calls[0][1])

    def test_findings_become_one_error_each_with_place_rule_remedy(self) -> None:
        """Bad input (issue 2): the place, the rule's id and the remedy."""
        self.house.conductor.findings = [FINDING, {**FINDING, "rule": "other"}]
        answer = self.submit({"campaign": {"document": "x"}})
        self.assertEqual(400, answer.status_code)
        first, second = answer.json["errors"]
        source = {"pointer": FINDING["pointer"], "line": 12}
        self.assertEqual(source, first["source"])
        self.assertEqual(FINDING["remedy"], first["remedy"])
        self.assertEqual(FINDING["detail"], first["detail"])
        self.assertEqual("escalator.invalid_input", first["code"])
        self.assertEqual(["step.undo", "other"], [first["rule"], second["rule"]])
        self.assertEqual([], self.house.store.rows["campaign"])

    def test_pointers_into_an_object_lead_through_the_body(self) -> None:
        self.house.conductor.findings = [FINDING]
        answer = self.submit({"campaign": {"document": {"kind": "x"}}})
        pointer = "/campaign/document" + FINDING["pointer"]
        self.assertEqual({"pointer": pointer}, answer.json["errors"][0]["source"])

    def test_a_bad_key_is_refused(self) -> None:
        answer = self.submit(
            {"campaign": {"document": "x"}}, headers={"Idempotency-Key": "k" * 256}
        )
        source = {"header": "Idempotency-Key"}
        self.assertEqual(source, answer.json["errors"][0]["source"])


class TestValidate(CampaignCase):
    def validate(self) -> object:
        body = {"campaign": {"document": "x"}}
        return self.house.post("/v1/campaigns/validate", body)

    def test_a_good_file(self) -> None:
        answer = self.validate()
        self.assertEqual(200, answer.status_code)
        self.assertEqual({"steps": 6}, answer.json["validation"]["summary"])

    def test_a_bad_file_answers_400(self) -> None:
        self.house.conductor.findings = [FINDING]
        self.assertEqual(400, self.validate().status_code)

    def test_a_warning_refuses_nothing(self) -> None:
        self.house.conductor.findings = [{**FINDING, "severity": "warning"}]
        self.assertEqual(200, self.validate().status_code)


class TestPlan(CampaignCase):
    def plan(self, query: str = "") -> object:
        body = {"campaign": {"document": "x"}}
        return self.house.post(f"/v1/campaigns/plan{query}", body)

    def test_what_a_file_would_do(self) -> None:
        answer = self.plan("?seed=7")
        self.assertEqual(200, answer.status_code)
        self.assertEqual(api.PLAN, answer.json["plan"])
        self.assertEqual([("plan", "x", {}, 7)], self.house.conductor.calls)

    def test_a_bad_file_answers_400(self) -> None:
        self.house.conductor.findings = [FINDING]
        answer = self.plan()
        self.assertEqual(400, answer.status_code)
        self.assertEqual(FINDING["remedy"], answer.json["errors"][0]["remedy"])

    def test_a_question_reaches_the_conductor(self) -> None:
        """P-2: what is asked and what is answered."""
        asked = {"parallel.computes": 2, "deaths": "1.5"}
        body = {"campaign": {"document": "x", "what_if": asked}}
        answer = self.house.post("/v1/campaigns/plan", body)
        self.assertEqual(200, answer.status_code, api.pretty(answer))
        self.assertEqual(api.WHAT_IF, answer.json["plan"]["what_if"])
        self.assertEqual([("plan", "x", {}, 0, asked)], self.house.conductor.calls)

    def test_a_question_of_the_wrong_shape_is_refused(self) -> None:
        for asked in ([], {"deaths": [1]}, {"x" * 256: 1}):
            body = {"campaign": {"document": "x", "what_if": asked}}
            answer = self.house.post("/v1/campaigns/plan", body)
            self.assertEqual(400, answer.status_code)
        self.assertEqual([], self.house.conductor.calls)

    def test_a_bad_key_is_told_by_its_place_in_the_body(self) -> None:
        place = "/campaign/what_if/colour"
        finding = {**FINDING, "rule": "what_if", "pointer": place, "line": None}
        self.house.conductor.findings = [finding]
        for document in ("x", {"kind": "Campaign"}):
            body = {"campaign": {"document": document, "what_if": {"colour": 1}}}
            answer = self.house.post("/v1/campaigns/plan", body)
            self.assertEqual(place, answer.json["errors"][0]["source"]["pointer"])

    def test_a_bad_seed_is_refused(self) -> None:
        source = {"parameter": "seed"}
        self.assertEqual(source, self.plan("?seed=x").json["errors"][0]["source"])


class TestRead(CampaignCase):
    def setUp(self) -> None:
        super().setUp()
        add = self.house.store.add
        self.rows = [add("campaign", api.campaign_row(name=str(n))) for n in range(5)]
        self.campaign_id = self.rows[0]["id"]
        for seq in range(1, 4):
            add("step", api.step_row(self.campaign_id, seq))
            add("journal", api.journal_row(self.campaign_id, seq))

    def follow(self, path: str, key: str, member: str) -> list[object]:
        found: list[object] = []
        while path:
            answer = self.house.get(path)
            self.assertEqual(200, answer.status_code, api.pretty(answer))
            found += [row[member] for row in answer.json[key]]
            links = answer.json["links"]
            path = links[0]["href"].removeprefix("http://localhost") if links else ""
        return found

    def test_pages_lead_to_the_end_and_repeat_nothing(self) -> None:
        names = self.follow("/v1/campaigns?limit=2", "campaigns", "name")
        self.assertEqual(["0", "1", "2", "3", "4"], names)
        lines = self.follow(
            f"/v1/campaigns/{self.campaign_id}/journal?limit=1", "journal", "seq"
        )
        self.assertEqual([1, 2, 3], lines)
        hosts = self.follow(
            f"/v1/campaigns/{self.campaign_id}/steps?limit=2", "steps", "seq"
        )
        self.assertEqual([1, 2, 3], hosts)

    def test_a_full_last_page_has_no_next(self) -> None:
        self.assertEqual([], self.house.get("/v1/campaigns?limit=5").json["links"])

    def test_the_operator_caps_the_limit(self) -> None:
        self.house.conf.set_override("max_limit", 3, group="api")
        answer = self.house.get("/v1/campaigns?limit=1000")
        self.assertEqual(3, len(answer.json["campaigns"]))

    def test_a_list_leaves_out_file_and_plan(self) -> None:
        brief = self.house.get("/v1/campaigns").json["campaigns"][0]
        self.assertNotIn("document", brief)
        whole = self.house.get(f"/v1/campaigns/{self.campaign_id}").json["campaign"]
        self.assertEqual(api.DOCUMENT, whole["document"])

    def test_filters_reach_the_store(self) -> None:
        self.house.store.rows["campaign"][3]["state"] = "running"
        answer = self.house.get("/v1/campaigns?state=running")
        self.assertEqual(["3"], [c["name"] for c in answer.json["campaigns"]])
        answer = self.house.get(
            f"/v1/campaigns/{self.campaign_id}/steps?host=compute-02"
        )
        self.assertEqual([2], [s["seq"] for s in answer.json["steps"]])

    def test_no_such_campaign(self) -> None:
        for tail in ("", "/steps", "/journal"):
            answer = self.house.get(f"/v1/campaigns/{uuid.uuid4()}{tail}")
            self.assertEqual(404, answer.status_code)
            self.assertEqual("escalator.not_found", answer.json["errors"][0]["code"])

    def test_the_preflight_report(self) -> None:
        path = f"/v1/campaigns/{self.campaign_id}/preflight"
        self.assertEqual(404, self.house.get(path).status_code)
        row = api.preflight_row(self.campaign_id)
        self.house.store.add("preflight", row)
        answer = self.house.get(path)
        self.assertEqual(200, answer.status_code, api.pretty(answer))
        told = answer.json["preflight"]
        self.assertEqual("refused", told["verdict"])
        self.assertEqual(row["findings"], told["findings"])

    def test_explain_says_why(self) -> None:
        waits = self.house.get(f"/v1/campaigns/{self.campaign_id}/explain").json[
            "waits"
        ]
        self.assertIn("budget rack", waits[0]["reason"])


class TestAct(CampaignCase):
    def setUp(self) -> None:
        super().setUp()
        self.campaign_id = self.house.store.add("campaign", api.campaign_row())["id"]

    def act(self, **action: object) -> object:
        return self.house.post(
            f"/v1/campaigns/{self.campaign_id}/actions", {"action": action}
        )

    def test_every_action_is_ordered(self) -> None:
        for name in ACTIONS:
            answer = self.act(name=name, arguments={"reason": "because"})
            self.assertEqual(202, answer.status_code, api.pretty(answer))
        ordered = [call[2] for call in self.house.conductor.calls]
        self.assertEqual(list(ACTIONS), ordered)

    def test_a_change_reaches_the_conductor_as_it_is(self) -> None:
        """E-0: limits, tags and hosts."""
        change = {
            "parallel": {"computes": "25%"},
            "budgets": {"rack": 1},
            "max_quarantined": 0,
            "windows": [
                {"start": "2026-12-01T22:00:00Z", "end": "2026-12-02T04:00:00Z"},
                {
                    "id": "n",
                    "days": ["mon"],
                    "from": "23:00",
                    "to": "05:00",
                    "tz": "UTC",
                },
            ],
            "exclude": ["old"],
            "skip": ["compute-01"],
            "retry": ["compute-02"],
        }
        self.assertEqual(202, self.act(name="change", arguments=change).status_code)
        self.assertEqual(change, self.house.conductor.calls[0][3])
        for wrong in (
            {"parallel": {"computes": "many"}},
            {"budgets": {"rack": 1.5}},
            {"exclude": "old"},
            {"max_quarantined": -1},
            {"max_quarantined": "many"},
            {"windows": [{"start": "2026-12-01T22:00:00Z"}]},
            {"windows": [{"days": ["monday"], "from": "1", "to": "2", "tz": "UTC"}]},
            {"windows": {}},
            {"colour": "red"},
        ):
            answer = self.act(name="change", arguments=wrong)
            self.assertEqual(400, answer.status_code, wrong)
        self.assertEqual(400, self.act(name="start", arguments=change).status_code)
        given = {"max_quarantined": "10%"}
        self.assertEqual(202, self.act(name="change", arguments=given).status_code)
        given = {"max_quarantined": 1}
        self.assertEqual(400, self.act(name="pause", arguments=given).status_code)

    def test_an_approval_names_what_is_approved(self) -> None:
        given = {"kind": "revision", "revision": 3}
        self.act(name="approve", arguments=given)
        self.assertEqual(given, self.house.conductor.calls[0][3])
        answer = self.act(name="approve", arguments={"revision": "3"})
        self.assertEqual(400, answer.status_code)

    def test_revisions_are_listed_in_pages(self) -> None:
        for number in (1, 2, 3):
            self.house.store.add("revision", api.revision_row(self.campaign_id, number))
        path = f"/v1/campaigns/{self.campaign_id}/revisions"
        page = self.house.client.call("GET", f"{path}?limit=2").json
        self.assertEqual([1, 2], [row["rev"] for row in page["revisions"]])
        self.assertIn("after=2", page["links"][0]["href"])
        page = self.house.client.call("GET", f"{path}?after=2").json
        self.assertEqual(["h9"], page["revisions"][0]["diff"]["joined"])

    def test_only_approve_names_a_gate(self) -> None:
        arguments = {"gate": "computes/canary"}
        self.assertEqual(202, self.act(name="approve", arguments=arguments).status_code)
        self.assertEqual(arguments, self.house.conductor.calls[0][3])
        answer = self.act(name="start", arguments=arguments)
        self.assertEqual(400, answer.status_code)

    def test_pause_can_name_a_part(self) -> None:
        self.act(name="pause", arguments={"rack": "r1"})
        self.assertEqual({"rack": "r1"}, self.house.conductor.calls[0][3])

    def test_a_whole_action_refuses_a_part(self) -> None:
        answer = self.act(name="rollback", arguments={"target": "compute-01"})
        self.assertEqual(400, answer.status_code)
        source = {"pointer": "/action/arguments/target"}
        other = self.act(name="pause", arguments={"without": ["compute-01"]})
        self.assertEqual(400, other.status_code)
        self.assertEqual(source, answer.json["errors"][0]["source"])
        self.assertEqual([], self.house.conductor.calls)

    def test_failures_of_the_conductor_keep_their_code(self) -> None:
        cases = [
            (errors.IllegalMove(kind="campaign"), 409),
            (errors.Conflict(kind="campaign", id="x"), 409),
            (errors.NobodyListens(target="conductor"), 503),
            (errors.CallTimeout(method="act"), 504),
        ]
        for failure, status in cases:
            self.house.conductor.failure = failure
            answer = self.act(name="start")
            self.assertEqual(status, answer.status_code)
            self.assertEqual(failure.code, answer.json["errors"][0]["code"])
            self.assertEqual(status > 500, "Retry-After" in answer.headers)

    def test_each_order_has_a_rule_of_its_own(self) -> None:
        house = api.House(self.house.store, denied=("escalator:campaigns:rollback",))
        path = f"/v1/campaigns/{self.campaign_id}/actions"
        for name, status in (("rollback", 403), ("start", 202)):
            answer = house.post(path, {"action": {"name": name}})
            self.assertEqual(status, answer.status_code, answer.text)
        self.assertEqual(["start"], [call[2] for call in house.conductor.calls])

    def test_a_surprise_is_logged_but_not_told(self) -> None:
        self.house.conductor.failure = RuntimeError("inner detail")
        with self.assertLogs("escalator.api", "ERROR"):
            answer = self.act(name="start")
        self.assertEqual(500, answer.status_code)
        self.assertNotIn("inner detail", answer.text)
        self.assertTrue(answer.json["errors"][0]["request_id"].startswith("req-"))
