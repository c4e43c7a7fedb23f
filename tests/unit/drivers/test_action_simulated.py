"""The simulated actions keep the contract of the real ones."""

import dataclasses
import unittest

from escalator import errors
from escalator.domain import commands
from escalator.drivers import base, fleet
from escalator.drivers.action import package, simulated
from escalator.drivers.checkpoint import simulated as checkpoints
from tests.fixtures import orders
from tests.unit.drivers import contract_action, contract_checkpoint


class Bench(unittest.TestCase):
    def setUp(self) -> None:
        self.fleet = fleet.Fleet()
        self.resources = {"fleet": self.fleet}
        self.order = orders.make_order()

    def make_order(self) -> commands.RunStep:
        return self.order

    def count_changes(self) -> int:
        return len(self.fleet.effects())


class InstallTest(Bench, contract_action.ActionContract):
    def make_action(self) -> base.Action:
        return simulated.Install(self.resources)

    def test_takes_what_the_real_one_takes(self) -> None:
        self.assertIs(package.Install.params_schema, self.make_action().params_schema)

    def test_what_is_withheld_cannot_be_had(self) -> None:
        self.assertEqual([], self.make_action().dry_run(self.order))
        self.fleet.withheld.add((self.order.host, "demo-service", "2.0"))
        (told,) = self.make_action().dry_run(self.order)
        self.assertIn("demo-service 2.0", told)

    def test_detect_still_knows_the_versions_before(self) -> None:
        self.make_action().run(self.order)
        again = dataclasses.replace(self.order, attempt=2, is_resumed=True)
        found = self.make_action().detect(again)
        assert found is not None
        self.assertEqual({"demo-service": "1.0"}, found["previous"])


class RestoreTest(Bench, contract_action.ActionContract):
    def setUp(self) -> None:
        super().setUp()
        content = checkpoints.PackageManifest(self.resources).take(self.order)
        result = simulated.Install(self.resources).run(self.order)
        undo = {"result": result, "checkpoint": {"cp-node": content}}
        self.order = orders.make_order(action="package.restore", undo=undo)

    def make_action(self) -> base.Action:
        return simulated.Restore(self.resources)

    def test_the_manifest_is_gone_back_to_whole(self) -> None:
        packages = {**self.fleet.packages("node-1"), "extra": "1"}
        self.fleet.set_packages("node-1", packages)
        self.make_action().run(self.order)
        self.assertEqual(dict(fleet.PACKAGES), self.fleet.packages("node-1"))

    def test_without_a_manifest_the_result_serves(self) -> None:
        undo = {**self.order.undo, "checkpoint": {}}
        self.make_action().run(dataclasses.replace(self.order, undo=undo))
        self.assertEqual(dict(fleet.PACKAGES), self.fleet.packages("node-1"))

    def test_with_nothing_recorded_it_fails(self) -> None:
        order = dataclasses.replace(self.order, undo={})
        with self.assertRaises(errors.ActionFailed):
            self.make_action().run(order)


class VerifyTest(Bench, contract_action.ActionContract):
    def setUp(self) -> None:
        super().setUp()
        self.order = orders.make_order(
            action="package.verify", params={"packages": {"demo-service": "1.0"}}
        )

    def make_action(self) -> base.Action:
        return simulated.Verify(self.resources)

    def test_another_version_fails_verification(self) -> None:
        self.fleet.set_packages("node-1", {"demo-service": "9"})
        with self.assertRaises(errors.ActionFailed) as caught:
            self.make_action().run(self.order)
        self.assertEqual("verification", caught.exception.failure_class)


class AnswerTest(Bench, contract_action.ActionContract):
    def setUp(self) -> None:
        super().setUp()
        self.order = orders.make_order(
            action="http.verify", params={"port": 80, "expect": "1.0"}
        )

    def make_action(self) -> base.Action:
        return simulated.Answer(self.resources)

    def test_another_version_fails_verification(self) -> None:
        params = {"port": 80, "expect": {"version": "2.0"}}
        with self.assertRaises(errors.ActionFailed) as caught:
            self.make_action().run(dataclasses.replace(self.order, params=params))
        self.assertEqual("verification", caught.exception.failure_class)


class ManifestTest(Bench, contract_checkpoint.RestoreContract):
    def make_checkpoint(self) -> base.Checkpoint:
        return checkpoints.PackageManifest(self.resources)

    def change_target(self) -> None:
        self.fleet.set_packages("node-1", {"demo-service": "9"})
