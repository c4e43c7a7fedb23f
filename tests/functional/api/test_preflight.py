"""Preflight by HTTP, on the real engine and its database; only the bus is missing."""

import sqlalchemy as sa

import tests  # noqa: F401
from escalator.conductor import hosts, notices
from escalator.conductor import service as conductor_service
from escalator.db import models, store
from escalator.objects import base
from tests.fixtures import api
from tests.functional.conductor import test_preflight


class TestByHttp(test_preflight.Case):
    def setUp(self):
        super().setUp()
        self.house = api.House()
        base.use_store(store.Store(self.database))
        endpoint = conductor_service.Endpoint(
            self.plans,
            self.steers,
            self.explains,
            hosts.Hosts(self.bed.engine),
            self.bed.alarms,
            notices.Notices(self.bed.engine),
        )
        for name in ("campaign_create", "campaign_act", "campaign_explain"):
            setattr(self.house.conductor, name, getattr(endpoint, name))

    def submit(self, wanted):
        document = test_preflight.DOCUMENT.replace(
            "procedures:\n", test_preflight.WITH.format(wanted=wanted), 1
        )
        answer = self.house.post("/v1/campaigns", {"campaign": {"document": document}})
        self.assertEqual(201, answer.status_code, answer.text)
        self.path = f"/v1/campaigns/{answer.json['campaign']['id']}"

    def order(self, name):
        body = {"action": {"name": name}}
        answer = self.house.post(f"{self.path}/actions", body)
        self.assertEqual(202, answer.status_code, answer.text)
        return answer.json["campaign"]

    def told(self):
        return self.house.get(f"{self.path}/preflight").json["preflight"]

    def test_start_with_a_stale_report(self):
        """V-5: refused, nothing is started; with a fresh one it goes."""
        self.submit("valid: 15m")
        self.assertEqual(404, self.house.get(f"{self.path}/preflight").status_code)
        self.assertIn("there is no report", self.order("start")["state_reason"])
        self.assertEqual("validated", self.order("preflight")["state"])
        self.assertEqual("passed", self.told()["verdict"])
        self.change(models.preflight_report, sa.true(), made_at=1.0)
        refused = self.order("start")
        self.assertEqual("validated", refused["state"])
        self.assertIn("the report is too old", refused["state_reason"])
        self.bed.step()
        self.assertEqual([], self.bed.rows(models.slot))
        self.assertEqual({}, dict(self.bed.fleet.runs))
        self.order("preflight")
        self.assertEqual("running", self.order("start")["state"])

    def test_explain_of_a_refused_start(self):
        """The campaign first, then what the preflight found, then the hosts."""
        self.submit("on_finding: block")
        self.host("h003", state="down")
        self.order("start")
        answer = self.house.get(f"{self.path}/explain")
        self.assertEqual(200, answer.status_code, answer.text)
        first, found, *rest = answer.json["waits"]
        self.assertEqual(("", "validated", "W152"), tuple(
            first[name] for name in ("host", "state", "code")))  # fmt: skip
        self.assertEqual(("h003", "refused", "health.down"), tuple(
            found[name] for name in ("host", "state", "code")))  # fmt: skip
        self.assertEqual({"W145"}, {row["code"] for row in rest})

    def test_resume_of_a_campaign_whose_preflight_fails(self):
        self.submit("on_finding: block")
        self.assertEqual("running", self.order("start")["state"])
        self.bed.step()
        self.order("pause")
        self.assertEqual("paused", self.bed.run_until(["paused"]))
        done = dict(self.bed.fleet.runs)
        self.host("h003", agent_seen_at=1.0)
        refused = self.order("resume")
        self.assertEqual("paused", refused["state"])
        self.assertIn("h003: its agent is silent", refused["state_reason"])
        (found,) = self.told()["findings"]
        self.assertEqual(("health.silent", "block"), (found["code"], found["effect"]))
        self.assertTrue(found["remedy"])
        self.bed.step()
        self.assertEqual(done, dict(self.bed.fleet.runs))
        self.host("h003", agent_seen_at=4e9)
        self.assertEqual("running", self.order("resume")["state"])
        self.assertEqual("committed", self.bed.run_until(["committed"]))
