"""Instances of the test, all on one host."""

import logging
import time
from collections.abc import Callable, Sequence
from typing import Any

from keystoneauth1 import exceptions as auth_errors
from openstack import exceptions as sdk_errors

from escalator import errors

LOG = logging.getLogger(__name__)

PINNED_HOST = "2.74"
"""The first microversion with ``host`` in a request for a server."""

BOOT_S = 300.0
GONE_S = 120.0
POLL_S = 0.5

REFUSALS = (sdk_errors.SDKException, auth_errors.ClientException)


class Servers:
    """Boots them, as an administrator.

    :param network: name or id, ``auto`` or ``none``.
    :param pause: sleeps while a server boots; what it raises ends the wait.
    """

    def __init__(
        self,
        admin: Any,
        image: str,
        flavor: str,
        network: str,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.admin = admin
        self._pause = pause
        self._image, self._flavor, self._network = image, flavor, network
        self._of_project: dict[str, Any] = {}

    def create(self, project_id: str, name: str, host: str) -> str:
        """Ask for a server of a project; returns its id.

        :param host: where it must be; empty: the scheduler's choice.
        """
        image = self.admin.image.find_image(self._image, ignore_missing=False)
        flavor = self.admin.compute.find_flavor(self._flavor, ignore_missing=False)
        body = {
            "name": name,
            "imageRef": image.id,
            "flavorRef": flavor.id,
            "networks": self._networks(),
            **({"host": host} if host else {}),
        }
        made = self._in(project_id).compute.post(
            "/servers", json={"server": body}, microversion=PINNED_HOST
        )
        sdk_errors.raise_from_response(made)
        return str(made.json()["server"]["id"])

    def await_active(self, instance_id: str) -> str:
        """Wait until it runs; returns its host.

        :raises DoctorTestFailed: it goes to error, or takes too long.
        """
        deadline = time.monotonic() + BOOT_S
        while time.monotonic() < deadline:
            server = self.admin.compute.get_server(instance_id)
            if server.status == "ACTIVE":
                return str(server.compute_host)
            if server.status == "ERROR":
                reason = (server.fault or {}).get("message", "no reason given")
                raise errors.DoctorTestFailed(
                    step="boot_vm", reason=f"{instance_id}: {reason}"
                )
            self._pause(POLL_S)
        raise errors.DoctorTestFailed(
            step="wait_for_vm_launch",
            reason=f"{instance_id} is not active after {BOOT_S:.0f} s",
        )

    def close(self) -> None:
        """End the connections."""
        for each in self._of_project.values():
            each.close()

    def _in(self, project_id: str) -> Any:
        """Return the administrator's connection in a project, always the same one.

        What one has opened stays open after its end: a new one for each server
        would use up what Nova's front end accepts.
        """
        if project_id not in self._of_project:
            made = self.admin.connect_as(project_id=project_id)
            self._of_project[project_id] = made
        return self._of_project[project_id]

    def _networks(self) -> Any:
        if self._network in ("none", "auto"):
            return self._network
        network = self.admin.network.find_network(self._network, ignore_missing=False)
        return [{"uuid": network.id}]


def delete(admin: Any, instance_ids: Sequence[str]) -> list[str]:
    """Delete them and wait until they are gone; returns what stays, and logs it."""
    for instance_id in instance_ids:
        try:
            admin.compute.delete_server(instance_id, force=True)
        except REFUSALS as error:
            LOG.warning("Server %s is not deleted: %s", instance_id, error)
    return [each for each in instance_ids if not _is_gone(admin, each)]


def _is_gone(admin: Any, instance_id: str) -> bool:
    """Wait for it, up to ``GONE_S``."""
    deadline = time.monotonic() + GONE_S
    while time.monotonic() < deadline:
        try:
            if admin.compute.find_server(instance_id) is None:
                return True
        except REFUSALS as error:
            LOG.debug("%s", error)
        time.sleep(POLL_S)
    LOG.warning("Server %s is still there", instance_id)
    return False
