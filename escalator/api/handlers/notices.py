"""What became of notices, and dead letters that are sent again (DR-7, DR-9)."""

from escalator.api import paging
from escalator.api.contract import Call, Reply
from escalator.objects.notice import NoticeRecord, NoticeRecordList


def list_page(call: Call) -> Reply:
    """List notices, the last settled first."""
    rows = NoticeRecordList.get_page(
        call.ctxt,
        project_id=_owner(call, "escalator:notices:list_all"),
        state=call.query.get("state"),
        subscription_id=call.query.get("subscription_id"),
        fault_id=call.query.get("fault_id"),
        limit=paging.limit_of(call) + 1,
        marker=call.query.get("marker"),
    )
    return Reply(paging.page(call, "notices", list(rows), lambda row: row.to_dict()))


def show(call: Call) -> Reply:
    """Show one notice."""
    found = _get(call, "escalator:notices:show_all")
    return Reply({"notice": found.to_dict()})


def act(call: Call) -> Reply:
    """Send a dead letter again; how that ends is seen in the notice."""
    found = _get(call, "escalator:notices:resend_all")
    sent = call.parts.conductor.notice_resend(call.ctxt, found.id)
    return Reply({"notice": sent.to_dict()})


def _owner(call: Call, rule: str) -> str | None:
    """Return None for who may reach every project's, else the caller's."""
    return None if call.may(rule) else call.ctxt.project_id or ""


def _get(call: Call, rule: str) -> NoticeRecord:
    return NoticeRecord.get_by_id(
        call.ctxt, call.path["notice_id"], project_id=_owner(call, rule)
    )
