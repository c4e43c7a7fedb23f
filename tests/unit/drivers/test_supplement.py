"""What the VIM does not know of its hosts."""

import pathlib
import tempfile
import unittest

from escalator import errors
from escalator.drivers import base
from escalator.drivers.vim import supplement

KNOWN = base.VimHost("c1", "127.0.0.1", "compute", "", "az1", True, False)


class SupplementTest(unittest.TestCase):
    def made(self, text):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        path = pathlib.Path(folder.name, "facts.yaml")
        path.write_text(text)
        return supplement.Supplement(str(path))

    def test_without_a_file_nothing_changes(self):
        self.assertEqual([KNOWN], supplement.Supplement(None).apply([KNOWN]))

    def test_the_file_wins_where_it_says_something(self):
        (host,) = self.made(
            "hosts: [{name: c1, address: 192.0.2.1, rack: r1, tags: [ssd]}]"
        ).apply([KNOWN])
        self.assertEqual(
            ("192.0.2.1", "r1", "az1"),
            (host.address, host.rack, host.availability_zone),
        )
        self.assertEqual(("ssd",), host.tags)
        self.assertTrue(host.is_enabled)

    def test_hosts_of_its_own(self):
        _, host = self.made("hosts: [{name: ctl-1, role: controller}]").apply([KNOWN])
        self.assertEqual(("ctl-1", "controller"), (host.name, host.role))

    def test_facts_of_its_own(self):
        (host,) = self.made(
            "hosts: [{name: c1, facts: {site: north, ha: {cluster: db}}}]"
        ).apply([KNOWN])
        self.assertEqual({"site": "north", "ha": {"cluster": "db"}}, host.facts)

    def test_owners_declare_for_their_instances(self):
        made = self.made(
            "hosts: []\n"
            "owners: [{project: red, max_down: 1}, {server_group: g, max_down: 2}]"
        )
        both = base.VimInstance("i", "i", "red", "c1", "active", "g")
        self.assertEqual([("project red", 1), ("group g", 2)], made.declared(both))
        other = base.VimInstance("i", "i", "blue", "c1", "active")
        self.assertEqual([], made.declared(other))

    def test_refusals_name_option_and_place(self):
        for text, place in (
            ("hosts: [{name: c1, colour: red}]", "hosts[0]"),
            ("hosts: [{address: x}]", "'name' is a required"),
            ("hosts: [{name: a}, {name: a}]", "hosts[1].name"),
            ("hosts: []\nowners: [{max_down: 1}]", "owners[0]"),
            ("hosts: []\nowners: [{project: p, max_down: 0}]", "owners[0].max_down"),
            (
                "hosts: []\nowners: [{project: p, max_down: 1},"
                " {project: p, max_down: 2}]",
                "owners[1]: project p",
            ),
            ("hosts: {", "facts.yaml"),
            ("", "facts.yaml"),
        ):
            with self.assertRaises(errors.ConfigError) as caught:
                self.made(text)
            self.assertIn("host_facts", str(caught.exception))
            self.assertIn(place, str(caught.exception))

    def test_a_file_that_is_not_there(self):
        with self.assertRaises(errors.ConfigError):
            supplement.Supplement("/nowhere/facts.yaml")
