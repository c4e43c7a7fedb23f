"""Faults as they are kept, with the time of every hop (DR-9).

Version history (all classes): 1.0 first version.
"""

from typing import Any, Self

from oslo_versionedobjects import fields as ovo

from escalator.domain import events
from escalator.objects import base, fields


@base.Registry.register
class FaultRecord(base.EscalatorObject):
    """One fault; ``times`` holds T0..T5, each notice adds its T6..T9.

    ``state`` is ``raised`` or ``cleared``.  ``notices`` is a list of objects
    with subscription_id, project_id, state, attempts, times, error.
    ``is_root_cause`` and ``correlated_fault_ids`` are computed when it is read
    (``domain.x733``).
    """

    VERSION = "1.0"
    fields = {
        "id": fields.UUIDField(),
        "host": ovo.StringField(),
        "fault_type": ovo.StringField(),
        "severity": ovo.StringField(),
        "state": ovo.StringField(),
        "is_marked_down": ovo.BooleanField(),
        "times": fields.JsonField(),
        "evidence": fields.JsonField(),
        "instances": fields.JsonField(),
        "campaign_ids": ovo.ListOfStringsField(),
        "is_root_cause": ovo.BooleanField(),
        "correlated_fault_ids": ovo.ListOfStringsField(),
        "notices": fields.JsonField(),
        "raised_at": fields.DateTimeField(),
        "cleared_at": fields.DateTimeField(nullable=True),
    }

    @classmethod
    @base.remotable
    def get_by_id(
        cls, context: Any, fault_id: str, project_id: str | None = None
    ) -> Self:
        """Return one fault; with ``project_id`` only that owner's part of it.

        :raises NotFound: there is none, or the project is not affected.
        """
        return cls._read_one(context, "fault", fault_id, project_id=project_id)

    def to_fault(self) -> events.Fault:
        """Return it as the fact that it was stored from."""
        return events.Fault(
            self.id,
            self.host,
            self.fault_type,
            self.severity,
            dict(self.times),
            dict(self.evidence),
        )


@base.Registry.register
class FaultRecordList(base.EscalatorList):
    VERSION = "1.0"
    KIND = "fault"
    fields = {"objects": base.list_field("FaultRecord")}

    @classmethod
    @base.remotable
    def get_page(
        cls,
        context: Any,
        host: str | None = None,
        project_id: str | None = None,
        state: str | None = None,
        limit: int = 100,
        marker: str | None = None,
    ) -> Self:
        """Return faults, newest first; with ``project_id`` only that owner's."""
        return cls._read(
            context,
            FaultRecord,
            host=host,
            project_id=project_id,
            state=state,
            limit=limit,
            marker=marker,
        )
