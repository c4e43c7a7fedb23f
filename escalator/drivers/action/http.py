"""Verification by asking a daemon over HTTP what it is."""

import http.client
import json
import time
import urllib.parse
from collections.abc import Mapping
from typing import Any, ClassVar

from escalator import errors
from escalator.domain import commands
from escalator.drivers import base

ANSWER_LIMIT_BYTES = 64 * 1024
ATTEMPT_S = 2.0
PAUSE_S = 0.1
RESERVE_S = 0.5
"""Kept back from the step's time, so that the verdict is not a mere timeout."""

PARAMS: Mapping[str, Any] = {
    "url": {"type": "string", "pattern": "^https?://[^\\s]+$(?!\\n)"},
    "port": {"type": "integer", "minimum": 1, "maximum": 65535},
    "expect": {"type": ["string", "object"]},
    "within_s": {"type": "number", "exclusiveMinimum": 0},
}


class Verify(base.Action):
    """GETs ``url``, or port ``port`` of the node itself, until the answer is right.

    ``expect``: a text that the body contains, or an object whose members the
    JSON body has.  ``within_s``: how long to go on asking (10 s), at most the
    step's own time.
    """

    is_mutating = False
    params_schema: ClassVar[Mapping[str, Any]] = {
        "type": "object",
        "properties": PARAMS,
        "required": ["expect"],
        "oneOf": [{"required": ["url"]}, {"required": ["port"]}],
        "additionalProperties": False,
    }

    def __init__(self, resources: Mapping[str, Any]) -> None:
        pass

    def run(self, order: commands.RunStep) -> dict[str, Any]:
        """Return the answer.

        :raises ActionFailed: class ``verification``.
        """
        return await_answer(order.params, order.timeout_s)


def await_answer(params: Mapping[str, Any], timeout_s: float) -> dict[str, Any]:
    """Ask until the answer is as expected; see :class:`Verify`.

    :raises ActionFailed: class ``verification`` after ``within_s``.
    """
    url = params.get("url") or f"http://127.0.0.1:{params['port']}/"
    within_s = min(params.get("within_s", 10.0), max(timeout_s - RESERVE_S, 0.1))
    end = time.monotonic() + within_s
    while True:
        status, body = ask(url, min(ATTEMPT_S, max(end - time.monotonic(), 0.1)))
        if status == 200 and is_expected(body, params["expect"]):
            return {"url": url, "answer": body[:1000]}
        if time.monotonic() + PAUSE_S >= end:
            raise errors.ActionFailed(
                f"{url} answered {status or 'nothing'}: {body[:300]!r}; "
                f"expected {params['expect']!r}.",
                failure_class="verification",
            )
        time.sleep(PAUSE_S)


def ask(url: str, timeout_s: float) -> tuple[int, str]:
    """GET once: no redirect, no proxy; status 0 and the reason if there is none."""
    parts = urllib.parse.urlsplit(url)
    is_tls = parts.scheme == "https"
    kind = http.client.HTTPSConnection if is_tls else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=timeout_s)
    try:
        path = urllib.parse.urlunsplit(("", "", parts.path or "/", parts.query, ""))
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read(ANSWER_LIMIT_BYTES).decode(
            errors="replace"
        )
    except (OSError, http.client.HTTPException) as error:
        return 0, f"{type(error).__name__}: {error}"
    finally:
        connection.close()


def is_expected(body: str, expect: Any) -> bool:
    """Compare an answer with the ``expect`` of :class:`Verify`; pure."""
    if isinstance(expect, str):
        return expect in body
    try:
        found = json.loads(body)
    except ValueError:
        return False
    return isinstance(found, dict) and all(
        key in found and found[key] == value for key, value in expect.items()
    )
