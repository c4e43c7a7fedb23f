"""Programs, pictures and books agree with the code."""

import configparser
import importlib.metadata
import pathlib
import re
import subprocess
import sys
import unittest

from escalator.bus import rpcapi
from escalator.cmd import draw_states
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
        mine = [p.value for p in points if p.value.startswith("escalator.")]
        self.assertEqual(10, len(mine))
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", _CHECK, *mine],
            capture_output=True,
            text=True,
        )
        self.assertEqual(0, done.returncode, done.stderr)

    def test_every_entry_point_can_be_loaded(self):
        parser = configparser.ConfigParser()
        parser.read(ROOT / "setup.cfg")
        for group, text in parser["options.entry_points"].items():
            for line in text.strip().splitlines():
                name = line.partition("=")[0].strip()
                found = importlib.metadata.entry_points(group=group, name=name)
                with self.subTest(group=group, name=name):
                    self.assertTrue([point.load() for point in found])

    def test_the_picture_of_the_states_is_up_to_date(self):
        path = ROOT / "doc/source/contributor/campaign-states.dot"
        self.assertEqual(draw_states.draw(), path.read_text())

    def test_the_version_book_is_true(self):
        """RU-3: the last entry equals the classes of this tree."""
        book = version_book.HISTORY[-1]["rpc"]
        self.assertEqual(rpcapi.ConductorAPI.VERSION, book["conductor"])
        self.assertEqual(rpcapi.AgentAPI.VERSION, book["agent"])
        self.assertEqual(rpcapi.SchedulerAPI.VERSION, book["scheduler"])
        self.assertEqual(rpcapi.Indirection.VERSION, book["objects"])
        self.assertEqual({"1.0"}, {cls.VERSION for cls in registry.CLASSES})

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

    def test_no_path_of_a_machine(self):
        """Nothing in the tree names where it was written."""
        pattern = re.compile(r"/(root|home/\w+|work)/(main|\.pyenv)")
        found = [
            str(path)
            for path in (ROOT / "escalator").rglob("*.py")
            if pattern.search(path.read_text())
        ]
        self.assertEqual([], found)
