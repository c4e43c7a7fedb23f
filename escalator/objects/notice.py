"""Notices as they are kept: who was told, and how that ended (DR-9).

Version history (all classes): 1.0 first version.
"""

from typing import Any, Self

from oslo_versionedobjects import fields as ovo

from escalator.objects import base, fields


@base.Registry.register
class NoticeRecord(base.EscalatorObject):
    """One notice, of faults or of a campaign; its text never leaves the conductor.

    ``state`` is one of ``domain.notice.State``; ``times`` holds T6..T9 of the last
    time that it was sent.  ``fault_ids`` is empty for news of a campaign.
    """

    VERSION = "1.0"
    id: str
    fields = {
        "id": ovo.StringField(),
        "cause_id": ovo.StringField(),
        "subscription_id": ovo.StringField(),
        "project_id": ovo.StringField(),
        "fault_ids": ovo.ListOfStringsField(),
        "state": ovo.StringField(),
        "attempts": ovo.IntegerField(),
        "times": fields.JsonField(),
        "error": ovo.StringField(),
        "settled_at": fields.DateTimeField(),
    }

    @classmethod
    @base.remotable
    def get_by_id(
        cls, context: Any, notice_id: str, project_id: str | None = None
    ) -> Self:
        """Return one notice; with ``project_id`` only of that project (DR-7).

        :raises NotFound: there is none of that id.
        """
        return cls._read_one(context, "notice", notice_id, project_id=project_id)


@base.Registry.register
class NoticeRecordList(base.EscalatorList):
    VERSION = "1.0"
    KIND = "notice"
    fields = {"objects": base.list_field("NoticeRecord")}

    @classmethod
    @base.remotable
    def get_page(
        cls,
        context: Any,
        project_id: str | None = None,
        state: str | None = None,
        subscription_id: str | None = None,
        fault_id: str | None = None,
        limit: int = 100,
        marker: str | None = None,
    ) -> Self:
        """Return notices, the last settled first; with ``project_id`` only its own."""
        return cls._read(
            context,
            NoticeRecord,
            project_id=project_id,
            state=state,
            subscription_id=subscription_id,
            fault_id=fault_id,
            limit=limit,
            marker=marker,
        )
