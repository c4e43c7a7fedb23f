"""Times that depend on the host: ``30s + 20s * instances``.  Pure (P-4e).

A language of its own, small enough to be read at a glance: durations, numbers, facts of
the host, ``+ - * /``, parentheses, ``min()`` and ``max()``.  Units are checked when it
is read: what is accepted is a duration on every host, and nothing else can happen.
"""

import dataclasses
import enum
import functools
import operator
import re
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from escalator.domain import duration

FACTS = ("instances",)
"""What is known of a host: how many instances are on it."""

MOST_CHARACTERS = 200
MOST_DEPTH = 16
"""Parentheses within parentheses."""

REMEDY = (
    "join durations, numbers and instances with + - * /, min() or max(),"
    " such as 30s + 20s * instances"
)

_TOKEN = re.compile(
    r"(?P<duration>\d+(?:\.\d+)?(?:ms|s|m|h|d)\b)"
    r"|(?P<number>\d+(?:\.\d+)?(?![\w.]))"
    r"|(?P<name>[A-Za-z_][\w.]*)"
    r"|(?P<sign>[-+*/(),])"
    r"|(?P<junk>\S+)",
    re.ASCII,
)
_SIGNS = frozenset("+-*/(),")

_JOINTS: Mapping[str, Callable[..., float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "min": min,
    "max": max,
}


class Mistake(ValueError):
    """:ivar remedy: what to write instead."""

    def __init__(self, detail: str, remedy: str = REMEDY) -> None:
        super().__init__(detail)
        self.remedy = remedy


class Unit(enum.StrEnum):
    """What a part of an expression is."""

    DURATION = "a duration"
    NUMBER = "a number"


@dataclasses.dataclass(frozen=True, slots=True)
class Part:
    """A literal, a fact, or parts that are joined.

    :ivar name: of the fact, or of what joins the parts; empty for a literal.
    :ivar value: of a literal: seconds, or a number.
    """

    unit: Unit
    name: str = ""
    value: float = 0.0
    parts: tuple["Part", ...] = ()

    @property
    def is_constant(self) -> bool:
        """True if it is the same on every host."""
        if self.parts:
            return all(each.is_constant for each in self.parts)
        return not self.name

    def on(self, facts: Mapping[str, float]) -> float:
        """Return its value on a host with such facts."""
        if self.parts:
            return _JOINTS[self.name](*[each.on(facts) for each in self.parts])
        return facts[self.name] if self.name else self.value


@dataclasses.dataclass(frozen=True, slots=True)
class Expression:
    """How long a step takes, or may take.

    :ivar text: as the file has it, a bare number of seconds with its unit.
    """

    text: str
    root: Part

    @property
    def is_constant(self) -> bool:
        """True if it is the same on every host."""
        return self.root.is_constant

    def seconds(self, instances: int) -> float:
        """Return its value on a host with so many instances; it may be negative."""
        return self.root.on({"instances": float(instances)})


def read(value: object) -> Expression:
    """Return what stands under ``expected`` or ``timeout``.

    :param value: a duration, or the text of an expression.
    :raises Mistake: an expression that cannot be read, or is no duration.
    :raises ValueError: neither an expression nor a duration.
    """
    if isinstance(value, str) and is_expression(value):
        return parse(value.strip())
    seconds = duration.parse(value)
    text = value.strip() if isinstance(value, str) else f"{seconds:f}s"
    return Expression(text, Part(Unit.DURATION, value=seconds))


def is_expression(text: str) -> bool:
    """Say whether a text is meant as an expression, right or wrong."""
    bare = text.strip()
    return bare in FACTS or bare[:1] == "(" or not _SIGNS.isdisjoint(bare[1:])


@functools.lru_cache(maxsize=1024)
def parse(text: str) -> Expression:
    """Return the expression of a text.

    :raises Mistake: it cannot be read, or its units do not fit.
    """
    if len(text) > MOST_CHARACTERS:
        raise Mistake(
            f"an expression of {len(text)} characters, {MOST_CHARACTERS} are allowed",
            "write it shorter",
        )
    root = _Reader(text).read()
    if root.unit is not Unit.DURATION:
        raise Mistake(
            f"{text} is {root.unit}, not a duration",
            "multiply it with a duration, such as 20s * instances",
        )
    return Expression(text, root)


class _Token(NamedTuple):
    kind: str
    text: str
    at: int

    @property
    def place(self) -> str:
        if not self.text:
            return "at the end"
        return f"{self.text} at character {self.at}"


def _tokens(text: str) -> Iterator[_Token]:
    for found in _TOKEN.finditer(text):
        yield _Token(found.lastgroup or "", found[0], found.start() + 1)
    yield _Token("end", "", len(text) + 1)


class _Reader:
    """Reads sums of products of factors, from left to right."""

    def __init__(self, text: str) -> None:
        self._tokens = list(_tokens(text))
        self._at = 0
        self._depth = 0

    def read(self) -> Part:
        """Return the whole."""
        found = self._sum()
        self._expect("")
        return found

    def _take(self) -> _Token:
        token = self._tokens[self._at]
        self._at += token.kind != "end"
        return token

    def _is_next(self, *signs: str) -> bool:
        return self._tokens[self._at].text in signs

    def _expect(self, sign: str) -> None:
        if not self._is_next(sign):
            wanted = sign or "+, -, * or /"
            place = self._tokens[self._at].place
            raise Mistake(f"{wanted} is missing: {place}")
        self._take()

    def _sum(self) -> Part:
        found = self._product()
        while self._is_next("+", "-"):
            found = _join(self._take(), found, self._product())
        return found

    def _product(self) -> Part:
        found = self._factor()
        while self._is_next("*", "/"):
            found = _join(self._take(), found, self._factor())
        return found

    def _factor(self) -> Part:
        token = self._take()
        match token.kind:
            case "duration":
                return Part(Unit.DURATION, value=duration.parse(token.text))
            case "number":
                return Part(Unit.NUMBER, value=float(token.text))
            case "name" if token.text in ("min", "max"):
                self._expect("(")
                return _join(token, *self._within())
            case "name" if token.text in FACTS:
                return Part(Unit.NUMBER, token.text)
            case "name":
                raise Mistake(
                    f"nobody knows {token.place}",
                    f"facts are {', '.join(FACTS)}; functions are min() and max()",
                )
        if token.text == "(":
            first, *more = self._within()
            if not more:
                return first
        wanted = "a duration, a number, instances, min(), max() or (...)"
        raise Mistake(f"{wanted} is missing: {token.place}")

    def _within(self) -> list[Part]:
        """Read what stands between parentheses; the first one is read."""
        self._depth += 1
        if self._depth > MOST_DEPTH:
            raise Mistake(
                f"parentheses are nested deeper than {MOST_DEPTH}", "write it simpler"
            )
        found = [self._sum()]
        while self._is_next(","):
            self._take()
            found.append(self._sum())
        self._expect(")")
        self._depth -= 1
        return found


def _join(joint: _Token, *parts: Part) -> Part:
    """Return the parts as one; their units decide which one it has.

    :raises Mistake: the units do not fit.
    """
    units = [each.unit for each in parts]
    if len(parts) < 2:
        raise Mistake(f"{joint.place} chooses between fewer than two")
    match joint.text:
        case "*":
            is_fit = Unit.NUMBER in units
            unit = Unit.DURATION if Unit.DURATION in units else Unit.NUMBER
            told = "multiplies two durations"
        case "/":
            is_fit = units[1] is Unit.NUMBER
            unit, told = units[0], "divides by a duration"
        case _:
            is_fit = len(set(units)) == 1
            unit, told = units[0], "joins a duration and a number"
    if not is_fit:
        raise Mistake(
            f"{joint.place} {told}",
            "write 20s where a duration is meant, 20 where a number is",
        )
    if joint.text == "/" and (not parts[1].is_constant or not parts[1].on({})):
        raise Mistake(
            f"{joint.place} divides by what is, or may be, zero",
            "divide by a number above 0, or multiply",
        )
    return Part(unit, joint.text, parts=parts)
