"""Servers of the doctor test."""

import pathlib
import tempfile
import unittest
from typing import Any

from escalator.cmd.doctor import servers
from tests.fixtures import doctor_cloud


class Counted(doctor_cloud.Cloud):
    """:ivar opened: the project of each further connection."""

    def __init__(self, folder: pathlib.Path) -> None:
        super().__init__(folder)
        self.opened: list[str] = []

    def connect_as(self, **wanted: Any) -> doctor_cloud.Cloud:
        self.opened.append(wanted["project_id"])
        return self


class TestServers(unittest.TestCase):
    def test_many_servers_of_a_project_need_one_connection(self) -> None:
        """DR-8: with one each Nova's front end took no more after a hundred."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        cloud = Counted(pathlib.Path(folder.name))
        booting = servers.Servers(cloud, "image", "flavor", "none")
        made = {
            booting.create(project, f"{project}-{number}", "")
            for number in range(3)
            for project in ("red", "blue")
        }
        self.assertEqual(6, len(made))
        self.assertEqual(["red", "blue"], cloud.opened)
