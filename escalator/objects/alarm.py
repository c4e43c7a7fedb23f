"""Alarms of Aodh that Escalator listens to, and what it heard of them.

Version history (all classes): 1.0 first version.
"""

from typing import Any, Self

from oslo_versionedobjects import fields as ovo

from escalator.domain import alarm
from escalator.objects import base, fields


@base.Registry.register
class Alarm(base.EscalatorObject):
    """An alarm with a token of its own; of one host, one campaign, or neither.

    ``reaction`` is what it does to the campaign.  ``fault_type`` and
    ``severity`` are what it is told as if it has a host; an empty severity
    follows Aodh's.  ``aodh_alarm_id`` is empty until the first report, unless
    it was given.  ``state`` is Aodh's, empty before the first report;
    ``fault_id`` that of the fault that it raised and that is not over.
    ``reports`` counts what was accepted, ``repeats`` those that were no news.
    """

    VERSION = "1.0"
    id: str
    fields = {
        "id": fields.UUIDField(),
        "name": ovo.StringField(),
        "project_id": ovo.StringField(),
        "user_id": ovo.StringField(),
        "host": ovo.StringField(),
        "campaign_id": ovo.StringField(),
        "reaction": fields.EnumField(alarm.Reaction),
        "fault_type": ovo.StringField(),
        "severity": ovo.StringField(),
        "aodh_alarm_id": ovo.StringField(),
        "state": ovo.StringField(),
        "fault_id": ovo.StringField(),
        "reports": ovo.IntegerField(),
        "repeats": ovo.IntegerField(),
        "created_at": fields.DateTimeField(),
        "reported_at": fields.DateTimeField(nullable=True),
        "revoked_at": fields.DateTimeField(nullable=True),
    }

    @classmethod
    @base.remotable
    def get_by_id(
        cls, context: Any, alarm_id: str, project_id: str | None = None
    ) -> Self:
        """Return one alarm; with ``project_id`` only of that project.

        :raises NotFound: there is none of that id.
        """
        return cls._read_one(context, "alarm", alarm_id, project_id=project_id)

    @base.remotable
    def create(self, token_digest: str) -> None:
        """Store the alarm; ``created_at`` is the database's clock.

        :param token_digest: SHA-256 of its token, hex; nobody reads it again.
        """
        values = self.to_dict()
        row = self._store().write(
            "alarm", "create", token_digest=token_digest, **values
        )
        self.created_at = row["created_at"]
        self.obj_reset_changes()


@base.Registry.register
class AlarmList(base.EscalatorList):
    VERSION = "1.0"
    KIND = "alarm"
    fields = {"objects": base.list_field("Alarm")}

    @classmethod
    @base.remotable
    def get_page(
        cls,
        context: Any,
        project_id: str | None = None,
        limit: int = 1000,
        marker: str | None = None,
    ) -> Self:
        """Return alarms by id, after ``marker``."""
        return cls._read(
            context, Alarm, project_id=project_id, limit=limit, marker=marker
        )


@base.Registry.register
class Observation(base.EscalatorObject):
    """A report that was news: its state, what it was taken for, what was done.

    ``verdict`` is one of ``domain.alarm.Verdict``; ``outcome`` a sentence.
    """

    VERSION = "1.0"
    fields = {
        "seq": ovo.IntegerField(),
        "alarm_id": fields.UUIDField(),
        "at": fields.DateTimeField(),
        "previous": ovo.StringField(),
        "state": ovo.StringField(),
        "reason": ovo.StringField(),
        "verdict": ovo.StringField(),
        "outcome": ovo.StringField(),
    }


@base.Registry.register
class ObservationList(base.EscalatorList):
    VERSION = "1.0"
    KIND = "observation"
    fields = {"objects": base.list_field("Observation")}

    @classmethod
    @base.remotable
    def get_page(
        cls,
        context: Any,
        alarm_id: str,
        before: int | None = None,
        limit: int = 100,
    ) -> Self:
        """Return an alarm's observations, newest first, below number ``before``."""
        return cls._read(
            context, Observation, alarm_id=alarm_id, before=before, limit=limit
        )
