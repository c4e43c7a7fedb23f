"""From an order to the plugin that carries it out, and from errors to classes."""

import dataclasses
import json
import logging
from collections.abc import Callable, Mapping
from typing import Any

import jsonschema

from escalator import errors
from escalator.agent import inquiry
from escalator.domain import commands, decision, plan, rehearsal
from escalator.drivers import base

LOG = logging.getLogger(__name__)

DETAIL_LIMIT = 2000


class Deeds:
    """Carries out orders by means of the installed plugins.

    :param actions: entry-point name -> class, made as ``cls(resources)``.
    :param checkpoints: the same for checkpoint drivers.
    :param tell: returns the facts of the host as they are now.
    :param collectors: the same as of actions for what reads figures.
    """

    def __init__(
        self,
        actions: Mapping[str, Any],
        checkpoints: Mapping[str, Any],
        resources: Mapping[str, Any],
        tell: Callable[[], dict[str, Any]] = dict,
        collectors: Mapping[str, Any] | None = None,
    ) -> None:
        self._actions = actions
        self._checkpoints = checkpoints
        self._resources = resources
        self._inquiry = inquiry.Inquiry(actions, resources, tell, collectors)

    def carry_out(self, order: commands.RunStep) -> dict[str, Any]:
        """Return the result, a JSON object.

        :raises Exception: anything a plugin may raise; see :func:`classify`.
        """
        if order.kind == commands.ASK:
            result = self._inquiry.answer(order)
        elif order.kind == "checkpoint":
            result = _keep_or_restore(self._checkpoint(order), order)
        else:
            result = self._act(self._action(order), order)
        return _as_json(order, result)

    def can_resume(self, order: commands.RunStep) -> bool:
        """Ask the action whether an attempt that was cut off may go on."""
        made = self._actions.get(order.action)
        if order.kind == "checkpoint" or made is None:
            return False
        if made.executor != order.executor:
            return False
        return bool(made(self._resources).can_resume(order))

    def _act(self, action: base.Action, order: commands.RunStep) -> dict[str, Any]:
        _check_params(order, action)
        if order.is_resumed and order.idempotence == plan.Idempotence.PROBE:
            found = action.detect(order)
            if found is not None:
                return found
        return action.run(order)

    def _action(self, order: commands.RunStep) -> base.Action:
        action: base.Action = self._make(self._actions, "action", order)
        return action

    def _checkpoint(self, order: commands.RunStep) -> base.Checkpoint:
        checkpoint: base.Checkpoint = self._make(
            self._checkpoints, "checkpoint driver", order
        )
        return checkpoint

    def _make(
        self, installed: Mapping[str, Any], kind: str, order: commands.RunStep
    ) -> Any:
        if order.action not in installed:
            raise errors.ActionFailed(
                f"This agent has no {kind} {order.action!r}; "
                f"installed: {', '.join(sorted(installed)) or 'none'}."
            )
        made = installed[order.action]
        if made.executor != order.executor:
            raise errors.ActionFailed(
                f"{order.action} is for {made.executor} agents, "
                f"but was ordered for {order.executor}."
            )
        return made(self._resources)


def _keep_or_restore(
    checkpoint: base.Checkpoint, order: commands.RunStep
) -> dict[str, Any]:
    """Take a checkpoint, or put one back and see that nothing differs (R-1)."""
    if order.intent != decision.RESTORE:
        return checkpoint.take(order)
    contents = [each for each in order.undo.get("checkpoint", {}).values() if each]
    if len(contents) != 1:
        raise errors.ActionFailed(
            action=order.action, reason="no checkpoint is kept that it could restore"
        )
    checkpoint.restore(order, contents[0])
    found = rehearsal.differences(contents[0], _as_json(order, checkpoint.take(order)))
    if found:
        raise errors.ActionFailed(
            action=order.action, reason=f"after the restore it still differs: {found}"
        )
    return {"restored": True}


def remaining(order: commands.RunStep, now: float) -> commands.RunStep:
    """Return the order with the time that is left until its deadline.

    :param now: epoch seconds.
    :raises ActionFailed: class ``timeout``: it is past its deadline.
    """
    left_s = min(order.timeout_s, order.deadline_at - now)
    if left_s <= 0:
        raise errors.ActionFailed(
            f"{order.action} was {-left_s:.1f} s past its deadline before it began; "
            "nothing was done (or the clocks of node and database differ).",
            failure_class="timeout",
        )
    return dataclasses.replace(order, timeout_s=left_s)


def classify(error: Exception) -> tuple[str, str]:
    """Return the failure class and a detail a person understands."""
    if isinstance(error, errors.ActionFailed):
        return error.failure_class, _shorten(str(error))
    if isinstance(error, errors.EscalatorError):
        return "transient" if error.retryable else "permanent", _shorten(str(error))
    LOG.error("An action raised what it should not", exc_info=error)
    failure_class = "timeout" if isinstance(error, TimeoutError) else "permanent"
    return failure_class, _shorten(f"{type(error).__name__}: {error}")


def _check_params(order: commands.RunStep, action: base.Action) -> None:
    """Refuse parameters that the action does not declare; it runs as root."""
    checker = jsonschema.Draft202012Validator(action.params_schema)
    problem = jsonschema.exceptions.best_match(checker.iter_errors(order.params))
    if problem is not None:
        raise errors.ActionFailed(
            f"{order.action}: parameter {problem.json_path}: {problem.message}"
        )


def _as_json(order: commands.RunStep, result: Any) -> dict[str, Any]:
    """Return the result as the bus will carry it."""
    try:
        copied = json.loads(json.dumps(result))
    except (TypeError, ValueError) as error:
        raise errors.ActionFailed(
            f"{order.action}: its result is not JSON: {error}"
        ) from error
    if not isinstance(copied, dict):
        raise errors.ActionFailed(f"{order.action}: its result is no JSON object")
    return copied


def _shorten(text: str) -> str:
    """Keep the end: programs say last why they gave up."""
    if len(text) <= DETAIL_LIMIT:
        return text
    return f"...{text[-DETAIL_LIMIT:]}"
