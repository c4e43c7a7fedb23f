"""What the conductor casts to an agent.

Version history (all classes): 1.0 first version.
"""

import dataclasses
from typing import Any, Self

from oslo_versionedobjects import fields as ovo

from escalator.domain import commands
from escalator.objects import base, fields


class OrderObject(base.EscalatorObject):
    """Envelope of one command of ``domain.commands``, field for field."""

    DOMAIN: type[Any]
    executor: str

    @classmethod
    def from_domain(cls, command: Any) -> Self:
        """Wrap one dataclass of ``domain.commands``."""
        return cls(
            **{f.name: getattr(command, f.name) for f in dataclasses.fields(command)}
        )

    def to_domain(self) -> Any:
        """Return the dataclass again; what an older sender left out has its default.

        :raises TypeError: a member without a default is missing.
        """
        names = [each.name for each in dataclasses.fields(self.DOMAIN)]
        return self.DOMAIN(
            **{
                name: getattr(self, name)
                for name in names
                if self.obj_attr_is_set(name)
            }
        )


@base.Registry.register
class StepOrder(OrderObject):
    VERSION = "1.0"
    DOMAIN = commands.RunStep
    fields = {
        "step_id": fields.UUIDField(),
        "campaign_id": fields.UUIDField(),
        "host": ovo.StringField(),
        "executor": ovo.StringField(),
        "kind": ovo.StringField(),
        "intent": ovo.StringField(),
        "action": ovo.StringField(),
        "params": fields.JsonField(),
        "attempt": ovo.IntegerField(),
        "fence": ovo.IntegerField(),
        "idempotence": ovo.StringField(),
        "is_resumed": ovo.BooleanField(),
        "timeout_s": ovo.FloatField(),
        "deadline_at": ovo.FloatField(),
        "undo": fields.JsonField(),
        "rerun": ovo.IntegerField(),
        "progress_s": ovo.FloatField(),
    }


@base.Registry.register
class StepProbe(OrderObject):
    VERSION = "1.0"
    DOMAIN = commands.ProbeStep
    fields = {
        "step_id": fields.UUIDField(),
        "campaign_id": fields.UUIDField(),
        "host": ovo.StringField(),
        "executor": ovo.StringField(),
        "attempt": ovo.IntegerField(),
        "fence": ovo.IntegerField(),
    }


@base.Registry.register
class StepRelease(OrderObject):
    VERSION = "1.0"
    DOMAIN = commands.ReleaseSteps
    fields = {
        "campaign_id": fields.UUIDField(),
        "host": ovo.StringField(),
        "executor": ovo.StringField(),
        "fences": fields.JsonField(),
    }


@base.Registry.register
class StepStop(OrderObject):
    VERSION = "1.0"
    DOMAIN = commands.StopStep
    fields = {
        "step_id": fields.UUIDField(),
        "campaign_id": fields.UUIDField(),
        "host": ovo.StringField(),
        "executor": ovo.StringField(),
        "attempt": ovo.IntegerField(),
        "fence": ovo.IntegerField(),
        "reason": ovo.StringField(),
    }


_BY_DOMAIN: dict[type[Any], type[OrderObject]] = {
    commands.RunStep: StepOrder,
    commands.ProbeStep: StepProbe,
    commands.ReleaseSteps: StepRelease,
    commands.StopStep: StepStop,
}


def wrap(command: commands.Command) -> OrderObject:
    """Return the envelope of ``command``."""
    return _BY_DOMAIN[type(command)].from_domain(command)
