"""Faults and the time of every hop (DR-9).

A project is given its own instances and notices only, and the host by the
reference that its notices carry; evidence and campaigns are the operator's.
"""

import datetime
import itertools
import math
from collections.abc import Mapping
from typing import Any

from escalator.api import intake, paging
from escalator.api.contract import Call, Reply
from escalator.domain import events, notice, x733
from escalator.objects.fault import FaultRecord, FaultRecordList

_BRIEF = (
    "id",
    "host",
    "fault_type",
    "severity",
    "event_type",
    "probable_cause",
    "state",
    "is_marked_down",
    "is_root_cause",
    "raised_at",
    "observed_at",
    "changed_at",
    "cleared_at",
)


def list_page(call: Call) -> Reply:
    """List faults, newest first."""
    owner = _owner(call, "escalator:faults:list_all")
    if owner is not None and "host" in call.query:
        intake.refuse(
            "faults.host",
            "Hosts are the operator's.",
            "Remove the parameter.",
            parameter="host",
        )
    rows = FaultRecordList.get_page(
        call.ctxt,
        host=call.query.get("host"),
        project_id=owner,
        state=call.query.get("state"),
        limit=paging.limit_of(call) + 1,
        marker=call.query.get("marker"),
    )
    return Reply(paging.page(call, "faults", list(rows), lambda r: _brief(r, owner)))


def show(call: Call) -> Reply:
    """Show one fault with its hops."""
    owner = _owner(call, "escalator:faults:show_all")
    record = FaultRecord.get_by_id(call.ctxt, call.path["fault_id"], project_id=owner)
    values = _own_part(record, owner)
    values["hops"] = hops(values["times"])
    values["notices"] = [_notice(n, values["times"]) for n in values["notices"]]
    return Reply({"fault": values})


def _owner(call: Call, rule: str) -> str | None:
    """Return None for who may see everything, else the caller's project.

    A token without a project owns nothing: no project is named "".
    """
    return None if call.may(rule) else call.ctxt.project_id or ""


def _own_part(record: FaultRecord, owner: str | None) -> dict[str, Any]:
    values = {"times": {}, "instances": [], "notices": [], **record.to_dict()}
    values |= _alarm_data(values)
    if owner is None:
        return values
    for key in ("instances", "notices"):
        values[key] = [v for v in values[key] if v.get("project_id") == owner]
    ref = notice.host_ref(record.host, owner)
    return {**values, "host": ref, "evidence": {}, "campaign_ids": []}


def _alarm_data(values: dict[str, Any]) -> dict[str, Any]:
    """Return what X.733 and ETSI's alarms have besides (``domain.x733``)."""
    kind, times = values.get("fault_type", ""), values["times"]
    latest = _instant(max(times.values(), default=None))
    return {
        "event_type": x733.event_type(kind),
        "probable_cause": x733.probable_cause(kind),
        "observed_at": _instant(times.get("T1")),
        "changed_at": values.get("cleared_at") or latest,
    }


def _instant(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    found = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    return found.isoformat().replace("+00:00", "Z")


def _brief(record: FaultRecord, owner: str | None) -> dict[str, Any]:
    values = _own_part(record, owner)
    taken = [
        ms
        for told in values["notices"]
        if (ms := span_ms({**values["times"], **told.get("times", {})})) is not None
    ]
    return {
        **{name: values[name] for name in _BRIEF if name in values},
        "instance_count": len(values["instances"]),
        "notice_count": len(values["notices"]),
        "slowest_ms": max(taken, default=None),
    }


def _notice(told: dict[str, Any], before: dict[str, float]) -> dict[str, Any]:
    times = told.get("times", {})
    every = {**before, **times}
    return {
        **told,
        "times": times,
        "hops": hops(every),
        "detected_to_taken_ms": span_ms(every),
    }


def hops(times: Mapping[str, float]) -> list[dict[str, Any]]:
    """Return how long it took from each known checkpoint to the next, in ms.

    What was reached only after the impact had been told comes last.
    """
    known = [name for name in events.HOPS if name in times]
    late = [name for name in known if _is_late(name, times)]
    ordered = [name for name in known if name not in late]
    ordered += sorted(late, key=times.__getitem__)
    return [
        {
            "from": earlier,
            "to": later,
            "ms": _ms(times[earlier], times[later]),
            "meaning": events.HOPS[later],
        }
        for earlier, later in itertools.pairwise(ordered)
    ]


def _is_late(checkpoint: str, times: Mapping[str, float]) -> bool:
    is_marking = checkpoint in ("T3", "T4")
    return is_marking and times[checkpoint] > times.get("T5", math.inf)


def span_ms(times: Mapping[str, float]) -> float | None:
    """Return ms from detected (T1) to taken by the owner (T9), if both are known."""
    if "T1" not in times or "T9" not in times:
        return None
    return _ms(times["T1"], times["T9"])


def _ms(earlier: float, later: float) -> float:
    return round((later - earlier) * 1000.0, 3)
