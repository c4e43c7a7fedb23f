"""The layers around the application, and the one table of HTTP statuses."""

import json
from http import HTTPStatus
from typing import Any

import webob
import webob.dec
from oslo_context import context as oslo_context
from oslo_log import log
from oslo_policy import policy
from werkzeug import exceptions

from escalator import errors
from escalator.api.contract import VERSIONS

LOG = log.getLogger(__name__)

JSON = "application/json"
RETRY_AFTER_S = 2

_STATUS: dict[type[errors.EscalatorError], int] = {
    errors.EscalatorError: 500,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.IllegalMove: 409,
    errors.InvalidInput: 400,
    errors.Forbidden: 403,
    errors.BusUnavailable: 503,
    errors.NobodyListens: 503,
    errors.CallTimeout: 504,
    errors.VersionMismatch: 503,
    errors.VimUnavailable: 503,
    errors.UnsafeUrl: 400,
    errors.NoSuchDriver: 400,
    errors.NoSchedule: 409,
}

_CODES = {
    400: "escalator.bad_request",
    401: "escalator.unauthenticated",
    404: "escalator.not_found",
    405: "escalator.method_not_allowed",
    406: "escalator.not_acceptable",
    413: "escalator.too_large",
    415: "escalator.unsupported_media_type",
    503: "escalator.unavailable",
}

_REMEDIES = {
    "escalator.unauthenticated": "Get a token from Keystone and send it.",
    "escalator.forbidden": "Ask for the role that the policy names.",
    "escalator.not_found": "Check the id and the path; list what exists.",
    "escalator.method_not_allowed": "See /v1/openapi.json for the methods.",
    "escalator.not_acceptable": "Ask for a version that / lists, or for latest.",
    "escalator.too_large": "Send less; [oslo_middleware]max_request_body_size.",
    "escalator.unsupported_media_type": "Send application/json; a campaign file "
    "may also be application/yaml.",
    "escalator.conflict": "Read it again; the detail says what stands in the way.",
    "escalator.illegal_move": "Wait until its state allows this.",
    "escalator.internal": "Tell the operator the request id.",
}
_DETAILS = {
    400: "A header does not parse.",
    406: f"Versions {VERSIONS[0]} to {VERSIONS[-1]} are served.",
    413: "The body is larger than the operator allows.",
}
"""Of refusals that come from the libraries around the application."""

_TRY_LATER = "Try again later."

Problem = dict[str, Any]


def problems_of(error: Exception) -> list[Problem]:
    """Return the errors that a failure is told as; never empty."""
    if isinstance(error, errors.InvalidInput) and error.findings:
        return [_of_finding(error, finding) for finding in error.findings]
    if isinstance(error, errors.EscalatorError):
        return [_of_own(error)]
    if isinstance(error, policy.PolicyNotRegistered):
        return [problem(403, "No policy allows this.", errors.Forbidden.code)]
    if isinstance(error, exceptions.HTTPException):
        return [problem(error.code or 500, error.description or error.name)]
    if isinstance(error, webob.exc.HTTPException):
        return [problem(error.wsgi_response.status_int, str(error))]
    LOG.error("A request failed", exc_info=error)
    return [problem(500, "An internal error occurred.", "escalator.internal")]


def _of_own(error: errors.EscalatorError) -> Problem:
    status = next(_STATUS[c] for c in type(error).__mro__ if c in _STATUS)
    if status == 500:
        LOG.error("A request failed: %s", error)
        return problem(500, "An internal error occurred.", error.code)
    return problem(status, str(error), error.code, error.retryable)


def problem(
    status: int, detail: str, code: str = "", is_retryable: bool = False
) -> Problem:
    """Return one error of the answer."""
    code = code or _CODES.get(status, f"escalator.http_{status}")
    made: Problem = {
        "status": status,
        "title": HTTPStatus(status).phrase,
        "detail": detail,
        "code": code,
        "request_id": _request_id(),
    }
    remedy = _REMEDIES.get(code, _TRY_LATER if is_retryable else "")
    return {**made, "remedy": remedy} if remedy else made


def _of_finding(error: errors.InvalidInput, finding: dict[str, Any]) -> Problem:
    made = problem(400, str(finding.get("detail") or error), error.code)
    source = {
        name: finding[name]
        for name in ("pointer", "parameter", "header", "line")
        if finding.get(name) is not None
    }
    told = {"source": source, **{k: finding.get(k) for k in ("rule", "remedy")}}
    return {**made, **{name: value for name, value in told.items() if value}}


def _request_id() -> str | None:
    context = oslo_context.get_current()
    return context.request_id if context else None


def headers_of(status: int) -> dict[str, str]:
    """Return what a refusal of ``status`` carries besides its body."""
    return {"Retry-After": str(RETRY_AFTER_S)} if status in (503, 504) else {}


class JsonErrors:
    """Outermost layer: gives the libraries' refusals our shape."""

    def __init__(self, application: Any, spared: tuple[str, ...]) -> None:
        self.application = application
        self.spared = spared

    @webob.dec.wsgify
    def __call__(self, request: webob.Request) -> webob.Response:
        is_spared = request.path_info.startswith(self.spared)
        if not request.environ.get("CONTENT_LENGTH", "").lstrip().isdecimal():
            request.environ.pop("CONTENT_LENGTH", None)
        try:
            response = request.get_response(self.application)
        except Exception as error:  # noqa: BLE001 - the last layer there is
            return _shape(webob.Response(), request, problems_of(error)[0])
        if is_spared or response.status_int < 400 or response.content_type == JSON:
            return response
        status = response.status_int
        detail = _DETAILS.get(status, HTTPStatus(status).phrase)
        return _shape(response, request, problem(status, detail))


def _shape(
    response: webob.Response, request: webob.Request, made: Problem
) -> webob.Response:
    made["request_id"] = request.environ.get("openstack.request_id")
    response.status_int = made["status"]
    response.content_type = JSON
    response.charset = None
    response.headers.update(headers_of(made["status"]))
    response.body = json.dumps({"errors": [made]}).encode()
    return response
