"""What everything that holds scaling keeps to (S-7); inherit beside ``TestCase``.

For VIM drivers of third parties too: give the first methods.
"""

import typing
import uuid

from escalator import errors
from escalator.drivers import scaling

ONE, OTHER = str(uuid.UUID(int=1)), str(uuid.UUID(int=2))
LONG_S = 30.0


class ScalingContract:
    """Tests on a cloud with triggers ``ON``, enabled, and ``OFF``, disabled."""

    ON: typing.ClassVar[tuple[str, ...]] = ("on-1", "on-2")
    OFF: typing.ClassVar[str] = "off"

    def make_scaling(self) -> scaling.Scaling:
        """Return what is under test as another process has it, of the same cloud."""
        raise NotImplementedError

    def read_cloud(self) -> typing.Any:
        """Return all that has to be as it was, as the cloud itself says."""
        raise NotImplementedError

    def is_enabled(self, name: str) -> bool:
        """Return what the cloud itself says."""
        raise NotImplementedError

    def set_enabled(self, name: str, is_enabled: bool) -> None:
        """Do as the owner does."""
        raise NotImplementedError

    def count_changes(self) -> int:
        """Return how often anything was changed."""
        raise NotImplementedError

    @property
    def check(self) -> typing.Any:
        return self

    def hold(self, holder: str = ONE) -> dict[str, list[str]]:
        return self.make_scaling().hold(holder, "an upgrade", LONG_S)

    def release(self, holder: str = ONE) -> dict[str, list[str]]:
        return self.make_scaling().release(holder, LONG_S)

    def names(self, told: list[str]) -> list[str]:
        """Return names without what the driver adds."""
        return sorted(each.split(" (")[0] for each in told)

    def enabled(self) -> list[str]:
        return [name for name in (*self.ON, self.OFF) if self.is_enabled(name)]

    def test_everything_is_held_and_given_back_as_it_was(self) -> None:
        """S-7: what its owner disabled stays disabled."""
        before = self.read_cloud()
        told = self.hold()
        self.check.assertEqual([], self.enabled())
        self.check.assertEqual(sorted(self.ON), self.names(told["held"]))
        self.check.assertEqual([self.OFF], self.names(told["disabled_before"]))
        told = self.release()
        self.check.assertEqual([*self.ON], self.enabled())
        self.check.assertEqual(sorted(self.ON), self.names(told["released"]))
        self.check.assertEqual(before, self.read_cloud())

    def test_a_repeat_changes_nothing_and_tells_the_same(self) -> None:
        """S-7: the answer was lost, and another process repeats the step."""
        told = self.hold()
        changes = self.count_changes()
        self.check.assertEqual(told, self.hold())
        self.check.assertEqual(changes, self.count_changes())
        self.release()
        changes = self.count_changes()
        again = self.release()
        self.check.assertEqual(changes, self.count_changes())
        self.check.assertEqual({()}, {tuple(each) for each in again.values()})

    def test_the_last_of_two_holders_enables(self) -> None:
        """S-7: whichever of two campaigns ends first."""
        before = self.read_cloud()
        for first, last in ((ONE, OTHER), (OTHER, ONE)):
            self.hold(ONE)
            told = self.hold(OTHER)
            self.check.assertEqual(sorted(self.ON), self.names(told["held"]))
            self.check.assertEqual([self.OFF], self.names(told["disabled_before"]))
            told = self.release(first)
            self.check.assertEqual(sorted(self.ON), self.names(told["still_held"]))
            self.check.assertEqual([], told["released"])
            self.check.assertEqual([], self.enabled())
            self.release(last)
            self.check.assertEqual(before, self.read_cloud())

    def test_who_holds_nothing_releases_nothing(self) -> None:
        self.hold(ONE)
        changes = self.count_changes()
        told = self.release(OTHER)
        self.check.assertEqual({()}, {tuple(each) for each in told.values()})
        self.check.assertEqual(changes, self.count_changes())
        self.check.assertEqual([], self.enabled())

    def test_one_that_its_owner_enables_meanwhile(self) -> None:
        """S-7: it is told, and left to him; enabled it was before, too."""
        before = self.read_cloud()
        self.hold()
        self.set_enabled(self.ON[0], True)
        told = self.release()
        self.check.assertEqual([self.ON[0]], self.names(told["enabled_meanwhile"]))
        self.check.assertEqual([self.ON[1]], self.names(told["released"]))
        self.check.assertEqual(before, self.read_cloud())

    def test_another_hold_takes_it_again(self) -> None:
        self.hold()
        self.set_enabled(self.ON[0], True)
        told = self.hold()
        self.check.assertEqual([self.ON[0]], self.names(told["enabled_meanwhile"]))
        self.check.assertEqual([], self.enabled())

    def test_one_that_comes_late_is_taken_by_another_hold(self) -> None:
        self.set_enabled(self.ON[0], False)
        self.hold()
        self.set_enabled(self.ON[0], True)
        told = self.hold()
        self.check.assertEqual(sorted(self.ON), self.names(told["held"]))
        self.check.assertEqual([], self.enabled())

    def test_nothing_is_begun_after_its_time(self) -> None:
        """A hold that was given up must not go on behind the release."""
        before = self.read_cloud()
        with self.check.assertRaises(errors.ActionFailed) as caught:
            self.make_scaling().hold(ONE, "an upgrade", -1.0)
        self.check.assertEqual("timeout", caught.exception.failure_class)
        self.check.assertEqual(before, self.read_cloud())
