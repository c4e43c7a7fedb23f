"""Alarms of Aodh: who may bind them to what, and what they report.

The token in the path of a report is its credential: at least 256 random bits,
of which only a digest is kept.
"""

import hashlib
import re
import secrets
import time
import uuid
from typing import Any

from oslo_log import log

from escalator import errors
from escalator.api import intake, paging
from escalator.api.contract import Call, Reply
from escalator.domain import alarm as rules
from escalator.domain import events
from escalator.objects import event as event_objects
from escalator.objects.alarm import Alarm, AlarmList, ObservationList
from escalator.objects.campaign import Campaign
from escalator.objects.host import Host

LOG = log.getLogger(__name__)

TOKEN_BYTES = 32
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)
_REFUSALS = (errors.NotFound, errors.InvalidInput)


def create(call: Call) -> Reply:
    """Bind an alarm; the token that it reports with is shown this once."""
    given = call.body["alarm"]
    owner = _owner_of_new(call, given)
    _check_bond(call, given)
    token = secrets.token_urlsafe(TOKEN_BYTES)
    is_bound = "campaign_id" in given
    usual = rules.Reaction.HOLD if is_bound else rules.Reaction.OBSERVE
    made = Alarm(
        context=call.ctxt,
        id=str(uuid.uuid4()),
        name=given["name"],
        project_id=owner,
        user_id=call.ctxt.user_id or "",
        host=given.get("host", ""),
        campaign_id=given.get("campaign_id", "").lower(),
        reaction=given.get("reaction", usual.value),
        fault_type=given.get("fault_type", events.FaultType.ALARM.value),
        severity=given.get("severity", ""),
        aodh_alarm_id=given.get("aodh_alarm_id", ""),
        state="",
        fault_id="",
        reports=0,
        repeats=0,
        reported_at=None,
        revoked_at=None,
    )
    made.create(_digest(token))
    path = f"v1/alarms/aodh/{token}"
    shown = {
        **made.to_dict(),
        "token": token,
        "callback_path": f"/{path}",
        "callback_url": f"{call.root}{path}",
    }
    headers = {"Location": f"{call.root}v1/alarms/{made.id}"}
    return Reply({"alarm": shown}, headers=headers)


def list_page(call: Call) -> Reply:
    """List alarms by id, revoked ones too."""
    rows = AlarmList.get_page(
        call.ctxt,
        project_id=_owner(call, "escalator:alarms:list_all"),
        limit=paging.limit_of(call) + 1,
        marker=call.query.get("marker"),
    )
    return Reply(paging.page(call, "alarms", list(rows), lambda row: row.to_dict()))


def show(call: Call) -> Reply:
    """Show one alarm."""
    return Reply({"alarm": _get(call, "escalator:alarms:show_all").to_dict()})


def observations(call: Call) -> Reply:
    """List what was news in the reports of an alarm, newest first."""
    rows = ObservationList.get_page(
        call.ctxt,
        _get(call, "escalator:alarms:show_all").id,
        before=call.query.get("before"),
        limit=paging.limit_of(call) + 1,
    )
    page = paging.page(call, "observations", list(rows), _observation, "seq", "before")
    return Reply(page)


def delete(call: Call) -> Reply:
    """Revoke an alarm: its token is void from now on, its history stays."""
    found = _get(call, "escalator:alarms:delete_all")
    call.parts.conductor.alarm_revoke(call.ctxt, found.id)
    return Reply(None)


def report(call: Call) -> Reply:
    """Take what Aodh posts; answered when it is safe.

    Aodh tries nothing again.  What the conductor cannot take now is left to
    the broker, which hands it over later.

    :raises NotFound: the token is unknown or revoked; nobody is told which.
    """
    token = call.path["token"]
    if not _TOKEN.fullmatch(token):
        raise errors.NotFound("No alarm has this token.")
    told = _report(call.body, _digest(token))
    try:
        wrapped = event_objects.AlarmReported.from_domain(told)
        call.parts.conductor.alarm_report(call.ctxt, wrapped)
    except _REFUSALS:
        raise
    except errors.EscalatorError as error:
        LOG.warning(
            "A report of Aodh's alarm %r is left to the broker: %s",
            told.alarm_id,
            error,
        )
        call.parts.publisher.publish(told)
    return Reply(None)


def _report(body: dict[str, Any], digest: str) -> events.AlarmReported:
    event = (body.get("reason_data") or {}).get("event")
    message_id = event.get("message_id") if isinstance(event, dict) else ""
    return events.AlarmReported(
        event_id=str(uuid.uuid4()),
        token_digest=digest,
        alarm_id=body["alarm_id"],
        alarm_name=body["alarm_name"],
        severity=body["severity"],
        previous=body["previous"],
        current=body["current"],
        reason=body["reason"][: rules.MAX_TEXT],
        message_id=message_id if isinstance(message_id, str) else "",
        reported_at=time.time(),
    )


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _owner(call: Call, rule: str) -> str | None:
    """Return None for who may reach every project's, else the caller's."""
    return None if call.may(rule) else call.ctxt.project_id or ""


def _owner_of_new(call: Call, given: dict[str, Any]) -> str:
    owner: str = given.get("project_id") or call.ctxt.project_id or ""
    if owner != (call.ctxt.project_id or ""):
        call.demand("escalator:alarms:create_all")
    return owner


def _check_bond(call: Call, given: dict[str, Any]) -> None:
    """Refuse an alarm that cannot mean anything, or reaches too far.

    :raises Forbidden: hosts are bound by administrators only.
    :raises InvalidInput: two bonds, or members that go with another bond.
    :raises NotFound: no such campaign, or another project's.
    """
    host, campaign_id = given.get("host"), given.get("campaign_id")
    if host and campaign_id:
        _refuse("two_bonds", "A host and a campaign are given.", "Give one.", "host")
    for member, bond in _MEMBERS_OF.items():
        if member in given and not given.get(bond):
            detail = f"{member} says nothing without {bond}."
            _refuse("no_bond", detail, f"Give {bond}.", member)
    if host:
        call.demand("escalator:alarms:create_all")
        _check_host(call, host)
    if campaign_id:
        campaign = Campaign.get_by_id(call.ctxt, campaign_id.lower())
        is_own = campaign.project_id == (call.ctxt.project_id or "")
        if not is_own and not call.may("escalator:alarms:create_all"):
            raise errors.NotFound(kind="campaign", id=campaign_id)


_MEMBERS_OF = {"reaction": "campaign_id", "fault_type": "host", "severity": "host"}


def _check_host(call: Call, host: str) -> None:
    try:
        Host.get_by_name(call.ctxt, host)
    except errors.NotFound:
        _refuse("host", "No such host is known.", "See the list of hosts.", "host")


def _refuse(rule: str, detail: str, remedy: str, member: str) -> None:
    intake.refuse(f"alarm.{rule}", detail, remedy, pointer=f"/alarm/{member}")


def _get(call: Call, rule: str) -> Alarm:
    return Alarm.get_by_id(
        call.ctxt, call.path["alarm_id"], project_id=_owner(call, rule)
    )


def _observation(row: Any) -> dict[str, Any]:
    values: dict[str, Any] = row.to_dict()
    values.pop("alarm_id", None)
    return values
