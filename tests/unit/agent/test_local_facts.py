"""Facts that programs of the node leave in files (O-0e)."""

import os
import pathlib
import tempfile
import unittest

from escalator.agent import local_facts


class LocalFactsTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.told = local_facts.LocalFacts(folder.name)

    def write(self, name, text):
        """Replace a file as a careful program does."""
        self.folder.joinpath("new").write_text(text)
        os.replace(self.folder / "new", self.folder / name)

    def test_none_is_named_or_there(self):
        self.assertEqual({}, local_facts.LocalFacts("").facts())
        self.assertEqual({}, local_facts.LocalFacts("/no/such").facts())
        self.assertEqual({}, self.told.facts())

    def test_all_files_and_every_change(self):
        self.write("ha.json", '{"ha": {"active": true}}')
        self.write("site.json", '{"site": "north"}')
        self.write("notes.txt", "{")
        self.assertEqual({"ha": {"active": True}, "site": "north"}, self.told.facts())
        self.write("ha.json", '{"ha": {"active": false}}')
        self.assertEqual({"active": False}, self.told.facts()["ha"])
        os.remove(self.folder / "ha.json")
        self.assertEqual({"site": "north"}, self.told.facts())

    def test_what_cannot_be_read_is_logged_once(self):
        self.write("good.json", '{"site": "north"}')
        for text in ("{", "[]", '{"x": "' + "y" * local_facts.MOST_BYTES + '"}'):
            self.write("bad.json", text)
            with self.assertLogs(local_facts.LOG, "WARNING") as logged:
                self.assertEqual({"site": "north"}, self.told.facts())
            self.assertIn("bad.json", logged.output[0])
            with self.assertNoLogs(local_facts.LOG, "WARNING"):
                self.told.facts()
