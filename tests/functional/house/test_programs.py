"""Programs, pictures and books agree with the code."""

import configparser
import importlib.metadata
import pathlib
import subprocess
import sys
import unittest

from escalator.bus import rpcapi
from escalator.objects import registry, version_book

ROOT = pathlib.Path(__file__).parents[3]

_CHECK = """
import importlib, sys
from oslo_service import backend
for place in sys.argv[1:]:
    module, _, name = place.partition(":")
    assert callable(getattr(importlib.import_module(module), name)), place
assert backend.get_backend_type() is backend.BackendType.THREADING
"""


class TestPrograms(unittest.TestCase):
    def test_every_program_runs_on_threads(self):
        """No eventlet by accident: the backend is chosen before anything else."""
        points = importlib.metadata.entry_points(group="console_scripts")
        mine = sorted({p.value for p in points if p.value.startswith("escalator.")})
        listed = self.entry_points()["console_scripts"]
        self.assertEqual(sorted(listed.values()), mine)
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", _CHECK, *mine],
            capture_output=True,
            text=True,
        )
        self.assertEqual(0, done.returncode, done.stderr)

    @staticmethod
    def entry_points():
        """Return group -> name -> place, as setup.cfg has them."""
        parser = configparser.ConfigParser(delimiters="=")
        parser.read(ROOT / "setup.cfg")
        pairs = {
            group: [line.split("=") for line in text.strip().splitlines()]
            for group, text in parser["options.entry_points"].items()
        }
        return {
            group: {name.strip(): place.strip() for name, place in found}
            for group, found in pairs.items()
        }

    def test_every_entry_point_can_be_loaded(self):
        for group, listed in self.entry_points().items():
            installed = importlib.metadata.entry_points(group=group)
            places = {(point.name, point.value) for point in installed}
            for name, place in listed.items():
                with self.subTest(group=group, name=name):
                    point = importlib.metadata.EntryPoint(name, place, group)
                    self.assertIsNotNone(point.load())
                    self.assertTrue((name, place) in places, "not installed")

    def test_the_version_book_is_true(self):
        """RU-3: the last entry equals the classes of this tree."""
        book = version_book.HISTORY[-1]["rpc"]
        self.assertEqual(rpcapi.ConductorAPI.VERSION, book["conductor"])
        self.assertEqual(rpcapi.AgentAPI.VERSION, book["agent"])
        self.assertEqual(rpcapi.SchedulerAPI.VERSION, book["scheduler"])
        self.assertEqual(rpcapi.Indirection.VERSION, book["objects"])
        self.assertEqual({"1.0"}, {cls.VERSION for cls in registry.CLASSES})
        self.assertEqual(len(version_book.HISTORY), version_book.SERVICE_VERSION)

    def test_the_release_is_the_packages(self):
        parser = configparser.ConfigParser()
        parser.read(ROOT / "setup.cfg")
        version = parser["metadata"]["version"]
        self.assertEqual(version_book.RELEASE, ".".join(version.split(".")[:2]))

    def test_the_samples_can_be_generated(self):
        for program, name in (
            ("oslo-config-generator", "escalator-config-generator.conf"),
            ("oslopolicy-sample-generator", "escalator-policy-generator.conf"),
        ):
            with self.subTest(program):
                done = subprocess.run(
                    [pathlib.Path(sys.prefix, "bin", program)]
                    + ["--config-file", ROOT / "etc/escalator" / name]
                    + ["--output-file", "/dev/stdout"],
                    capture_output=True,
                    text=True,
                )
                self.assertEqual(0, done.returncode, done.stderr)
                self.assertIn("escalator", done.stdout)
