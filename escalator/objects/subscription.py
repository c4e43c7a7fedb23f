"""Who wants to hear of what.

Version history (all classes): 1.0 first version.
"""

from typing import Any, Self

from oslo_versionedobjects import fields as ovo

from escalator.objects import base, fields


@base.Registry.register
class Subscription(base.EscalatorObject):
    """A webhook of one project (DR-4, DR-7).

    ``fault_types`` empty means every type; ``min_severity`` one of
    ``domain.events.Severity``; ``min_probes`` kinds of probes must find a host
    or a link down before it is told, 1 to 8; ``is_admin`` hears of every project's
    instances and of hosts without any.  The signing secret is derived from
    the notifier's key and the id: it is stored nowhere and never travels.
    """

    VERSION = "1.0"
    id: str
    fields = {
        "id": fields.UUIDField(),
        "project_id": ovo.StringField(),
        "user_id": ovo.StringField(),
        "name": ovo.StringField(),
        "url": ovo.StringField(),
        "fault_types": ovo.ListOfStringsField(),
        "min_severity": ovo.StringField(),
        "min_probes": ovo.IntegerField(),
        "is_admin": ovo.BooleanField(),
        "created_at": fields.DateTimeField(),
    }

    @classmethod
    @base.remotable
    def get_by_id(
        cls, context: Any, subscription_id: str, project_id: str | None = None
    ) -> Self:
        """Return one subscription; with ``project_id`` only of that project.

        :raises NotFound: there is none of that id.
        """
        return cls._read_one(
            context, "subscription", subscription_id, project_id=project_id
        )

    @base.remotable
    def create(self) -> None:
        """Store the subscription; ``created_at`` is the database's clock."""
        values = self.to_dict()
        row = self._store().write("subscription", "create", **values)
        self.created_at = row["created_at"]
        self.obj_reset_changes()

    @base.remotable
    def destroy(self) -> None:
        """Remove the subscription; idempotent."""
        self._store().write("subscription", "destroy", id=self.id)


@base.Registry.register
class SubscriptionList(base.EscalatorList):
    VERSION = "1.0"
    KIND = "subscription"
    fields = {"objects": base.list_field("Subscription")}

    @classmethod
    @base.remotable
    def read_most_probes(cls, context: Any) -> int:
        """Return the largest ``min_probes`` of all; 1 if there is none."""
        return int(cls._store().read("subscription_probes")[0]["most"])

    @classmethod
    @base.remotable
    def get_page(
        cls,
        context: Any,
        project_id: str | None = None,
        limit: int = 1000,
        marker: str | None = None,
    ) -> Self:
        """Return subscriptions by id, after ``marker``."""
        return cls._read(
            context, Subscription, project_id=project_id, limit=limit, marker=marker
        )
