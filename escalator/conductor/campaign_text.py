"""From YAML text to a plain document that remembers its lines.

Stricter than YAML: one mapping, keys are texts and unique, no tags, bounded in
size, depth and aliases.  Values are read by YAML 1.1, except that ``1:30`` and
dates stay texts.
"""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import yaml

from escalator.domain.document import Path
from escalator.domain.finding import Finding, point

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 32
MAX_ALIASES = 20
MAX_NODES = 100_000
MAX_USES = 5_000

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TAG = "tag:yaml.org,2002:"
_PLAIN = frozenset({"str", "int", "float", "bool", "null"})
_OPENING = (yaml.SequenceStartEvent, yaml.MappingStartEvent)
_CLOSING = (yaml.SequenceEndEvent, yaml.MappingEndEvent)


@dataclasses.dataclass(frozen=True, slots=True)
class Loaded:
    """:ivar document: what could be read, without refused entries; or None.
    :ivar lines: pointer -> line, 1-based, of every key and list item.
    """

    document: dict[str, Any] | None
    lines: Mapping[str, int]
    findings: tuple[Finding, ...]


class _TooMuch(Exception):
    """A limit of this module is exceeded."""


def load(text: str) -> Loaded:
    """Read ``text`` as far as it can be read; never raises (pure)."""
    builder = _Builder()
    try:
        _measure(text)
        root = yaml.compose(text, Loader=_LOADER)
        document = builder.build(root, ()) if root is not None else None
    except _TooMuch as error:
        return _refused("C104", str(error), "split the campaign", builder.lines)
    except (yaml.YAMLError, UnicodeError, RecursionError) as error:
        lines = {"": _line_of(error)}
        return _refused("C101", _say(error), "correct the YAML", lines)
    if not isinstance(document, dict):
        detail = "the file is not one mapping of keys to values"
        return _refused("C101", detail, "begin with apiVersion:", builder.lines)
    return Loaded(document, builder.lines, tuple(builder.findings))


def _refused(rule: str, detail: str, remedy: str, lines: Mapping[str, int]) -> Loaded:
    return Loaded(None, lines or {"": 1}, (Finding(rule, "", detail, remedy),))


def _line_of(error: Exception) -> int:
    mark = getattr(error, "problem_mark", None)
    return mark.line + 1 if mark is not None else 1


def _say(error: Exception) -> str:
    problem = getattr(error, "problem", None) or "the text cannot be decoded"
    context = getattr(error, "context", None)
    return f"{context}: {problem}" if context else str(problem)


def _measure(text: str) -> None:
    """Refuse what would cost too much, before anything is built of it."""
    if len(text) > MAX_BYTES or len(text.encode()) > MAX_BYTES:
        raise _TooMuch(f"more than {MAX_BYTES} bytes")
    if text.count("${") > MAX_USES:
        raise _TooMuch(f"parameters used more than {MAX_USES} times")
    depth = aliases = nodes = 0
    for event in yaml.parse(text, Loader=_LOADER):
        nodes += 1
        depth += isinstance(event, _OPENING) - isinstance(event, _CLOSING)
        aliases += isinstance(event, yaml.AliasEvent)
        if depth > MAX_DEPTH:
            raise _TooMuch(f"nested deeper than {MAX_DEPTH} levels")
        if aliases > MAX_ALIASES:
            raise _TooMuch(f"more than {MAX_ALIASES} aliases")
        if nodes > MAX_NODES:
            raise _TooMuch(f"more than {MAX_NODES} values")


class _Builder:
    """Builds the document; collects lines and findings."""

    def __init__(self) -> None:
        self.lines: dict[str, int] = {"": 1}
        self.findings: list[Finding] = []
        self._scalars = yaml.constructor.SafeConstructor()
        self._open: list[yaml.Node] = []
        self._built = 0

    def build(self, node: yaml.Node, path: Path) -> Any:
        """Return the value of ``node``; aliases are built each time anew."""
        self._built += 1
        if self._built > MAX_NODES:
            raise _TooMuch(f"more than {MAX_NODES} values with aliases")
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        if any(node is outer for outer in self._open):
            raise _TooMuch("an alias stands within its own anchor")
        self._open.append(node)
        value = self._inner(node, path)
        self._open.pop()
        return value

    def _inner(self, node: yaml.Node, path: Path) -> Any:
        if isinstance(node, yaml.MappingNode) and node.tag == f"{_TAG}map":
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode) and node.tag == f"{_TAG}seq":
            return self._sequence(node, path)
        return self._bad_value(node, path)

    def _sequence(self, node: yaml.SequenceNode, path: Path) -> list[Any]:
        values = []
        for index, item in enumerate(node.value):
            self.lines[point(*path, index)] = _line(item)
            values.append(self.build(item, (*path, index)))
        return values

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = self._key(key_node, path)
            if key is None:
                continue
            place = point(*path, key)
            if key in values:
                self._duplicate(key, place, _line(key_node))
                continue
            self.lines[place] = _line(key_node)
            values[key] = self.build(value_node, (*path, key))
        return values

    def _key(self, node: yaml.Node, path: Path) -> str | None:
        if isinstance(node, yaml.ScalarNode) and node.tag == f"{_TAG}str":
            return str(node.value)
        written = node.value if isinstance(node, yaml.ScalarNode) else "(a collection)"
        kind = node.tag.removeprefix(_TAG)
        place = point(*path, written)
        self.lines.setdefault(place, _line(node))
        detail = f"line {_line(node)}: the key {written} is read as {kind}, not text"
        self._find("C103", place, detail, "put the key in quotes")
        return None

    def _duplicate(self, key: str, place: str, line: int) -> None:
        first = self.lines[place]
        detail = f"the key {key} stands in line {first} and again in line {line}"
        self._find("C102", place, detail, "keep one of the two")

    def _scalar(self, node: yaml.ScalarNode, path: Path) -> Any:
        kind = node.tag.removeprefix(_TAG)
        is_clock = kind in ("int", "float") and ":" in node.value
        if kind == "timestamp" or is_clock:
            return node.value
        if kind not in _PLAIN:
            return self._bad_value(node, path)
        try:
            value = self._scalars.construct_object(node)
        except (ValueError, OverflowError):
            return self._bad_value(node, path)
        if isinstance(value, float) and not math.isfinite(value):
            return self._bad_value(node, path)
        return value

    def _bad_value(self, node: yaml.Node, path: Path) -> None:
        detail = f"line {_line(node)}: a value of type {node.tag} cannot be used"
        remedy = "use texts, numbers, truth values, lists and mappings"
        self._find("C101", point(*path), detail, remedy)

    def _find(self, rule: str, place: str, detail: str, remedy: str) -> None:
        self.findings.append(Finding(rule, place, detail, remedy))


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1
