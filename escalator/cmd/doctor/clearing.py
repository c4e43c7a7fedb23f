"""Takes away what tests that were killed left in the cloud (``--clear``)."""

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any

from rich import box, console, table

from escalator import errors
from escalator.cmd.doctor import alarms, scene, servers


@dataclasses.dataclass(slots=True)
class Left:
    """A project of a test with what is in it; ``trouble``: why it stays."""

    project: Any
    alarm_ids: list[str]
    instance_ids: list[str]
    trouble: str = ""

    def take_away(self, admin: Any) -> None:
        """Delete all of it, the project last: by it the rest is found again."""
        try:
            for alarm_id in self.alarm_ids:
                scene.request_alarm(admin, "DELETE", f"/{alarm_id}")
            if staying := servers.delete(admin, self.instance_ids):
                self.trouble = f"still there: {', '.join(staying)}"
                return
            for user in admin.identity.users(name=self.project.name):
                if scene.is_ours(user):
                    admin.identity.delete_user(user)
            admin.identity.delete_project(self.project)
        except servers.REFUSALS as error:
            self.trouble = str(error)


def clear(admin: Any, pause: Callable[[float], None]) -> None:
    """Take away the projects of all tests, and tell of each.

    :param pause: called before each project; what it raises ends the work.
    :raises DoctorTestFailed: the cloud refuses something; all else is gone.
    """
    try:
        found = _find(admin)
    except servers.REFUSALS as error:
        raise errors.DoctorTestFailed(step="clear", reason=str(error)) from error
    done = []
    try:
        for each in found:
            pause(0.0)
            each.take_away(admin)
            done.append(each)
    finally:
        _draw(done)
    if staying := [each.project.name for each in done if each.trouble]:
        raise errors.DoctorTestFailed(
            step="clear", reason=f"not taken away: {', '.join(staying)}; try again"
        )


def _find(admin: Any) -> list[Left]:
    found = {
        each.id: Left(each, [], [])
        for each in admin.identity.projects()
        if scene.is_ours(each)
    }
    for alarm in alarms.read_all(admin) if found else ():
        if alarm["project_id"] in found:
            found[alarm["project_id"]].alarm_ids.append(alarm["alarm_id"])
    for project_id, left in found.items():
        known = admin.compute.servers(
            details=False, all_projects=True, project_id=project_id
        )
        left.instance_ids += [each.id for each in known]
    return list(found.values())


def _draw(done: Iterable[Left]) -> None:
    grid = table.Table(title="Left by tests that were killed", box=box.SIMPLE_HEAD)
    grid.add_column("project")
    grid.add_column("instances", justify="right")
    grid.add_column("alarms", justify="right")
    grid.add_column("now")
    for each in done:
        counted = (str(len(each.instance_ids)), str(len(each.alarm_ids)))
        grid.add_row(each.project.name, *counted, each.trouble or "taken away")
    console.Console().print(grid if grid.row_count else "Nothing was left by a test.")
