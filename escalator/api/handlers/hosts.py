"""Hosts of the inventory."""

from escalator.api import paging
from escalator.api.contract import Call, Reply
from escalator.objects.host import Host, HostList


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


def show(call: Call) -> Reply:
    """Show one host."""
    host = Host.get_by_name(call.ctxt, call.path["name"])
    return Reply({"host": host.to_dict()})


def act(call: Call) -> Reply:
    """Keep a host out of all campaigns, or let it in again."""
    action = call.body["action"]
    call.demand(f"escalator:hosts:{action['name']}")
    host = call.parts.conductor.host_act(
        call.ctxt, call.path["name"], action["name"], action.get("arguments", {})
    )
    return Reply({"host": host.to_dict()})
