"""Webhooks of projects by HTTP, on fakes."""

import unittest

import tests  # noqa: F401
from escalator import errors
from escalator.domain import events, webhook
from escalator.objects import base
from tests.fixtures import api

URL = "https://noc.example/hook"


class TestSubscriptions(unittest.TestCase):
    def setUp(self) -> None:
        self.house = api.House()
        base.use_store(self.house.store)

    def subscribe(self, **given: object) -> object:
        body = {"subscription": {"url": URL, **given}}
        return self.house.post("/v1/subscriptions", body)

    def test_the_secret_is_the_notifiers_and_is_shown_once(self) -> None:
        answer = self.subscribe(fault_types=["host.down"], min_severity="major")
        self.assertEqual(201, answer.status_code, api.pretty(answer))
        made = answer.json["subscription"]
        secret = webhook.secret_for(api.SIGNING_KEY, made["id"])
        self.assertEqual(secret, made["secret"])
        shown = self.house.get("/v1/subscriptions").json["subscriptions"]
        self.assertEqual([made["id"]], [item["id"] for item in shown])
        self.assertNotIn("secret", shown[0])
        one = self.house.get(f"/v1/subscriptions/{made['id']}")
        self.assertNotIn(secret, one.text)
        self.assertNotIn(secret, str(self.house.store.rows))

    def test_the_notifiers_are_told_of_each_change(self) -> None:
        made = self.subscribe().json["subscription"]["id"]
        answer = self.house.client.call("DELETE", f"/v1/subscriptions/{made}")
        self.assertEqual((204, b""), (answer.status_code, answer.data))
        self.assertEqual([], self.house.store.rows["subscription"])
        told = self.house.publisher.events
        self.assertTrue(all(isinstance(e, events.SubscriptionsChanged) for e in told))
        self.assertEqual([(made,), (made,)], [e.subscription_ids for e in told])

    def test_a_broker_that_is_away_refuses_nothing(self) -> None:
        self.house.publisher.failure = errors.BusUnavailable(reason="gone")
        with self.assertLogs("escalator.api", "WARNING"):
            self.assertEqual(201, self.subscribe().status_code)

    def test_own_services_cannot_be_called(self) -> None:
        """A webhook cannot be pointed at loopback or link-local addresses."""
        self.house.addresses["evil.example"] = ["198.51.100.1", "169.254.169.254"]
        for url in (
            "http://127.0.0.1:5672/",
            "http://[::1]/",
            "http://169.254.169.254/latest",
            "http://localhost/",
            "http://evil.example/",
            "file:///etc/passwd",
            "http://user:pw@noc.example/",
            "not a url",
            "http://[",
        ):
            answer = self.subscribe(url=url)
            self.assertEqual(400, answer.status_code, url)
            (problem,) = answer.json["errors"]
            self.assertEqual({"pointer": "/subscription/url"}, problem["source"])
            self.assertNotIn("pw@", answer.text)
        self.assertEqual([], self.house.store.rows["subscription"])

    def test_the_operator_may_allow_a_network(self) -> None:
        house = api.House(self.house.store, networks=["127.0.0.0/8"])
        for url, status in (("http://127.0.0.1:9/", 201), ("http://[::1]/", 400)):
            body = {"subscription": {"url": url}}
            self.assertEqual(status, house.post("/v1/subscriptions", body).status_code)

    def test_an_unknown_type_is_refused_with_its_place(self) -> None:
        answer = self.subscribe(fault_types=["host.down", "moon.down"])
        (problem,) = answer.json["errors"]
        self.assertEqual("/subscription/fault_types/1", problem["source"]["pointer"])
        self.assertIn("host.down", problem["remedy"])

    def test_so_many_probes_must_agree(self) -> None:
        """DR-4: k of n for each subscription; one unless it says more."""
        for given, wanted in (({}, 1), ({"min_probes": 1}, 1), ({"min_probes": 8}, 8)):
            made = self.subscribe(**given).json["subscription"]
            self.assertEqual(wanted, made["min_probes"])
            shown = self.house.get(f"/v1/subscriptions/{made['id']}")
            self.assertEqual(wanted, shown.json["subscription"]["min_probes"])

    def test_a_bad_number_of_probes_is_refused_with_its_place(self) -> None:
        """DR-4."""
        for bad in (0, 9, -1, 1.5, "2", True, None, [2]):
            with self.subTest(bad):
                answer = self.subscribe(min_probes=bad)
                self.assertEqual(400, answer.status_code)
                (problem,) = answer.json["errors"]
                pointer = problem["source"]["pointer"]
                self.assertEqual("/subscription/min_probes", pointer)
                self.assertTrue(problem["remedy"])
        self.assertEqual([], self.house.store.rows.get("subscription", []))

    def test_delete_of_none(self) -> None:
        path = "/v1/subscriptions/5a6e46a0-6d3c-4c27-8f44-0d3a9cb7cbbb"
        self.assertEqual(404, self.house.client.call("DELETE", path).status_code)
