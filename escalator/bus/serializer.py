"""What oslo.messaging puts on the wire for objects and contexts."""

from typing import Any

from oslo_messaging import serializer
from oslo_versionedobjects import base as ovo

from escalator import context
from escalator.objects import base, registry

KNOWN = registry.CLASSES
"""Importing the registry is what makes the classes known to the decoder."""


class _Objects(ovo.VersionedObjectSerializer):
    """Asks the conductor to convert an object of a newer release."""

    OBJ_BASE_CLASS = base.EscalatorObject


class Serializer(serializer.Serializer):
    """Objects travel with their version, contexts without their token."""

    def __init__(self) -> None:
        self._objects = _Objects()

    def serialize_entity(self, ctxt: Any, entity: Any) -> Any:
        return self._objects.serialize_entity(ctxt, entity)

    def deserialize_entity(self, ctxt: Any, entity: Any) -> Any:
        return self._objects.deserialize_entity(ctxt, entity)

    def serialize_context(self, ctxt: Any) -> dict[str, Any]:
        return ctxt.to_wire() if isinstance(ctxt, context.RequestContext) else {}

    def deserialize_context(self, ctxt: dict[str, Any]) -> context.RequestContext:
        return context.RequestContext.from_wire(ctxt)
