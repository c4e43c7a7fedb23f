"""Each attempt once (architecture section 3, rules 3 and 5; E-2; P-4e)."""

import dataclasses
import os
import tempfile
import threading
import time
import unittest
from typing import Any

from escalator import errors
from escalator.agent import (
    accounts,
    answers,
    journal,
    ledger,
    progress,
    reporting,
    runner,
)
from escalator.domain import commands
from tests.fixtures import agents, orders


class Harness(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, "journal")
        self.now = time.time()
        self.is_full = False
        self.bus = agents.FakeBus()
        self.worker = agents.FakeWorker(lambda order: {"n": order.attempt})
        self.resumable: set[str] = set()
        self.board = progress.Board()
        self.steps = self.begin()
        self.order = orders.make_order(fence=5, deadline_at=self.now + 30)

    def begin(self) -> runner.Runner:
        """Start an agent on the journal, as after a restart."""
        file = journal.Journal(self.path, fsync=self.fsync)
        book = ledger.Ledger(file)
        reporter = reporting.Reporter(self.bus, book, retry_s=0.01)
        reporter.start()
        made = runner.Runner(
            accounts.Teller("node-1", "node-1:0", lambda: self.now),
            book,
            self.worker,
            reporter,
            lambda order: order.step_id in self.resumable,
            board=self.board,
        )
        self.addCleanup(file.close)
        self.addCleanup(reporter.stop)
        self.addCleanup(made.wait, 5)
        self.addCleanup(made.stop)
        return made

    def fsync(self, fd: int) -> None:
        if self.is_full:
            raise OSError(28, "No space left on device")

    def again(self, **members: Any) -> commands.RunStep:
        return dataclasses.replace(self.order, **members)

    def hold(self) -> threading.Event:
        """Let the next actions wait; returns the gate."""
        gate = threading.Event()
        self.worker.act = lambda order: gate.wait(10) and {"n": order.attempt}
        self.addCleanup(gate.set)
        return gate


class OrderTest(Harness):
    def test_an_order_is_run_and_reported(self) -> None:
        self.steps.order(self.order)
        report = self.bus.await_report("done")
        self.assertEqual({"n": 1}, report.result)
        for member in ("step_id", "campaign_id", "host", "attempt", "fence"):
            expected = getattr(self.order, member)
            self.assertEqual(expected, getattr(report, member), member)
        self.assertEqual("node-1:0", report.agent)

    def test_started_is_on_disk_before_the_action_acts(self) -> None:
        seen: list[bytes] = []

        def act(order: commands.RunStep) -> dict[str, Any]:
            with open(self.path, "rb") as source:
                seen.append(source.read())
            return {}

        self.worker.act = act
        self.steps.order(self.order)
        self.bus.await_report("done")
        self.assertIn(b'"kind":"started"', seen[0])

    def test_a_repeated_order_resends_the_remembered_report(self) -> None:
        self.steps.order(self.order)
        first = self.bus.await_report("done")
        self.steps.order(self.order)
        self.assertEqual(first, self.bus.await_report("done", 2))
        self.assertEqual(1, len(self.worker.orders))

    def test_a_repeat_while_it_runs_does_not_run_it_again(self) -> None:
        gate = self.hold()
        for _ in range(5):
            self.steps.order(self.order)
        gate.set()
        self.bus.await_report("done")
        self.steps.wait(5)
        self.assertEqual(1, len(self.worker.orders))

    def test_a_lower_fence_is_refused(self) -> None:
        self.steps.order(self.order)
        self.bus.await_report("done")
        self.steps.order(self.again(fence=4, attempt=9))
        report = self.bus.await_report("refused")
        self.assertEqual(4, report.fence)
        self.assertIn("5 was seen", report.detail)
        self.assertEqual(1, len(self.worker.orders))

    def test_a_higher_fence_waits_for_the_attempt_under_way(self) -> None:
        gate = self.hold()
        self.steps.order(self.order)
        self.bus.await_report("running")
        self.steps.order(self.again(fence=6, attempt=2))
        self.assertEqual(1, len(self.worker.orders))
        gate.set()
        report = self.bus.await_report("done")
        self.assertEqual((6, {"n": 2}), (report.fence, report.result))
        self.assertEqual(1, len(self.bus.reports("done")), "the old one is stale")

    def test_failures_carry_class_detail_and_result(self) -> None:
        def act(order: commands.RunStep) -> dict[str, Any]:
            raise errors.ActionFailed(
                "locked", failure_class="transient", result={"previous": {"a": "1"}}
            )

        self.worker.act = act
        self.steps.order(self.order)
        report = self.bus.await_report("failed")
        self.assertEqual(
            ("transient", "locked", {"previous": {"a": "1"}}),
            (report.failure_class, report.detail, report.result),
        )

    def test_an_interrupted_program_is_an_unknown_outcome(self) -> None:
        def act(order: commands.RunStep) -> dict[str, Any]:
            raise errors.ActionFailed("vanished", failure_class="interrupted")

        self.worker.act = act
        self.steps.order(self.order)
        self.assertEqual("vanished", self.bus.await_report("unknown").detail)

    def test_any_exception_is_a_failure_not_a_crash(self) -> None:
        self.worker.act = lambda order: 1 / 0
        with self.assertLogs("escalator.agent.deeds", "ERROR"):
            self.steps.order(self.order)
            report = self.bus.await_report("failed")
        self.assertEqual("permanent", report.failure_class)
        self.worker.act = lambda order: {}
        self.steps.order(orders.make_order())
        self.bus.await_report("done")

    def test_another_hosts_order_is_refused(self) -> None:
        self.steps.order(self.again(host="node-2"))
        self.assertIn("node-2", self.bus.await_report("failed").detail)
        self.assertEqual([], self.worker.orders)

    def test_an_order_past_its_deadline_does_nothing(self) -> None:
        """A cast that lay in a queue must not act after its campaign moved on."""
        self.now = self.order.deadline_at + 1
        self.steps.order(self.order)
        self.assertEqual("timeout", self.bus.await_report("failed").failure_class)
        self.assertEqual([], self.worker.orders)

    def test_how_far_a_step_has_come_is_told_while_it_runs(self) -> None:
        gate = self.hold()
        self.steps.order(self.order)
        self.bus.await_report("running")
        self.board.tell(self.order.step_id, {"done": 3, "total": 10, "unit": "rows"})
        self.steps.tick()
        told = self.bus.await_report("running", 2).result
        self.assertEqual({"progress": {"done": 3, "total": 10, "unit": "rows"}}, told)
        gate.set()
        self.assertNotIn("progress", self.bus.await_report("done").result)

    def test_progress_is_told_while_it_runs(self) -> None:
        gate = self.hold()
        self.steps.order(self.order)
        self.bus.await_report("running")
        self.steps.tick()
        self.bus.await_report("running", 2)
        gate.set()
        self.bus.await_report("done")
        self.steps.wait(5)
        self.steps.tick()
        self.assertEqual(2, len(self.bus.reports("running")))

    def test_an_action_that_never_ends_is_given_up(self) -> None:
        """P-4e: else its progress would renew the lease for ever."""
        gate = self.hold()
        self.steps.order(self.order)
        self.bus.await_report("running")
        self.now = self.order.deadline_at + answers.OVERDUE_S + 1
        self.steps.tick()
        self.assertEqual("timeout", self.bus.await_report("failed").failure_class)
        gate.set()
        self.steps.wait(5)
        self.assertEqual([], self.bus.reports("done"), "the first outcome stays")

    def test_without_journal_nothing_is_done(self) -> None:
        self.is_full = True
        with self.assertRaises(OSError):
            self.steps.order(self.order)
        self.assertEqual([], self.worker.orders)


class ProbeTest(Harness):
    """What the journal answers."""

    def probe(self, **members: Any) -> None:
        self.steps.probe(orders.make_probe(self.order, **members))

    def test_never_seen(self) -> None:
        self.probe()
        self.bus.await_report("never_seen")

    def test_a_vim_step_may_be_with_another_agent(self) -> None:
        self.probe(executor="vim")
        self.bus.await_report("unknown")

    def test_running(self) -> None:
        self.hold()
        self.steps.order(self.order)
        self.bus.await_report("running")
        self.probe()
        self.bus.await_report("running", 2)

    def test_a_remembered_result_survives_a_restart(self) -> None:
        self.steps.order(self.order)
        first = self.bus.await_report("done")
        self.steps.stop()
        self.steps = self.begin()
        self.probe()
        self.assertEqual(first, self.bus.await_report("done", 2))

    def test_of_an_attempt_that_did_not_arrive(self) -> None:
        self.steps.order(self.order)
        self.bus.await_report("done")
        self.probe(fence=6, attempt=2)
        self.assertEqual(6, self.bus.await_report("never_seen").fence)

    def test_of_an_overtaken_attempt(self) -> None:
        self.steps.order(self.order)
        self.bus.await_report("done")
        self.probe(fence=4)
        self.bus.await_report("refused")


class ResumeTest(Harness):
    """After kill -9: a second agent finds the first one's journal."""

    def die_while_acting(self) -> None:
        self.hold()
        self.steps.order(self.order)
        self.bus.await_report("running")
        self.worker = agents.FakeWorker(lambda order: {"n": order.attempt})

    def test_a_started_step_without_trace_is_unknown_and_not_repeated(self) -> None:
        self.die_while_acting()
        self.begin().resume()
        self.bus.await_report("unknown")
        self.assertEqual([], self.worker.orders)

    def test_a_started_step_whose_programs_are_known_goes_on(self) -> None:
        self.die_while_acting()
        self.resumable.add(self.order.step_id)
        self.begin().resume()
        self.assertEqual({"n": 1}, self.bus.await_report("done").result)

    def test_an_accepted_step_is_run(self) -> None:
        self.steps.stop()
        self.steps.order(self.order)
        self.begin().resume()
        self.assertEqual({"n": 1}, self.bus.await_report("done").result)

    def test_unknown_is_remembered(self) -> None:
        self.die_while_acting()
        self.begin().resume()
        first = self.bus.await_report("unknown")
        again = self.begin()
        again.resume()
        again.order(self.order)
        self.assertEqual(first, self.bus.await_report("unknown", 2))
        self.assertEqual([], self.worker.orders)
