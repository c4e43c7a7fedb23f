"""Envelopes of the facts in ``domain.events``.

Version history (all classes): 1.0 first version.
"""

import dataclasses
import typing
from typing import Any, Self

from oslo_versionedobjects import fields as ovo

from escalator.domain import alarm, events
from escalator.objects import base, fields, shapes


class EventObject(base.EscalatorObject):
    """Envelope of one fact.  ``DOMAIN`` is its dataclass, field for field."""

    DOMAIN: type[Any]
    MEMBER_CHECKS: tuple[tuple[str, shapes.Check], ...]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.MEMBER_CHECKS = _compile_checks(cls.DOMAIN)

    @classmethod
    def from_domain(cls, event: Any) -> Self:
        """Wrap one dataclass of ``domain.events``."""
        return cls(
            **{f.name: getattr(event, f.name) for f in dataclasses.fields(event)}
        )

    @classmethod
    def _obj_from_primitive(
        cls, context: Any, objver: str, primitive: dict[str, Any]
    ) -> Self:
        """Refuse what the library's fields would bend to fit.

        :raises ValueError: a member has a wrong type.
        """
        data = cls._obj_primitive_field(primitive, "data")
        for name, is_right in cls.MEMBER_CHECKS:
            if name in data and not is_right(data[name]):
                raise ValueError(f"{cls.__name__}: {name} has a wrong type")
        made: Self = super()._obj_from_primitive(context, objver, primitive)
        return made

    def to_domain(self) -> Any:
        """Return the dataclass again; lists become tuples."""
        values = {}
        for field in dataclasses.fields(self.DOMAIN):
            if self.obj_attr_is_set(field.name):
                value = getattr(self, field.name)
                values[field.name] = tuple(value) if isinstance(value, list) else value
        return self.DOMAIN(**values)


def _compile_checks(domain: type[Any]) -> tuple[tuple[str, shapes.Check], ...]:
    """Return the checks of a fact's own members, by name."""
    hints = typing.get_type_hints(domain)
    found = ((name, shapes.compile_check(hint)) for name, hint in hints.items())
    return tuple((name, check) for name, check in found if check is not None)


@base.Registry.register
class FaultConfirmed(EventObject):
    VERSION = "1.0"
    DOMAIN = events.FaultConfirmed
    fields = {
        "event_id": fields.UUIDField(),
        "faults": fields.RecordsField(events.Fault),
    }


@base.Registry.register
class FaultCleared(EventObject):
    VERSION = "1.0"
    DOMAIN = events.FaultCleared
    fields = {
        "event_id": fields.UUIDField(),
        "faults": fields.RecordsField(events.Fault),
        "cleared_at": ovo.FloatField(),
    }


@base.Registry.register
class FaultCorroborated(EventObject):
    VERSION = "1.0"
    DOMAIN = events.FaultCorroborated
    fields = {
        "event_id": fields.UUIDField(),
        "faults": fields.RecordsField(events.Fault),
        "before": fields.JsonField(),
        "corroborated_at": ovo.FloatField(),
    }


@base.Registry.register
class HostMarkedDown(EventObject):
    VERSION = "1.0"
    DOMAIN = events.HostMarkedDown
    fields = {
        "event_id": fields.UUIDField(),
        "impacts": fields.RecordsField(events.Impact),
        "others": fields.RecordsField(events.Fault),
    }


@base.Registry.register
class HostMarkedUp(EventObject):
    VERSION = "1.0"
    DOMAIN = events.HostMarkedUp
    fields = {
        "event_id": fields.UUIDField(),
        "impacts": fields.RecordsField(events.Impact),
        "cleared_at": ovo.FloatField(),
        "others": fields.RecordsField(events.Fault),
    }


@base.Registry.register
class CheckpointReached(EventObject):
    VERSION = "1.0"
    DOMAIN = events.CheckpointReached
    fields = {
        "event_id": fields.UUIDField(),
        "checkpoint": ovo.StringField(),
        "reached_at": fields.JsonField(),
    }


@base.Registry.register
class ImpactCorroborated(EventObject):
    VERSION = "1.0"
    DOMAIN = events.ImpactCorroborated
    fields = {
        "event_id": fields.UUIDField(),
        "impacts": fields.RecordsField(events.Impact),
        "before": fields.JsonField(),
        "corroborated_at": ovo.FloatField(),
        "others": fields.RecordsField(events.Fault),
    }


@base.Registry.register
class StepReported(EventObject):
    VERSION = "1.0"
    DOMAIN = events.StepReported
    fields = {
        "event_id": fields.UUIDField(),
        "step_id": fields.UUIDField(),
        "campaign_id": fields.UUIDField(),
        "host": ovo.StringField(),
        "agent": ovo.StringField(),
        "attempt": ovo.IntegerField(),
        "fence": ovo.IntegerField(),
        "outcome": fields.EnumField(events.Outcome),
        "failure_class": ovo.StringField(),
        "detail": ovo.StringField(),
        "result": fields.JsonField(),
        "duration_s": ovo.FloatField(),
        "reported_at": ovo.FloatField(),
    }


@base.Registry.register
class AgentBeat(EventObject):
    VERSION = "1.0"
    DOMAIN = events.AgentBeat
    fields = {
        "host": ovo.StringField(),
        "agent": ovo.StringField(),
        "capabilities": ovo.ListOfStringsField(),
        "facts": fields.JsonField(),
        "sent_at": ovo.FloatField(),
        "interval_s": ovo.FloatField(),
    }


@base.Registry.register
class CampaignChanged(EventObject):
    VERSION = "1.0"
    DOMAIN = events.CampaignChanged
    fields = {
        "event_id": fields.UUIDField(),
        "campaign_id": fields.UUIDField(),
        "name": ovo.StringField(),
        "project_id": ovo.StringField(),
        "from_state": ovo.StringField(),
        "to_state": ovo.StringField(),
        "reason": ovo.StringField(),
        "hosts": ovo.ListOfStringsField(),
        "occurred_at": ovo.FloatField(),
        "severity": ovo.StringField(),
    }


@base.Registry.register
class NoticeSettled(EventObject):
    VERSION = "1.0"
    DOMAIN = events.NoticeSettled
    fields = {
        "event_id": fields.UUIDField(),
        "notice_id": ovo.StringField(),
        "cause_id": ovo.StringField(),
        "fault_ids": ovo.ListOfStringsField(),
        "subscription_id": ovo.StringField(),
        "project_id": ovo.StringField(),
        "state": ovo.StringField(),
        "attempts": ovo.IntegerField(),
        "times": fields.JsonField(),
        "error": ovo.StringField(),
        "body": ovo.StringField(),
    }


@base.Registry.register
class SubscriptionsChanged(EventObject):
    VERSION = "1.0"
    DOMAIN = events.SubscriptionsChanged
    fields = {
        "event_id": fields.UUIDField(),
        "subscription_ids": ovo.ListOfStringsField(),
    }


@base.Registry.register
class AlarmReported(EventObject):
    VERSION = "1.0"
    DOMAIN = events.AlarmReported
    fields = {
        "event_id": fields.UUIDField(),
        "token_digest": ovo.StringField(),
        "alarm_id": ovo.StringField(),
        "alarm_name": ovo.StringField(),
        "severity": ovo.StringField(),
        "previous": ovo.StringField(),
        "current": fields.EnumField(alarm.State),
        "reason": ovo.StringField(),
        "message_id": ovo.StringField(),
        "reported_at": ovo.FloatField(),
    }


@base.Registry.register
class ResendRequested(EventObject):
    VERSION = "1.0"
    DOMAIN = events.ResendRequested
    fields = {
        "event_id": fields.UUIDField(),
        "notice_id": ovo.StringField(),
        "cause_id": ovo.StringField(),
        "fault_ids": ovo.ListOfStringsField(),
        "subscription_id": ovo.StringField(),
        "project_id": ovo.StringField(),
        "body": ovo.StringField(),
    }


CLASSES: tuple[type[EventObject], ...] = (
    FaultConfirmed,
    FaultCleared,
    FaultCorroborated,
    HostMarkedDown,
    HostMarkedUp,
    CheckpointReached,
    ImpactCorroborated,
    StepReported,
    AgentBeat,
    CampaignChanged,
    NoticeSettled,
    SubscriptionsChanged,
    AlarmReported,
    ResendRequested,
)

_BY_DOMAIN = {cls.DOMAIN: cls for cls in CLASSES}


def wrap(event: events.Event) -> EventObject:
    """Return the envelope of ``event``."""
    return _BY_DOMAIN[type(event)].from_domain(event)
