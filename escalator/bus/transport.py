"""Where the broker is and how oslo.messaging must behave.

Stock oslo.messaging loses calls on a graceful stop and waits for minutes after
an outage; the defaults below are what was measured to mend that.  They stand
in code, and appear in the generated sample through the entry point
``oslo.config.opts.defaults``.
"""

import os
import pathlib
import socket
import ssl
import stat
import tempfile
import threading
from typing import Any
from urllib import parse

import oslo_messaging
from oslo_concurrency import lockutils
from oslo_config import cfg, types
from oslo_messaging._drivers import impl_rabbit
from oslo_messaging._metrics import client as metrics
from oslo_messaging._tracing import client as tracing

from escalator import errors
from escalator.bus import returns

RABBIT_GROUP = "oslo_messaging_rabbit"

SHARED_MEMORY = "/dev/shm"  # noqa: S108
"""Where the library's queue manager counts; a bare chroot has none."""

STATE_PATH = pathlib.Path("/var/lib/escalator")

RABBIT_DEFAULTS: dict[str, Any] = {
    "use_queue_manager": True,
    "rabbit_quorum_queue": True,
    "rabbit_qos_prefetch_count": 20,
    "kombu_reconnect_delay": 0.1,
    "rabbit_retry_interval": 1,
    "rabbit_retry_backoff": 0,
    "rabbit_interval_max": 1,
    "heartbeat_timeout_threshold": 4,
    "heartbeat_rate": 2,
}

_transports: dict[tuple[int, int, str], oslo_messaging.transport.RPCTransport] = {}
_lock = threading.Lock()


def set_defaults() -> None:
    """Put Escalator's defaults in place of the library's; idempotent."""
    oslo_messaging.set_transport_defaults("escalator")
    cfg.set_defaults(impl_rabbit.rabbit_opts, **RABBIT_DEFAULTS)


def prepare(conf: cfg.ConfigOpts, binary: str, instance: str) -> None:
    """Name this process on the broker; call it before any transport is made.

    Reply queues are named after host and process, so two process groups of
    one name would read each other's answers.

    :param binary: e.g. ``escalator-conductor``.
    :param instance: tells two of one binary on one machine apart; an agent's
        contains its host, for nodes of a test bed share one machine.
    """
    set_defaults()
    _register(conf)
    conf.set_default("processname", f"{binary}-{instance}", RABBIT_GROUP)
    conf.set_default("hostname", socket.gethostname(), RABBIT_GROUP)
    lockutils.set_defaults(str(_lock_path()))
    if is_memory(conf) or not _can_manage_queues():
        conf.set_default("use_queue_manager", False, RABBIT_GROUP)


def _can_manage_queues() -> bool:
    """Tell whether the library's queue manager finds what it counts by.

    It reads the leader of the process group, which may be gone, and counts in
    shared memory, which a bare chroot has not.
    """
    has_leader = os.path.exists(f"/proc/{os.getpgrp()}/stat")
    return has_leader and os.access(SHARED_MEMORY, os.W_OK)


def is_memory(conf: cfg.ConfigOpts, other: str | None = None) -> bool:
    """Tell whether the broker lives in this very process.

    :param other: a URL in place of ``transport_url``.
    """
    return bool(_parsed(conf, other).transport == "kombu+memory")


def kombu_urls(conf: cfg.ConfigOpts, other: str | None = None) -> list[str]:
    """Return one kombu URL per broker of ``transport_url``, in its order.

    :param other: a URL in place of ``transport_url``.
    """
    url = _parsed(conf, other)
    if url.transport == "kombu+memory":
        return ["memory://"]
    vhost = parse.quote(url.virtual_host or "/", safe="")
    hosts = url.hosts or [oslo_messaging.TransportHost(hostname="127.0.0.1")]
    return [f"pyamqp://{_netloc(host)}/{vhost}" for host in hosts]


def ssl_options(
    conf: cfg.ConfigOpts, other: str | None = None
) -> dict[str, Any] | bool:
    """Return kombu's ``ssl`` from ``[oslo_messaging_rabbit]``.

    A URL may say otherwise for its own broker, as oslo.messaging lets it:
    ``?ssl=1&ssl_ca_file=...`` or ``?ssl=0``.

    With ``ssl_ca_file`` the broker's certificate and its name are verified;
    without it only the certificate, against the system's authorities.
    """
    _register(conf)
    group, query = conf[RABBIT_GROUP], _parsed(conf, other).query
    if not types.Boolean()(query.get("ssl", group.ssl)):
        return False
    options: dict[str, Any] = {
        key: value
        for key, value in (
            ("keyfile", query.get("ssl_key_file", group.ssl_key_file)),
            ("certfile", query.get("ssl_cert_file", group.ssl_cert_file)),
            ("ca_certs", query.get("ssl_ca_file", group.ssl_ca_file)),
        )
        if value
    }
    if "ca_certs" in options:
        options |= {"cert_reqs": ssl.CERT_REQUIRED, "server_hostname": None}
    return options or True


def rpc_transport(conf: cfg.ConfigOpts) -> oslo_messaging.transport.RPCTransport:
    """Return this process's transport; one per configuration and URL.

    Call it after a fork, never before.
    """
    _register(conf)
    key = (os.getpid(), id(conf), str(_parsed(conf)))
    beat_s = 0 if is_memory(conf) else RABBIT_DEFAULTS["heartbeat_timeout_threshold"]
    conf.set_default("heartbeat_timeout_threshold", beat_s, RABBIT_GROUP)
    with _lock:
        if key not in _transports:
            made = oslo_messaging.get_rpc_transport(conf)
            returns.keep(made)
            _transports[key] = made
        return _transports[key]


def release(conf: cfg.ConfigOpts) -> None:
    """Close this process's transports of ``conf``; idempotent."""
    with _lock:
        mine = [key for key in _transports if key[:2] == (os.getpid(), id(conf))]
        found = [_transports.pop(key) for key in mine]
    for made in found:
        made.cleanup()


def _register(conf: cfg.ConfigOpts) -> None:
    """Register what oslo.messaging registers late, or on ``cfg.CONF`` only."""
    conf.register_opts(impl_rabbit.rabbit_opts, group=cfg.OptGroup(name=RABBIT_GROUP))
    conf.register_opts(metrics.oslo_messaging_metrics, group="oslo_messaging_metrics")
    conf.register_opts(tracing.oslo_messaging_tracing, group="oslo_messaging_tracing")


def _parsed(
    conf: cfg.ConfigOpts, other: str | None = None
) -> oslo_messaging.TransportURL:
    return oslo_messaging.TransportURL.parse(conf, other)


def _netloc(host: oslo_messaging.TransportHost) -> str:
    name = host.hostname or "127.0.0.1"
    place = f"[{name}]" if ":" in name else name
    if host.port:
        place = f"{place}:{host.port}"
    if not host.username:
        return place
    user = parse.quote(host.username, safe="")
    return f"{user}:{parse.quote(host.password or '', safe='')}@{place}"


def _lock_path() -> pathlib.Path:
    """Return a directory of our own that all workers of a service share.

    :raises ConfigError: somebody else sits on the only possible one.
    """
    if os.access(STATE_PATH, os.W_OK):
        path = STATE_PATH / "lock"
    else:
        path = pathlib.Path(tempfile.gettempdir(), f"escalator-{os.getuid()}")
    path.mkdir(mode=0o700, exist_ok=True)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise errors.ConfigError(
            group="oslo_concurrency",
            option="lock_path",
            reason=f"{path} belongs to somebody else; set another one",
        )
    return path
