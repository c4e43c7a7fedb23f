"""Jobs as real processes: once, whatever is killed (architecture 3, rule 3)."""

import dataclasses
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest

from escalator import errors
from escalator.agent import endings, job_wrapper, jobs
from escalator.domain import commands
from tests.fixtures import orders

APPEND = (
    "import sys, time; open(sys.argv[1], 'a').write('x'); time.sleep({}); print({!r})"
)


class JobsTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.counter = os.path.join(folder.name, "counter")
        self.jobs = jobs.Jobs(os.path.join(folder.name, "jobs"))
        self.order = orders.make_order()

    def argv(self, sleep_s: float = 0.0, text: str = "said") -> list[str]:
        return [sys.executable, "-c", APPEND.format(sleep_s, text), self.counter]

    def runs(self) -> int:
        try:
            return os.path.getsize(self.counter)
        except FileNotFoundError:
            return 0

    def job(self, order: commands.RunStep | None = None) -> jobs.Job:
        asked = order or self.order
        label = f"{asked.attempt}-it"
        return jobs.Job(os.path.join(self.jobs.root, asked.step_id, label), label)

    def await_file(self, name: str) -> None:
        end = time.monotonic() + 10
        while not os.path.exists(os.path.join(self.job().directory, name)):
            self.assertLess(time.monotonic(), end, f"no {name}")
            time.sleep(0.005)

    def begin(self, sleep_s: float) -> threading.Thread:
        """Run a job in a thread, as an agent would, until its program runs."""

        def run() -> None:
            try:
                self.jobs.run(self.order, "it", self.argv(sleep_s), 20)
            except errors.ActionFailed:
                return

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        self.await_file("program")
        return thread

    def test_a_job_runs_once_and_is_remembered(self) -> None:
        first = self.jobs.run(self.order, "it", self.argv(), 20)
        again = jobs.Jobs(self.jobs.root).run(self.order, "it", self.argv(), 20)
        self.assertEqual((0, "said\n"), (first.returncode, first.output))
        self.assertEqual(first, again)
        self.assertEqual(1, self.runs())

    def test_another_attempt_runs_again(self) -> None:
        self.jobs.run(self.order, "it", self.argv(), 20)
        second = dataclasses.replace(self.order, attempt=2)
        self.jobs.run(second, "it", self.argv(), 20)
        self.assertEqual(2, self.runs())

    def test_what_ended_is_collected_even_past_the_deadline(self) -> None:
        first = self.jobs.run(self.order, "it", self.argv(), 20)
        self.assertEqual(first, self.jobs.run(self.order, "it", self.argv(), -1))

    def test_a_failure_keeps_status_and_output(self) -> None:
        code = "import sys; sys.stderr.write('why'); sys.exit(7)"
        result = self.jobs.run(self.order, "it", [sys.executable, "-c", code], 20)
        self.assertEqual((7, "why"), (result.returncode, result.output))

    def test_a_missing_program_is_a_result(self) -> None:
        result = self.jobs.run(self.order, "it", ["/no/such/program"], 20)
        self.assertEqual(127, result.returncode)
        self.assertIn("/no/such/program", result.output)

    def test_the_program_gets_no_secret_of_the_agent(self) -> None:
        os.environ["ESCALATOR_TEST_SECRET"] = "s3cret"
        self.addCleanup(os.environ.pop, "ESCALATOR_TEST_SECRET")
        result = self.jobs.run(self.order, "it", ["env"], 20)
        self.assertNotIn("s3cret", result.output)
        self.assertIn("DEBIAN_FRONTEND=noninteractive", result.output)

    def test_timeout_ends_the_whole_group(self) -> None:
        """P-4e: nothing of the program is left when the timeout is reported."""
        child = "(trap '' TERM; exec sleep 60) & echo $! ; wait"
        with self.assertRaises(errors.ActionFailed) as caught:
            self.jobs.run(self.order, "it", ["sh", "-c", child], 0.5)
        self.assertEqual("timeout", caught.exception.failure_class)
        with open(os.path.join(self.job().directory, "output")) as source:
            pid = int(source.readline())
        end = time.monotonic() + 5
        while job_wrapper.start_time(pid):
            self.assertLess(time.monotonic(), end, "the child lives on")
            time.sleep(0.01)

    def test_a_program_that_ignores_the_polite_signal_is_killed(self) -> None:
        code = (
            "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
            "time.sleep(60)"
        )
        begun = time.monotonic()
        with self.assertRaises(errors.ActionFailed):
            self.jobs.run(self.order, "it", [sys.executable, "-c", code], 0.5)
        self.assertLess(time.monotonic() - begun, 6)

    def test_output_is_bounded(self) -> None:
        code = "print('a' * 3_000_000); print('end')"
        result = self.jobs.run(self.order, "it", [sys.executable, "-c", code], 20)
        self.assertLess(len(result.output), jobs.OUTPUT_LIMIT_BYTES + 100)
        self.assertTrue(result.output.startswith("["))
        self.assertTrue(result.output.endswith("end\n"))

    def test_a_restarted_agent_waits_for_the_living_program(self) -> None:
        self.begin(sleep_s=1.0)
        restarted = jobs.Jobs(self.jobs.root)
        self.assertTrue(restarted.can_resume(self.order))
        result = restarted.run(self.order, "it", self.argv(1.0), 20)
        self.assertEqual("said\n", result.output)
        self.assertEqual(1, self.runs())

    def test_many_wrappers_of_one_directory_start_one_program(self) -> None:
        """The window between the intent and the program's start is safe."""
        job = self.job()
        os.makedirs(job.directory)
        intent = {"argv": self.argv(0.2), "deadline": time.monotonic() + 20}
        job_wrapper.write_whole(job.directory, "intent", intent)
        argv = [sys.executable, "-I", "-S", job_wrapper.__file__, job.directory]
        wrappers = [subprocess.Popen(argv) for _ in range(6)]
        for each in wrappers:
            self.assertEqual(0, each.wait(20))
        self.assertEqual(1, self.runs())

    def test_a_wrapper_that_comes_too_late_starts_nothing(self) -> None:
        job = self.job()
        os.makedirs(job.directory)
        intent = {"argv": self.argv(), "deadline": time.monotonic() - 1}
        job_wrapper.write_whole(job.directory, "intent", intent)
        job_wrapper.main(job.directory)
        with self.assertRaises(errors.ActionFailed) as caught:
            self.jobs.run(self.order, "it", self.argv(), 20)
        self.assertEqual("timeout", caught.exception.failure_class)
        self.assertEqual(0, self.runs())

    def test_power_cut_is_reported_as_interrupted_and_never_repeated(self) -> None:
        """Wrapper and program vanish at a random moment: nobody can tell."""
        self.begin(sleep_s=30)
        time.sleep(random.Random(7).uniform(0, 0.2))
        for name in ("started", "program"):
            os.kill(self.job()._read(name)["pid"], signal.SIGKILL)
        restarted = jobs.Jobs(self.jobs.root)
        with self.assertRaises(errors.ActionFailed) as caught:
            restarted.run(self.order, "it", self.argv(), 20)
        self.assertEqual("interrupted", caught.exception.failure_class)
        self.assertFalse(restarted.can_resume(self.order))
        self.assertLessEqual(self.runs(), 1)

    def test_a_program_without_wrapper_is_waited_for(self) -> None:
        """A second attempt must not act beside it."""
        self.begin(sleep_s=1.0)
        begun = time.monotonic()
        os.kill(self.job()._read("started")["pid"], signal.SIGKILL)
        second = dataclasses.replace(self.order, attempt=2)
        self.jobs.run(second, "it", self.argv(), 20)
        self.assertGreater(time.monotonic() - begun, 0.8)

    def test_an_order_cannot_leave_the_directory(self) -> None:
        for bad in ("../../etc", "a/b", "", ".hidden", "x\n"):
            with self.assertRaises(errors.ActionFailed):
                order = dataclasses.replace(self.order, step_id=bad)
                self.jobs.run(order, "it", self.argv(), 5)
        self.assertEqual(0, self.runs())

    def test_directories_of_forgotten_steps_go(self) -> None:
        self.jobs.run(self.order, "it", self.argv(), 20)
        self.jobs.forget_all_but({self.order.step_id})
        self.assertTrue(os.path.exists(self.job().directory))
        self.jobs.forget_all_but(set())
        self.assertFalse(os.path.exists(self.job().directory))


class TestEnding(JobsTest):
    STOP = endings.Ending("stopped", "paused by op")

    def run_apart(self, argv: list[str]) -> tuple[threading.Thread, list[Exception]]:
        """Run a job in a thread; return it and what it will raise."""
        raised: list[Exception] = []

        def act() -> None:
            try:
                self.jobs.run(self.order, "it", argv, 60.0)
            except errors.ActionFailed as error:
                raised.append(error)

        thread = threading.Thread(target=act)
        thread.start()
        return thread, raised

    def test_a_running_program_is_ended_and_the_attempt_says_why(self) -> None:
        thread, raised = self.run_apart(self.argv(60.0))
        self.await_file("program")
        begun = self.jobs.sign(self.order)
        self.assertTrue(self.jobs.end(self.order, self.STOP))
        thread.join(20)
        self.assertFalse(thread.is_alive())
        self.assertIn("paused by op", str(raised[0]))
        self.assertNotEqual(begun, self.jobs.sign(self.order))
        self.assertEqual(self.STOP, self.jobs.ending(self.order))

    def test_one_that_ignores_it_is_killed(self) -> None:
        argv = ["/bin/sh", "-c", "trap '' TERM; while :; do sleep 0.1; done"]
        thread, raised = self.run_apart(argv)
        self.await_file("program")
        self.jobs.end(self.order, self.STOP)
        thread.join(20)
        self.assertEqual(1, len(raised))
        self.assertFalse(self.job().is_alive())

    def test_no_further_program_of_the_attempt_begins(self) -> None:
        self.jobs.run(self.order, "first", self.argv(), 60.0)
        self.assertFalse(self.jobs.end(self.order, self.STOP))
        with self.assertRaisesRegex(errors.ActionFailed, "paused by op"):
            self.jobs.run(self.order, "it", self.argv(), 60.0)
        self.assertEqual(1, self.runs())
        again = dataclasses.replace(self.order, attempt=2)
        self.jobs.run(again, "it", self.argv(), 60.0)
        self.assertEqual(2, self.runs())

    def test_what_had_ended_well_is_done(self) -> None:
        """The stop came too late for it."""
        self.jobs.run(self.order, "it", self.argv(), 60.0)
        self.jobs.end(self.order, self.STOP)
        result = self.jobs.run(self.order, "it", self.argv(), 60.0)
        self.assertEqual((0, 1), (result.returncode, self.runs()))

    def test_the_first_reason_stands(self) -> None:
        self.jobs.end(self.order, self.STOP)
        self.jobs.end(self.order, endings.Ending("hung", "later"))
        self.assertEqual(self.STOP, self.jobs.ending(self.order))


if __name__ == "__main__":
    unittest.main()
