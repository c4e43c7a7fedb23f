"""What agents have, and can have, of what a plan needs (V-3).  Pure."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from escalator.domain import draining, ordering, plan
from escalator.domain.preflight_finding import Finding

ARTIFACTS = "artifacts"
"""The check that asks agents whether what is to be installed can be had."""

MIGRATION = "migration"
"""The check that asks the VIM whether hosts can be drained, if a file names it."""

_NAMED = 20

_RELEASE = "bring agent and conductor to the same release"


@dataclasses.dataclass(frozen=True, slots=True)
class Told:
    """Figures of one kind that an agent read.

    :ivar trouble: why some, or all, could not be read.
    """

    figures: Mapping[str, float] = dataclasses.field(default_factory=dict)
    trouble: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """What an agent, of a host or of the VIM, answered to a preflight's question.

    :ivar obstacles: what stands in the way of the plan's actions there.
    :ivar trouble: why there is no answer, or "".
    :ivar facts: what it told anew of its host.
    :ivar collected: kind -> what was read (``domain.collection``).
    """

    obstacles: tuple[str, ...] = ()
    trouble: str = ""
    facts: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    collected: Mapping[str, Told] = dataclasses.field(default_factory=dict)


def questions(
    made: plan.Plan, todo: Mapping[str, Sequence[plan.Target]]
) -> dict[str, list[dict[str, Any]]]:
    """Return host -> the actions that its agent is asked about, if any check wants it.

    :returns: ``{"action": ..., "with": ...}`` of each, without doubles, in the order
        in which they are to be carried out.
    """
    return _questions(made, todo, ARTIFACTS, lambda step: step.executor == "node")


def drains(
    made: plan.Plan, todo: Mapping[str, Sequence[plan.Target]]
) -> dict[str, list[dict[str, Any]]]:
    """Return the same of what the VIM is asked about: moving instances away."""
    return _questions(
        made,
        todo,
        MIGRATION,
        lambda step: step.executor == "vim" and step.action in draining.ACTIONS,
    )


def _questions(
    made: plan.Plan,
    todo: Mapping[str, Sequence[plan.Target]],
    check: str,
    is_asked: Callable[[plan.Step], bool],
) -> dict[str, list[dict[str, Any]]]:
    if check not in made.preflight.checks:
        return {}
    found: dict[str, list[dict[str, Any]]] = {}
    for procedure in ordering.in_order(made.procedures):
        deeds = [
            {"action": step.action, "with": step.params}
            for step in procedure.steps
            if step.kind == "action" and is_asked(step)
        ]
        for target in todo.get(procedure.id, ()):
            known = found.setdefault(target.name, [])
            known += [deed for deed in deeds if deed not in known]
    return {host: deeds for host, deeds in found.items() if deeds}


def unavailable(host: str, answer: Answer | None) -> Iterator[Finding]:
    """Judge what a host's agent answered; None: it was not asked."""
    if answer is None:
        answer = Answer(trouble="its agent was not asked in time")
    if answer.trouble:
        yield Finding(
            "artifacts.unknown",
            host,
            f"{host}: whether all can be installed is unknown: {answer.trouble}",
            "look at the agent there, then make another preflight",
        )
    elif answer.obstacles:
        yield Finding(
            "artifacts.missing",
            host,
            f"{host}: {'; '.join(answer.obstacles)}",
            "bring it into the repositories of the host, or correct the file",
        )


def immovable(host: str, answer: Answer | None, is_silent: bool) -> Iterator[Finding]:
    """Judge what the VIM answered about the drain of a host; None: nothing.

    :param is_silent: no VIM agent was heard of lately, so none was asked.
    """
    if answer is None:
        why = "every VIM agent is silent" if is_silent else "it was not asked in time"
        answer = Answer(trouble=why)
    if answer.trouble:
        yield Finding(
            "migration.unknown",
            host,
            f"{host}: whether the VIM can drain it is unknown: {answer.trouble}",
            "look at the VIM and its agents, then make another preflight",
        )
    elif answer.obstacles:
        told = "; ".join(answer.obstacles[:_NAMED])
        if len(answer.obstacles) > _NAMED:
            told += f" (and {len(answer.obstacles) - _NAMED} more)"
        yield Finding(
            "migration.obstructed",
            host,
            f"{host}: {told}",
            "make room, or have the instances made movable by their owners",
        )


def needed_actions(
    made: plan.Plan, todo: Mapping[str, Sequence[plan.Target]]
) -> dict[str, dict[str, str]]:
    """Return host -> actions that its own agent must have -> their versions."""
    found: dict[str, dict[str, str]] = {}
    for procedure in made.procedures:
        wanted = _of_executor(procedure, "node")
        for target in todo.get(procedure.id, ()):
            found.setdefault(target.name, {}).update(wanted)
    mending = {each.action: each.version for each in made.preflight.remedies}
    for name in found:
        found[name].update(mending)
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


def lacking_vim_actions(
    agents: Mapping[str, Mapping[str, Any] | None],
    made: plan.Plan,
    todo: Mapping[str, Sequence[plan.Target]],
    is_silent: bool,
) -> Iterator[Finding]:
    """Judge every VIM agent: any of them may get the order.

    :param agents: those heard of lately -> their actions, with versions; one that
        told nothing passes.
    :param is_silent: there were some, and none was heard of lately.
    """
    needed: dict[str, str] = {}
    for procedure in made.procedures:
        if todo.get(procedure.id):
            needed.update(_of_executor(procedure, "vim"))
    if needed and is_silent:
        yield Finding(
            "actions.vim_silent",
            "",
            f"no VIM agent was heard of lately; needed for {', '.join(sorted(needed))}",
            "start an escalator-agent with [agent] capabilities = vim",
        )
    for name, has in sorted(agents.items()):
        if not isinstance(has, Mapping):
            continue
        if missing := sorted(set(needed) - set(has)):
            text = f"VIM agent {name} does not have {', '.join(missing)}"
            yield Finding("actions.vim_missing", "", text, _RELEASE)
        other = sorted(
            action
            for action, version in needed.items()
            if action in has and version and has[action] != version
        )
        if other:
            text = f"VIM agent {name} has another version of {', '.join(other)}"
            yield Finding("actions.vim_version", "", text, _RELEASE)


def needs_vim(procedure: plan.Procedure) -> bool:
    """Say whether a VIM agent has to carry out something of it, or its undo."""
    return bool(_of_executor(procedure, "vim"))


def _of_executor(procedure: plan.Procedure, executor: str) -> dict[str, str]:
    deeds: list[plan.Step | plan.Undo] = [*procedure.steps]
    deeds += [undo for step in procedure.steps for undo in step.undo]
    return {each.action: each.version for each in deeds if each.executor == executor}
