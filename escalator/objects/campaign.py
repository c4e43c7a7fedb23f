"""Campaigns, their steps and their journal.

Version history (all classes): 1.0 first version.
"""

from typing import Any, Self

from oslo_versionedobjects import fields as ovo

from escalator.domain import states
from escalator.objects import base, fields


@base.Registry.register
class Campaign(base.EscalatorObject):
    """One upgrade campaign.

    ``document`` is the file as it was accepted, ``plan`` its rendered form,
    ``progress`` counts slots by procedure and state, ``gates`` are those of stages
    that began, ``window`` is the change window that is open or the next one: its
    ``start``, ``end`` and ``is_open``.  Times are aware UTC.
    """

    VERSION = "1.0"
    fields = {
        "id": fields.UUIDField(),
        "name": ovo.StringField(),
        "project_id": ovo.StringField(),
        "user_id": ovo.StringField(),
        "state": fields.EnumField(states.CampaignState),
        "state_reason": ovo.StringField(),
        "document": ovo.StringField(),
        "file_digest": ovo.StringField(),
        "params": fields.JsonField(),
        "plan": fields.JsonField(),
        "plan_rev": ovo.IntegerField(),
        "progress": fields.JsonField(),
        "gates": fields.JsonField(),
        "windows": fields.JsonField(),
        "window": fields.JsonField(nullable=True),
        "created_at": fields.DateTimeField(),
        "updated_at": fields.DateTimeField(),
        "started_at": fields.DateTimeField(nullable=True),
        "ended_at": fields.DateTimeField(nullable=True),
    }

    @classmethod
    @base.remotable
    def get_by_id(cls, context: Any, campaign_id: str) -> Self:
        """Return one campaign, with its progress.

        :raises NotFound: there is none of that id.
        """
        return cls._read_one(context, "campaign", campaign_id)


@base.Registry.register
class CampaignList(base.EscalatorList):
    VERSION = "1.0"
    KIND = "campaign"
    fields = {"objects": base.list_field("Campaign")}

    @classmethod
    @base.remotable
    def get_page(
        cls,
        context: Any,
        project_id: str | None = None,
        state: str | None = None,
        limit: int = 100,
        marker: str | None = None,
    ) -> Self:
        """Return up to ``limit`` campaigns, newest first, after ``marker``."""
        return cls._read(
            context,
            Campaign,
            project_id=project_id,
            state=state,
            limit=limit,
            marker=marker,
        )


@base.Registry.register
class Step(base.EscalatorObject):
    """One step of one slot; ``reason`` says why it waits or how it ended."""

    VERSION = "1.0"
    fields = {
        "id": fields.UUIDField(),
        "campaign_id": fields.UUIDField(),
        "slot_id": fields.UUIDField(),
        "procedure": ovo.StringField(),
        "host": ovo.StringField(),
        "seq": ovo.IntegerField(),
        "name": ovo.StringField(),
        "kind": ovo.StringField(),
        "action": ovo.StringField(),
        "intent": ovo.StringField(),
        "undo_of": fields.UUIDField(nullable=True),
        "state": fields.EnumField(states.StepState),
        "reason": ovo.StringField(),
        "attempt": ovo.IntegerField(),
        "fence": ovo.IntegerField(),
        "agent": ovo.StringField(),
        "failure_class": ovo.StringField(),
        "result": fields.JsonField(),
        "expected_s": ovo.FloatField(),
        "timeout_s": ovo.FloatField(),
        "started_at": fields.DateTimeField(nullable=True),
        "ended_at": fields.DateTimeField(nullable=True),
    }


@base.Registry.register
class StepList(base.EscalatorList):
    VERSION = "1.0"
    KIND = "step"
    fields = {"objects": base.list_field("Step")}

    @classmethod
    @base.remotable
    def get_page(
        cls,
        context: Any,
        campaign_id: str,
        host: str | None = None,
        state: str | None = None,
        limit: int = 1000,
        marker: str | None = None,
    ) -> Self:
        """Return steps in the order of their creation, after ``marker``."""
        return cls._read(
            context,
            Step,
            campaign_id=campaign_id,
            host=host,
            state=state,
            limit=limit,
            marker=marker,
        )


@base.Registry.register
class JournalEntry(base.EscalatorObject):
    """One line of a campaign's journal; never changed once written."""

    VERSION = "1.0"
    fields = {
        "seq": ovo.IntegerField(),
        "at": fields.DateTimeField(),
        "campaign_id": fields.UUIDField(),
        "object_type": ovo.StringField(),
        "object_id": ovo.StringField(),
        "host": ovo.StringField(),
        "name": ovo.StringField(),
        "intent": ovo.StringField(),
        "from_state": ovo.StringField(),
        "to_state": ovo.StringField(),
        "actor": ovo.StringField(),
        "attempt": ovo.IntegerField(),
        "fence": ovo.IntegerField(),
        "detail": ovo.StringField(),
    }


@base.Registry.register
class JournalList(base.EscalatorList):
    VERSION = "1.0"
    KIND = "journal"
    fields = {"objects": base.list_field("JournalEntry")}

    @classmethod
    @base.remotable
    def get_page(
        cls, context: Any, campaign_id: str, after: int = 0, limit: int = 1000
    ) -> Self:
        """Return lines with ``seq`` > ``after``, oldest first."""
        return cls._read(
            context, JournalEntry, campaign_id=campaign_id, after=after, limit=limit
        )
