"""What cannot be taken away is named, and does not keep the rest (DR-8)."""

import contextlib
import io
import time
import unittest
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

from openstack import exceptions as sdk_errors

from escalator import errors
from escalator.cmd.doctor import clearing, scene


def thing(name: str, description: str = scene.DESCRIPTION) -> SimpleNamespace:
    return SimpleNamespace(id=f"id of {name}", name=name, description=description)


class Cloud:
    """Some projects with a user of the same name each, no alarms, no servers.

    :ivar refused: names of projects that it does not delete.
    """

    def __init__(self, *projects: SimpleNamespace) -> None:
        self.identity = self.compute = self.session = self
        self.kept = {each.name: each for each in projects}
        self.refused: set[str] = set()

    def projects(self) -> Iterator[SimpleNamespace]:
        return iter(list(self.kept.values()))

    def users(self, name: str) -> list[SimpleNamespace]:
        return [thing(name)]

    def servers(self, **_: Any) -> list[SimpleNamespace]:
        return []

    def get(self, *_: Any, **__: Any) -> SimpleNamespace:
        return SimpleNamespace(json=list)

    def delete_user(self, user: SimpleNamespace) -> None:
        if user.name not in self.kept:
            raise AssertionError(f"the user {user.name} goes before its project")

    def delete_project(self, project: SimpleNamespace) -> None:
        if project.name in self.refused:
            raise sdk_errors.HttpException("not today")
        del self.kept[project.name]


class ClearTest(unittest.TestCase):
    def setUp(self) -> None:
        self.said = io.StringIO()
        self.enterContext(contextlib.redirect_stdout(self.said))

    def clear(self, cloud: Cloud) -> None:
        clearing.clear(cloud, time.sleep)

    def test_only_what_a_test_made(self) -> None:
        others = [
            thing("doctor-test-abcdef-0", "of somebody else"),
            thing("doctor-test-production"),
            thing("doctor-test-abcdef-1-b"),
        ]
        cloud = Cloud(thing("doctor-test-abcdef-1"), *others)
        self.clear(cloud)
        self.assertEqual({each.name for each in others}, set(cloud.kept))
        self.assertIn("doctor-test-abcdef-1", self.said.getvalue())

    def test_what_stays_is_named_and_the_rest_goes(self) -> None:
        names = [f"doctor-test-abcdef-{number}" for number in range(3)]
        cloud = Cloud(*map(thing, names))
        cloud.refused = {names[0]}
        with self.assertRaisesRegex(errors.DoctorTestFailed, names[0]):
            self.clear(cloud)
        self.assertEqual([names[0]], list(cloud.kept))
        self.assertIn("not today", self.said.getvalue())
        cloud.refused.clear()
        self.clear(cloud)
        self.assertEqual([], list(cloud.kept))

    def test_nothing(self) -> None:
        self.clear(Cloud())
        self.assertIn("Nothing was left", self.said.getvalue())
