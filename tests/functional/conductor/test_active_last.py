"""Who holds the virtual address is begun last, wherever it moves (O-0e, O-0f)."""

import os
import tempfile
import unittest

from escalator.conductor import planning, steering
from escalator.db import models
from tests.fixtures import campaigns
from tests.fixtures import engine as beds

DOCUMENT = """
apiVersion: escalator.campaign/v1
kind: Campaign
metadata: {name: controllers, owner: noc}
selectors:
  controllers:
    match: {role: compute}
    order_by: [{fact: facts.virtual_address.api}]
checkpoints:
  - {id: cp, driver: package_manifest}
recovery:
  ladder:
    - {try: rollback, scope: campaign}
procedures:
  - id: controllers
    select: controllers
    method: rolling
    on_failure: ladder
    steps:
      - {id: cp, checkpoint: cp, expected: 1s, timeout: 5s}
      - id: install
        action: package.install
        with: {packages: {demo-service: "2.0"}}
        expected: 1s
        timeout: 5s
        undo: package.restore
        idempotent: probe
"""
HOSTS = ["h000", "h001", "h002", "h003"]


class TestActiveLast(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        path = os.path.join(folder.name, "e.sqlite")
        self.database = beds.database(f"sqlite:///{path}")
        self.addCleanup(self.database.dispose)
        self.bed = beds.EngineBed(self.database, beds.FakeFleet())
        beds.add_hosts(self.database, len(HOSTS))

    def set_active(self, active: str) -> None:
        """Let the agents tell who has the address now."""
        with self.database.begin() as connection:
            for name in HOSTS:
                facts = {"virtual_address": {"api": name == active}}
                change = models.host.update().where(models.host.c.name == name)
                connection.execute(change.values(facts=facts))

    def begin(self) -> None:
        plans = planning.Planning(self.bed.engine, campaigns.CATALOGUE)
        campaign_id = plans.create(DOCUMENT, {}, "p", "u", None)
        made = steering.Steering(self.bed.engine, self.bed.execution)
        made.act(campaign_id, "start", {}, "op", None)

    def order(self) -> list[str]:
        """Return the hosts in the order in which they were begun."""
        lines = self.bed.rows(models.journal)
        return [
            line["host"]
            for line in sorted(lines, key=lambda each: each["seq"])
            if line["object_type"] == "slot" and line["to_state"] == "active"
        ]

    def test_the_active_one_goes_last(self) -> None:
        self.set_active("h000")
        self.begin()
        self.bed.run_until(["committed"])
        self.assertEqual(["h001", "h002", "h003", "h000"], self.order())

    def test_it_moves_meanwhile(self) -> None:
        """E-0: whoever is active when the last two are left waits."""
        self.set_active("h000")
        self.begin()
        while not self.order():
            self.bed.step()
        self.set_active("h003")
        self.bed.run_until(["committed"])
        self.assertEqual(["h001", "h000", "h002", "h003"], self.order())
