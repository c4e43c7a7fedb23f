"""From a Flask request to a handler's call, and back.

A request is judged in the order: who asks, may they, is the query right, is
the body right.
"""

import time
import uuid
from collections.abc import Callable
from typing import Any

import flask
from oslo_config import cfg
from oslo_log import log
from oslo_middleware import sizelimit
from werkzeug import exceptions

from escalator import errors
from escalator.api import intake, middleware, validation
from escalator.api.contract import REPORTS_PATH, Call, Parts, Reply, Route
from escalator.api.routes import ROUTES
from escalator.context import RequestContext

LOG = log.getLogger(__name__)

_KEY_HEADER = "Idempotency-Key"
_NO_ONE = "noauth"


def make_flask(parts: Parts) -> flask.Flask:
    """Return the application without its layers."""
    app = flask.Flask("escalator.api", static_folder=None)
    parts.conf.register_opts(sizelimit.OPTS, group="oslo_middleware")
    # The layer outside trusts a Content-Length that a chunked body belies.
    longest = parts.conf.oslo_middleware.max_request_body_size
    app.config["MAX_CONTENT_LENGTH"] = longest
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False
    for route in ROUTES:
        app.add_url_rule(
            route.path,
            endpoint=f"{route.method} {route.path}",
            view_func=_view(route, parts),
            methods=[route.method],
        )
    app.register_error_handler(Exception, _refuse)
    app.before_request(lambda: _open(parts.conf))
    app.after_request(_log_request)
    return app


def _view(route: Route, parts: Parts) -> Callable[..., flask.Response]:
    def serve(**path: uuid.UUID) -> flask.Response:
        call = _authorized(route, parts, {k: str(v) for k, v in path.items()})
        reply = route.handler(call)
        return _response(route, reply)

    def serve_by_token(**path: uuid.UUID) -> flask.Response:
        try:
            return serve(**path)
        except (errors.EscalatorError, exceptions.HTTPException) as error:
            told = f"{type(error).__name__}: {error}"
            parts.refusals.note(flask.request.remote_addr or "", told)
            raise

    return serve_by_token if route.has_token else serve


def _authorized(route: Route, parts: Parts, path: dict[str, str]) -> Call:
    """Return the judged call: who, then may they, then what."""
    request = flask.request
    if route.max_body is not None:
        request.max_content_length = route.max_body
    call = Call(
        ctxt=flask.g.ctxt,
        parts=parts,
        root=request.root_url,
        url=request.base_url,
        path=path,
        query={},
        body={},
        key="",
    )
    if not route.is_public:
        _check_identity(parts.conf)
        _check_rules(route, call)
    query = validation.read_query(dict(request.args.lists()), route.query)
    body: dict[str, Any] = {}
    if route.body is not None:
        body = intake.read_body(request, route.takes_yaml)
        validation.check_body(body, route.body)
    key = _key() if route.takes_key else ""
    return Call(call.ctxt, parts, call.root, call.url, path, query, body, key)


def _context(conf: cfg.ConfigOpts) -> RequestContext:
    environ = flask.request.environ
    if conf.api.auth_strategy == "noauth":
        return RequestContext(
            user_id=_NO_ONE,
            project_id=_NO_ONE,
            roles=["admin", "member", "reader"],
            is_admin=True,
            request_id=environ.get("openstack.request_id"),
            global_request_id=environ.get("openstack.global_request_id"),
        )
    context: RequestContext = RequestContext.from_environ(environ)
    return context


def _check_identity(conf: cfg.ConfigOpts) -> None:
    status = flask.request.headers.get("X-Identity-Status")
    if conf.api.auth_strategy == "keystone" and status != "Confirmed":
        raise exceptions.Unauthorized("A valid token is needed.")


def _check_rules(route: Route, call: Call) -> None:
    if not any(call.may(rule) for rule in route.rules):
        raise errors.Forbidden(action=" or ".join(route.rules) or "anything here")


def _key() -> str:
    key = flask.request.headers.get(_KEY_HEADER, "")
    if len(key) > 255 or not key.isascii() or not key.isprintable():
        intake.refuse(
            "header.idempotency_key",
            "The key is longer than 255 characters or not plain ASCII.",
            "Send a UUID.",
            header=_KEY_HEADER,
        )
    return key


def _response(route: Route, reply: Reply) -> flask.Response:
    if reply.body is None:
        response = flask.Response(status=route.status)
    else:
        response = flask.jsonify(reply.body)
        response.status_code = route.status
    response.headers.update(reply.headers)
    return response


def _refuse(error: Exception) -> flask.Response:
    problems = middleware.problems_of(error)
    response = flask.jsonify({"errors": problems})
    response.status_code = problems[0]["status"]
    response.headers.update(middleware.headers_of(response.status_code))
    if isinstance(error, exceptions.MethodNotAllowed) and error.valid_methods:
        response.headers["Allow"] = ", ".join(sorted(error.valid_methods))
    return response


def _open(conf: cfg.ConfigOpts) -> None:
    """Make the context of this request the thread's, before anything fails."""
    flask.g.started = time.monotonic()
    flask.g.ctxt = _context(conf)


def _log_request(response: flask.Response) -> flask.Response:
    """Log what was asked: no header, query or body, which may hold secrets."""
    LOG.info(
        "%s %s -> %d in %.1f ms",
        flask.request.method,
        _shown(flask.request.path),
        response.status_code,
        (time.monotonic() - flask.g.started) * 1000.0,
    )
    return response


def _shown(path: str) -> str:
    """Return a path as it may be logged; pure.

    Also one that no route has: what was to be a report may be misspelt.
    """
    head, found, _ = path.partition(f"/{REPORTS_PATH.split('/')[-2]}/")
    return f"{head}{found}***" if found else path
