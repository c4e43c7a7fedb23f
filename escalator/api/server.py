"""The HTTP server around the application: bounded threads, graceful stop.

cheroot serves from a fixed pool of threads and speaks TLS itself; with
several workers each binds the port with SO_REUSEPORT.
"""

import logging
import ssl
import threading
from typing import Any

from cheroot import wsgi
from cheroot.ssl import builtin
from oslo_config import cfg
from oslo_log import log

from escalator import errors

LOG = log.getLogger(__name__)

BACKLOG = 128
IDLE_S = 30
_SLACK_S = 1.0


class ApiService:
    """Runs one worker's server; the calls are those of a cotyledon service.

    :param app: what ``app.create_app`` gave.
    """

    def __init__(self, conf: cfg.ConfigOpts, app: Any) -> None:
        self.conf = conf
        self._tls = _tls(conf)
        self._server = _Server(
            (conf.api.bind_host, conf.api.bind_port),
            app,
            numthreads=conf.api.threads,
            max=conf.api.threads,
            request_queue_size=BACKLOG,
            timeout=IDLE_S,
            shutdown_timeout=conf.bus.call_timeout_s + _SLACK_S,
            reuse_port=conf.api.workers > 1 and conf.api.bind_port > 0,
        )
        self._server.ssl_adapter = self._tls
        self._thread: threading.Thread | None = None

    @property
    def port(self) -> int:
        """Return the port that is served; known once started."""
        return int(self._server.bind_addr[1])

    @property
    def url(self) -> str:
        """Return where the service answers; known once started."""
        host, port = self._server.bind_addr[:2]
        place = f"[{host}]" if ":" in host else host
        return f"{'https' if self._tls else 'http'}://{place}:{port}"

    def start(self) -> None:
        """Bind and serve in a thread; returns when connections are taken.

        :raises ConfigError: the address cannot be bound.
        """
        try:
            self._server.prepare()
        except OSError as error:
            raise errors.ConfigError(
                group="api", option="bind_host, bind_port", reason=str(error)
            ) from error
        self._thread = threading.Thread(
            target=self._server.serve, name="api", daemon=True
        )
        self._thread.start()
        LOG.info("Serving on %s", self.url)
        if self.conf.api.auth_strategy == "noauth" and not _is_local(self.conf):
            LOG.warning("noauth: whoever reaches %s is an administrator", self.url)

    def stop(self) -> None:
        """Take no more connections, finish what runs, then return; idempotent."""
        self._server.stop()

    def wait(self, timeout_s: float | None = None) -> None:
        """Return once the server has stopped."""
        if self._thread is not None:
            self._thread.join(timeout_s)

    def reload(self) -> None:
        """Read the certificate again; new connections are shown the new one.

        The policy file needs no signal: it is read again when it changes.
        """
        if self._tls is None:
            return
        try:
            self._tls.context.load_cert_chain(
                self.conf.api.tls_cert_file, self.conf.api.tls_key_file
            )
        except (OSError, ssl.SSLError) as error:
            LOG.error("The certificate was not read again: %s", error)


class _Server(wsgi.Server):
    def error_log(
        self, msg: str = "", level: int = logging.INFO, traceback: bool = False
    ) -> None:
        LOG.log(level, "%s", msg, exc_info=traceback)


def _is_local(conf: cfg.ConfigOpts) -> bool:
    host: str = conf.api.bind_host
    return host in ("localhost", "::1") or host.startswith("127.")


def _tls(conf: cfg.ConfigOpts) -> builtin.BuiltinSSLAdapter | None:
    cert, key = conf.api.tls_cert_file, conf.api.tls_key_file
    if not cert and not key:
        return None
    if not (cert and key):
        absent = "tls_key_file" if cert else "tls_cert_file"
        raise errors.ConfigError(
            group="api", option=absent, reason="the certificate and key go together"
        )
    try:
        return builtin.BuiltinSSLAdapter(cert, key)
    except (OSError, ssl.SSLError) as error:
        raise errors.ConfigError(
            group="api", option="tls_cert_file, tls_key_file", reason=str(error)
        ) from error
