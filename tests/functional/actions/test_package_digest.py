"""Digests of packages, on real apt with state and sources of its own (P-3)."""

import hashlib
import os
import unittest

from escalator.domain import commands
from escalator.drivers import apt, apt_digest
from escalator.drivers.action import package
from tests.fixtures import apt_bed, packages


class TestDigest(apt_bed.AptBed):
    def setUp(self) -> None:
        super().setUp()
        self.repository = self.make_repository("repo")
        self.file, *_ = packages.build("2.0", self.repository)
        self.digest = self.publish()

    def publish(self) -> str:
        """Write the repository's index; return the digest of the package."""
        apt_bed.publish(self.repository)
        return hashlib.sha256(self.file.read_bytes()).hexdigest()

    def ordered(self, digest: str) -> commands.RunStep:
        return self.with_params(
            packages={packages.NAME: "2.0"},
            repository=apt_bed.told(self.repository),
            sha256={packages.NAME: digest},
        )

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
            apt.line_of(order.params),
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
