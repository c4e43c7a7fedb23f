"""The import contracts hold, and a planted violation of each is caught."""

import configparser
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).parents[3]

PLANTED = {
    "one way down": (
        "domain/plan.py",
        "from escalator import context",
        "escalator.domain.plan -> escalator.context",
    ),
    "the domain does no I/O": (
        "domain/plan.py",
        "import logging",
        "escalator.domain.plan -> logging",
    ),
    "only the conductor opens the database": (
        "monitor/service.py",
        "from escalator.db import models",
        "escalator.monitor.service -> escalator.db.models",
    ),
    "conf is handed in": (
        "notifier/service.py",
        "from escalator import conf",
        "escalator.notifier.service -> escalator.conf",
    ),
    "each heavy library has one home": (
        "agent/service.py",
        "import kombu",
        "escalator.agent.service -> kombu",
    ),
    "the CLI speaks HTTP only": (
        "cli/client.py",
        "from escalator.domain import plan",
        "escalator.cli.client -> escalator.domain.plan",
    ),
    "no cycles between siblings": (
        "domain/states.py",
        "from escalator.domain import plan",
        ".states -> .plan",
    ),
}
"""Contract -> where a line is planted, the line, and how it is reported."""

CYCLE = ("domain/plan.py", "from escalator.domain import states")


def contracts():
    """Return the names of all contracts of setup.cfg."""
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    sections = [s for s in parser.sections() if s.startswith("importlinter:contract:")]
    return {parser[section]["name"] for section in sections}


def lint(folder):
    done = subprocess.run(
        [pathlib.Path(sys.prefix, "bin", "lint-imports"), "--config", "setup.cfg"]
        + ["--no-cache"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
    )
    broken = {
        line.removesuffix(" BROKEN")
        for line in done.stdout.splitlines()
        if line.endswith(" BROKEN")
    }
    return done, broken


def complaints(report, contract):
    """Return what the report says of one broken contract."""
    _, _, details = report.partition("Broken contracts")
    pieces = re.split(r"\n(\S[^\n]*)\n-{3,}\n", details)
    return dict(zip(pieces[1::2], pieces[2::2], strict=False)).get(contract, "")


class TestContracts(unittest.TestCase):
    def copy(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        root = pathlib.Path(folder.name)
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / "escalator", root / "escalator", ignore=ignored)
        shutil.copy(ROOT / "setup.cfg", root)
        return root

    def test_they_hold(self):
        done, broken = lint(ROOT)
        self.assertEqual((0, set()), (done.returncode, broken), done.stdout)

    def test_a_planted_violation_of_each_is_caught(self):
        """One copy with every violation in it: each contract names its own."""
        self.assertEqual(contracts(), set(PLANTED), "plant one for each contract")
        root = self.copy()
        for name, line in [*(plant[:2] for plant in PLANTED.values()), CYCLE]:
            with open(root / "escalator" / name, "a", encoding="utf-8") as file:
                file.write(f"\n{line}\n")
        done, broken = lint(root)
        self.assertEqual(set(PLANTED), broken, done.stdout)
        for contract, (_, _, named) in PLANTED.items():
            with self.subTest(contract):
                self.assertIn(named, complaints(done.stdout, contract))

    def test_services_do_not_import_each_other(self):
        """Sideways is as forbidden as upwards."""
        root = self.copy()
        with open(root / "escalator/inspector/service.py", "a") as file:
            file.write("\nfrom escalator.notifier import dispatch\n")
        done, broken = lint(root)
        self.assertEqual({"one way down"}, broken, done.stdout)

    def test_an_unnamed_room_is_refused(self):
        root = self.copy()
        room = root / "escalator" / "attic"
        room.mkdir()
        (room / "__init__.py").write_text("")
        done, _ = lint(root)
        self.assertNotEqual(0, done.returncode)
        self.assertIn("attic", done.stdout + done.stderr)
