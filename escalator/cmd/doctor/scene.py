"""What the test makes in the cloud, and takes away again (Doctor's step 0)."""

import contextlib
import dataclasses
import logging
import re
import secrets
import time
from collections.abc import Callable
from typing import Any

import openstack

from escalator import errors
from escalator.cmd.doctor import servers

LOG = logging.getLogger(__name__)

HOST_STATUS = "2.16"
"""The first microversion in which an owner may read ``host_status``."""


DESCRIPTION = "Made by escalator-doctor-test, which takes it away again"
NAMES = re.compile(r"doctor-test-[0-9a-f]{6}-\d+")


@dataclasses.dataclass(frozen=True, slots=True)
class Wanted:
    """What to boot: names or ids of the cloud; ``network`` may be ``none``."""

    instances: int
    owners: int
    image: str
    flavor: str
    network: str
    host: str


class Owner:
    """A user in a project of its own, with instances and their alarms.

    :ivar instance_ids: its servers.
    """

    def __init__(self, name: str, project: Any, user: Any, connection: Any) -> None:
        self.name = name
        self.project = project
        self.user = user
        self.connection = connection
        self.instance_ids: list[str] = []
        self.alarm_ids: list[str] = []

    def host_status(self, instance_id: str) -> str:
        """Return what Nova tells this owner of the host (DR-2)."""
        server = self.connection.compute.get(
            f"/servers/{instance_id}", microversion=HOST_STATUS
        ).json()["server"]
        return str(server.get("host_status", "not told by Nova's policy"))

    def create_alarm(self, instance_id: str, url: str, repeats: bool) -> None:
        """Make the alarm exactly as Doctor's run.sh does."""
        body = {
            "name": f"doctor-{instance_id}",
            "description": "VM failure",
            "type": "event",
            "enabled": True,
            "severity": "moderate",
            "repeat_actions": repeats,
            "alarm_actions": [f"{url}/{instance_id}"],
            "event_rule": {
                "event_type": "compute.instance.update",
                "query": [
                    _condition("traits.state", "error"),
                    _condition("traits.instance_id", instance_id),
                ],
            },
        }
        made = request_alarm(self.connection, "POST", json=body)
        self.alarm_ids.append(made.json()["alarm_id"])

    def delete_alarms(self) -> None:
        """Take the alarms away."""
        for alarm_id in self.alarm_ids:
            with contextlib.suppress(*servers.REFUSALS):
                request_alarm(self.connection, "DELETE", f"/{alarm_id}")
        self.alarm_ids.clear()


class Scene:
    """Projects, users, instances on one host, alarms; :meth:`clear` takes all away.

    :param admin: an administrator's connection.
    :param pause: sleeps; what it raises ends the making, never the clearing.
    :ivar host: where all instances are.
    """

    def __init__(
        self, admin: Any, wanted: Wanted, pause: Callable[[float], None] = time.sleep
    ) -> None:
        self.admin = admin
        self.wanted = wanted
        self.host = wanted.host
        self.owners: list[Owner] = []
        self._pause = pause
        self._servers = servers.Servers(
            admin, wanted.image, wanted.flavor, wanted.network, pause
        )
        self._mark = f"doctor-test-{secrets.token_hex(3)}"

    def set_up(self) -> None:
        """Create users and boot their instances, all on one host.

        :raises DoctorTestFailed: the cloud refuses, or a server fails.
        """
        try:
            for number in range(self.wanted.owners):
                self._pause(0.0)
                self.owners.append(self._create_owner(number))
            self._boot(self.wanted.instances)
        except servers.REFUSALS as error:
            raise errors.DoctorTestFailed(step="boot_vm", reason=str(error)) from error

    def grow(self, instances: int) -> None:
        """Boot more, until there are so many.

        :raises DoctorTestFailed: the cloud refuses, or a server fails.
        """
        try:
            self._boot(instances)
        except servers.REFUSALS as error:
            raise errors.DoctorTestFailed(step="boot_vm", reason=str(error)) from error

    def owner_of(self) -> dict[str, str]:
        """Return instance id -> owner's name."""
        return {i: each.name for each in self.owners for i in each.instance_ids}

    def host_status(self, instance_id: str) -> str:
        """Return what the instance's owner reads."""
        owner = next(each for each in self.owners if instance_id in each.instance_ids)
        return owner.host_status(instance_id)

    def set_alarms(self, url: str, repeats: bool = False) -> None:
        """Make a fresh alarm for every instance.

        :param repeats: they fire again and again, not only once.
        """
        try:
            for owner in self.owners:
                owner.delete_alarms()
                for instance_id in owner.instance_ids:
                    self._pause(0.0)
                    owner.create_alarm(instance_id, url, repeats)
        except servers.REFUSALS as error:
            raise errors.DoctorTestFailed(
                step="create_alarm", reason=str(error)
            ) from error

    def clear(self) -> None:
        """Delete everything that was made; what fails is logged and left.

        A project whose instances stay is left, too: by it ``clearing`` finds them.
        """
        for owner in self.owners:
            owner.delete_alarms()
        made = [i for each in self.owners for i in each.instance_ids]
        staying = set(servers.delete(self.admin, made))
        self._servers.close()
        for owner in self.owners:
            if staying.isdisjoint(owner.instance_ids):
                self._try(self.admin.identity.delete_user, owner.user)
                self._try(self.admin.identity.delete_project, owner.project)
            owner.connection.close()

    def _create_owner(self, number: int) -> Owner:
        name = f"{self._mark}-{number}"
        password = secrets.token_urlsafe(24)
        identity = self.admin.identity
        with contextlib.ExitStack() as undo:
            project = identity.create_project(
                name=name, domain_id="default", description=DESCRIPTION
            )
            undo.callback(self._try, identity.delete_project, project)
            user = identity.create_user(
                name=name,
                password=password,
                default_project_id=project.id,
                domain_id="default",
                description=DESCRIPTION,
            )
            undo.callback(self._try, identity.delete_user, user)
            for role_name in ("member", "reader"):
                role = identity.find_role(role_name)
                if role is not None:
                    identity.assign_project_role_to_user(project, user, role)
            # To pin servers to a host is the administrator's right, in this project.
            admin_role = identity.find_role("admin", ignore_missing=False)
            me = self.admin.current_user_id
            identity.assign_project_role_to_user(project, me, admin_role)
            connection = self.admin.connect_as(
                username=name, password=password, project_id=project.id
            )
            undo.pop_all()
        return Owner(name, project, user, connection)

    def _boot(self, count: int) -> None:
        fresh: list[str] = []
        for number in range(len(self.owner_of()), count):
            self._pause(0.0)
            owner = self.owners[number % len(self.owners)]
            name = f"{owner.name}-{number}"
            instance_id = self._servers.create(owner.project.id, name, self.host)
            owner.instance_ids.append(instance_id)
            fresh.append(instance_id)
            if not self.host:
                self.host = self._servers.await_active(instance_id)
        for instance_id in fresh:
            self._servers.await_active(instance_id)

    def _try(self, call: Any, *arguments: Any, **more: Any) -> None:
        try:
            call(*arguments, **more)
        except servers.REFUSALS as error:
            LOG.warning("Not cleaned up, --clear tries it again: %s", error)


def is_ours(found: Any) -> bool:
    """Say whether a project or a user is one of a test."""
    return bool(NAMES.fullmatch(found.name)) and found.description == DESCRIPTION


def request_alarm(connection: Any, method: str, path: str = "", **more: Any) -> Any:
    """Ask Aodh; the path goes on behind ``/v2/alarms``."""
    return connection.session.request(
        f"/v2/alarms{path}",
        method,
        endpoint_filter={"service_type": "alarming"},
        **more,
    )


def connect(cloud: str) -> Any:
    """Return an administrator's connection.

    :raises DoctorTestFailed: there is no such cloud, or it refuses.
    """
    try:
        connection = openstack.connect(cloud=cloud or None)
        connection.authorize()
    except (*servers.REFUSALS, Exception) as error:
        raise errors.DoctorTestFailed(
            step="connect", reason=f"cloud {cloud or 'of the environment'}: {error}"
        ) from error
    return connection


def _condition(field: str, value: str) -> dict[str, str]:
    return {"field": field, "op": "eq", "type": "string", "value": value}
