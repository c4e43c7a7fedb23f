"""What the tree may hold, and what it may depend on."""

import ast
import functools
import importlib.metadata
import os
import pathlib
import re
import subprocess
import sys
import unittest

from tests import sources

ROOT = sources.ROOT
TEXTS = {".py", ".rst", ".cfg", ".ini", ".toml", ".txt", ".yaml", ".json", ".conf"}
TEXTS |= {".sh", ".dot", ".mako", ".lib", ""}
LEFT_OUT = {"build", "dist", "__pycache__", "LICENSE", "demo-report.json"}

MACHINES = re.compile(r"(?<![\w./])/(?:(?:root|home)/\w|work/|Users/\w|mnt/\w)")

PATCH = re.compile(r"\bmock\.patch\b|\bpatch\.object\(|@patch\(|MockPatch")


@functools.cache
def owners_of_modules():
    """Return module -> distributions that bring it; slow to find out."""
    return importlib.metadata.packages_distributions()


@functools.cache
def tracked():
    """Return name -> text of what is not a product of some tool."""
    found = {}
    for folder, inner, files in os.walk(ROOT):
        inner[:] = [
            name
            for name in inner
            if name not in LEFT_OUT
            and (name == ".ci" or not name.startswith("."))
            and not name.endswith((".egg-info", "-bootstrap"))
        ]
        for path in (pathlib.Path(folder, name) for name in sorted(files)):
            if path.suffix in TEXTS and path.name not in LEFT_OUT:
                found[path.relative_to(ROOT).as_posix()] = path.read_text("utf-8")
    return found


def requirements(*names):
    found = set()
    for name in names:
        for line in (ROOT / name).read_text().splitlines():
            if word := re.match(r"[A-Za-z0-9._-]+", line):
                found.add(_plain(word[0]))
    return found


def _plain(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def imported(room):
    """Return top-level names imported below ``room``, with one place each."""
    found = {}
    for path in sources.modules(str(room)):
        for node in sources.nodes(path):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module]
            for name in names:
                top = name.partition(".")[0]
                found.setdefault(top, f"{path.relative_to(ROOT)}:{node.lineno}")
    return found


class TestRequirements(unittest.TestCase):
    def unnamed(self, room, listed, known=()):
        owners = owners_of_modules()
        missing = []
        for name, place in imported(room).items():
            if name in sys.stdlib_module_names or name in ("escalator", *known):
                continue
            if not {_plain(owner) for owner in owners.get(name, ())} & listed:
                missing.append(f"{name} ({place})")
        return missing

    def test_every_library_in_use_is_named(self):
        listed = requirements("requirements.txt", "client-requirements.txt")
        self.assertEqual([], self.unnamed("escalator", listed))

    def test_the_server_needs_no_client(self):
        """Only the command line may lean on the client's requirements."""
        clients = requirements("client-requirements.txt") - requirements(
            "requirements.txt"
        )
        owners = owners_of_modules()
        users = [
            f"{name} in {room.name}"
            for room in (ROOT / "escalator").iterdir()
            if room.is_dir() and room.name not in ("cli", "__pycache__")
            for name in imported(room.relative_to(ROOT))
            if {_plain(owner) for owner in owners.get(name, ())} & clients
        ]
        self.assertEqual([], users)

    def test_the_tests_name_theirs_too(self):
        names = ("requirements.txt", "client-requirements.txt")
        listed = requirements(*names, "test-requirements.txt")
        self.assertEqual([], self.unnamed("tests", listed, known=("tests",)))


class TestTree(unittest.TestCase):
    def test_no_path_of_a_machine(self):
        """Nothing in the tree names where it was written."""
        here = pathlib.Path(__file__).relative_to(ROOT).as_posix()
        found = [
            f"{name}:{number}: {line.strip()[:80]}"
            for name, text in tracked().items()
            if name != here
            for number, line in enumerate(text.splitlines(), 1)
            if MACHINES.search(line)
        ]
        self.assertEqual([], found)

    def test_no_unfinished_business(self):
        word = re.compile(r"\b(TODO|FIXME|XXX)\b|pragma: no cover")
        here = pathlib.Path(__file__).relative_to(ROOT).as_posix()
        found = [
            f"{name}:{number}"
            for name, text in tracked().items()
            if name != here
            for number, line in enumerate(text.splitlines(), 1)
            if word.search(line)
        ]
        self.assertEqual([], found)

    def test_fakes_before_mocks(self):
        """No patch in the domain's tests; a patch for ten tests elsewhere."""
        patches = tests = 0
        for name, text in tracked().items():
            if not name.startswith("tests/unit/") or name.endswith("test_tree.py"):
                continue
            count = len(PATCH.findall(text))
            if name.startswith("tests/unit/domain/"):
                self.assertEqual(0, count, name)
            patches += count
            tests += len(re.findall(r"^ +def test_", text, re.MULTILINE))
        self.assertLessEqual(patches, tests * 0.1)

    def test_shell_scripts_parse(self):
        scripts = [
            ROOT / "tests/run",
            ROOT / "tests/install-system-packages",
            ROOT / ".ci/run",
            ROOT / "devstack/settings",
            ROOT / "devstack/plugin.sh",
            ROOT / "devstack/lib/escalator",
        ]
        for path in scripts:
            with self.subTest(path.name):
                done = subprocess.run(
                    ["bash", "-n", path], capture_output=True, text=True
                )
                self.assertEqual(0, done.returncode, done.stderr)

    def test_the_license_is_whole(self):
        text = (ROOT / "LICENSE").read_text()
        for part in ("Version 2.0, January 2004", "9. Accepting Warranty", "APPENDIX"):
            self.assertIn(part, text)
