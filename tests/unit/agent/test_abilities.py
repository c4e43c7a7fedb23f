"""What an agent tells of its actions is what a file is judged by."""

import unittest

from escalator.agent import abilities
from escalator.cmd import conductor
from escalator.drivers import loader
from tests.fixtures import api


class TestAbilities(unittest.TestCase):
    def setUp(self) -> None:
        self.actions = loader.load_classes("escalator.action")
        self.checkpoints = loader.load_classes("escalator.checkpoint")

    def test_agent_and_conductor_of_one_release_agree(self) -> None:
        """V-3: every installed action, with the version that planning knows."""
        known = conductor.catalogue(api.make_conf())
        told = abilities.Abilities(self.actions, self.checkpoints, "").facts()
        versions = {name: each.version for name, each in known.items()}
        self.assertEqual(versions, told["actions"])
        self.assertLess(2, len(set(versions.values())))

    def test_told_now_and_then(self) -> None:
        source = abilities.Abilities(self.actions, {}, "/")
        told = [source.facts() for _ in range(2 * abilities.EVERY)]
        full = [at for at, each in enumerate(told) if each]
        self.assertEqual([0, abilities.EVERY], full)
        self.assertGreaterEqual(told[0]["disk_free_gib"], 0)

    def test_a_question_is_answered_at_once(self) -> None:
        """V-7: after a remedy nobody waits for the next telling."""
        source = abilities.Abilities(self.actions, {}, "/")
        source.facts()
        self.assertEqual({"actions", "disk_free_gib"}, set(source.tell()))
        self.assertEqual({}, source.facts())

    def test_no_space_is_told_of_a_simulated_host(self) -> None:
        told = abilities.Abilities(self.actions, {}, "").facts()
        self.assertNotIn("disk_free_gib", told)
