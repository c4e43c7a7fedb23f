"""Hosts of the inventory."""

from escalator.api import paging
from escalator.api.contract import Call, Reply
from escalator.objects.host import HostList


def list_page(call: Call) -> Reply:
    """List hosts by name."""
    rows = HostList.get_page(
        call.ctxt,
        state=call.query.get("state"),
        limit=paging.limit_of(call) + 1,
        marker=call.query.get("marker"),
    )
    body = paging.page(call, "hosts", list(rows), lambda row: row.to_dict(), "name")
    return Reply(body)
