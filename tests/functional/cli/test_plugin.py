"""The plugin in the midst of openstackclient's own commands."""

import argparse
import importlib
import unittest
from importlib import metadata

from escalator.cli import plugin
from escalator.cli.client import SERVICE_TYPE
from tests.fixtures import api  # noqa: F401

GROUP = "openstack.upgrade.v1"


class TestEntryPoints(unittest.TestCase):
    def test_every_command_loads_and_has_options(self) -> None:
        points = metadata.entry_points(group=GROUP)
        self.assertEqual(36, len(points))
        for point in points:
            command = point.load()(None, None)
            self.assertTrue(command.get_parser(point.name).format_help())
            self.assertTrue(command.get_description(), point.name)

    def test_no_other_command_begins_like_ours(self) -> None:
        """The client absorbs services over time: a clash must be seen."""
        points = {p for d in metadata.distributions() for p in d.entry_points}
        for point in points:
            is_command = point.group.startswith("openstack.")
            if is_command and not point.value.startswith("escalator."):
                self.assertFalse(point.name.startswith("upgrade"), str(point))
        apis = metadata.entry_points(group="openstack.cli.extension")
        self.assertEqual(1, sum(point.name == plugin.API_NAME for point in apis))

    def test_option(self) -> None:
        parser = plugin.build_option_parser(argparse.ArgumentParser())
        args = parser.parse_args(["--os-upgrade-api-version", "1.0"])
        self.assertEqual("1.0", getattr(args, plugin.API_VERSION_OPTION))

    def test_both_sides_name_the_same_service_type(self) -> None:
        contract = importlib.import_module("escalator.api.contract")
        self.assertEqual(contract.SERVICE_TYPE, SERVICE_TYPE)
        self.assertLessEqual(set(contract.VERSIONS), set(plugin.API_VERSIONS))
