"""The application on the conductor's real store (SQLite) instead of the fake."""

import pathlib
import tempfile
import unittest
import uuid

from oslo_db import options as db_options

import tests  # noqa: F401
from escalator.db import session, store
from escalator.objects import base, host, subscription
from tests.fixtures import api


class TestRealStore(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.house = api.House()
        path = pathlib.Path(folder.name, "escalator.sqlite")
        db_options.set_defaults(self.house.conf, connection=f"sqlite:///{path}")
        database = session.Database(self.house.conf.database)
        self.addCleanup(database.dispose)
        database.create_all()
        base.use_store(store.Store(database))

    def subscribe(self, **given: object) -> dict[str, object]:
        body = {"subscription": {"url": "https://noc.example/", **given}}
        answer = self.house.post("/v1/subscriptions", body)
        self.assertEqual(201, answer.status_code, answer.text)
        return answer.json["subscription"]

    def test_subscriptions_are_kept_paged_and_removed(self) -> None:
        made = [
            self.subscribe(name="n" * n, fault_types=["host.down"]) for n in (1, 255)
        ]
        self.subscribe(url="https://noc.example/" + "x" * 2000)
        path, found = "/v1/subscriptions?limit=1", []
        while path:
            page = self.house.get(path).json
            found += [row["id"] for row in page["subscriptions"]]
            links = page["links"]
            path = links[0]["href"].removeprefix("http://localhost") if links else ""
        self.assertEqual(3, len(found))
        self.assertEqual(found, sorted(found))
        one = f"/v1/subscriptions/{made[0]['id']}"
        shown = self.house.get(one).json["subscription"]
        self.assertEqual(["host.down"], shown["fault_types"])
        self.assertEqual(204, self.house.client.call("DELETE", one).status_code)
        self.assertEqual(404, self.house.get(one).status_code)

    def test_the_monitor_learns_how_many_probes_anybody_waits_for(self) -> None:
        """DR-4: the largest number of all subscriptions; one if there is none."""
        most = subscription.SubscriptionList.read_most_probes
        digests = [host.HostList.read_digest(None)]
        self.assertEqual(1, most(None))
        made = [self.subscribe(min_probes=count) for count in (2, 5, 3)]
        made.append(self.subscribe())
        self.assertEqual([2, 5, 3, 1], [each["min_probes"] for each in made])
        self.assertEqual(5, most(None))
        digests.append(host.HostList.read_digest(None))
        path = f"/v1/subscriptions/{made[1]['id']}"
        self.house.client.call("DELETE", path)
        self.assertEqual(3, most(None))
        digests.append(host.HostList.read_digest(None))
        self.assertEqual(3, len(set(digests)), "the only thing it asks for regularly")

    def test_every_list_answers_on_an_empty_database(self) -> None:
        for noun in (
            "campaigns",
            "hosts",
            "faults",
            "notices",
            "subscriptions",
            "alarms",
            "services",
        ):
            answer = self.house.get(f"/v1/{noun}")
            self.assertEqual([], answer.json[noun], noun)

    def test_what_is_not_there(self) -> None:
        for noun in ("campaigns", "faults", "notices", "subscriptions", "alarms"):
            answer = self.house.get(f"/v1/{noun}/{uuid.uuid4()}")
            self.assertEqual(404, answer.status_code, noun)
        for noun in ("campaigns", "faults", "notices"):
            marked = self.house.get(f"/v1/{noun}?marker={uuid.uuid4()}")
            self.assertEqual(404, marked.status_code, noun)
