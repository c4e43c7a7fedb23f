"""Campaigns: reads go to the objects, orders to the conductor."""

import json
from typing import Any

from escalator import errors
from escalator.api import intake, paging
from escalator.api.contract import Call, Reply
from escalator.objects.campaign import Campaign, CampaignList, JournalList, StepList
from escalator.objects.preflight import PreflightReport
from escalator.objects.revision import PlanRevisionList

_LONG = ("document", "plan")
_TAKERS: dict[str, tuple[str, ...]] = {
    "target": ("pause", "resume"),
    "rack": ("pause", "resume"),
    "procedure": ("pause", "resume"),
    "without": ("rollback",),
    **dict.fromkeys(("parallel", "budgets", "exclude", "skip", "retry"), ("change",)),
    **dict.fromkeys(("max_quarantined", "windows"), ("change",)),
    **dict.fromkeys(("kind", "revision", "gate"), ("approve",)),
}


def create(call: Call) -> Reply:
    """Store a campaign; the same Idempotency-Key answers with the same one."""
    try:
        campaign = call.parts.conductor.campaign_create(
            call.ctxt, *_submission(call), call.key
        )
    except errors.InvalidInput as error:
        raise _placed(call, error) from error
    made = _whole(call, campaign)
    return Reply(made, headers={"Location": f"{call.root}v1/campaigns/{campaign.id}"})


def validate(call: Call) -> Reply:
    """Judge a campaign file; nothing is stored (V-4)."""
    try:
        judged = call.parts.conductor.campaign_validate(call.ctxt, *_submission(call))
        refused = [f for f in judged["findings"] if f.get("severity") != "warning"]
        if refused:
            raise errors.InvalidInput(
                kind="campaign file",
                summary=f"{len(refused)} findings",
                findings=tuple(refused),
            )
    except errors.InvalidInput as error:
        raise _placed(call, error) from error
    return Reply({"validation": judged})


def plan(call: Call) -> Reply:
    """Say what a campaign file would do; nothing is stored (P-0)."""
    seed = call.query.get("seed", 0)
    asked = call.body["campaign"].get("what_if")
    try:
        found = call.parts.conductor.campaign_plan(
            call.ctxt, *_submission(call), seed, asked
        )
    except errors.InvalidInput as error:
        raise _placed(call, error) from error
    return Reply({"plan": found})


def list_page(call: Call) -> Reply:
    """List campaigns, newest first."""
    rows = CampaignList.get_page(
        call.ctxt,
        project_id=call.query.get("project_id"),
        state=call.query.get("state"),
        limit=paging.limit_of(call) + 1,
        marker=call.query.get("marker"),
    )
    return Reply(
        paging.page(call, "campaigns", list(rows), lambda row: _brief(call, row))
    )


def show(call: Call) -> Reply:
    """Show one campaign with its file and plan."""
    return Reply(_whole(call, _get(call)))


def steps(call: Call) -> Reply:
    """List the steps of one campaign in the order of their creation."""
    rows = StepList.get_page(
        call.ctxt,
        _get(call).id,
        host=call.query.get("host"),
        state=call.query.get("state"),
        limit=paging.limit_of(call) + 1,
        marker=call.query.get("marker"),
    )
    return Reply(paging.page(call, "steps", list(rows), lambda row: row.to_dict()))


def journal(call: Call) -> Reply:
    """Read the journal, oldest first, after line ``after``."""
    rows = JournalList.get_page(
        call.ctxt,
        _get(call).id,
        after=call.query.get("after", 0),
        limit=paging.limit_of(call) + 1,
    )
    lines = paging.page(
        call, "journal", list(rows), lambda row: row.to_dict(), "seq", "after"
    )
    return Reply(lines)


def revisions(call: Call) -> Reply:
    """List the revisions of the plan, oldest first, after number ``after``."""
    rows = PlanRevisionList.get_page(
        call.ctxt,
        _get(call).id,
        after=call.query.get("after", 0),
        limit=paging.limit_of(call) + 1,
    )
    return Reply(
        paging.page(
            call, "revisions", list(rows), lambda row: row.to_dict(), "rev", "after"
        )
    )


def explain(call: Call) -> Reply:
    """Say why the campaign itself, and every waiting step, waits."""
    waits = call.parts.conductor.campaign_explain(call.ctxt, _id(call))
    return Reply({"waits": waits})


def preflight(call: Call) -> Reply:
    """Show what the latest preflight found (V-5)."""
    report = PreflightReport.get_of_campaign(call.ctxt, _get(call).id)
    return Reply({"preflight": report.to_dict()})


def act(call: Call) -> Reply:
    """Give a campaign one of its orders."""
    action = call.body["action"]
    name, arguments = action["name"], action.get("arguments", {})
    call.demand(f"escalator:campaigns:{name}")
    for argument, takers in _TAKERS.items():
        if argument in arguments and name not in takers:
            intake.refuse(
                "action.argument",
                f"{name} takes no {argument}.",
                f"Remove {argument}; only {' and '.join(takers)} take it.",
                pointer=f"/action/arguments/{argument}",
            )
    campaign = call.parts.conductor.campaign_act(
        call.ctxt, _id(call), name, arguments, call.key
    )
    return Reply(_whole(call, campaign))


def _id(call: Call) -> str:
    return call.path["campaign_id"]


def _get(call: Call) -> Campaign:
    return Campaign.get_by_id(call.ctxt, _id(call))


def _submission(call: Call) -> tuple[str, dict[str, Any]]:
    """Return the file as text; JSON is a subset of YAML."""
    given = call.body["campaign"]
    document = given["document"]
    text = document if isinstance(document, str) else json.dumps(document)
    return text, given.get("params", {})


def _placed(call: Call, error: errors.InvalidInput) -> errors.InvalidInput:
    """Make pointers into an object lead through the body that held it."""
    if isinstance(call.body["campaign"]["document"], str):
        return error
    findings = tuple(
        {
            **finding,
            "pointer": f"/campaign/document{finding.get('pointer') or ''}",
            "line": None,
        }
        if finding["rule"] != "what_if"
        else finding
        for finding in error.findings
    )
    return errors.InvalidInput(str(error), findings=findings)


def _whole(call: Call, campaign: Campaign) -> dict[str, Any]:
    return {"campaign": {**campaign.to_dict(), **_links(call, campaign)}}


def _brief(call: Call, campaign: Campaign) -> dict[str, Any]:
    values = campaign.to_dict()
    for name in _LONG:
        values.pop(name, None)
    return {**values, **_links(call, campaign)}


def _links(call: Call, campaign: Campaign) -> dict[str, Any]:
    href = f"{call.root}v1/campaigns/{campaign.id}"
    return {"links": [{"rel": "self", "href": href}]}
