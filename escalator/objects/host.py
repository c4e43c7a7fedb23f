"""Hosts of the inventory.

Version history (all classes): 1.0 first version.
"""

from typing import Any, Self

from oslo_versionedobjects import fields as ovo

from escalator import errors
from escalator.objects import base, fields


@base.Registry.register
class Host(base.EscalatorObject):
    """A host as the conductor knows it.

    ``state`` is ``up`` or ``down``; ``facts`` what its agent told of it
    (package versions and the like); ``campaign_id`` who works on it now;
    ``nics`` the address of every data-plane interface;
    ``expected_down_until`` the end of the time that a step under way may need
    to reboot it.
    """

    VERSION = "1.0"
    fields = {
        "name": ovo.StringField(),
        "address": ovo.StringField(),
        "role": ovo.StringField(),
        "rack": ovo.StringField(),
        "availability_zone": ovo.StringField(),
        "tags": ovo.ListOfStringsField(),
        "groups": ovo.ListOfStringsField(),
        "state": ovo.StringField(),
        "is_quarantined": ovo.BooleanField(),
        "quarantine_reason": ovo.StringField(),
        "campaign_id": fields.UUIDField(nullable=True),
        "facts": fields.JsonField(),
        "instances": ovo.IntegerField(),
        "agent_seen_at": fields.DateTimeField(nullable=True),
        "nics": fields.JsonField(),
        "expected_down_until": fields.DateTimeField(nullable=True),
    }

    @classmethod
    @base.remotable
    def get_by_name(cls, context: Any, name: str) -> Self:
        """Return one host.

        :raises NotFound: there is no such host.
        """
        rows = cls._store().read("host", name=name)
        if not rows:
            raise errors.NotFound(kind="host", id=name)
        return cls._from_row(context, rows[0])


@base.Registry.register
class HostList(base.EscalatorList):
    VERSION = "1.0"
    KIND = "host"
    fields = {"objects": base.list_field("Host")}

    @classmethod
    @base.remotable
    def get_page(
        cls,
        context: Any,
        state: str | None = None,
        limit: int = 1000,
        marker: str | None = None,
    ) -> Self:
        """Return hosts by name, after ``marker`` (a name)."""
        return cls._read(context, Host, state=state, limit=limit, marker=marker)

    @classmethod
    @base.remotable
    def read_digest(cls, context: Any) -> str:
        """Return what changes whenever a monitor has to read its hosts anew.

        Much cheaper than reading them all again only to find them the same.
        """
        return str(cls._store().read("host_digest")[0]["digest"])
