"""Which test proves which requirement: collected from the tests' docstrings.

    python -m tests.requirements

writes doc/source/contributor/requirements.rst, and takes the mark ``owed`` from those
lines of requirements.csv that a test names now; it never sets one.

A docstring of a test, or of what a test calls in its class, counts for that test or
class; a module's counts for all in it.  Results are those of the last ``tests/run``,
if there was one.  ``DR-1 to DR-9`` names all nine; ``P-1a`` is a part of P-1.
"""

import ast
import collections
import csv
import dataclasses
import io
import re
import sys
from collections.abc import Iterable, Iterator, Mapping

from tests import count, sources

ROOT = sources.ROOT
LIST = ROOT / "doc/source/contributor/requirements.csv"
PAGE = ROOT / "doc/source/contributor/requirements.rst"
ROOMS = ("unit", "functional", "scenario", "cloud")
NOT_RUN = "not run"

_RANGE = re.compile(r"\b([A-Z]+)-(\d+) to (?:\1-)?(\d+)\b")
_ID = re.compile(r"\b[A-Z]+-\d+[a-z]?\b")
_RESULT = re.compile(r"(\n     - )(?:not run|\d+ \w+(?:, \d+ \w+)*)\n")
_HEAD = """\
============================
Requirements and their tests
============================

..
   Written by python -m tests.requirements from requirements.csv and the tests.

Every requirement with an id, the tests whose docstrings name it, and how the last run
of these tests ended. *Owed* is what nothing proves yet.

.. list-table::
   :header-rows: 1
   :widths: 8 40 36 16

   * - id
     - requirement
     - tests
     - result
"""


@dataclasses.dataclass(frozen=True, slots=True)
class Requirement:
    """:ivar issue: number of the issue that builds it; empty: a later one.

    :ivar owed: ``owed`` while no test proves what its issue builds.
    """

    id: str
    issue: str
    owed: str
    text: str


@dataclasses.dataclass(frozen=True, slots=True, order=True)
class Quote:
    """A docstring that names a requirement.

    :ivar test: dotted name of the test, or of the class or module that counts whole.
    """

    id: str
    module: str
    test: str


def read_list(text: str) -> list[Requirement]:
    """Return the rows of the list, in its order."""
    return [Requirement(**row) for row in csv.DictReader(io.StringIO(text))]


def write_list(requirements: Iterable[Requirement]) -> str:
    """Return the list's text."""
    out = io.StringIO()
    names = [field.name for field in dataclasses.fields(Requirement)]
    writer = csv.DictWriter(out, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(dataclasses.asdict(each) for each in requirements)
    return out.getvalue()


def settled(
    requirements: Iterable[Requirement], quotes: Iterable[Quote]
) -> list[Requirement]:
    """Return the list without the marks of what a test names (pure)."""
    named = {quote.id for quote in quotes}
    return [
        dataclasses.replace(each, owed="") if each.id in named else each
        for each in requirements
    ]


def ids_in(text: str, known: Iterable[str]) -> set[str]:
    """Return the ids that a docstring names (pure).

    What looks like an id and is none, ``SHA-256`` for instance, is passed over.
    """
    names = set(known)
    found = set(_ID.findall(text))
    for kind, first, last in _RANGE.findall(text):
        found |= {f"{kind}-{number}" for number in range(int(first), int(last) + 1)}
    parts = {each.rstrip("abcdefghijklmnopqrstuvwxyz") for each in found - names}
    return (found | parts) & names


def quotes_in(module: str, tree: ast.Module, known: Iterable[str]) -> Iterator[Quote]:
    """Yield what the docstrings of one module name (pure)."""
    for place, text in _docstrings(tree, module):
        for each in ids_in(text, known):
            yield Quote(each, module, place)


def _docstrings(tree: ast.Module, module: str) -> Iterator[tuple[str, str]]:
    yield module, ast.get_docstring(tree) or ""
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            place = f"{module}.{node.name}"
            yield place, ast.get_docstring(node) or ""
            for each in node.body:
                if isinstance(each, ast.FunctionDef):
                    is_test = each.name.startswith("test")
                    inner = f"{place}.{each.name}" if is_test else place
                    yield inner, ast.get_docstring(each) or ""
        elif isinstance(node, ast.FunctionDef):
            yield module, ast.get_docstring(node) or ""


def collect(known: Iterable[str]) -> list[Quote]:
    """Return every quote of the tests, sorted."""
    names = frozenset(known)
    found: set[Quote] = set()
    for room in ROOMS:
        for path in sources.modules(f"tests/{room}"):
            if path.name.startswith(("test_", "contract_")):
                module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
                found.update(quotes_in(module, sources.tree(path), names))
    return sorted(found)


def last_results() -> dict[str, str]:
    """Return test -> ``passed``, ``failed`` or ``skipped``, of the last runs kept."""
    found: dict[str, str] = {}
    runs = (ROOT / ".stestr").glob("[0-9]*")
    for path in sorted(runs, key=lambda each: int(each.name)):
        found.update(count.read_run(path))
    return found


def result_of(quotes: Iterable[Quote], results: Mapping[str, str]) -> str:
    """Return how often the tests of these quotes passed, failed, were skipped."""
    places = {quote.test for quote in quotes}
    counts = collections.Counter(
        how
        for test, how in results.items()
        if any(test == place or test.startswith(f"{place}.") for place in places)
    )
    return ", ".join(f"{n} {how}" for how, n in sorted(counts.items())) or NOT_RUN


def render(
    requirements: Iterable[Requirement],
    quotes: Iterable[Quote],
    results: Mapping[str, str],
) -> str:
    """Return the page (pure)."""
    by_id: dict[str, list[Quote]] = {}
    for quote in quotes:
        by_id.setdefault(quote.id, []).append(quote)
    lines = [_HEAD]
    for each in requirements:
        own = by_id.get(each.id, [])
        modules = sorted({quote.module.removeprefix("tests.") for quote in own})
        tests = ", ".join(f"``{module}``" for module in modules) or "*owed*"
        lines.append(
            f"   * - {each.id}\n     - {each.text}\n     - {tests}\n"
            f"     - {result_of(own, results)}\n"
        )
    return "".join(lines)


def without_results(page: str) -> str:
    """Return a page as if no test had been run: what may be stale is the rest."""
    return _RESULT.sub(rf"\g<1>{NOT_RUN}\n", page)


def unproved(requirements: Iterable[Requirement], quotes: Iterable[Quote]) -> set[str]:
    """Return the ids that issues 2 to 4 build and no test names (pure)."""
    named = {quote.id for quote in quotes}
    due = {each.id for each in requirements if each.issue in ("2", "3", "4")}
    return due - named


def main() -> None:
    """Write the page, and say what is owed."""
    requirements = read_list(LIST.read_text("utf-8"))
    quotes = collect([each.id for each in requirements])
    LIST.write_text(write_list(settled(requirements, quotes)), "utf-8")
    PAGE.write_text(render(requirements, quotes, last_results()), "utf-8")
    owed = sorted(unproved(requirements, quotes))
    sys.stdout.write(f"{PAGE.relative_to(ROOT)}; owed: {', '.join(owed) or 'none'}\n")


if __name__ == "__main__":
    main()
