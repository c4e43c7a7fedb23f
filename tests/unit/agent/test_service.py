"""The agent's process, with fakes for the bus."""

import dataclasses
import os
import tempfile
import time
import unittest
from typing import Any

from oslo_config import cfg

from escalator import errors
from escalator.agent import facts, service
from escalator.conf import agent as agent_options
from escalator.domain import commands, events
from escalator.drivers import fleet
from escalator.objects import order as order_objects
from tests.fixtures import agents, orders


class ServiceTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self.addCleanup(folder.cleanup)
        self.conf = cfg.ConfigOpts()
        agent_options.register_opts(self.conf)
        self.set(
            state_path=folder.name,
            action_namespace="escalator.action.simulated",
            checkpoint_namespace="escalator.checkpoint.simulated",
            heartbeat_interval_s=0.05,
            watched_packages=["demo-service"],
        )
        self.bus, self.beats = agents.FakeBus(), agents.FakeBeats()
        self.fleet = fleet.Fleet()
        self.servers: list[agents.FakeServer] = []

    def set(self, **options: Any) -> None:
        for name, value in options.items():
            self.conf.set_override(name, value, group="agent")

    def make(self) -> service.AgentService:
        def serve(*args: Any) -> agents.FakeServer:
            self.servers.append(agents.FakeServer(*args))
            return self.servers[-1]

        return service.AgentService(
            self.conf,
            "node-1",
            self.bus,
            self.beats,
            serve,
            {"fleet": self.fleet},
            context=None,
            progress_interval_s=0.02,
        )

    def begin(self) -> service.AgentService:
        made = self.make()
        made.start()

        def end() -> None:
            made.stop()
            made.wait(2)

        self.addCleanup(end)
        return made

    def cast(self, command: commands.Command) -> None:
        """Call the endpoint as the RPC server does."""
        endpoint = self.servers[0].endpoints[0]
        if isinstance(command, commands.RunStep):
            endpoint.run_step(None, order=order_objects.wrap(command))
        elif isinstance(command, commands.ProbeStep):
            endpoint.probe_step(None, probe=order_objects.wrap(command))
        else:
            endpoint.release_steps(None, release=order_objects.wrap(command))

    def await_beat(self) -> events.AgentBeat:
        self.beats.beats.clear()
        end = time.monotonic() + 5
        while not self.beats.beats:
            self.assertLess(time.monotonic(), end)
            time.sleep(0.005)
        return self.beats.beats[0]

    def test_an_order_comes_in_and_a_fact_goes_out(self) -> None:
        self.begin()
        self.cast(orders.make_order())
        self.assertEqual("1.0", self.bus.await_report("done").result["previous"][NAME])
        self.assertEqual("2.0", self.fleet.packages("node-1")[NAME])

    def test_a_question_is_answered_and_nothing_changes(self) -> None:
        """V-3: what the host's repositories lack, and the agent's facts anew."""
        self.begin()
        self.fleet.withheld.add(("node-1", NAME, "2.0"))
        wanted = {"action": "package.install", "with": {"packages": {NAME: "2.0"}}}
        self.cast(
            orders.make_order(
                kind=commands.ASK,
                intent=commands.ASK,
                action="",
                params={"deeds": [wanted]},
            )
        )
        answer = self.bus.await_report("done").result
        self.assertEqual(
            [f"package.install: no repository has {NAME} 2.0"], answer["obstacles"]
        )
        self.assertIn("package.install", answer["facts"]["actions"])
        self.assertEqual([], self.fleet.effects())

    def test_an_agent_of_the_vim_tells_its_actions_and_nothing_of_a_host(self) -> None:
        """V-3: held against the plan's steps for the VIM."""
        self.set(capabilities=["vim"])
        self.begin()
        beat = self.beats.beats[0] if self.beats.beats else self.await_beat()
        self.assertEqual(("vim",), tuple(beat.capabilities))
        self.assertEqual({"actions"}, set(beat.facts))
        self.assertIn("vim.drain", beat.facts["actions"])

    def test_a_probe_is_answered(self) -> None:
        self.begin()
        self.cast(orders.make_probe(orders.make_order()))
        self.bus.await_report("never_seen")

    def test_what_an_undo_would_need_goes_with_its_release(self) -> None:
        """S-7: at the commit of the campaign, and not before; also from the disk."""
        order = orders.make_order(fence=3)
        kept = self.begin()._state.kept
        kept.once(order.record, "before", lambda: {"text": "old"})
        self.cast(order)
        self.bus.await_report("done")
        release = commands.ReleaseSteps(
            order.campaign_id, "node-1", "node", {order.step_id: 2}
        )
        self.cast(release)
        self.assertEqual({"text": "old"}, kept.find(order.record, "before"))
        self.cast(dataclasses.replace(release, fences={order.step_id: 3}))
        self.assertIsNone(kept.find(order.record, "before"))
        self.assertEqual([], os.listdir(kept.root))

    def test_progress_keeps_the_lease(self) -> None:
        self.fleet.set_latency("package.install", 0.3, 0.3)
        self.begin()
        self.cast(orders.make_order())
        self.bus.await_report("running", 3)

    def test_beats_tell_versions_and_capabilities(self) -> None:
        self.begin()
        beat = self.await_beat()
        self.assertEqual({NAME: "1.0"}, beat.facts["package"])
        self.assertEqual(("node-1", "node-1:0"), (beat.host, beat.agent))
        self.fleet.set_packages("node-1", {NAME: "2.0"})
        self.assertEqual({"package": {NAME: "2.0"}}, self.await_beat().facts)

    def test_each_capability_has_its_topic(self) -> None:
        self.set(capabilities=["node", "vim"])
        self.begin()
        self.assertEqual(
            [("agent", "node-1"), ("agent.vim", "node-1")],
            [(each.topic, each.server) for each in self.servers],
        )

    def test_a_dead_host_is_deaf_and_mute(self) -> None:
        self.begin()
        self.await_beat()
        self.fleet.kill("node-1")
        time.sleep(0.06)
        self.beats.beats.clear()
        self.cast(orders.make_order())
        time.sleep(0.15)
        self.assertEqual([], self.beats.beats)
        self.assertEqual([], self.bus.events)
        self.fleet.revive("node-1")
        self.await_beat()
        self.assertEqual([], self.bus.events)

    def test_a_restarted_agent_remembers(self) -> None:
        order = orders.make_order()
        first = self.make()
        first.start()
        self.cast(order)
        report = self.bus.await_report("done")
        first.stop()
        self.assertTrue(first.wait(5))
        self.servers.clear()
        self.begin()
        self.cast(order)
        self.assertEqual(report, self.bus.await_report("done", 2))
        self.assertEqual(1, len(self.fleet.effects()))

    def test_two_processes_never_share_a_journal(self) -> None:
        self.begin()
        with self.assertRaisesRegex(errors.ConfigError, "state_path"):
            self.make()

    def test_an_uncreatable_directory_names_the_option(self) -> None:
        self.set(state_path="/proc/none")
        with self.assertRaisesRegex(errors.ConfigError, r"\[agent\]/state_path"):
            self.make()


NAME = "demo-service"


class PackageFactsTest(unittest.TestCase):
    def setUp(self) -> None:
        self.reads = 0
        self.status = tempfile.NamedTemporaryFile()
        self.addCleanup(self.status.close)

    def read(self, names: Any) -> dict[str, str]:
        self.reads += 1
        return {name: str(self.reads) for name in names}

    def test_the_database_is_read_only_after_it_was_written(self) -> None:
        told = facts.PackageFacts(["a"], self.read, self.status.name)
        for _ in range(5):
            self.assertEqual({"package": {"a": "1"}}, told.facts())
        self.status.write(b"x")
        self.status.flush()
        self.assertEqual({"package": {"a": "2"}}, told.facts())

    def test_without_packages_nothing_is_read(self) -> None:
        self.assertEqual({}, facts.PackageFacts([], self.read).facts())
        self.assertEqual(0, self.reads)

    def test_a_node_without_dpkg_still_beats(self) -> None:
        told = facts.PackageFacts(["a"], self.read, "/no/such/file")
        self.assertEqual({"package": {}}, told.facts())


class AddressFactsTest(unittest.TestCase):
    """O-0e, O-0f: who is active is a fact, so that it can be begun last."""

    def test_an_address_that_is_here(self) -> None:
        watched = {"api": "192.0.2.1", "own": "127.0.0.1"}
        told = facts.AddressFacts(watched).facts()
        self.assertEqual({"virtual_address": {"api": False, "own": True}}, told)

    def test_nothing_watched(self) -> None:
        self.assertEqual({}, facts.AddressFacts({}).facts())

    def test_what_is_no_address_is_not_told(self) -> None:
        with self.assertLogs(level="WARNING"):
            self.assertEqual({}, facts.AddressFacts({"api": "nobody"}).facts())

    def test_the_beat_tells_it(self) -> None:
        beats = agents.FakeBeats()
        source = facts.AddressFacts({"own": "127.0.0.1"})
        heart = facts.Heart(
            "node-1", "node-1:0", ("node",), 1.0, beats, [source.facts], lambda: False
        )
        heart.beat()
        self.assertEqual({"virtual_address": {"own": True}}, beats.beats[0].facts)
