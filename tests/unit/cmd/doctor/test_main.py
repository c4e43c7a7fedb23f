"""The command line of escalator-doctor-test."""

import contextlib
import io
import pathlib
import tempfile
import unittest

from escalator.cmd.doctor import injection, main, records


class OptionsTest(unittest.TestCase):
    def refused(self, *arguments):
        said = io.StringIO()
        with contextlib.redirect_stderr(said), self.assertRaises(SystemExit) as caught:
            main.parse(arguments)
        self.assertNotEqual(0, caught.exception.code)
        return said.getvalue()

    def test_a_link(self):
        options = main.parse(["--interface", "eth1", "--namespace", "n1"])
        made = main.DoctorTest(options).injection
        self.assertEqual(
            ("ip", "-n", "n1", "link", "set", "eth1", "down"), made.break_argv
        )
        self.assertEqual("up", made.mend_argv[-1])

    def test_a_link_of_another_machine(self):
        made = injection.link("eth1", ssh="stack@compute-1")
        self.assertEqual(
            ("ssh", "-o", "BatchMode=yes", "stack@compute-1", "ip", "link", "set")
            + ("eth1", "down"),
            made.break_argv,
        )

    def test_something_must_break(self):
        self.assertIn("--interface", self.refused())

    def test_not_both(self):
        given = ["--interface=e", "--inject-command=x", "--restore-command=y"]
        self.assertIn("either", self.refused(*given))

    def test_what_is_broken_must_be_mended(self):
        self.assertIn("go together", self.refused("--inject-command=x"))

    def test_to_clear_needs_no_failure(self):
        self.assertTrue(main.parse(["--clear"]).clear)
        self.assertTrue(main.parse(["--clear", "--interface=e"]).clear)

    def test_numbers(self):
        self.refused("--interface=e", "--instances=0")
        self.refused("--interface=e", "--owners=2")


class LogTest(unittest.TestCase):
    def test_the_monitors_log(self):
        with tempfile.TemporaryDirectory() as folder:
            log = pathlib.Path(folder, "monitor.log")
            log.write_text(
                "x WARNING host.down detected at 100.500000 on 2 host(s): c1, c10\n"
                "x WARNING host.down detected at 200.250000 on 2 host(s): c10, c2\n"
            )
            found = records.detected_in_log
            self.assertEqual(100.5, found(log, "c1", 0.0))
            self.assertEqual(200.25, found(log, "c10", 150.0))
            self.assertIsNone(found(log, "c1", 150.0))
