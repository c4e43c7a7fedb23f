"""Plants each bug in a copy of the tree and lets the tests look for it.

``python -m tests.planted [WORD ...]``: those whose rule or file has a WORD.
Exit status 1 if one survives.
"""

import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

from tests.planted import mutants

ROOT = pathlib.Path(__file__).parents[2]
UNITS = "tests.unit.domain"
TESTS = (
    UNITS,
    "tests.functional.conductor.test_odd_turns",
    "tests.functional.conductor.test_guard",
    "tests.functional.conductor.test_shared_limits",
    "tests.functional.conductor.test_explaining",
    "tests.functional.conductor.test_remedies.TestTurns",
    "tests.functional.conductor.test_openings",
    "tests.functional.conductor.test_random_runs.TestRandomRuns",
)
"""In this order, until one is red."""

LIMIT_S = 240


_RED = re.compile(r"^(?:FAIL|ERROR): (\w+)", re.MULTILINE)


def first_red(folder: pathlib.Path, tests: str) -> str:
    """Return the first test that fails on a copy of the tree, or "".

    One that never ends counts as failed.
    """
    arguments = ["-m", "unittest", "-f", tests]
    if tests == UNITS:
        arguments = ["-m", "unittest", "discover", "-f", "-s", "tests/unit/domain"]
        arguments += ["-t", "."]
    environment = {
        **os.environ,
        "PYTHONPATH": str(folder),
        "ESCALATOR_RANDOM_SHRINK": "0",
    }
    try:
        done = subprocess.run(
            [sys.executable, "-W", "ignore", *arguments],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"no end of {tests}"
    if not done.returncode:
        return ""
    found = _RED.search(done.stderr)
    return found[1] if found else done.stderr[-200:]


def copy(folder: pathlib.Path) -> None:
    """Copy what the tests need."""
    for name in ("escalator", "tests", "etc"):
        left_out = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, folder / name, ignore=left_out)
    shutil.copy(ROOT / "setup.cfg", folder)


def caught_by(mutant: mutants.Mutant) -> str:
    """Return the test that saw the bug, or "" if none did.

    :raises ValueError: the text to be changed is not there exactly once.
    """
    with tempfile.TemporaryDirectory(prefix="planted-") as name:
        folder = pathlib.Path(name)
        copy(folder)
        path = folder / "escalator" / mutant.path
        text = path.read_text(encoding="utf-8")
        if text.count(mutant.old) != 1:
            raise ValueError(
                f"{mutant.path} has {text.count(mutant.old)}: {mutant.old}"
            )
        path.write_text(text.replace(mutant.old, mutant.new), encoding="utf-8")
        red = (first_red(folder, tests) for tests in TESTS)
        return next(filter(None, red), "")


def main(words: list[str]) -> int:
    """Plant every bug that is asked for, two at a time; say what saw it."""
    chosen = [
        each
        for each in mutants.MUTANTS
        if not words or any(word in each.rule + each.path for word in words)
    ]
    begun, survived = time.monotonic(), 0
    with tempfile.TemporaryDirectory(prefix="planted-") as name:
        copy(pathlib.Path(name))
        red = [first_red(pathlib.Path(name), tests) for tests in TESTS]
    if any(red):
        print(f"red without any bug: {', '.join(filter(None, red))}")
        return 1
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for mutant, told in zip(chosen, pool.map(caught_by, chosen), strict=True):
            survived += not told
            print(f"{mutant.path:24} {mutant.rule}: {told or 'SURVIVED'}", flush=True)
    took_s = time.monotonic() - begun
    print(f"{len(chosen) - survived} caught, {survived} survived in {took_s:.0f} s")
    return 1 if survived or not chosen else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
