"""C401: a campaign names no host; what scales is reached by selectors (P-4a)."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from escalator.domain import document as doc
from escalator.domain import selector
from escalator.domain.finding import Finding, point
from escalator.domain.plan import Target

_WORD = re.compile(r"[\w.-]+", re.ASCII)
_NUMBERED = re.compile(r"(.*[^0-9])[0-9]+", re.ASCII)
_NAMING = frozenset({"name", "host", "hostname", "fqdn"})
_FREE_TEXT = frozenset({("apiVersion",), ("kind",), ("metadata", "description")})
_MIN_FAMILY = 2

REMEDY = "select by role, rack, tag or another fact, so that the file outlives hosts"


def find(
    document: Mapping[str, Any], params: Mapping[str, Any], targets: Sequence[Target]
) -> Iterator[Finding]:
    """Find host names in keys and values, and facts that stand for a name."""
    yield from _naming_facts(document)
    names = _Names(targets)
    for path, value, is_key in doc.walk(document):
        word = None if path in _FREE_TEXT else names.find(value)
        if word and not (not is_key and names.is_fact_value(path, value)):
            yield _finding(point(*path), word)
    for name, value in params.items():
        if word := names.find(value):
            yield _finding(point("params", name), word)


def _finding(pointer: str, word: str) -> Finding:
    return Finding("C401", pointer, f"{word} names a host", REMEDY)


def _naming_facts(document: Mapping[str, Any]) -> Iterator[Finding]:
    for name, body in doc.table(document, "selectors").items():
        for path, fact in facts_used(("selectors", name), body):
            if is_naming(fact):
                yield Finding(
                    "C401", point(*path), f"{fact} matches a host by its name", REMEDY
                )


def is_naming(fact: str) -> bool:
    """Say whether a fact is a host's name under whatever title."""
    return fact.rpartition(".")[2] in _NAMING


def facts_used(place: doc.Path, body: Any) -> Iterator[tuple[doc.Path, str]]:
    """Yield every fact that a selector uses, with its path."""
    for fact in doc.table(body, "match"):
        yield (*place, "match", fact), fact
    for path, each in doc.rows(body, *place, "exclude"):
        for fact in each:
            yield (*path, fact), fact
    for path, each in doc.rows(body, *place, "order_by"):
        yield (*path, "fact"), doc.text(each, "fact")


class _Names:
    """The fleet's names, and what its numbered names have in common."""

    def __init__(self, targets: Sequence[Target]) -> None:
        self._targets = targets
        self._names = {target.name.lower() for target in targets}
        self._names |= {name.partition(".")[0] for name in self._names}
        families = (_NUMBERED.fullmatch(name) for name in self._names)
        self._families = {
            found[1] for found in families if found and len(found[1]) >= _MIN_FAMILY
        }

    def find(self, value: Any) -> str | None:
        """Return the first word of ``value`` that is or looks like a host."""
        if not isinstance(value, str) or not self._names:
            return None
        for word in _WORD.findall(value):
            if self._is_host(word.strip(".-").lower()):
                return str(word)
        return None

    def _is_host(self, word: str) -> bool:
        if not word or word.replace(".", "").isdigit():
            return False
        short = word.partition(".")[0]
        if word in self._names or short in self._names:
            return True
        numbered = _NUMBERED.fullmatch(short)
        return numbered is not None and numbered[1] in self._families

    def is_fact_value(self, path: doc.Path, value: Any) -> bool:
        """Say whether a selector compares a fact with a value that it has.

        A host ``controller`` may have the role ``controller``.
        """
        if len(path) < 4 or path[0] != "selectors" or path[2] == "order_by":
            return False
        fact = next((part for part in path[3:] if isinstance(part, str)), "")
        return any(
            value in selector.values_of(target, fact) for target in self._targets
        )
