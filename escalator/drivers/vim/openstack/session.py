"""The way to Nova and its neighbours: openstacksdk's connection, made when needed."""

import logging
import threading
from collections.abc import Callable
from typing import Any

import openstack
from keystoneauth1 import adapter
from openstack import exceptions as sdk_errors

from escalator import errors

LOG = logging.getLogger(__name__)

Connect = Callable[[], openstack.connection.Connection]


class _Link:
    """One connection for several services; made by the first that needs it."""

    def __init__(self, connect: Connect, timeout_s: float) -> None:
        self._connect = connect
        self._timeout_s = timeout_s
        self._lock = threading.Lock()
        self._connection: Any = None
        self._token: Any = None

    def get(self) -> Any:
        """Return the connection."""
        with self._lock:
            if self._connection is None:
                self._connection = self._connect()
                self._connection.session.timeout = self._timeout_s
            return self._connection

    def tell_renewal(self, auth: Any) -> None:
        """Log once that keystoneauth has fetched a new token in place of another."""
        with self._lock:
            # None while there is none; plugins without tokens have no such thing.
            token = getattr(auth, "auth_ref", None)
            if token is None or token is self._token:
                return
            is_first, self._token = self._token is None, token
        if not is_first:
            LOG.info("A new token was fetched: the last one expired or was refused")


class Service:
    """The adapter of one service; one that hangs does not keep another waiting.

    :param take: makes it of the connection and ``kind``.
    """

    def __init__(
        self, link: _Link, kind: str, take: Callable[[Any, str], Any] = getattr
    ) -> None:
        self._link = link
        self._kind = kind
        self._take = take
        self._lock = threading.Lock()
        self._adapter: Any = None

    def request(self, url: str, method: str, **kwargs: Any) -> Any:
        """Send one request; raises what keystoneauth raises."""
        taken = self._get()
        try:
            return taken.request(url, method, **kwargs)
        finally:
            self._link.tell_renewal(taken.session.auth)

    def get_endpoint_data(self) -> Any:
        """Return what the service says of its versions."""
        return self._get().get_endpoint_data()

    def get_project_id(self) -> Any:
        """Return the project that the token is for."""
        return self._get().get_project_id()

    def _get(self) -> Any:
        with self._lock:
            if self._adapter is None:
                self._adapter = self._take(self._link.get(), self._kind)
            return self._adapter


class Compute(Service):
    """Nova's adapter; nothing is sent before the first call (nor before a fork).

    :param timeout_s: deadline of what keystoneauth sends by itself: for tokens
        and versions.
    :ivar placement: that of Placement, by the same connection; ``alarming``: Aodh's.
    """

    def __init__(self, connect: Connect, timeout_s: float) -> None:
        link = _Link(connect, timeout_s)
        super().__init__(link, "compute")
        self.placement = Service(link, "placement")
        self.alarming = Service(link, "alarming", _as_listed)


def _as_listed(connection: Any, kind: str) -> adapter.Adapter:
    """Return an adapter to the very address in the catalog, without discovery.

    openstacksdk's own would add the newest version to it, which our paths have.
    """
    config = connection.config
    return adapter.Adapter(
        session=connection.session,
        service_type=kind,
        interface=config.get_interface(kind),
        region_name=config.get_region_name(kind),
        endpoint_override=config.get_endpoint(kind),
    )


def by_cloud(name: str) -> Connect:
    """Return a connection to a cloud of clouds.yaml."""

    def connect() -> openstack.connection.Connection:
        try:
            return openstack.connect(cloud=name)
        except sdk_errors.ConfigException as error:
            raise errors.ConfigError(
                group="vim", option="cloud", reason=str(error)
            ) from error

    return connect


def by_session(session: Any, region: str | None, interface: str) -> Connect:
    """Return a connection over a session of keystoneauth."""

    def connect() -> openstack.connection.Connection:
        return openstack.connection.Connection(
            session=session,
            region_name=region,
            compute_interface=interface,
            placement_interface=interface,
            alarm_interface=interface,
        )

    return connect
