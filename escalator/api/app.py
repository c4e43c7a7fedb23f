"""Builds the WSGI application: routes inside, layers around.

Order, outermost first: JSON errors, body size, proxy headers, CORS, request
id, health check, token check, microversion, routes.  The health check stands
outside the token check, so a load balancer needs no token.
"""

import socket
from collections.abc import Callable
from importlib import metadata
from typing import Any

import oslo_middleware
from keystonemiddleware import auth_token
from microversion_parse import middleware as microversion
from oslo_config import cfg
from oslo_middleware.healthcheck import opts as healthcheck_opts
from oslo_policy import policy
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from escalator import errors
from escalator.api import dispatch, middleware, openapi, policies, refusals
from escalator.api.contract import SERVICE_TYPE, VERSIONS, Conductor, Parts, Publisher
from escalator.api.routes import ROUTES
from escalator.domain import webhook

HEALTHCHECK = "/healthcheck"


def create_app(
    conf: cfg.ConfigOpts,
    conductor: Conductor,
    publisher: Publisher,
    enforcer: policy.Enforcer | None = None,
    resolve: Callable[[str], list[str]] | None = None,
) -> Any:
    """Return the whole WSGI application.

    :param resolve: host name -> addresses; the system's resolver if None.
    :raises ConfigError: an option of ``conf`` cannot be worked with.
    """
    check_conf(conf)
    parts = Parts(
        conf=conf,
        conductor=conductor,
        publisher=publisher,
        enforcer=enforcer or policies.make_enforcer(conf),
        networks=_networks(conf),
        resolve=resolve or resolve_by_system,
        document=openapi.describe(ROUTES, metadata.version("escalator")),
        refusals=refusals.Refusals(),
    )
    return _wrap(dispatch.make_flask(parts), conf)


def resolve_by_system(host: str) -> list[str]:
    """Return the addresses of ``host``; empty if it has none yet."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return []
    return sorted({str(entry[4][0]) for entry in found})


def check_conf(conf: cfg.ConfigOpts) -> None:
    if len(conf.notifier.signing_key or "") < webhook.SIGNING_KEY_MIN_CHARS:
        reason = f"at least {webhook.SIGNING_KEY_MIN_CHARS} characters are needed"
        raise errors.ConfigError(group="notifier", option="signing_key", reason=reason)


def _networks(conf: cfg.ConfigOpts) -> tuple[webhook.Network, ...]:
    try:
        return webhook.parse_networks(conf.notifier.allowed_networks)
    except ValueError as error:
        raise errors.ConfigError(
            group="notifier", option="allowed_networks", reason=str(error)
        ) from error


def _wrap(app: Any, conf: cfg.ConfigOpts) -> Any:
    app = microversion.MicroversionMiddleware(app, SERVICE_TYPE, VERSIONS)
    if conf.api.auth_strategy == "keystone":
        app = _token_check(app, conf)
    app = DispatcherMiddleware(app, {HEALTHCHECK: _healthcheck(conf)})
    app = oslo_middleware.RequestId(app, conf)
    app = oslo_middleware.CORS(app, conf)
    app = oslo_middleware.HTTPProxyToWSGI(app, conf)
    app = oslo_middleware.RequestBodySizeLimiter(app, conf)
    return middleware.JsonErrors(app, (HEALTHCHECK,))


def _token_check(app: Any, conf: cfg.ConfigOpts) -> Any:
    """Return the check of tokens; refusing is left to ``dispatch``.

    Without the URI the library would ask Keystone for it in every refusal,
    and fail when Keystone is away.
    """
    checked = auth_token.AuthProtocol(
        app, {"oslo_config_config": conf, "delay_auth_decision": True}
    )
    if not conf.keystone_authtoken.www_authenticate_uri:
        raise errors.ConfigError(
            group="keystone_authtoken",
            option="www_authenticate_uri",
            reason="clients are told where to get a token; give Keystone's public URL",
        )
    return checked


def _healthcheck(conf: cfg.ConfigOpts) -> Any:
    """Return the check; a file named in ``disable_by_file_path`` drains us."""
    for options in (
        healthcheck_opts.HEALTHCHECK_OPTS,
        healthcheck_opts.DISABLE_BY_FILE_OPTS,
    ):
        conf.register_opts(options, group="healthcheck")
    if conf.healthcheck.disable_by_file_path:
        conf.set_default("backends", ["disable_by_file"], group="healthcheck")
    return oslo_middleware.Healthcheck(None, conf)
