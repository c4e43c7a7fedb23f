"""The system held against the plan, before anything is touched (V-3 to V-7).

Pure: what was read goes in, findings and what follows from them come out.

=========================  ==================================================
``selection.empty``        no host is selected
``health.down``            a host is down
``health.busy``            another campaign works on a host (before a start)
``health.silent``          a host's agent is silent
``health.fault``           a fault of a host is open
``health.quarantine``      a host is quarantined, and the selector does not leave it
                           out: the campaign would wait for it without end
``health.too_many``        more hosts would be left out than ``max_excluded``
``alarms.open``            an alarm that was declared to the campaign is raised
``capacity.room``          what is drained first does not find room elsewhere
``migration.stuck``        an instance of the first hosts has nowhere to go
``migration.obstructed``   the VIM says what stands in the way of a host's drain
``migration.unknown``      the VIM could not say whether a host can be drained
``layers.vim_away``        compute hosts are to be changed, and the VIM is away
``layers.vim_down``        compute hosts are to be changed, and a control host is down
``layers.nfvi_down``       control hosts are to be changed, and a compute host is down
``layers.service``         a service of Escalator is not alive
``actions.missing``        a host's agent does not have an action of the plan
``actions.version``        a host's agent has another version of it
``actions.vim_missing``    a VIM agent does not have an action of the plan
``actions.vim_version``    a VIM agent has another version of it
``actions.vim_silent``     the VIM has to do something, and no VIM agent is heard of
``disk.low``               a host has less free disk space than ``min_disk_gib``
``artifacts.missing``      what is to be installed cannot be had on a host
``artifacts.unknown``      nobody could say whether it can be had
``statistics.missing``     a host's statistics could not be collected
``statistics.high``        one of them is beyond its limit
``logs.missing``           a host's logs could not be counted
``logs.high``              they tell of more errors than their limit
=========================  ==================================================
"""

import dataclasses
import itertools
import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from escalator.domain import ability, collection, duration, placement, plan
from escalator.domain import document as doc
from escalator.domain.ability import lacking_actions as lacking_actions
from escalator.domain.ability import needed_actions as needed_actions
from escalator.domain.preflight_finding import BLOCK as BLOCK
from escalator.domain.preflight_finding import EXCLUDE as EXCLUDE
from escalator.domain.preflight_finding import REMEDIATE, Finding
from escalator.domain.preflight_finding import REPORT as REPORT

CHECKS = (
    "health",
    "alarms",
    "capacity",
    "migration",
    "layers",
    "actions",
    "disk",
    "artifacts",
    *collection.TOLD,
)
"""What a file may give a policy of its own; the first part of a code."""

MENDED = ("actions", "disk", "artifacts", *collection.TOLD)
"""Checks that an agent can answer anew: what they find may be remedied (V-7)."""

NFVI_ROLES = frozenset({"compute", "storage", "network"})
VIM_ROLES = frozenset({"controller", "control"})

_NAMED = 5

Question = Mapping[str, Sequence[Any]]
"""``deeds``: actions, see ``ability.questions``; ``collect``: kinds of figures."""


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
    :ivar questions: host -> what its agent is asked about.
    :ivar answers: host -> what it answered.
    :ivar drains: host -> what the VIM is asked about it.
    :ivar vim_answers: host -> what the VIM answered.
    :ivar remedied: (check, host) -> what was done about it, for people.
    :ivar midway: hosts on which a step may be at work: none is asked or mended.
    :ivar is_mended: remedies were tried once; what is left blocks.
    :ivar vim_agents: VIM agents heard of lately -> their actions and versions, or
        None: not told.
    :ivar is_vim_silent: there were VIM agents, and none was heard of lately.
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
    questions: Mapping[str, Question] = dataclasses.field(default_factory=dict)
    answers: Mapping[str, ability.Answer] = dataclasses.field(default_factory=dict)
    drains: Mapping[str, Question] = dataclasses.field(default_factory=dict)
    vim_answers: Mapping[str, ability.Answer] = dataclasses.field(default_factory=dict)
    remedied: Mapping[tuple[str, str], str] = dataclasses.field(default_factory=dict)
    midway: Collection[str] = ()
    is_mended: bool = False
    vim_agents: Mapping[str, Mapping[str, Any] | None] = dataclasses.field(
        default_factory=dict
    )
    is_vim_silent: bool = False

    def selected(self) -> dict[str, plan.Target]:
        """Return every target that is not done, by name."""
        return {each.name: each for row in self.todo.values() for each in row}


@dataclasses.dataclass(frozen=True, slots=True)
class Verdict:
    """:ivar refusal: why the campaign may not go on, or ""."""

    findings: tuple[Finding, ...]
    refusal: str


def read(
    body: Mapping[str, Any], usual: Mapping[str, tuple[str, str]] | None = None
) -> plan.Preflight:
    """Return section ``preflight`` of a faultless file.

    :param usual: action -> its idempotence and version.
    """
    allowed = body.get("max_excluded")
    share = doc.percent(allowed)
    checks = doc.table(body, "checks")
    remedies = {
        check: policy[REMEDIATE]
        for check, policy in checks.items()
        if isinstance(policy, Mapping)
    }
    return plan.Preflight(
        valid_s=duration.parse(body.get("valid", 0)),
        on_finding=body.get("on_finding", BLOCK),
        checks={
            check: REMEDIATE if check in remedies else policy
            for check, policy in checks.items()
        },
        max_excluded=allowed if share is None else None,
        max_excluded_percent=share,
        min_disk_gib=body.get("min_disk_gib", 0),
        limits={kind: dict(most) for kind, most in doc.table(body, "limits").items()},
        remedies=tuple(
            _remedy(check, remedy, usual or {}) for check, remedy in remedies.items()
        ),
    )


def _remedy(
    check: str, body: Mapping[str, Any], usual: Mapping[str, tuple[str, str]]
) -> plan.Remedy:
    idempotence, version = usual.get(body["action"], ("", ""))
    return plan.Remedy(
        check,
        body["action"],
        dict(body.get("with", {})),
        duration.parse(body["timeout"]),
        idempotence,
        version,
    )


def judge(sight: Sight) -> Verdict:
    """Return what stands against the campaign's start (V-5, V-7)."""
    selected = sight.selected()
    if not selected and sight.is_first:
        remedy = "check the selectors: openstack upgrade campaign validate"
        empty = Finding("selection.empty", "", "no host is selected", remedy)
        return Verdict((empty,), _refusal([empty]))
    found = [_weighed(each, sight) for each in _of_hosts(sight, selected)]
    gone = {each.host for each in found if each.effect == EXCLUDE}
    found = [_unless_gone(each, gone) for each in found]
    found += _too_many(sight.made.preflight, sorted(gone), len(selected))
    found += [
        _weighed(each, sight)
        for each in itertools.chain(
            ability.lacking_vim_actions(
                sight.vim_agents, sight.made, sight.todo, sight.is_vim_silent
            ),
            _alarms(sight),
            _layers(sight, selected),
            _room(sight, gone),
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


def _weighed(finding: Finding, sight: Sight) -> Finding:
    """Give a finding its effect: what is midway, or no host, cannot be left out."""
    check = finding.code.partition(".")[0]
    wanted = sight.made.preflight
    effect = wanted.checks.get(check, wanted.on_finding)
    done = sight.remedied.get((check, finding.host), "")
    if effect == EXCLUDE and (not finding.host or finding.host in sight.begun):
        effect = BLOCK
    is_tried = done or sight.is_mended
    if effect == REMEDIATE and (is_tried or not _can_be_mended(finding.host, sight)):
        effect = BLOCK
    text = f"{finding.text}; {done}" if done else finding.text
    return dataclasses.replace(finding, effect=effect, text=text)


def _can_be_mended(host: str, sight: Sight) -> bool:
    """Say whether the host's agent can do something about it now."""
    target = sight.selected().get(host)
    return (
        target is not None
        and target.is_up
        and target.has_agent
        and host not in sight.busy
        and host not in sight.midway
    )


def _unless_gone(finding: Finding, gone: Collection[str]) -> Finding:
    """Nothing is mended on a host that is left out."""
    if finding.effect == REMEDIATE and finding.host in gone:
        return dataclasses.replace(finding, effect=EXCLUDE)
    return finding


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
    wanted = sight.made.preflight
    needed = needed_actions(sight.made, sight.todo)
    for name in sorted(selected):
        target = selected[name]
        yield from _health(sight, target)
        yield from lacking_actions(target, needed[name])
        yield from _disk(wanted, target)
        if name in sight.questions and ability.ARTIFACTS in wanted.checks:
            yield from ability.unavailable(name, sight.answers.get(name))
        if name in sight.drains:
            answer = sight.vim_answers.get(name)
            yield from ability.immovable(name, answer, sight.is_vim_silent)
    for name in sorted(sight.questions):
        # One that was midway when the others were asked is judged the next time.
        if name in selected or name in sight.answers:
            yield from collection.judge(wanted, name, sight.answers.get(name))


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
        if procedure.id in sight.next_ids and placement.drains(procedure):
            todo = [t for t in sight.todo.get(procedure.id, ()) if t.name not in gone]
            yield from placement.judge(
                sight.made, procedure, todo, sight.targets, sight.begun
            )
