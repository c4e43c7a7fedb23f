"""What a preflight found.

Version history (all classes): 1.0 first version.
"""

from typing import Any, Self

from oslo_versionedobjects import fields as ovo

from escalator import errors
from escalator.objects import base, fields


@base.Registry.register
class PreflightReport(base.EscalatorObject):
    """The present report of one campaign.

    ``verdict`` is ``passed``, ``refused`` or ``waits``: agents are asked; ``findings``
    is a list of objects with ``code``, ``host``, ``text``, ``remedy`` and ``effect``,
    ``remedies`` of those with ``host``, ``check``, ``action``, ``state``, ``detail``,
    ``started_at`` and ``ended_at``.  ``collected`` lists the kinds of ``readings``:
    objects with ``kind``, ``host``, ``name``, ``value`` and ``baseline``, what it was
    in the report ``baseline_id``, which let the campaign start.
    """

    VERSION = "1.0"
    fields = {
        "id": fields.UUIDField(),
        "campaign_id": fields.UUIDField(),
        "plan_rev": ovo.IntegerField(),
        "verdict": ovo.StringField(),
        "refusal": ovo.StringField(),
        "findings": fields.JsonField(),
        "remedies": fields.JsonField(),
        "collected": fields.JsonField(),
        "readings": fields.JsonField(),
        "baseline_id": fields.UUIDField(nullable=True),
        "made_at": fields.DateTimeField(),
    }

    @classmethod
    @base.remotable
    def get_of_campaign(cls, context: Any, campaign_id: str) -> Self:
        """Return the campaign's present report.

        :raises NotFound: none was made yet.
        """
        rows = cls._store().read("preflight", campaign_id=campaign_id)
        if not rows:
            raise errors.NotFound(kind="preflight report of campaign", id=campaign_id)
        return cls._from_row(context, rows[0])
