"""Package actions: argv, parsing, and the way back (research, test bed B)."""

import dataclasses
import os
import tempfile
import unittest
import unittest.mock
from typing import Any

import jsonschema

from escalator import errors
from escalator.domain import commands
from escalator.drivers import apt, base, dpkg
from escalator.drivers.action import http, package
from escalator.drivers.checkpoint import package_manifest
from tests.fixtures import debian, orders
from tests.unit.drivers import contract_action, contract_checkpoint

REPOSITORY = {"uri": "http://repo/snap-2", "suite": "stable", "trusted": True}


class Bench(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.sources = os.path.join(folder.name, "escalator.list")
        self.node = debian.FakeNode()
        self.resources = {"jobs": self.node, "apt_sources": self.sources}
        self.order = orders.make_order()

    def make_order(self) -> commands.RunStep:
        return self.order

    def count_changes(self) -> int:
        return self.node.changes

    def with_params(self, **params: Any) -> commands.RunStep:
        found = {**self.order.params, **params}
        return dataclasses.replace(self.order, params=found)

    def next_attempt(self) -> commands.RunStep:
        return dataclasses.replace(self.order, attempt=2, fence=2, is_resumed=True)

    def refused(
        self, action: base.Action, order: commands.RunStep
    ) -> errors.ActionFailed:
        with self.assertRaises(errors.ActionFailed) as caught:
            action.run(order)
        return caught.exception

    def write_sources(self, text: str) -> None:
        with open(self.sources, "w", encoding="utf-8") as target:
            target.write(text)

    def read_sources(self) -> str:
        with open(self.sources, encoding="utf-8") as source:
            return source.read()


class InstallTest(Bench, contract_action.ActionContract):
    def make_action(self) -> package.Install:
        return package.Install(self.resources)

    def test_exact_versions_without_a_prompt(self) -> None:
        self.make_action().run(self.order)
        argv = self.node.argv("install")
        self.assertEqual("demo-service=2.0", argv[-1])
        for word in (
            "--allow-downgrades",
            "--no-remove",
            "--no-install-recommends",
            "Dpkg::Options::=--force-confdef",
            "Dpkg::Options::=--force-confold",
            "DPkg::Lock::Timeout=60",
        ):
            self.assertIn(word, argv)
        self.assertEqual("2.0", self.node.versions()["demo-service"])

    def test_the_result_names_the_versions_before_the_first_attempt(self) -> None:
        self.node.answers["update"] = (100, "E: Failed to fetch http://repo")
        self.order = self.with_params(
            packages={"demo-service": "2.0", "demo-extra": "2.0"}
        )
        self.refused(self.make_action(), self.order)
        del self.node.answers["update"]
        self.node.installed["demo-service"] = ("ii", "2.0")
        result = self.make_action().run(self.next_attempt())
        self.assertEqual(
            {"demo-service": "1.0", "demo-extra": None}, result["previous"]
        )

    def test_a_query_that_was_cut_off_does_not_block_the_step_for_ever(self) -> None:
        self.node.vanished.add("0-before")
        result = self.make_action().run(self.order)
        self.assertEqual({"demo-service": "1.0"}, result["previous"])

    def test_a_failure_names_them_too(self) -> None:
        """The undo must know them even if the install broke off."""
        self.node.answers["install"] = (100, "dpkg: error processing package x")
        error = self.refused(self.make_action(), self.order)
        self.assertEqual({"previous": {"demo-service": "1.0"}}, error.result)

    def test_an_index_that_fails_is_a_failure(self) -> None:
        """apt-get update exits 0 on failed indexes unless told otherwise."""
        self.make_action().run(self.order)
        self.assertIn("APT::Update::Error-Mode=any", self.node.argv("update"))

    def test_a_snapshot_becomes_the_own_source_and_only_that_is_fetched(self) -> None:
        self.make_action().run(self.with_params(repository=REPOSITORY))
        self.assertEqual(
            "deb [trusted=yes] http://repo/snap-2 stable main\n", self.read_sources()
        )
        argv = self.node.argv("update")
        self.assertIn(f"Dir::Etc::SourceList={self.sources}", argv)
        self.assertIn("Dir::Etc::SourceParts=-", argv)
        self.assertLess(self.node.names().index("update"), self._at("install"))

    def test_digests_are_compared_before_anything_is_changed(self) -> None:
        """P-3: not even the source is switched, nor an earlier attempt repaired."""
        order = dataclasses.replace(
            self.with_params(repository=REPOSITORY, sha256={"demo-service": "0" * 64}),
            is_resumed=True,
        )
        error = self.refused(self.make_action(), order)
        self.assertEqual("permanent", error.failure_class)
        self.assertEqual(
            ["before", "present", "staged-update", "digest-demo-service"],
            self.node.names(),
        )
        self.assertEqual([], os.listdir(os.path.dirname(self.sources)))
        staged = os.path.join(
            os.path.dirname(self.sources), ".escalator.list.staged/escalator.list"
        )
        for name in ("staged-update", "digest-demo-service"):
            self.assertIn(f"Dir::Etc::SourceList={staged}", self.node.argv(name))

    def test_a_dry_run_simulates_with_fresh_indexes(self) -> None:
        """V-3: apt itself says whether the exact version can be had."""
        self.assertEqual([], self.make_action().dry_run(self.order))
        argv = self.node.argv("simulate")
        self.assertIn("--simulate", argv)
        self.assertIn("--no-remove", argv)
        self.assertEqual(["present", "update", "simulate"], self.node.names())
        self.assertEqual("1.0", self.node.versions()["demo-service"])
        order = self.with_params(packages={"demo-service": "3.0"})
        order = dataclasses.replace(order, step_id="other")
        (told,) = self.make_action().dry_run(order)
        self.assertIn("Version '3.0' for 'demo-service' was not found", told)
        self.assertEqual(0, self.node.changes)

    def test_a_dry_run_of_what_is_there_asks_nobody(self) -> None:
        self.node.installed["demo-service"] = ("ii", "2.0")
        self.assertEqual([], self.make_action().dry_run(self.order))
        self.assertEqual(["present"], self.node.names())

    def test_a_dry_run_looks_into_the_repository_to_come(self) -> None:
        order = self.with_params(
            repository=REPOSITORY, packages={"demo-service": "2.0", "libdemo": "3.0"}
        )
        (told,) = self.make_action().dry_run(order)
        self.assertIn("Version '3.0' for 'libdemo' was not found", told)
        self.assertEqual([], os.listdir(os.path.dirname(self.sources)))
        hidden = os.path.join(os.path.dirname(self.sources), ".escalator.list.staged")
        self.assertIn(
            f"Dir::Etc::SourceList={hidden}/escalator.list",
            self.node.argv("staged-update"),
        )
        self.assertIn(f"Dir::Etc::SourceParts={hidden}", self.node.argv("simulate"))

    def test_every_unmet_dependency_is_an_obstacle(self) -> None:
        """P-3: in the words of apt, one text a package."""
        self.node.answers["simulate"] = (
            100,
            "Reading package lists...\n"
            "The following packages have unmet dependencies:\n"
            " demo-service : Depends: libdemo (= 2.0) but 1.0 is to be installed\n"
            "                Depends: libnew but it is not installable\n"
            " libold : Breaks: demo-service (>= 2.0)\n"
            "E: Unable to correct problems, you have held broken packages.\n",
        )
        self.assertEqual(
            [
                "demo-service : Depends: libdemo (= 2.0) but 1.0 is to be installed;"
                " Depends: libnew but it is not installable",
                "libold : Breaks: demo-service (>= 2.0)",
            ],
            self.make_action().dry_run(self.order),
        )

    def test_a_dry_run_compares_digests(self) -> None:
        order = self.with_params(sha256={"demo-service": "0" * 64})
        (told,) = self.make_action().dry_run(order)
        self.assertIn("has not the digest", told)

    def test_a_dry_run_without_a_mirror_does_not_know(self) -> None:
        """Neither yes nor no: the preflight says so."""
        for name in ("update", "simulate"):
            self.node.answers = {name: (100, "E: Failed to fetch http://repo")}
            order = dataclasses.replace(self.order, step_id=name)
            with self.assertRaises(errors.ActionFailed) as caught:
                self.make_action().dry_run(order)
            self.assertEqual("transient", caught.exception.failure_class)

    def test_a_right_digest_changes_nothing_else(self) -> None:
        result = self.make_action().run(
            self.with_params(sha256={"demo-service": "ab" * 32})
        )
        self.assertEqual({"demo-service": "2.0"}, result["packages"])
        order = self.with_params(sha256={"libdemo": "ab" * 32})
        order = dataclasses.replace(order, step_id="other")
        self.node.installed["demo-service"] = ("ii", "1.0")
        error = self.refused(self.make_action(), order)
        self.assertIn("no version", str(error))

    def test_another_snapshot_of_the_same_versions_is_switched_to(self) -> None:
        self.node.installed["demo-service"] = ("ii", "2.0")
        self.make_action().run(self.with_params(repository=REPOSITORY))
        self.assertIn("snap-2", self.read_sources())

    def test_a_second_attempt_repairs_first(self) -> None:
        self.make_action().run(self.order)
        self.assertNotIn("configure", self.node.names())
        self.node.installed["demo-service"] = ("iF", "2.0")
        self.make_action().run(self.next_attempt())
        argv = self.node.argv("configure")
        self.assertEqual(["--configure", "-a"], argv[-2:])
        self.assertLess(self._at("configure"), len(self.node.calls) - 1)

    def test_half_configured_is_not_installed(self) -> None:
        self.node.installed["demo-service"] = ("iF", "2.0")
        self.assertIsNone(self.make_action().detect(self.order))

    def test_versions_that_differ_afterwards_are_a_failure(self) -> None:
        """apt may exit 0 and leave a version as it was."""
        self.node.answers["install"] = (0, "")
        error = self.refused(self.make_action(), self.order)
        self.assertEqual("permanent", error.failure_class)
        self.assertIn("1.0 is installed, it should be 2.0", str(error))

    def test_a_lower_version_is_a_goal_like_any_other(self) -> None:
        self.node.installed["demo-service"] = ("ii", "2.0")
        self.make_action().run(self.with_params(packages={"demo-service": "1.0"}))
        self.assertEqual("1.0", self.node.versions()["demo-service"])

    def test_removals_only_if_the_file_says_so(self) -> None:
        self.make_action().run(self.with_params(may_remove=True))
        self.assertNotIn("--no-remove", self.node.argv("install"))

    def test_nothing_can_pass_as_an_option(self) -> None:
        schema = jsonschema.Draft202012Validator(package.INSTALL_SCHEMA)
        refused: list[dict[str, Any]] = [
            {"packages": {"-o": "1"}},
            {"packages": {"--allow-unauthenticated": "1"}},
            {"packages": {"a b": "1"}},
            {"packages": {"demo\n": "1"}},
            {"packages": {"demo": "1 -o x"}},
            {"packages": {"demo": "-1"}},
            {"packages": {"demo": ""}},
            {"packages": {}},
            {"packages": {"demo": "1"}, "repository": {"uri": "http://a b", **_S}},
            {"packages": {"demo": "1"}, "repository": {"uri": "http://a\ndeb x", **_S}},
            {"packages": {"demo": "1"}, "repository": {"uri": "cdrom:x", **_S}},
            {"packages": {"demo": "1"}, "repository": {"uri": "http://a]", **_S}},
        ]
        for bad in refused:
            self.assertFalse(schema.is_valid(bad), bad)
        good = {"packages": {"libc6:amd64": "1:2.36-9+deb12u4~x"}}
        self.assertTrue(schema.is_valid(good))

    def _at(self, name: str) -> int:
        return len(self.node.names()) - 1 - self.node.names()[::-1].index(name)


_S = {"suite": "stable"}


class RestoreTest(Bench, contract_action.ActionContract):
    def setUp(self) -> None:
        super().setUp()
        checkpoint = package_manifest.PackageManifest(self.resources)
        content = checkpoint.take(orders.make_order())
        self.order = orders.make_order(
            action="package.restore",
            intent="revert",
            undo={"result": {}, "checkpoint": {"cp-node": content}},
        )
        self.node.calls.clear()
        self.before = dict(self.node.installed)
        self.node.installed["demo-service"] = ("iF", "2.0")
        self.node.installed["libdemo:amd64"] = ("ii", "2.0")
        self.node.installed["demo-extra"] = ("ii", "2.0")

    def make_action(self) -> package.Restore:
        return package.Restore(self.resources)

    def test_the_whole_closure_goes_back_in_one_transaction(self) -> None:
        """Naming one package alone fails where dependencies are exact."""
        self.node.answers["configure"] = (1, "dpkg: error processing package")
        result = self.make_action().run(self.order)
        argv = self.node.argv("install")
        expected = ["demo-service=1.0", "libdemo:amd64=1.0", "demo-extra-"]
        self.assertEqual(expected, argv[-3:])
        self.assertNotIn("--no-remove", argv)
        self.assertEqual(self.before, self.node.installed)
        self.assertEqual(
            ["demo-extra", "demo-service", "libdemo:amd64"], result["restored"]
        )

    def test_only_installed_packages_are_named_for_removal(self) -> None:
        """apt refuses to remove what it does not know."""
        del self.node.installed["demo-extra"]
        self.node.installed["old-config"] = ("rc", "1.0")
        self.make_action().run(self.order)
        self.assertFalse([w for w in self.node.argv("install") if w.endswith("-")])

    def test_a_remainder_is_a_failure(self) -> None:
        """The metapackage may vanish and apt exit 0."""
        self.node.answers["install"] = (0, "")
        error = self.refused(self.make_action(), self.order)
        self.assertIn("demo-extra: 2.0 is installed, it should be absent", str(error))

    def test_the_source_goes_back_too(self) -> None:
        self.write_sources("deb http://repo/snap-2 stable main\n")
        self.assertIsNone(self.make_action().detect(self.order))
        self.make_action().run(self.order)
        self.assertFalse(os.path.exists(self.sources))
        self.assertNotIn("Dir::Etc::SourceParts=-", self.node.argv("update"))

    def test_going_back_does_not_need_fresh_indexes(self) -> None:
        self.node.answers["update"] = (100, "E: Failed to fetch http://other/")
        with self.assertLogs("escalator.drivers.apt", "WARNING"):
            self.make_action().run(self.order)
        self.assertEqual(self.before, self.node.installed)

    def test_without_a_manifest_the_result_serves(self) -> None:
        previous = {"demo-service": "1.0", "demo-extra": None}
        undo = {"result": {"previous": previous}, "checkpoint": {}}
        order = dataclasses.replace(self.order, undo=undo)
        self.make_action().run(order)
        self.assertEqual("2.0", self.node.versions()["libdemo:amd64"])
        self.assertEqual("1.0", self.node.versions()["demo-service"])
        self.assertNotIn("demo-extra", self.node.versions())

    def test_with_nothing_recorded_nothing_is_done(self) -> None:
        order = dataclasses.replace(self.order, undo={"result": {}, "checkpoint": {}})
        self.assertEqual(
            "permanent", self.refused(self.make_action(), order).failure_class
        )
        self.assertEqual(0, self.node.changes)


class VerifyTest(Bench, contract_action.ActionContract):
    def setUp(self) -> None:
        super().setUp()
        self.order = orders.make_order(
            action="package.verify", params={"packages": {"demo-service": "1.0"}}
        )

    def make_action(self) -> package.Verify:
        return package.Verify(self.resources)

    def test_another_version_fails_verification(self) -> None:
        order = self.with_params(packages={"demo-service": "2.0"})
        error = self.refused(self.make_action(), order)
        self.assertEqual("verification", error.failure_class)

    def test_half_configured_fails_verification(self) -> None:
        self.node.installed["demo-service"] = ("iF", "1.0")
        error = self.refused(self.make_action(), self.order)
        self.assertEqual("verification", error.failure_class)

    def test_the_commands_exit_status_counts(self) -> None:
        order = self.with_params(command=["/usr/bin/check", "it"])
        self.make_action().run(order)
        self.assertEqual(["/usr/bin/check", "it"], self.node.argv("command"))
        self.node.answers["command"] = (3, "not well")
        error = self.refused(self.make_action(), dataclasses.replace(order, attempt=2))
        self.assertEqual("verification", error.failure_class)
        self.assertIn("not well", str(error))


class ManifestTest(Bench, contract_checkpoint.RestoreContract):
    def make_checkpoint(self) -> package_manifest.PackageManifest:
        return package_manifest.PackageManifest(self.resources)

    def change_target(self) -> None:
        self.node.installed["demo-service"] = ("ii", "2.0")

    def test_content(self) -> None:
        self.write_sources("deb http://repo/snap-1 stable main\n")
        self.node.installed["base-files"] = ("hi", "12.4")
        self.node.installed["gone"] = ("rc", "1.0")
        expected = {
            "packages": {
                "demo-service": "1.0",
                "libdemo:amd64": "1.0",
                "base-files": "12.4",
            },
            "sources": "deb http://repo/snap-1 stable main\n",
            "holds": ["base-files"],
        }
        self.assertEqual(expected, self.take())

    def restored(self, content: dict[str, Any], **changes: Any) -> errors.ActionFailed:
        order = orders.make_order(intent="restore", **changes)
        with self.assertRaises(errors.ActionFailed) as caught:
            self.make_checkpoint().restore(order, content)
        return caught.exception

    def test_restore_brings_packages_pins_and_source_back(self) -> None:
        """R-1: in one transaction, and what was not there goes."""
        self.node.installed["base-files"] = ("hi", "12.4")
        before, was = self.take(1), dict(self.node.installed)
        self.node.installed["base-files"] = ("ii", "12.4")
        self.node.installed["demo-service"] = ("iF", "2.0")
        self.node.installed["libdemo:amd64"] = ("hi", "2.0")
        self.node.installed["demo-extra"] = ("ii", "2.0")
        self.write_sources("deb http://repo/snap-2 stable main\n")
        self.node.answers["configure"] = (1, "dpkg: error processing package")
        order = orders.make_order(intent="restore")
        self.make_checkpoint().restore(order, before)
        self.assertEqual(was, self.node.installed)
        self.assertFalse(os.path.exists(self.sources))
        argv = self.node.argv("install")
        expected = ["demo-service=1.0", "libdemo:amd64=1.0", "demo-extra-"]
        self.assertEqual(expected, argv[-3:])
        self.assertIn("--allow-change-held-packages", argv)
        self.assertEqual(before, self.take(2))

    def test_only_pins_differ(self) -> None:
        before = self.take(1)
        self.node.installed["base-files"] = ("hi", "12.4")
        order = orders.make_order(intent="restore")
        self.make_checkpoint().restore(order, before)
        self.assertNotIn("install", self.node.names())
        self.assertEqual(before, self.take(2))

    def test_what_cannot_be_restored_is_told(self) -> None:
        """R-1: a version that no index has any more; apt that did nothing."""
        content = self.take(1)
        content["packages"]["demo-service"] = "0.9"
        error = self.restored(content)
        self.assertEqual("permanent", error.failure_class)
        self.assertIn("Version '0.9' for 'demo-service' was not found", str(error))
        self.node.answers["install"] = (0, "")
        error = self.restored(content)
        self.assertEqual("permanent", error.failure_class)
        self.assertIn("demo-service: 1.0 is installed, it should be 0.9", str(error))

    def test_a_lock_may_pass(self) -> None:
        content = self.take(1)
        self.change_target()
        self.node.answers["install"] = (100, "E: Could not get lock /var/lib/dpkg")
        self.assertEqual("transient", self.restored(content).failure_class)
        del self.node.answers["install"]
        self.restore(content, 2)
        self.assertEqual(content, self.take(2))

    def test_an_attempt_that_was_cut_off_is_brought_to_its_end(self) -> None:
        """R-1: the agent's next process collects the jobs of the killed one."""
        content = self.take(1)
        self.change_target()
        order = orders.make_order(intent="restore")
        checkpoint, run = self.make_checkpoint(), self.node.run
        for last in ("present", "configure", "update", "install", "after"):

            def die_after(order: Any, job: str, *rest: Any, last: str = last) -> Any:
                result = run(order, job, *rest)
                if job == last:
                    raise InterruptedError
                return result

            with unittest.mock.patch.object(self.node, "run", die_after):
                with self.assertRaises(InterruptedError):
                    checkpoint.restore(order, content)
        checkpoint.restore(order, content)
        self.assertEqual(1, self.node.changes)
        self.assertEqual(1, self.node.names().count("install"))
        self.assertEqual(content, self.take(2))

    def test_a_broken_node_has_no_state_to_go_back_to(self) -> None:
        self.node.installed["libdemo:amd64"] = ("iF", "1.0")
        with self.assertRaisesRegex(errors.ActionFailed, "libdemo"):
            self.take()

    def test_a_cut_off_list_is_refused(self) -> None:
        self.node.answers["manifest"] = (0, "[99 bytes left out]\nii \ta\t1\n")
        with self.assertRaises(errors.ActionFailed):
            self.take()


class FailureClassTest(unittest.TestCase):
    def test_locks_and_network_may_pass(self) -> None:
        for output in (
            "E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by 7",
            "E: Unable to acquire the dpkg frontend lock, is another process using it?",
            "E: Failed to fetch http://x  Could not connect to x:80",
            "W: Temporary failure resolving 'deb.debian.org'",
            "E: Hash Sum mismatch",
        ):
            self.assertEqual("transient", apt.failure_class(output), output)

    def test_the_rest_will_not(self) -> None:
        for output in (
            "dpkg: error processing package demo (--configure):",
            "E: Failed to fetch x\ndpkg: error processing package demo",
            "E: Failed to fetch http://x/y.deb  404  Not Found",
            "E: Version '9' for 'demo' was not found",
            "E: Packages need to be removed but remove is disabled.",
            "E: Write error - write (28: No space left on device)",
        ):
            self.assertEqual("permanent", apt.failure_class(output), output)


class SourceLineTest(unittest.TestCase):
    def test_forms(self) -> None:
        cases = [
            ({"uri": "http://r", "suite": "s"}, "deb http://r s main\n"),
            ({"uri": "file:/r", "suite": "./"}, "deb file:/r ./\n"),
            (
                {
                    "uri": "http://r",
                    "suite": "s",
                    "components": "a b",
                    "signed_by": "/k.gpg",
                },
                "deb [signed-by=/k.gpg] http://r s a b\n",
            ),
        ]
        for repository, expected in cases:
            self.assertEqual(expected, apt.source_line(repository))


class ParseTest(unittest.TestCase):
    def test_statuses(self) -> None:
        found = dpkg.parse("ii \ta\t1\nrc \tb\t1\nun \tc\t\nhi \td\t2\niU \te\t3\n")
        self.assertEqual({"a", "d", "e"}, set(found))
        self.assertTrue(found["d"].is_held and found["d"].is_whole)
        self.assertFalse(found["e"].is_whole)

    def test_a_name_is_found_with_its_architecture(self) -> None:
        found = dpkg.parse("ii \tlibdemo:amd64\t1\nii \tlibdemo-dev\t2\n")
        self.assertEqual({"libdemo": "1"}, dpkg.versions(found, ["libdemo"]))


class ExpectationTest(unittest.TestCase):
    def test_text_and_json(self) -> None:
        cases = [
            ("demo 2.0\n", "2.0", True),
            ("demo 1.0\n", "2.0", False),
            ('{"version": "2.0", "up": true}', {"version": "2.0"}, True),
            ('{"version": "2.0.1"}', {"version": "2.0"}, False),
            ("not json", {"version": "2.0"}, False),
            ("[1]", {}, False),
        ]
        for body, expect, is_right in cases:
            self.assertIs(is_right, http.is_expected(body, expect), body)
