"""Base of everything that crosses the bus.

A process either owns the database (the conductor: :func:`use_store`) or asks
the conductor (everybody else: :func:`use_indirection`).  Objects therefore
need not import ``db``.  Source: RU-1, RU-2.
"""

from typing import Any, Protocol, Self

from oslo_versionedobjects import base
from oslo_versionedobjects import fields as ovo_fields

from escalator import errors

remotable = base.remotable
Registry = base.VersionedObjectRegistry
ListBase = base.ObjectListBase


class Store(Protocol):
    """What objects ask of the database room (``escalator.db.store``)."""

    def read(self, kind: str, **query: Any) -> list[dict[str, Any]]: ...

    def write(self, kind: str, verb: str, **values: Any) -> dict[str, Any]: ...


class OrphanObject(RuntimeError):
    """Neither a store nor an indirection was plugged in."""


class EscalatorObject(base.VersionedObject):
    """Versioned object in Escalator's own namespaces."""

    OBJ_SERIAL_NAMESPACE = "escalator_object"
    OBJ_PROJECT_NAMESPACE = "escalator"

    store: Store | None = None

    @classmethod
    def _store(cls) -> Store:
        if EscalatorObject.store is None:
            raise OrphanObject(f"{cls.__name__}: no store and no indirection")
        return EscalatorObject.store

    @classmethod
    def _from_row(cls, ctxt: Any, row: dict[str, Any]) -> Self:
        made = cls(context=ctxt)
        for name in cls.fields:
            if name in row:
                setattr(made, name, row[name])
        made.obj_reset_changes()
        return made

    @classmethod
    def _read_one(cls, ctxt: Any, kind: str, object_id: str, **query: Any) -> Self:
        """Return the one of that id.

        :raises NotFound: there is none, or not for this query.
        """
        rows = cls._store().read(kind, id=object_id, **query)
        if not rows:
            raise errors.NotFound(kind=kind, id=object_id)
        return cls._from_row(ctxt, rows[0])

    def to_dict(self) -> dict[str, Any]:
        """Return the set fields as plain JSON values."""
        return {
            name: field.to_primitive(self, name, getattr(self, name))
            for name, field in self.fields.items()
            if self.obj_attr_is_set(name)
        }


class EscalatorList(ListBase, EscalatorObject):
    """List of one class; ``KIND`` names what the store is asked for."""

    KIND = ""

    @classmethod
    def _read(cls, ctxt: Any, item: type[EscalatorObject], **query: Any) -> Self:
        rows = cls._store().read(cls.KIND, **query)
        made = cls(context=ctxt)
        made.objects = [item._from_row(ctxt, row) for row in rows]
        made.obj_reset_changes()
        return made


def use_store(store: Store) -> None:
    """Let the objects of this process read and write ``store``."""
    EscalatorObject.store = store
    EscalatorObject.indirection_api = None


def use_indirection(api: base.VersionedObjectIndirectionAPI) -> None:
    """Let the objects of this process ask the conductor."""
    EscalatorObject.store = None
    EscalatorObject.indirection_api = api


def list_field(item: str) -> Any:
    """Return the ``objects`` field of a list class."""
    return ovo_fields.ListOfObjectsField(item)
