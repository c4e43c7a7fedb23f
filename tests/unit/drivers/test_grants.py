"""What a node grants, and what it refuses to start with."""

import os
import tempfile
import unittest

from oslo_config import cfg

from escalator import errors
from escalator.agent import permits
from escalator.conf import agent as agent_options
from escalator.drivers import grants


class GrantsTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = os.path.realpath(folder.name)

    def write(self, text: str) -> str:
        path = os.path.join(self.folder, "declared.yaml")
        with open(path, "w", encoding="utf-8") as target:
            target.write(text)
        return path

    def test_below_means_below(self) -> None:
        granted = grants.Grants(writable=(self.folder,))
        inside = os.path.join(self.folder, "a", "b")
        self.assertEqual(inside, granted.check_writable(inside))
        for path in (self.folder, f"{self.folder}x", f"{self.folder}/../x", "/"):
            with self.assertRaises(errors.ActionFailed):
                granted.check_writable(path)
        with self.assertRaises(errors.ActionFailed):
            grants.Grants().check_writable(inside)

    def test_an_agent_does_not_start_with_a_bad_file(self) -> None:
        for option, text in (
            ("services", "web: {argv: [web]}"),
            ("allowed_commands", "a: {argv: 'rm -rf /', idempotence: natural}"),
            ("allowed_commands", "a: {argv: [a], idempotence: probe}"),
            ("database_profiles", "nova: {migrate: {argv: []}}"),
            ("services", "- web"),
            ("services", "web: ["),
        ):
            conf = cfg.ConfigOpts()
            agent_options.register_opts(conf)
            conf.set_override(option, self.write(text), group="agent")
            with self.assertRaisesRegex(errors.ConfigError, option):
                permits.check(conf.agent)
            conf.clear_override(option, group="agent")
            permits.check(conf.agent)
