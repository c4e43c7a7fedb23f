"""What is broken is mended, whoever is killed (DR-8)."""

import pathlib
import subprocess
import sys
import tempfile
import textwrap
import time
import unittest

from escalator import errors
from escalator.cmd.doctor import injection

LIMIT_S = 30.0

PARENT = textwrap.dedent(
    """
    import sys, time
    from escalator.cmd.doctor import injection
    injection.commands(*sys.argv[1:]).inject()
    time.sleep(60)
    """
)


class InjectionTest(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.cut = self.folder / "cut"

    def command(self, script: str) -> str:
        return f"sh -c 'cd {self.folder}; {script}'"

    def made(self, inject: str, restore: str) -> injection.Injection:
        return injection.commands(self.command(inject), self.command(restore))

    def await_(self, name: str, is_there: bool = True) -> None:
        deadline = time.monotonic() + LIMIT_S
        while self.folder.joinpath(name).exists() != is_there:
            self.assertLess(time.monotonic(), deadline, name)
            time.sleep(0.01)

    def kill_parent(self, inject: str, restore: str, at: str) -> None:
        """Let another process break the host, and kill it when there is a file."""
        parent = subprocess.Popen(
            [sys.executable, "-c", PARENT, self.command(inject), self.command(restore)]
        )
        self.addCleanup(parent.wait)
        self.addCleanup(parent.kill)
        self.await_(at)
        parent.kill()

    def test_a_command_that_fails_names_itself(self) -> None:
        made = self.made("echo broken >&2; exit 3", "true")
        with self.assertRaisesRegex(errors.DoctorTestFailed, "ended with 3: broken"):
            made.inject()
        made.mend()

    def test_a_command_that_is_not_there(self) -> None:
        made = injection.commands("/nowhere/at-all", "true")
        with self.assertRaises(errors.DoctorTestFailed):
            made.inject()
        made.mend()

    def test_again_and_again(self) -> None:
        made = self.made("touch cut", "rm cut")
        for _ in range(2):
            before = time.time()
            at = made.inject()
            self.assertTrue(self.cut.exists())
            self.assertTrue(before <= at <= time.time())
            made.mend()
            self.assertFalse(self.cut.exists())

    def test_a_mending_that_fails_is_tried_again(self) -> None:
        made = self.made("touch cut", "test -e allowed && rm cut")
        made.inject()
        with self.assertRaisesRegex(errors.DoctorTestFailed, "ended with 1"):
            made.mend()
        self.folder.joinpath("allowed").touch()
        made.mend()
        self.assertFalse(self.cut.exists())

    def test_kill_of_the_test(self) -> None:
        self.kill_parent("touch cut", "rm cut", at="cut")
        self.await_("cut", is_there=False)

    def test_kill_while_the_host_is_being_broken(self) -> None:
        """The mending must not come first."""
        self.kill_parent(
            "touch begun; sleep 0.5; touch cut", "rm cut && touch mended", at="begun"
        )
        self.await_("mended")
        self.assertFalse(self.cut.exists())

    def test_an_orphan_tries_again(self) -> None:
        self.kill_parent(
            "touch cut", "touch tried; test -e allowed && rm cut", at="cut"
        )
        self.await_("tried")
        self.folder.joinpath("allowed").touch()
        self.await_("cut", is_there=False)

    def test_kill_of_who_keeps_it_broken(self) -> None:
        made = self.made("touch cut", "rm cut")
        made.inject()
        keeper = made._keeper
        assert keeper is not None
        keeper.kill()
        keeper.wait()
        made.mend()
        self.assertFalse(self.cut.exists())
