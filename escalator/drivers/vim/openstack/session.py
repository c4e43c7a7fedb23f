"""The way to Nova: a connection of openstacksdk, made when it is needed."""

import threading
from collections.abc import Callable
from typing import Any

import openstack
from openstack import exceptions as sdk_errors

from escalator import errors

Connect = Callable[[], openstack.connection.Connection]


class Compute:
    """Nova's adapter; nothing is sent before the first call (nor before a fork).

    :param timeout_s: deadline of what keystoneauth sends by itself: for tokens
        and versions.
    """

    def __init__(self, connect: Connect, timeout_s: float) -> None:
        self._connect = connect
        self._timeout_s = timeout_s
        self._lock = threading.Lock()
        self._adapter: Any = None

    def request(self, url: str, method: str, **kwargs: Any) -> Any:
        """Send one request; raises what keystoneauth raises."""
        return self._get().request(url, method, **kwargs)

    def get_endpoint_data(self) -> Any:
        """Return what Nova says of its versions."""
        return self._get().get_endpoint_data()

    def _get(self) -> Any:
        with self._lock:
            if self._adapter is None:
                connection = self._connect()
                connection.session.timeout = self._timeout_s
                self._adapter = connection.compute
            return self._adapter


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
            session=session, region_name=region, compute_interface=interface
        )

    return connect
