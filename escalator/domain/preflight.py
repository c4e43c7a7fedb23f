"""The system held against the plan, before anything is touched (V-3 to V-7).

Pure: what was read goes in, findings and what follows from them come out.

====================  =====================================================
``selection.empty``   no host is selected
``health.down``       a host is down
``health.busy``       another campaign works on a host (before a start)
``health.silent``     a host's agent is silent
``health.fault``      a fault of a host is open
``health.quarantine`` a host is quarantined, and the selector does not leave it
                      out: the campaign would wait for it without end
``health.too_many``   more hosts would be left out than ``max_excluded``
``alarms.open``       an alarm that was declared to the campaign is raised
``capacity.room``     what is drained first does not find room elsewhere
``migration.stuck``   an instance of the first hosts has nowhere to go
``layers.vim_away``   compute hosts are to be changed, and the VIM is away
``layers.vim_down``   compute hosts are to be changed, and a control host is down
``layers.nfvi_down``  control hosts are to be changed, and a compute host is down
``layers.service``    a service of Escalator is not alive
``actions.missing``   a host's agent does not have an action of the plan
``actions.version``   a host's agent has another version of it
``disk.low``          a host has less free disk space than ``min_disk_gib``
====================  =====================================================
"""

import dataclasses
import itertools
import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from escalator.domain import document as doc
from escalator.domain import duration, placement, plan

CHECKS = ("health", "alarms", "capacity", "migration", "layers", "actions", "disk")
"""What a file may give a policy of its own; the first part of a code."""

BLOCK, EXCLUDE, REPORT = "block", "exclude_and_report", "report"
POLICIES = (BLOCK, EXCLUDE, REPORT)

NFVI_ROLES = frozenset({"compute", "storage", "network"})
VIM_ROLES = frozenset({"controller", "control"})

_NAMED = 5


@dataclasses.dataclass(frozen=True, slots=True)
class Finding:
    """:ivar code: see above; its first part names the check.
    :ivar host: the selected host that it is about, or "" for the campaign.
    :ivar effect: a policy: what the finding does to the start.
    """

    code: str
    host: str
    text: str
    remedy: str
    effect: str = BLOCK


@dataclasses.dataclass(frozen=True, slots=True)
class Sight:
    """What a preflight looks at.

    :ivar targets: the whole inventory.
    :ivar todo: procedure -> its targets that are not done, in order.
    :ivar begun: hosts that the campaign has worked on: none is left out midway.
    :ivar busy: host -> the campaign that works on it.
    :ivar faults: host -> the kinds of its open faults.
    :ivar alarms: (name, reason) of raised alarms of the campaign.
    :ivar services: Escalator's services of which no process is alive.
    :ivar is_first: the campaign has nothing under way: it is to be started.
    :ivar next_ids: procedures that may run now.
    """

    made: plan.Plan
    targets: Sequence[plan.Target]
    todo: Mapping[str, Sequence[plan.Target]]
    begun: Collection[str] = ()
    busy: Mapping[str, str] = dataclasses.field(default_factory=dict)
    faults: Mapping[str, Sequence[str]] = dataclasses.field(default_factory=dict)
    alarms: Sequence[tuple[str, str]] = ()
    vim_trouble: str = ""
    services: Sequence[str] = ()
    is_first: bool = True
    next_ids: Collection[str] = ()

    def selected(self) -> dict[str, plan.Target]:
        """Return every target that is not done, by name."""
        return {each.name: each for row in self.todo.values() for each in row}


@dataclasses.dataclass(frozen=True, slots=True)
class Verdict:
    """:ivar refusal: why the campaign may not go on, or ""."""

    findings: tuple[Finding, ...]
    refusal: str


def read(body: Mapping[str, Any]) -> plan.Preflight:
    """Return section ``preflight`` of a faultless file."""
    allowed = body.get("max_excluded")
    share = doc.percent(allowed)
    return plan.Preflight(
        valid_s=duration.parse(body.get("valid", 0)),
        on_finding=body.get("on_finding", BLOCK),
        checks=dict(doc.table(body, "checks")),
        max_excluded=allowed if share is None else None,
        max_excluded_percent=share,
        min_disk_gib=body.get("min_disk_gib", 0),
    )


def judge(sight: Sight) -> Verdict:
    """Return what stands against the campaign's start (V-5, V-7)."""
    wanted = sight.made.preflight
    selected = sight.selected()
    if not selected and sight.is_first:
        remedy = "check the selectors: openstack upgrade campaign validate"
        empty = Finding("selection.empty", "", "no host is selected", remedy)
        return Verdict((empty,), _refusal([empty]))
    found = [_weighed(each, wanted, sight.begun) for each in _of_hosts(sight, selected)]
    gone = {each.host for each in found if each.effect == EXCLUDE}
    found += _too_many(sight.made.preflight, sorted(gone), len(selected))
    found += [
        _weighed(each, wanted, ())
        for each in itertools.chain(
            _alarms(sight), _layers(sight, selected), _room(sight, gone)
        )
    ]
    return Verdict(tuple(found), _refusal(found))


def excluded(findings: Iterable[Finding]) -> dict[str, str]:
    """Return the hosts that are left out, and why."""
    why: dict[str, list[str]] = {}
    for each in findings:
        if each.effect == EXCLUDE:
            why.setdefault(each.host, []).append(each.text)
    return {host: "; ".join(texts) for host, texts in why.items()}


def _weighed(
    finding: Finding, wanted: plan.Preflight, begun: Collection[str]
) -> Finding:
    """Give a finding its effect: what is midway, or no host, cannot be left out."""
    check = finding.code.partition(".")[0]
    effect = wanted.checks.get(check, wanted.on_finding)
    if effect == EXCLUDE and (not finding.host or finding.host in begun):
        effect = BLOCK
    return dataclasses.replace(finding, effect=effect)


def _refusal(found: Sequence[Finding]) -> str:
    texts = [each.text for each in found if each.effect == BLOCK]
    if not texts:
        return ""
    named = "; ".join(texts[:_NAMED])
    if len(texts) > _NAMED:
        named += f" (and {len(texts) - _NAMED} more)"
    return f"preflight refused: {named}"


def _too_many(
    wanted: plan.Preflight, gone: Sequence[str], population: int
) -> Iterator[Finding]:
    limit = wanted.max_excluded
    if wanted.max_excluded_percent is not None:
        limit = math.floor(population * wanted.max_excluded_percent / 100)
    if limit is not None and len(gone) > limit:
        yield Finding(
            "health.too_many",
            "",
            f"{len(gone)} of {population} hosts would be left out, max_excluded"
            f" allows {limit}: {', '.join(gone[:_NAMED])}",
            "repair them, or allow more in preflight: max_excluded",
        )


def _of_hosts(sight: Sight, selected: Mapping[str, plan.Target]) -> Iterator[Finding]:
    needed = needed_actions(sight.made, sight.todo)
    for name in sorted(selected):
        target = selected[name]
        yield from _health(sight, target)
        yield from lacking_actions(target, needed[name])
        yield from _disk(sight.made.preflight, target)


def _health(sight: Sight, target: plan.Target) -> Iterator[Finding]:
    name = target.name
    other = sight.busy.get(name, "")
    if other and sight.is_first:
        text = f"{name}: down or busy: campaign {other} works on it"
        yield Finding("health.busy", name, text, "wait for it, or select apart")
    elif not other and not target.is_up:
        text = f"{name}: down or busy: it is down"
        yield Finding("health.down", name, text, "repair it, or quarantine it")
    if target.is_quarantined:
        yield Finding(
            "health.quarantine",
            name,
            f"{name}: it is quarantined, and the selector does not leave it out",
            "release it, or exclude {state: quarantined}",
        )
    if not target.has_agent:
        text = f"{name}: its agent is silent"
        yield Finding("health.silent", name, text, "start escalator-agent there")
    kinds = sorted(set(sight.faults.get(name, ())))
    if kinds and target.is_up:
        yield Finding(
            "health.fault",
            name,
            f"{name}: open faults: {', '.join(kinds)}",
            "repair it: openstack upgrade fault list",
        )


def needed_actions(
    made: plan.Plan, todo: Mapping[str, Sequence[plan.Target]]
) -> dict[str, dict[str, str]]:
    """Return host -> actions that its own agent must have -> their versions."""
    found: dict[str, dict[str, str]] = {}
    for procedure in made.procedures:
        deeds: list[plan.Step | plan.Undo] = [*procedure.steps]
        deeds += [undo for step in procedure.steps for undo in step.undo]
        wanted = {
            each.action: each.version for each in deeds if each.executor == "node"
        }
        for target in todo.get(procedure.id, ()):
            found.setdefault(target.name, {}).update(wanted)
    return found


def lacking_actions(
    target: plan.Target, needed: Mapping[str, str]
) -> Iterator[Finding]:
    """Judge what the agent told of its actions; one that told nothing passes."""
    has = target.facts.get("actions")
    if not isinstance(has, Mapping):
        return
    missing = sorted(set(needed) - set(has))
    if missing:
        yield Finding(
            "actions.missing",
            target.name,
            f"{target.name}: its agent does not have {', '.join(missing)}",
            "install there what brings the action, and restart escalator-agent",
        )
    other = sorted(
        name
        for name, version in needed.items()
        if name in has and version and has[name] != version
    )
    if other:
        yield Finding(
            "actions.version",
            target.name,
            f"{target.name}: its agent has another version of {', '.join(other)}",
            "bring agent and conductor to the same release",
        )


def _disk(wanted: plan.Preflight, target: plan.Target) -> Iterator[Finding]:
    free = target.facts.get("disk_free_gib")
    if isinstance(free, int | float) and free < wanted.min_disk_gib:
        yield Finding(
            "disk.low",
            target.name,
            f"{target.name}: {free:g} GiB are free, {wanted.min_disk_gib:g} are needed",
            "make room there, or lower preflight: min_disk_gib",
        )


def _alarms(sight: Sight) -> Iterator[Finding]:
    for name, reason in sight.alarms:
        text = f"alarm {name} is raised" + (f": {reason}" if reason else "")
        remedy = "clear its cause, or delete it: openstack upgrade alarm list"
        yield Finding("alarms.open", "", text, remedy)


def _layers(sight: Sight, selected: Mapping[str, plan.Target]) -> Iterator[Finding]:
    """One layer is changed only while the other one is well (V-3)."""
    roles = {target.role for target in selected.values()}
    if roles & NFVI_ROLES:
        if sight.vim_trouble:
            text = f"the VIM is away: {sight.vim_trouble}"
            yield Finding("layers.vim_away", "", text, "bring it back first")
        down = _down(sight, VIM_ROLES - roles)
        if down:
            text = f"control hosts are down: {', '.join(down[:_NAMED])}"
            yield Finding("layers.vim_down", "", text, "repair them first")
    if roles & VIM_ROLES:
        down = _down(sight, NFVI_ROLES - roles)
        if down:
            text = f"{len(down)} NFVI hosts are down: {', '.join(down[:_NAMED])}"
            yield Finding("layers.nfvi_down", "", text, "repair or quarantine them")
    if sight.services:
        text = f"no process is alive of {', '.join(sight.services)}"
        yield Finding("layers.service", "", text, "start it; upgrade service list")


def _down(sight: Sight, roles: Collection[str]) -> list[str]:
    """A quarantined host is known to be out; its layer is not judged by it."""
    return sorted(
        target.name
        for target in sight.targets
        if target.role in roles
        and not target.is_up
        and not target.is_quarantined
        and target.name not in sight.busy
    )


def _room(sight: Sight, gone: Collection[str]) -> Iterator[Finding]:
    for procedure in sight.made.procedures:
        if procedure.id not in sight.next_ids or not placement.drains(procedure):
            continue
        todo = [t for t in sight.todo.get(procedure.id, ()) if t.name not in gone]
        first = placement.first_hosts(sight.made, procedure, todo, sight.targets)
        short = placement.shortage(first, sight.targets)
        if short is not None:
            yield Finding(
                "capacity.room",
                "",
                f"{procedure.id}: {short.leaving} instances leave {len(first)} hosts at"
                f" once, the others have room for {short.room}",
                f"set parallel to {short.fitting}"
                if short.fitting
                else "add spare hosts, or free room on the others",
            )
            continue
        for host, group in placement.stuck(first, sight.targets):
            what = f"a member of group {group}" if group else "an instance"
            yield Finding(
                "migration.stuck",
                host if host not in sight.begun else "",
                f"{host}: {what} fits on no other host",
                "add a spare host, or lower parallel",
            )
