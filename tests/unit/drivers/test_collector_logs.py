"""Errors in log files and in systemd's journal are counted (V-6)."""

import datetime
import json
import pathlib
import tempfile
import unittest

from escalator import errors
from escalator.drivers import base
from escalator.drivers.collector import logs
from tests.unit.drivers import contract_collector


class FilesTest(contract_collector.CollectorContract, unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = pathlib.Path(folder.name, "nova-compute.log")
        self.path.write_text("")

    def make_collector(self) -> base.Collector:
        return logs.Files({"log_files": [str(self.path)]})

    def make_empty(self) -> base.Collector:
        return logs.Files({})

    def count(self, *lines: str) -> float:
        self.path.write_text("".join(f"{line}\n" for line in lines))
        return self.make_collector().collect(10.0)["file_errors"]

    def test_each_shape_of_a_line(self) -> None:
        """oslo.log in local time, rsyslog with a zone, Python's logging."""
        now = datetime.datetime.now().astimezone()
        utc = now.astimezone(datetime.UTC)
        elsewhere = now.astimezone(datetime.timezone(datetime.timedelta(hours=-7)))
        found = self.count(
            f"{now:%Y-%m-%d %H:%M:%S}.123 4711 ERROR nova.compute [-] no route",
            f"{elsewhere.isoformat()} compute-01 nova[4711]: CRITICAL gone",
            f"{now:%Y-%m-%d %H:%M:%S},123 ERROR root: no",
            f"{utc:%Y-%m-%dT%H:%M:%S}Z FATAL no",
        )
        self.assertEqual(4, found)

    def test_what_is_no_error_of_late(self) -> None:
        now = datetime.datetime.now()
        old = now - logs.WINDOW - datetime.timedelta(seconds=5)
        found = self.count(
            f"{old:%Y-%m-%d %H:%M:%S}.123 4711 ERROR nova.compute [-] old",
            f"{now:%Y-%m-%d %H:%M:%S}.123 4711 INFO nova.compute [-] 0 errors, Error",
            f"{now:%Y-%m-%d %H:%M:%S}.123 4711 INFO nova.compute [-] TERRORS",
            "    raise Error('ERROR without a time goes on with the line before')",
            "2026-99-99 25:00:00 ERROR a time that is none",
            f"{'x' * 60}{now:%Y-%m-%d %H:%M:%S} ERROR a time far into the line",
        )
        self.assertEqual(0, found)

    def test_a_zone_is_heeded(self) -> None:
        """The same numbers on the clock, hours apart."""
        now = datetime.datetime.now(datetime.UTC)
        self.assertEqual(
            1,
            self.count(
                f"{now:%Y-%m-%dT%H:%M:%S}+05:00 ERROR five hours ago",
                f"{now:%Y-%m-%dT%H:%M:%S}+00:00 ERROR now",
            ),
        )

    def test_only_the_end_of_a_long_file_is_read(self) -> None:
        now = f"{datetime.datetime.now():%Y-%m-%d %H:%M:%S}"
        self.addCleanup(setattr, logs, "MOST_BYTES", logs.MOST_BYTES)
        logs.MOST_BYTES = 100
        found = self.count(*[f"{now} ERROR of the beginning"] * 50, f"{now} ERROR {9}")
        self.assertTrue(1 <= found <= 4, found)

    def test_several_files_and_one_that_is_not_there(self) -> None:
        self.count(f"{datetime.datetime.now():%Y-%m-%d %H:%M:%S} ERROR one")
        twice = logs.Files({"log_files": [str(self.path)] * 2})
        self.assertEqual({"file_errors": 2}, twice.collect(10.0))
        missing = logs.Files({"log_files": [str(self.path), "/nowhere/x.log"]})
        with self.assertRaisesRegex(errors.ActionFailed, "log_files: /nowhere/x.log"):
            missing.collect(10.0)

    def test_nothing_of_a_line_leaves_the_host(self) -> None:
        now = f"{datetime.datetime.now():%Y-%m-%d %H:%M:%S}"
        self.path.write_text(f"{now} ERROR password=hunter2\n")
        told = json.dumps(self.make_collector().collect(10.0))
        self.assertEqual('{"file_errors": 1}', told)
