"""Facts as bytes: the JSON of a versioned object's primitive."""

import json
import math
import re

from escalator import errors
from escalator.domain import events
from escalator.objects import base, event


def _finite(text: str) -> float:
    """Return the number; what JSON cannot say no database takes as JSON."""
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is no number")
    return value


_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_PARSER = json.JSONDecoder(parse_float=_finite, parse_constant=_finite)


def encode(fact: events.Event) -> bytes:
    """Return the envelope of ``fact``."""
    return json.dumps(
        event.wrap(fact).obj_to_primitive(), separators=(",", ":")
    ).encode()


def decode(topic: str, body: bytes | str) -> events.Event:
    """Return the fact in ``body``.

    :raises BadMessage: no JSON, a character that none can keep, an unknown class or
        version, a wrong field, or a member of a wrong type at any depth.
    """
    try:
        text = body if isinstance(body, str) else body.decode()
        primitive = _PARSER.decode(text)
        _check_characters(text, primitive)
        envelope = base.EscalatorObject.obj_from_primitive(primitive)
        if not isinstance(envelope, event.EventObject):
            raise ValueError(f"{envelope.obj_name()} is no fact")
        fact: events.Event = envelope.to_domain()
    except Exception as error:
        raise errors.BadMessage(topic=topic, reason=repr(error)) from error
    return fact


def _check_characters(text: str, primitive: object) -> None:
    """Refuse what JSON can spell and no digest or no database takes."""
    if _NUL.search(text):
        raise ValueError("a text holds a NUL")
    if _SURROGATE.search(text):
        json.dumps(primitive, ensure_ascii=False).encode()
