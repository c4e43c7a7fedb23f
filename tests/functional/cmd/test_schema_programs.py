"""Programs of the database as an operator calls them (RU-6, RU-9)."""

import pathlib
import subprocess
import sys
import tempfile
import unittest

from tests.fixtures import ports


class ProgramsTest(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))

    def config(self, connection: str) -> str:
        path = self.folder / "escalator.conf"
        lines = (f"connection = {connection}", "max_retries = 1", "retry_interval = 1")
        path.write_text("\n".join(("[database]", *lines, "")))
        return f"--config-file={path}"

    def run_it(self, program: str, *words: str) -> int:
        done = subprocess.run(
            [pathlib.Path(sys.prefix, "bin", program), *words],
            capture_output=True,
            text=True,
            timeout=60,
            cwd=self.folder,
        )
        self.said = done.stdout + done.stderr
        self.assertNotIn("Traceback", self.said)
        return done.returncode

    def test_status_tells_of_both_checks(self) -> None:
        self.assertEqual(0, self.run_it("escalator-status", "--help"))
        self.assertIn("upgrade check", self.said)
        self.assertIn("doctor check", self.said)
        for words in ((), ("doctor",), ("doctor", "chekc")):
            self.assertEqual(2, self.run_it("escalator-status", *words))
            self.assertIn("usage: ", self.said)

    def test_from_nothing_to_this_release(self) -> None:
        given = self.config(f"sqlite:///{self.folder}/e.sqlite")
        check = ("escalator-status", given, "upgrade", "check")
        self.assertEqual(2, self.run_it(*check))
        self.assertIn("The schema is not expanded", self.said)
        self.assertEqual(2, self.run_it("escalator-db-manage", given, "check"))
        self.assertEqual(0, self.run_it("escalator-db-manage", given, "upgrade"))
        self.assertEqual(0, self.run_it("escalator-db-manage", given, "check"))
        self.assertEqual(0, self.run_it(*check), self.said)

    def test_without_a_database(self) -> None:
        self.assertEqual(2, self.run_it("escalator-status", "upgrade", "check"))
        self.assertIn("[database]/connection", self.said)
        self.assertEqual(1, self.run_it("escalator-db-manage", "check"))
        self.assertIn("[database]/connection", self.said)

    def test_a_database_that_is_away(self) -> None:
        given = self.config(
            f"mysql+pymysql://u:pass-word@127.0.0.1:{ports.free_port()}/x"
        )
        self.assertEqual(2, self.run_it("escalator-status", given, "upgrade", "check"))
        self.assertIn("The database does not answer", self.said)
        self.assertEqual(1, self.run_it("escalator-db-manage", given, "upgrade"))
        self.assertIn("The database does not answer", self.said)
        self.assertNotIn("pass-word", self.said)

    def test_a_file_that_is_not_there(self) -> None:
        given = f"--config-file={self.folder}/none.conf"
        self.assertEqual(
            255, self.run_it("escalator-status", given, "upgrade", "check")
        )
        self.assertIn("none.conf", self.said)
        self.assertEqual(1, self.run_it("escalator-db-manage", given, "check"))
        self.assertIn("none.conf", self.said)
