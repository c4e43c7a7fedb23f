"""Dry runs of installs, on real apt with state and sources of its own (P-3, V-3)."""

import dataclasses
import os
import pathlib
import subprocess
import unittest
from typing import Any

from escalator.drivers.action import package
from tests.fixtures import apt_bed, packages


class TestDryRun(apt_bed.AptBed):
    """``app`` 2.0 needs ``libapp`` 2.0, and that needs ``libbase``."""

    def setUp(self) -> None:
        super().setUp()
        self.repository = self.make_repository("repo")
        self.files = {
            name: packages.make(name, "2.0", needs, {}, self.repository)
            for name, needs in (
                ("app", "libapp (= 2.0)"),
                ("libapp", "libbase"),
                ("libbase", ""),
            )
        }
        apt_bed.publish(self.repository)

    def move(self, name: str, goal: str) -> pathlib.Path:
        """Let another repository have a package; return that repository."""
        found = self.make_repository(goal)
        file = self.files[name]
        file.rename(found / file.name)
        apt_bed.publish(self.repository)
        apt_bed.publish(found)
        return found

    def dry_run(
        self,
        repository: pathlib.Path | None = None,
        before: tuple[dict[str, Any], ...] = (),
        **wanted: str,
    ) -> list[str]:
        """Ask, and look that the node's sources are what they were."""
        params = {
            "packages": wanted or {"app": "2.0"},
            "repository": apt_bed.told(repository or self.repository),
        }
        was = self.listing()
        self.resources["before"] = [(self.order.action, each) for each in before]
        found = package.Install(self.resources).dry_run(self.with_params(**params))
        self.assertEqual(was, self.listing())
        return found

    def listing(self) -> dict[str, str]:
        folder = os.path.dirname(self.sources)
        return {
            name: pathlib.Path(folder, name).read_text(encoding="utf-8")
            for name in os.listdir(folder)
        }

    def write_source(self, name: str, repository: pathlib.Path) -> None:
        path = os.path.join(os.path.dirname(self.sources), name)
        self.write(path, f"deb [trusted=yes] copy:{repository} ./\n")

    def test_the_whole_closure_is_in_the_repository_to_come(self) -> None:
        self.assertEqual([], self.dry_run())

    def test_what_a_dependency_lacks_is_named(self) -> None:
        """P-3: the version asked for is there; what it needs in the end is not."""
        self.files["libbase"].unlink()
        apt_bed.publish(self.repository)
        (told,) = self.dry_run()
        self.assertIn("libapp : Depends: libbase", told)

    def test_a_version_that_is_not_there_is_named(self) -> None:
        (told,) = self.dry_run(app="3.0")
        self.assertEqual("E: Version '3.0' for 'app' was not found", told)

    def test_a_package_of_another_architecture_is_none(self) -> None:
        """P-3: neither if it is asked for, nor if another one needs it."""
        packages.make("tool", "1.0", "", {}, self.repository, "s390x")
        packages.make("user", "1.0", "tool", {}, self.repository)
        apt_bed.publish(self.repository)
        (told,) = self.dry_run(tool="1.0")
        self.assertIn("'tool' was not found", told)
        self.order = dataclasses.replace(self.order, step_id="other")
        (told,) = self.dry_run(user="1.0")
        self.assertIn("user : Depends: tool", told)

    def test_other_sources_of_the_node_count(self) -> None:
        self.write_source("debian.list", self.move("libbase", "other"))
        argv = [*self.apt, "apt-get", "update"]
        subprocess.run(argv, check=True, capture_output=True)
        self.assertEqual([], self.dry_run())

    def test_the_source_that_is_replaced_does_not(self) -> None:
        self.write_source("escalator.list", self.move("libbase", "other"))
        (told,) = self.dry_run()
        self.assertIn("libbase", told)

    def test_what_is_installed_before_it_counts(self) -> None:
        other = self.move("libbase", "other")
        first = {"packages": {"libbase": "2.0"}, "repository": apt_bed.told(other)}
        self.assertEqual([], self.dry_run(before=(first,)))

    def test_what_a_killed_agent_left_does_not_disturb(self) -> None:
        folder, name = os.path.split(self.sources)
        left = os.path.join(folder, f".{name}.staged")
        os.mkdir(left)
        self.write(os.path.join(left, "old.list"), "no sources file\n")
        params = {
            "packages": {"app": "2.0"},
            "repository": apt_bed.told(self.repository),
        }
        action = package.Install(self.resources)
        self.assertEqual([], action.dry_run(self.with_params(**params)))
        self.assertEqual([], os.listdir(folder))


if __name__ == "__main__":
    unittest.main()
