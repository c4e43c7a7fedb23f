"""Records of Escalator's own running services (RU-3).

Version history (all classes): 1.0 first version.
"""

from typing import Any, Self

from oslo_versionedobjects import fields as ovo

from escalator.objects import base, fields


@base.Registry.register
class Service(base.EscalatorObject):
    """One process group: binary, host and instance are unique together.

    ``state`` is starting, up, draining or down; ``service_version`` indexes
    the version book.  ``figures``: what it measures, name -> figure -> number;
    of this process since its start.
    """

    VERSION = "1.0"
    fields = {
        "id": fields.UUIDField(),
        "binary": ovo.StringField(),
        "host": ovo.StringField(),
        "instance": ovo.StringField(),
        "service_version": ovo.IntegerField(),
        "release": ovo.StringField(),
        "state": ovo.StringField(),
        "figures": fields.JsonField(),
        "started_at": fields.DateTimeField(nullable=True),
        "last_seen_at": fields.DateTimeField(nullable=True),
    }

    @base.remotable
    def beat(self) -> None:
        """Insert or refresh this record; idempotent.

        ``last_seen_at`` is the database's clock.
        """
        values = self.to_dict()
        for name in ("started_at", "last_seen_at"):
            values.pop(name, None)
        row = self._store().write("service", "beat", **values)
        self.last_seen_at = row["last_seen_at"]
        self.obj_reset_changes()


@base.Registry.register
class ServiceList(base.EscalatorList):
    VERSION = "1.0"
    KIND = "service"
    fields = {"objects": base.list_field("Service")}

    @classmethod
    @base.remotable
    def get_all(cls, context: Any) -> Self:
        """Return every service record by binary and host."""
        return cls._read(context, Service)
