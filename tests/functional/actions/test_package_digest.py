"""Digests of packages, on real apt with state and sources of its own (P-3)."""

import hashlib
import os
import pathlib
import subprocess
import unittest
from typing import Any
from unittest import mock

from escalator.domain import commands
from escalator.drivers import apt, apt_digest
from escalator.drivers.action import package
from tests.fixtures import action_bed, packages

_CONFIG = """
Dir "{root}";
Dir::State::status "{root}/status";
APT::Sandbox::User "root";
"""


class TestDigest(action_bed.ActionBed):
    def setUp(self) -> None:
        super().setUp()
        for name in ("var/lib/apt", "var/cache/apt", "etc/apt/sources.list.d", "repo"):
            os.makedirs(self.path(name))
        self.write("status", "")
        config = self.write("apt.conf", _CONFIG.format(root=self.folder))
        patch = mock.patch.dict(os.environ, APT_CONFIG=config)
        patch.start()
        self.addCleanup(patch.stop)
        self.sources = self.path("etc/apt/sources.list.d/escalator.list")
        self.resources["apt_sources"] = self.sources
        self.repository = pathlib.Path(self.path("repo"))
        self.file, *_ = packages.build("2.0", self.repository)
        self.digest = self.publish()

    def publish(self) -> str:
        """Write the repository's index; return the digest of the package."""
        index = subprocess.run(
            ["dpkg-scanpackages", "."],
            cwd=self.repository,
            check=True,
            capture_output=True,
        )
        (self.repository / "Packages").write_bytes(index.stdout)
        return hashlib.sha256(self.file.read_bytes()).hexdigest()

    def ordered(self, digest: str) -> commands.RunStep:
        repository = {
            "uri": f"copy:{self.repository}",
            "suite": "./",
            "trusted": True,
        }
        params: dict[str, Any] = {
            "packages": {packages.NAME: "2.0"},
            "repository": repository,
            "sha256": {packages.NAME: digest},
        }
        return self.with_params(**params)

    def check_untouched(self, order: commands.RunStep) -> None:
        """Neither a package nor a source nor a leftover of the look."""
        self.assertEqual([], os.listdir(os.path.dirname(self.sources)))
        jobs = os.listdir(self.path("jobs", order.step_id))
        self.assertTrue(any("digest" in each for each in jobs), jobs)
        self.assertFalse(any("install" in each for each in jobs), jobs)

    def test_the_digest_of_the_index_is_taken(self) -> None:
        order = self.ordered(self.digest)
        apt_digest.check(
            apt.Apt(self.resources, order),
            order.params["packages"],
            order.params["sha256"],
            apt.source_line(order.params["repository"]),
        )
        self.check_untouched(order)

    def test_another_digest_is_refused_before_any_change(self) -> None:
        order = self.ordered("0" * 64)
        error = self.refused(package.Install(self.resources), order)
        self.assertEqual("permanent", error.failure_class)
        self.assertIn(self.digest, str(error))
        self.check_untouched(order)

    def test_one_byte_makes_another_file(self) -> None:
        order = self.ordered(self.digest)
        content = bytearray(self.file.read_bytes())
        content[-1] ^= 1
        self.file.write_bytes(content)
        self.publish()
        error = self.refused(package.Install(self.resources), order)
        self.assertIn("has not the digest", str(error))
        self.check_untouched(order)


if __name__ == "__main__":
    unittest.main()
