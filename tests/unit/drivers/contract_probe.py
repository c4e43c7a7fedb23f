"""What every probe driver promises; inherit it, and name the parts."""

from collections.abc import Mapping
from typing import Any

from escalator.drivers import base


class ProbeContract:
    """Mixin for a TestCase.

    The subclass sets ``self.probe`` and says how its hosts die and return.
    """

    probe: base.Probe
    targets: Mapping[str, str] = {
        "a": "127.1.0.1",
        "b": "127.1.0.2",
        "c": "127.1.0.3",
    }

    def kill(self, host: str) -> None:
        raise NotImplementedError

    def revive(self, host: str) -> None:
        raise NotImplementedError

    def heard(self: Any) -> list[str]:
        """Send one round and return who answered, sorted."""
        self.probe.send()
        replies = [reply.host for reply in self.probe.receive(0.05)]
        replies += [reply.host for reply in self.probe.receive(0.0)]
        return sorted(replies)

    def test_every_living_host_answers_each_round_once(self: Any) -> None:
        self.probe.set_targets(self.targets)
        for _ in range(3):
            self.assertEqual(["a", "b", "c"], self.heard())

    def test_a_live_host_never_answers_for_a_dead_one(self: Any) -> None:
        """DR-3: the known flaw of Doctor's sample monitor."""
        self.probe.set_targets(self.targets)
        self.kill("b")
        for _ in range(3):
            self.assertEqual(["a", "c"], self.heard())
        self.revive("b")
        self.assertEqual(["a", "b", "c"], self.heard())

    def test_only_the_newest_targets_are_probed(self: Any) -> None:
        self.probe.set_targets(self.targets)
        self.heard()
        self.probe.set_targets({"b": self.targets["b"]})
        self.assertEqual(["b"], self.heard())
        self.probe.set_targets({})
        self.assertEqual([], self.heard())

    def test_receive_gives_nothing_twice_and_nothing_unasked(self: Any) -> None:
        self.probe.set_targets(self.targets)
        self.assertEqual([], list(self.probe.receive(0.0)))
        self.heard()
        self.assertEqual([], list(self.probe.receive(0.0)))

    def test_a_probe_can_be_closed_twice(self: Any) -> None:
        self.probe.close()
        self.probe.close()
