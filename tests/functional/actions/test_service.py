"""Service actions on real daemons with pid files."""

import dataclasses
import os
import signal
import subprocess
import time
import typing

from escalator.domain import commands
from escalator.drivers import base, kit, supervisor
from escalator.drivers.action import service
from tests.fixtures import action_bed
from tests.unit.drivers import contract_action


class Bench(action_bed.DaemonBed):
    def setUp(self) -> None:
        super().setUp()
        self.order = self.with_params(service="web")

    def make_undo(self) -> base.Action | None:
        return service.Restore(self.resources)

    def state(self) -> supervisor.State:
        return supervisor.of(self.resources, "web").state()

    def read_target(self) -> typing.Any:
        return self.state().is_active

    def make_hopeless_order(self) -> commands.RunStep | None:
        return dataclasses.replace(
            self.with_params(service="broken"), step_id="hopeless", timeout_s=1.0
        )


class TestStart(Bench, contract_action.ActionContract):
    def make_action(self) -> base.Action:
        return service.Start(self.resources)

    def count_changes(self) -> int:
        return len(self.words()) + self.state().is_active

    def test_it_runs_and_outlives_its_job(self) -> None:
        found = self.make_action().run(self.order)
        self.assertEqual({"is_active": False, "identity": ""}, found["previous"])
        self.wait_for(lambda: self.words() == ["start"], "the start")
        self.assertTrue(self.state().is_active)

    def test_a_service_that_ends_at_once_is_a_failure(self) -> None:
        error = self.refused(self.make_action(), self.make_hopeless_order())
        self.assertEqual("permanent", error.failure_class)
        self.assertIn("not running", str(error))
        self.assertIn("previous", error.result)

    def test_what_is_not_declared_is_refused(self) -> None:
        error = self.refused(self.make_action(), self.with_params(service="cron"))
        self.assertIn("broken, web", str(error))


class TestStop(Bench, contract_action.ActionContract):
    def setUp(self) -> None:
        super().setUp()
        self.bring_up()

    def make_action(self) -> base.Action:
        return service.Stop(self.resources)

    def make_hopeless_order(self) -> commands.RunStep | None:
        return dataclasses.replace(self.with_params(service="cron"), step_id="no")

    def test_it_ends_in_peace(self) -> None:
        self.make_action().run(self.order)
        self.assertEqual(["start", "stop"], self.words())
        self.assertFalse(self.state().is_active)
        self.assertFalse(os.path.exists(self.pid_file))


class TestRestart(Bench, contract_action.ActionContract):
    def setUp(self) -> None:
        super().setUp()
        self.bring_up()

    def make_action(self) -> base.Action:
        return service.Restart(self.resources)

    def make_undo(self) -> base.Action | None:
        return None

    def count_changes(self) -> int:
        self.wait_for(lambda: self.words()[-1] != "stop", "the start")
        return len(self.words())

    def test_another_process_runs(self) -> None:
        before = self.state()
        result = self.make_action().run(self.order)
        self.assertEqual(before.identity, result["previous"]["identity"])
        self.wait_for(lambda: self.words() == ["start", "stop", "start"], "it")
        self.assertNotEqual(before.identity, self.state().identity)

    def test_the_undo_stops_what_did_not_run(self) -> None:
        os.kill(int(self.read("web.pid")), signal.SIGKILL)
        self.wait_for(lambda: not self.state().is_active, "the end")
        result = self.make_action().run(self.order)
        self.assertTrue(self.state().is_active)
        service.Restore(self.resources).run(self.make_undo_order(result))
        self.assertFalse(self.state().is_active)

    def test_an_undo_finds_what_a_lost_result_held(self) -> None:
        """The step was cut off: the node's own record is left."""
        self.make_action().run(self.order)
        service.Stop(self.resources).run(
            dataclasses.replace(self.order, step_id="other")
        )
        service.Restore(self.resources).run(self.make_undo_order({}))
        self.assertTrue(self.state().is_active)


class TestStaleFile(Bench):
    """The number in the pid file belongs to somebody else by now."""

    def setUp(self) -> None:
        super().setUp()
        self.stranger = subprocess.Popen(["sleep", "60"])
        self.addCleanup(self.stranger.wait)
        self.addCleanup(self.stranger.kill)
        self.write("web.pid", f"{self.stranger.pid}\n")
        os.utime(self.pid_file, (time.time() - 60, time.time() - 60))

    def test_the_stranger_is_left_alone(self) -> None:
        self.assertFalse(self.state().is_active)
        error = self.refused(service.Reload(self.resources), self.order)
        self.assertIn("not running", str(error))
        for action in (service.Stop, service.Restart):
            order = dataclasses.replace(self.order, step_id=action.__name__)
            action(self.resources).run(order)
        self.assertIsNone(self.stranger.poll())
        self.assertTrue(self.state().is_active)
        self.assertNotEqual(self.stranger.pid, int(self.read("web.pid")))


class TestReload(Bench, contract_action.ActionContract):
    def setUp(self) -> None:
        super().setUp()
        self.bring_up()

    def make_action(self) -> base.Action:
        return service.Reload(self.resources)

    def test_begun_anew_it_reloads_again(self) -> None:
        for rerun in range(2):
            order = dataclasses.replace(self.order, rerun=rerun, attempt=rerun + 1)
            self.make_action().run(order)
        self.wait_for(lambda: self.words() == ["start", "hup", "hup"], "it")

    def make_undo(self) -> base.Action | None:
        return None

    def test_the_same_process_reads_its_configuration(self) -> None:
        before = self.state()
        self.make_action().run(self.order)
        self.wait_for(lambda: self.words() == ["start", "hup"], "the signal")
        self.assertEqual(before, self.state())

    def test_another_step_reloads_again(self) -> None:
        self.make_action().run(self.order)
        self.make_action().run(dataclasses.replace(self.order, step_id="other"))
        self.wait_for(lambda: self.words() == ["start", "hup", "hup"], "it")


class TestSystemd(action_bed.ActionBed):
    """What ``systemctl`` says and is told; there is no systemd below tests."""

    def test_a_unit_that_runs(self) -> None:
        text = "LoadState=loaded\nActiveState=active\nInvocationID=5f0c\n"
        found = supervisor.parse_unit("web", text)
        self.assertEqual(supervisor.State(True, "5f0c"), found)

    def test_one_that_failed(self) -> None:
        text = "LoadState=loaded\nActiveState=failed\nInvocationID=5f0c\n"
        self.assertEqual(supervisor.State(False), supervisor.parse_unit("web", text))

    def test_one_that_is_not_there(self) -> None:
        with self.assertRaisesRegex(Exception, "no unit web: not-found"):
            supervisor.parse_unit("web", "LoadState=not-found\nActiveState=inactive\n")
        with self.assertRaisesRegex(Exception, "not been booted"):
            supervisor.parse_unit("web", "System has not been booted with systemd\n")

    def test_a_name_cannot_be_an_option(self) -> None:
        calls: list[list[str]] = []

        class Recorder:
            def run(
                self, order: commands.RunStep, name: str, argv: typing.Any, limit: float
            ) -> kit.JobResult:
                calls.append(list(argv))
                return kit.JobResult(0, "")

        unit = supervisor.Systemd("web", {"jobs": Recorder()})
        unit.act(self.order, "restart")
        unit.hang_up(self.order)
        self.assertEqual(["systemctl", "restart", "--", "web"], calls[0])
        self.assertEqual(["--", "web"], calls[1][-2:])
