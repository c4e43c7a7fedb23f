"""The import contracts hold, and a planted violation of each is caught."""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).parents[3]

PLANTED = {
    "one way down": ("domain/plan.py", "from escalator import context"),
    "the domain does no I/O": ("domain/plan.py", "import logging"),
    "only the conductor opens the database": (
        "monitor/service.py",
        "from escalator.db import models",
    ),
    "conf is handed in": ("notifier/service.py", "from escalator import conf"),
    "each heavy library has one home": ("agent/service.py", "import kombu"),
    "the CLI speaks HTTP only": ("cli/client.py", "from escalator.domain import plan"),
    "no cycles between siblings": (
        "domain/states.py",
        "from escalator.domain import plan",
    ),
}
CYCLE = ("domain/plan.py", "from escalator.domain import states")


def lint(folder):
    done = subprocess.run(
        [pathlib.Path(sys.prefix, "bin", "lint-imports"), "--config", "setup.cfg"]
        + ["--no-cache"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": folder},
        capture_output=True,
        text=True,
    )
    broken = {
        line.removesuffix(" BROKEN")
        for line in done.stdout.splitlines()
        if line.endswith(" BROKEN")
    }
    return done, broken


class TestContracts(unittest.TestCase):
    def test_they_hold_and_each_violation_is_caught(self):
        """One copy with every violation planted: each contract must break."""
        done, broken = lint(str(ROOT))
        self.assertEqual((0, set()), (done.returncode, broken), done.stdout)
        with tempfile.TemporaryDirectory() as folder:
            shutil.copytree(ROOT / "escalator", pathlib.Path(folder, "escalator"))
            shutil.copy(ROOT / "setup.cfg", folder)
            for name, line in [*PLANTED.values(), CYCLE]:
                path = pathlib.Path(folder, "escalator", name)
                path.write_text(path.read_text() + f"\n{line}\n")
            done, broken = lint(folder)
        self.assertEqual(set(PLANTED), broken, done.stdout)

    def test_an_unnamed_room_is_refused(self):
        with tempfile.TemporaryDirectory() as folder:
            shutil.copytree(ROOT / "escalator", pathlib.Path(folder, "escalator"))
            shutil.copy(ROOT / "setup.cfg", folder)
            room = pathlib.Path(folder, "escalator", "attic")
            room.mkdir()
            (room / "__init__.py").write_text("")
            done, _ = lint(folder)
        self.assertNotEqual(0, done.returncode)
        self.assertIn("attic", done.stdout + done.stderr)
