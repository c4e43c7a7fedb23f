"""The demo's report, and which promise was broken."""

from typing import Any

from escalator.cmd import demo_picture
from escalator.domain import invariants, plan
from escalator.drivers import fleet

BUDGET_MS = 1000.0

_HOPS = tuple(f"T{number}" for number in range(10))


def build(story: Any) -> dict[str, Any]:
    """Return everything that was seen, and the broken promises."""
    client = story.client
    campaign = client.get(f"/v1/campaigns/{story.campaign_id}")["campaign"]
    hosts = client.get("/v1/hosts")["hosts"]
    journal = _journal(client, story.campaign_id)
    notices = _notices(story)
    violations = _violations(campaign, hosts, journal) + sorted(story.broken_groups)
    told = {
        "campaign_id": story.campaign_id,
        "final_state": campaign["state"],
        "elapsed_s": story.states[-1][0] - story.started_at,
        "campaign_states": [
            {"at": line["at"], "state": line["to_state"], "reason": line["detail"]}
            for line in journal
            if line["object_type"] == "campaign"
        ],
        "dead_host": story.dead_host,
        "hosts": {host["name"]: _host(host, story) for host in hosts},
        "notices": notices,
        "invariant_violations": len(violations),
        "violations": violations,
        "duplicate_side_effects": _done_twice(),
    }
    told["broken_promises"] = _broken(told, story, hosts, journal)
    return told


def _done_twice() -> list[str]:
    """Return the changes that one and the same step made more than once."""
    return [
        f"{action} on {host}: {count} times"
        for (host, action, _), count in fleet.fleet().effect_counts().items()
        if count > 1
    ]


def _journal(client: Any, campaign_id: str) -> list[dict[str, Any]]:
    lines: list[dict[str, Any]] = []
    while True:
        after = lines[-1]["seq"] if lines else 0
        page = client.get(
            f"/v1/campaigns/{campaign_id}/journal?after={after}&limit=1000"
        )["journal"]
        lines += page
        if len(page) < 1000:
            return lines


def _host(host: dict[str, Any], story: Any) -> dict[str, Any]:
    remark = ""
    if host["is_quarantined"]:
        remark = f"quarantined, not upgraded: {host['quarantine_reason']}"
    return {
        "rack": host["rack"],
        "version_before": "1.0",
        "version_after": "unknown"
        if host["name"] == story.dead_host
        else demo_picture.version_of(host),
        "remark": remark,
    }


def _notices(story: Any) -> list[dict[str, Any]]:
    """Return one entry per owner and fault, with every hop."""
    faults = {fault["id"]: fault for fault in story.client.faults()}
    told = []
    for owner in story.owners:
        for at, body in owner.faults():
            for each in body["faults"]:
                fault = faults.get(each["fault_id"])
                if fault is None:
                    continue
                times = dict(fault["times"])
                for notice in fault["notices"]:
                    if notice["subscription_id"] == owner.subscription_id:
                        times.update(notice["times"])
                told.append(
                    {
                        "owner": owner.name,
                        "project_id": owner.project_id,
                        "fault_id": fault["id"],
                        "instances": len(each["instances"]),
                        "times": times,
                        "handled_at": at,
                        "detected_to_handler_ms": (at - times["T1"]) * 1000,
                    }
                )
    return told


def _violations(
    campaign: dict[str, Any],
    hosts: list[dict[str, Any]],
    journal: list[dict[str, Any]],
) -> list[str]:
    budgets = [
        plan.Budget(**{key: value for key, value in each.items()})
        for each in campaign["plan"]["budgets"]
    ]
    facts = {
        host["name"]: plan.Target(host["name"], host["role"], host["rack"])
        for host in hosts
    }
    entries = [
        invariants.Entry(
            line["seq"], line["host"], line["object_type"], line["to_state"]
        )
        for line in journal
    ]
    found = invariants.check_journal(entries, budgets, facts)
    return [violation.text() for violation in found]


def wanted_version(story: Any) -> str:
    """Return what every living host has to have in the end."""
    return "1.0" if story.has_fault else "2.0"


def _broken(
    told: dict[str, Any],
    story: Any,
    hosts: list[dict[str, Any]],
    journal: list[dict[str, Any]],
) -> list[str]:
    broken = [f"invariant: {each}" for each in told["violations"]]
    if told["duplicate_side_effects"]:
        broken.append(f"done twice: {told['duplicate_side_effects']}")
    wanted = "rolled_back" if story.has_fault else "committed"
    if told["final_state"] != wanted:
        broken.append(f"the campaign ended {told['final_state']}, not {wanted}")
    version = wanted_version(story)
    for name, host in told["hosts"].items():
        if name != story.dead_host and host["version_after"] != version:
            broken.append(f"{name} ended at {host['version_after']}, not {version}")
    if story.has_fault:
        broken += _broken_by_fault(told, story, hosts, journal)
    return broken


def _broken_by_fault(
    told: dict[str, Any],
    story: Any,
    hosts: list[dict[str, Any]],
    journal: list[dict[str, Any]],
) -> list[str]:
    broken = []
    dead = next((h for h in hosts if h["name"] == story.dead_host), None)
    if dead is None or not dead["is_quarantined"]:
        broken.append(f"the dead host {story.dead_host} is not quarantined")
    heard = {notice["project_id"] for notice in told["notices"]}
    affected = {
        instance["project_id"]
        for fault in story.client.faults()
        if fault["host"] == story.dead_host
        for instance in fault["instances"]
    }
    for project in sorted(affected - heard):
        broken.append(f"project {project} was not told")
    for notice in told["notices"]:
        if notice["detected_to_handler_ms"] > BUDGET_MS:
            broken.append(
                f"{notice['owner']} was told after "
                f"{notice['detected_to_handler_ms']:.0f} ms"
            )
        missing = [hop for hop in _HOPS if hop not in notice["times"]]
        if missing:
            broken.append(f"{notice['owner']}: no time for {', '.join(missing)}")
    if any(owner.forged for owner in story.owners):
        broken.append("a notice carried a wrong signature")
    return broken + _broken_order(journal)


def _broken_order(journal: list[dict[str, Any]]) -> list[str]:
    """Per host, the undo must be the exact mirror of what was done (R-2)."""
    done: dict[str, list[str]] = {}
    undone: dict[str, list[str]] = {}
    for line in journal:
        if line["object_type"] != "step" or line["intent"] != "run":
            continue
        if line["to_state"] == "done":
            done.setdefault(line["host"], []).append(line["name"])
        elif line["to_state"] == "reverted":
            undone.setdefault(line["host"], []).append(line["name"])
    return [
        f"{host}: undone {names}, not the mirror of {done.get(host, [])}"
        for host, names in undone.items()
        if names != [n for n in reversed(done.get(host, [])) if n in names]
    ]
