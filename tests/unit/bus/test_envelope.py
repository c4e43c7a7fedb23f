"""No message that parses makes a handler fail over its types."""

import copy
import dataclasses
import json
import logging
import typing
import unittest
from collections.abc import Iterator
from typing import Any

import hypothesis
from hypothesis import strategies as st

from escalator import errors
from escalator.bus import envelope
from escalator.domain import events
from escalator.objects import event
from tests.unit.objects import test_objects

DATA = "escalator_object.data"
FAULT: events.FaultConfirmed = test_objects.EVENTS[0]
DOWN: events.HostMarkedDown = test_objects.EVENTS[2]

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=True)
    | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=5,
)

Path = tuple[str | int, ...]


def primitive(fact: Any) -> Any:
    return json.loads(envelope.encode(fact))


def paths(node: Any, here: Path = ()) -> Iterator[Path]:
    """Return the path of every node under ``node``."""
    keys = node if isinstance(node, dict) else range(len(node))
    for key in keys:
        yield (*here, key)
        if isinstance(node[key], dict | list):
            yield from paths(node[key], (*here, key))


def any_path(data: st.DataObject, whole: Any) -> Path:
    """Draw one; by its number, for a strategy that knows all would be made anew."""
    known = list(paths(whole))
    return known[data.draw(st.integers(0, len(known) - 1))]


def put(whole: Any, path: Path, value: Any) -> Any:
    """Return a copy with another value there."""
    made = copy.deepcopy(whole)
    node = made
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = value
    return made


def decode(whole: Any) -> Any:
    return envelope.decode("fault", json.dumps(whole))


def fits(value: Any, hint: Any) -> bool:
    """Tell whether a value has the type that the dataclass says."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return True
    if dataclasses.is_dataclass(hint):
        hints = typing.get_type_hints(hint)
        return isinstance(value, typing.cast(type, hint)) and all(
            fits(getattr(value, name), each) for name, each in hints.items()
        )
    if origin is tuple:
        return isinstance(value, tuple) and all(fits(each, inner[0]) for each in value)
    if origin is dict:
        return isinstance(value, dict) and all(
            fits(each, inner[1]) for each in value.values()
        )
    if hint is float:
        return type(value) in (float, int)
    return type(value) is hint


class Quiet(unittest.TestCase):
    def setUp(self) -> None:
        """The library complains of every class that it does not know."""
        log = logging.getLogger("oslo_versionedobjects")
        self.addCleanup(log.setLevel, log.level)
        log.setLevel(logging.CRITICAL)


class WrongTypes(Quiet):
    def test_a_nested_record_with_a_wrong_type_is_refused(self) -> None:
        for fact, path, value in (
            (FAULT, ("faults",), {}),
            (FAULT, ("faults",), "h1"),
            (FAULT, ("faults", 0, "host"), 7),
            (FAULT, ("faults", 0, "host"), None),
            (FAULT, ("faults", 0, "times"), []),
            (FAULT, ("faults", 0, "times", "T0"), "soon"),
            (FAULT, ("faults", 0, "times", "T0"), True),
            (FAULT, ("faults", 0, "times", "T0"), 10**400),
            (FAULT, ("faults", 0, "evidence"), [1]),
            (DOWN, ("impacts", 0, "instances"), {}),
            (DOWN, ("impacts", 0, "instances", 0, "project_id"), 3),
            (DOWN, ("impacts", 0, "is_marked_down"), "no"),
            (DOWN, ("impacts", 0, "fault"), []),
            (test_objects.EVENTS[6], ("hosts",), "h1"),
            (test_objects.EVENTS[7], ("times",), [6.0]),
        ):
            with self.subTest(path=path, value=value):
                whole = put(primitive(fact), (DATA, *path), value)
                with self.assertRaises(errors.BadMessage):
                    decode(whole)

    def test_what_json_does_not_know_is_refused(self) -> None:
        """No database keeps it as JSON."""
        text = envelope.encode(FAULT).decode()
        for number in ("NaN", "Infinity", "-Infinity", "1e999"):
            with self.subTest(number), self.assertRaises(errors.BadMessage):
                envelope.decode("fault", text.replace('{"missed":3}', f"[{number}]"))
            with self.subTest(number), self.assertRaises(errors.BadMessage):
                envelope.decode("fault", text.replace("3}", number + "}"))

    def test_a_character_that_none_can_keep_is_refused(self) -> None:
        for name in ("h\0", "h\\\0", "h\ud83d"):
            with self.subTest(name), self.assertRaises(errors.BadMessage):
                decode(put(primitive(FAULT), (DATA, "faults", 0, "host"), name))
        for name in ("h\\u0000", "h\U0001f600"):
            with self.subTest(name):
                whole = put(primitive(FAULT), (DATA, "faults", 0, "host"), name)
                self.assertEqual(name, decode(whole).faults[0].host)

    def test_a_whole_number_is_a_time_too(self) -> None:
        whole = put(primitive(FAULT), (DATA, "faults", 0, "times", "T0"), 1)
        self.assertEqual(FAULT, decode(whole))

    def test_every_member_of_every_fact_has_a_check(self) -> None:
        """A hint that nobody can check is refused when it is compiled."""
        for cls in event.CLASSES:
            hints = typing.get_type_hints(cls.DOMAIN)
            self.assertEqual(set(hints), {name for name, _ in cls.MEMBER_CHECKS})


class Mutations(Quiet):
    @hypothesis.given(st.data())
    @hypothesis.settings(max_examples=300)
    def test_a_changed_message_is_refused_or_right(self, data: st.DataObject) -> None:
        fact = data.draw(st.sampled_from(test_objects.EVENTS))
        whole = primitive(fact)
        for _ in range(data.draw(st.integers(1, 3))):
            path = any_path(data, whole)
            whole = put(whole, path, data.draw(JSON))
        try:
            found = decode(whole)
        except errors.BadMessage:
            return
        self.assertTrue(fits(found, type(found)), found)
        self.assertEqual(found, envelope.decode("fault", envelope.encode(found)))

    @hypothesis.given(st.data())
    def test_a_message_that_lacks_something_is_refused_or_right(
        self, data: st.DataObject
    ) -> None:
        whole = primitive(data.draw(st.sampled_from(test_objects.EVENTS)))
        path = any_path(data, whole)
        node = whole
        for key in path[:-1]:
            node = node[key]
        del node[path[-1]]
        try:
            found = decode(whole)
        except errors.BadMessage:
            return
        self.assertTrue(fits(found, type(found)), found)
