"""Plan revisions of a campaign.

Version history (all classes): 1.0 first version.
"""

from typing import Any, Self

from oslo_versionedobjects import fields as ovo

from escalator.objects import base, fields


@base.Registry.register
class PlanRevision(base.EscalatorObject):
    """One revision of a campaign's plan.

    ``diff`` has ``joined`` and ``left`` (host names), and ``changed`` (texts) if an
    operator made it; ``targets`` counts its hosts.  ``author`` is empty if the
    inventory changed.  ``awaits`` says why it needs an approval, or is empty.
    """

    VERSION = "1.0"
    fields = {
        "rev": ovo.IntegerField(),
        "campaign_id": fields.UUIDField(),
        "targets": ovo.IntegerField(),
        "diff": fields.JsonField(),
        "author": ovo.StringField(),
        "awaits": ovo.StringField(),
        "approved_by": ovo.StringField(),
        "approved_at": fields.DateTimeField(nullable=True),
        "created_at": fields.DateTimeField(),
    }


@base.Registry.register
class PlanRevisionList(base.EscalatorList):
    VERSION = "1.0"
    KIND = "revision"
    fields = {"objects": base.list_field("PlanRevision")}

    @classmethod
    @base.remotable
    def get_page(
        cls, context: Any, campaign_id: str, after: int = 0, limit: int = 1000
    ) -> Self:
        """Return revisions with ``rev`` > ``after``, oldest first."""
        return cls._read(
            context, PlanRevision, campaign_id=campaign_id, after=after, limit=limit
        )
