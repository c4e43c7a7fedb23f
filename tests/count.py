"""How the tests of a run ended, from the file that stestr keeps of it.

    python tests/count.py

prints how many of the last run passed, failed and were skipped.
"""

import collections
import os
import pathlib
from typing import Any

import subunit
import testtools

RUNS = pathlib.Path(__file__).parents[1] / ".stestr"


class _Notes(testtools.TestResult):
    """Notes how each test of a stream ended; one that began only has failed."""

    def __init__(self, found: dict[str, str]) -> None:
        super().__init__()
        self._found = found

    def _note(self, test: Any, how: str) -> None:
        self._found[str(test.id())] = how

    def startTest(self, test: Any) -> None:  # noqa: N802
        self._note(test, "failed")

    def addSuccess(self, test: Any, details: Any = None) -> None:  # noqa: N802
        self._note(test, "passed")

    def addExpectedFailure(self, test: Any, *_: Any, **__: Any) -> None:  # noqa: N802
        self._note(test, "passed")

    def addSkip(self, test: Any, *_: Any, **__: Any) -> None:  # noqa: N802
        self._note(test, "skipped")

    def addUnexpectedSuccess(self, test: Any, **_: Any) -> None:  # noqa: N802
        self._note(test, "failed")

    def addFailure(self, test: Any, *_: Any, **__: Any) -> None:  # noqa: N802
        self._note(test, "failed")

    def addError(self, test: Any, *_: Any, **__: Any) -> None:  # noqa: N802
        self._note(test, "failed")


def read_run(path: pathlib.Path) -> dict[str, str]:
    """Return test -> ``passed``, ``failed`` or ``skipped``."""
    found: dict[str, str] = {}
    with path.open("rb") as stream, open(os.devnull, "wb") as rest:
        subunit.ProtocolTestCase(stream, passthrough=rest).run(_Notes(found))
    return found


def main() -> None:
    """Print one line: passed, failed, skipped."""
    newest = max(RUNS.glob("[0-9]*"), key=lambda each: int(each.name))
    ends = collections.Counter(read_run(newest).values())
    print(ends["passed"], ends["failed"], ends["skipped"])


if __name__ == "__main__":
    main()
