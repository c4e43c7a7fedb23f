"""Escalator's own processes (RU-3)."""

from escalator.api.contract import Call, Reply
from escalator.objects.service import ServiceList


def list_all(call: Call) -> Reply:
    """List every service record; there are tens of them, so one page."""
    rows = ServiceList.get_all(call.ctxt)
    return Reply({"services": [row.to_dict() for row in rows], "links": []})
