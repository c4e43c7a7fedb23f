"""Plants each bug in a copy of the tree and lets the tests look for it.

``python -m tests.planted [WORD ...]``: those whose rule or file has a WORD.
Exit status 1 if one survives.
"""

import concurrent.futures
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

from tests.planted import mutants

ROOT = pathlib.Path(__file__).parents[2]
TESTS = (
    ("units", "tests.unit.domain"),
    ("random runs", "tests.functional.conductor.test_random_runs.TestRandomRuns"),
    ("odd turns", "tests.functional.conductor.test_odd_turns"),
)
"""In this order; a bug is named after the first that sees it."""

LIMIT_S = 240


def is_red(folder: pathlib.Path, tests: str) -> bool:
    """Run tests on a copy of the tree; one that never ends is red too."""
    arguments = ["-m", "unittest", "-f", tests]
    if tests == "tests.unit.domain":
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
            timeout=LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return True
    return done.returncode != 0


def copy(folder: pathlib.Path) -> None:
    """Copy what the tests need."""
    for name in ("escalator", "tests", "etc"):
        left_out = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, folder / name, ignore=left_out)
    shutil.copy(ROOT / "setup.cfg", folder)


def caught_by(mutant: mutants.Mutant) -> str:
    """Return what saw the bug, or "" if nothing did.

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
        return next((told for told, tests in TESTS if is_red(folder, tests)), "")


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
        red = [told for told, tests in TESTS if is_red(pathlib.Path(name), tests)]
    if red:
        print(f"red without any bug: {', '.join(red)}")
        return 1
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for mutant, told in zip(chosen, pool.map(caught_by, chosen), strict=True):
            survived += not told
            print(f"{told or 'SURVIVED':12} {mutant.path:24} {mutant.rule}", flush=True)
    took_s = time.monotonic() - begun
    print(f"{len(chosen) - survived} caught, {survived} survived in {took_s:.0f} s")
    return 1 if survived or not chosen else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
