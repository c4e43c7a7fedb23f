"""What became of notices, and dead letters sent again, by HTTP on fakes."""

import unittest
import uuid
from typing import Any

import tests  # noqa: F401
from escalator import errors
from escalator.objects import base
from tests.fixtures import api

ALL = tuple(f"escalator:notices:{verb}_all" for verb in ("list", "show", "resend"))
OWN = "noauth"
"""The project of a caller without Keystone."""


class Case(unittest.TestCase):
    def setUp(self) -> None:
        self.house = api.House()
        base.use_store(self.house.store)

    def add(self, **changes: Any) -> dict[str, Any]:
        return self.house.store.add("notice", api.notice_row(**changes))

    def owner(self) -> api.House:
        """Return the same house for a project that may not see the others'."""
        return api.House(self.house.store, denied=ALL)

    def resend(self, row: dict[str, Any], house: api.House | None = None) -> Any:
        body = {"action": {"name": "resend"}}
        return (house or self.house).post(f"/v1/notices/{row['id']}/actions", body)


class TestReading(Case):
    def test_a_notice_is_shown_without_its_text(self) -> None:
        """DR-7: what was told is between the conductor and the owner."""
        row = self.add(body="the owner's data")
        for path in (f"/v1/notices/{row['id']}", "/v1/notices"):
            answer = self.house.get(path)
            self.assertEqual(200, answer.status_code, answer.text)
            self.assertIn("answered 503", answer.text)
            self.assertNotIn("the owner's data", answer.text)

    def test_filters(self) -> None:
        """DR-9: news of campaigns too, which have no fault."""
        fault = str(uuid.uuid4())
        dead = self.add(fault_ids=[fault])
        aodh = self.add(subscription_id="aodh", state="delivered")
        news = self.add(fault_ids=[])
        for query, wanted in (
            ("state=dead", [dead, news]),
            (f"fault_id={fault}", [dead]),
            ("subscription_id=aodh", [aodh]),
            ("state=resending", []),
            ("", [dead, aodh, news]),
        ):
            with self.subTest(query):
                found = self.house.get(f"/v1/notices?{query}").json["notices"]
                ids = [row["id"] for row in wanted]
                self.assertEqual(ids, [row["id"] for row in found])

    def test_a_bad_filter_is_refused_with_its_place(self) -> None:
        for name, value in (("state", "lost"), ("fault_id", "7"), ("host", "h1")):
            answer = self.house.get(f"/v1/notices?{name}={value}")
            self.assertEqual(400, answer.status_code)
            (problem,) = answer.json["errors"]
            self.assertEqual({"parameter": name}, problem["source"])

    def test_a_project_sees_its_own_only(self) -> None:
        """DR-7."""
        mine, theirs = self.add(project_id=OWN), self.add(project_id="red")
        house = self.owner()
        found = house.get("/v1/notices").json["notices"]
        self.assertEqual([mine["id"]], [row["id"] for row in found])
        self.assertEqual(200, house.get(f"/v1/notices/{mine['id']}").status_code)
        self.assertEqual(404, house.get(f"/v1/notices/{theirs['id']}").status_code)


class TestResending(Case):
    def test_the_conductor_is_asked(self) -> None:
        row = self.add()
        answer = self.resend(row)
        self.assertEqual(202, answer.status_code, answer.text)
        self.assertEqual("resending", answer.json["notice"]["state"])
        self.assertEqual([("notice_resend", row["id"])], self.house.conductor.calls)

    def test_a_project_resends_its_own_only(self) -> None:
        """DR-7."""
        mine, theirs = self.add(project_id=OWN), self.add(project_id="red")
        house = self.owner()
        self.assertEqual(202, self.resend(mine, house).status_code)
        self.assertEqual(404, self.resend(theirs, house).status_code)
        self.assertEqual([("notice_resend", mine["id"])], house.conductor.calls)

    def test_who_may_only_read_is_refused(self) -> None:
        rules = ("escalator:notices:resend", "escalator:notices:resend_all")
        house = api.House(self.house.store, denied=rules)
        self.assertEqual(403, self.resend(self.add(), house).status_code)
        self.assertEqual([], house.conductor.calls)

    def test_a_refusal_says_why(self) -> None:
        self.house.conductor.failure = errors.Conflict("Subscription s is deleted.")
        answer = self.resend(self.add())
        self.assertEqual(409, answer.status_code)
        (problem,) = answer.json["errors"]
        self.assertEqual("Subscription s is deleted.", problem["detail"])
        self.assertTrue(problem["remedy"])

    def test_an_unknown_action_or_argument_is_refused(self) -> None:
        path = f"/v1/notices/{self.add()['id']}/actions"
        for action in ({"name": "forget"}, {"name": "resend", "url": "http://x/"}, {}):
            answer = self.house.post(path, {"action": action})
            self.assertEqual(400, answer.status_code, action)
        self.assertEqual([], self.house.conductor.calls)
