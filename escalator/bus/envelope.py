"""Facts as bytes: the JSON of a versioned object's primitive."""

import json

from escalator import errors
from escalator.domain import events
from escalator.objects import base, event


def encode(fact: events.Event) -> bytes:
    """Return the envelope of ``fact``."""
    return json.dumps(
        event.wrap(fact).obj_to_primitive(), separators=(",", ":")
    ).encode()


def decode(topic: str, body: bytes | str) -> events.Event:
    """Return the fact in ``body``.

    :raises BadMessage: no JSON, an unknown class or version, a wrong field.
    """
    try:
        envelope = base.EscalatorObject.obj_from_primitive(json.loads(body))
        if not isinstance(envelope, event.EventObject):
            raise ValueError(f"{envelope.obj_name()} is no fact")
        fact: events.Event = envelope.to_domain()
    except Exception as error:
        raise errors.BadMessage(topic=topic, reason=repr(error)) from error
    return fact
