"""Errors across RPC: rebuilt by their stable code, never by a class path.

Only classes of ``escalator.errors`` are rebuilt; whatever else a server raises
arrives as :class:`escalator.errors.RemoteFailure`, without its traceback.
"""

import json
import logging
from collections.abc import Callable
from typing import Any

import oslo_messaging
from oslo_serialization import jsonutils

from escalator import errors

LOG = logging.getLogger(__name__)


class Refusal(Exception):
    """Carries an encoded error through oslo.messaging; its text is JSON."""


def encode(error: errors.EscalatorError) -> str:
    """Return ``error`` as JSON: code, message, fields and its own attributes."""
    own = {k: v for k, v in vars(error).items() if k != "fields"}
    return json.dumps(
        jsonutils.to_primitive(
            {
                "code": error.code,
                "message": str(error),
                "fields": error.fields,
                "own": own,
            }
        )
    )


def decode(text: str) -> errors.EscalatorError:
    """Return the error that :func:`encode` was given.

    :raises ValueError: the text is none of ours.
    """
    values = json.loads(text)
    if not isinstance(values, dict) or "code" not in values:
        raise ValueError("not an encoded error")
    kind = _classes().get(values["code"], errors.EscalatorError)
    made = kind(str(values.get("message", "")))
    made.fields = dict(values.get("fields") or {})
    for name, present in list(vars(made).items()):
        if name != "fields" and name in values.get("own", {}):
            value = values["own"][name]
            is_tuple = isinstance(present, tuple)
            setattr(made, name, tuple(value) if is_tuple else value)
    return made


class Guard:
    """Stands before an endpoint: no exception leaves it but a refusal."""

    def __init__(self, endpoint: Any) -> None:
        self.target = endpoint.target
        self._endpoint = endpoint

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("_"):
            raise AttributeError(name)
        method = getattr(self._endpoint, name)

        def guarded(ctxt: Any, **args: Any) -> Any:
            try:
                return method(ctxt, **args)
            except errors.EscalatorError as error:
                _refuse(error)
            except Exception as error:
                LOG.exception("%s failed", name)
                _refuse(_failure(name, error))

        return guarded


def _failure(name: str, error: Exception) -> errors.RemoteFailure:
    return errors.RemoteFailure(
        method=name, target="the server", reason=f"{type(error).__name__}: {error}"
    )


def _refuse(error: errors.EscalatorError) -> None:
    """Raise in the way that oslo.messaging does not log as a crash."""
    try:
        raise Refusal(encode(error))
    except Refusal:
        raise oslo_messaging.ExpectedException() from None


def _classes() -> dict[str, type[errors.EscalatorError]]:
    return {
        kind.code: kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.EscalatorError)
    }
