"""A preflight's questions: answered without changing anything (V-3, V-6, V-7)."""

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jsonschema

from escalator import errors
from escalator.domain import commands
from escalator.drivers import base, kit


class Inquiry:
    """Asks the installed actions what stands in their way.

    :param actions: entry-point name -> class.
    :param tell: returns the facts of the host as they are now.
    :param collectors: entry-point name -> class of what reads figures.
    """

    def __init__(
        self,
        actions: Mapping[str, Any],
        resources: Mapping[str, Any],
        tell: Callable[[], dict[str, Any]],
        collectors: Mapping[str, Any] | None = None,
    ) -> None:
        self._actions = actions
        self._resources = resources
        self._tell = tell
        self._collectors = collectors or {}

    def answer(self, order: commands.RunStep) -> dict[str, Any]:
        """Return ``facts``, ``obstacles``, and what was ``collected``, if asked for.

        An action that is not installed is none: check ``actions`` judges that.  A
        question to the VIM is about another host: there are no facts of it.

        :raises ActionFailed: an action cannot tell, e.g. its mirror is away.
        """
        end = time.monotonic() + order.timeout_s
        obstacles: list[str] = []
        before: list[tuple[str, Mapping[str, Any]]] = []
        for number, deed in enumerate(order.params.get("deeds", ())):
            kind = self._actions.get(deed["action"])
            if kind is None or kind.executor != order.executor:
                continue
            asked = dataclasses.replace(
                order,
                action=deed["action"],
                params=deed["with"],
                timeout_s=max(0.0, end - time.monotonic()),
            )
            found = self._ask(kind, asked, number, tuple(before))
            obstacles += found
            if not found:
                before.append((asked.action, asked.params))
        facts = self._tell() if order.executor == "node" else {}
        answer = {"facts": facts, "obstacles": obstacles}
        if wanted := order.params.get("collect"):
            answer["collected"] = {
                kind: self._collect(kind, max(0.0, end - time.monotonic()))
                for kind in wanted
            }
        return answer

    def _collect(self, kind: str, timeout_s: float) -> dict[str, Any]:
        """Return ``figures`` by name, and the ``trouble`` of those not to be had."""
        figures: dict[str, float] = {}
        trouble = []
        for _, collector in sorted(self._collectors.items()):
            if collector.kind != kind:
                continue
            try:
                figures |= collector(self._resources).collect(timeout_s)
            except errors.ActionFailed as error:
                trouble.append(str(error))
        return {"figures": figures, "trouble": "; ".join(trouble)}

    def _ask(
        self,
        kind: Any,
        asked: commands.RunStep,
        number: int,
        before: Sequence[tuple[str, Mapping[str, Any]]],
    ) -> list[str]:
        checker = jsonschema.Draft202012Validator(kind.params_schema)
        problem = jsonschema.exceptions.best_match(checker.iter_errors(asked.params))
        if problem is not None:
            return [f"{asked.action}: parameter {problem.json_path}: {problem.message}"]
        resources = {**self._resources, "before": before}
        if "jobs" in resources:
            resources["jobs"] = _Named(resources["jobs"], f"ask-{number}-")
        action: base.Action = kind(resources)
        return [f"{asked.action}: {text}" for text in action.dry_run(asked)]


class _Named:
    """Jobs of one action of several that a question is about."""

    def __init__(self, jobs: kit.Jobs, prefix: str) -> None:
        self._jobs = jobs
        self._prefix = prefix

    def run(
        self, order: commands.RunStep, name: str, argv: Sequence[str], timeout_s: float
    ) -> kit.JobResult:
        return self._jobs.run(order, self._prefix + name, argv, timeout_s)
