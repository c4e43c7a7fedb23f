"""The real journalctl counts errors (V-6)."""

import os
import pathlib
import tempfile
import unittest
from unittest import mock

from escalator import errors
from escalator.drivers import base
from escalator.drivers.collector import logs
from tests.unit.drivers import contract_collector


class JournalTest(contract_collector.CollectorContract, unittest.TestCase):
    """The real journalctl on a journal that it is told of, or none."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.has_journal(self.folder)

    def has_journal(self, path: str) -> None:
        patch = mock.patch.object(logs, "JOURNALS", (path,))
        patch.start()
        self.addCleanup(patch.stop)

    def make_collector(self) -> base.Collector:
        return logs.Journal({})

    def make_empty(self) -> base.Collector:
        self.has_journal("/nowhere/journal")
        return logs.Journal({})

    def test_each_entry_is_one(self) -> None:
        """Entries are counted by line, of the words that journalctl is given."""
        program = pathlib.Path(self.folder, "journalctl")
        program.write_text(
            '#!/bin/sh\necho "$@" >&2; printf \'{"PRIORITY":"3"}\\n%.0s\' 1 2 3\n'
        )
        program.chmod(0o755)
        path = f"{self.folder}{os.pathsep}{os.environ['PATH']}"
        with mock.patch.dict(os.environ, PATH=path):
            told = self.make_collector().collect(10.0)
        self.assertEqual({"journal_errors": 3}, told)

    def test_a_program_that_fails_is_a_failure(self) -> None:
        program = pathlib.Path(self.folder, "journalctl")
        for script in ("exit 1", "exec sleep 30"):
            program.write_text(f"#!/bin/sh\n{script}\n")
            program.chmod(0o755)
            with (
                self.subTest(script),
                mock.patch.dict(os.environ, PATH=f"{self.folder}:/usr/bin:/bin"),
                self.assertRaisesRegex(errors.ActionFailed, "journalctl"),
            ):
                self.make_collector().collect(0.3)

    def test_the_words_are_those_that_journalctl_takes(self) -> None:
        """An option that it does not know would be a failure."""
        self.assertGreaterEqual(
            self.make_collector().collect(30.0)["journal_errors"], 0
        )
