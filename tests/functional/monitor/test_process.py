"""The probe loop's process: restarted if it dies, dead with its parent."""

import os
import signal
import subprocess
import sys
import time
import unittest

import psutil

from escalator import errors
from escalator.domain import fault
from escalator.monitor import process, rounds
from tests.fixtures import netspace
from tests.functional.monitor import tape

PARENT = """
import sys, time
from escalator.domain import fault
from escalator.monitor import process, rounds
prober = process.ProbeProcess(
    "escalator.drivers.probe.simulated:Simulated",
    fault.Law(), False, lambda: rounds.Order({}), None)
prober.start()
print(prober.pid, flush=True)
time.sleep(60)
"""


def make(
    probe: str, order: rounds.Order, outlet: tape.Tape, is_realtime: bool = False
) -> process.ProbeProcess:
    return process.ProbeProcess(probe, fault.Law(), is_realtime, lambda: order, outlet)


class LifeTest(unittest.TestCase):
    def test_it_dies_with_its_parent(self) -> None:
        parent = subprocess.Popen(
            [sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True
        )
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        self.assertTrue(child.is_running())
        parent.kill()
        parent.wait()
        parent.stdout.close()
        gone, _ = psutil.wait_procs([child], timeout=5)
        self.assertEqual([child], gone)

    def test_a_refusal_is_a_configuration_error_at_start(self) -> None:
        path = "tests.functional.monitor.refusing:Refusing"
        prober = make(path, rounds.Order({}), tape.Tape())
        with self.assertRaises(errors.ConfigError) as caught:
            prober.start()
        self.assertEqual("Option [monitor]/probe: not here", str(caught.exception))

    def test_a_probe_that_breaks_is_one_too(self) -> None:
        path = "tests.functional.monitor.refusing:Broken"
        prober = make(path, rounds.Order({}), tape.Tape())
        with self.assertRaises(errors.ConfigError) as caught:
            prober.start()
        self.assertIn("did not start", str(caught.exception))

    def test_stop_ends_it(self) -> None:
        path = "escalator.drivers.probe.simulated:Simulated"
        prober = make(path, rounds.Order({"a": ""}), tape.Tape())
        prober.start()
        child = psutil.Process(prober.pid)
        prober.stop()
        self.assertFalse(child.is_running())

    def test_it_imports_little(self) -> None:
        """What is not there cannot stall it."""
        code = (
            "import sys, escalator.monitor.probing, escalator.drivers.probe.icmp;"
            "print(sorted({n.split('.')[0] for n in sys.modules} &"
            " {'oslo_config', 'oslo_log', 'oslo_messaging', 'kombu', 'stevedore'}))"
        )
        printed = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        self.assertEqual("[]", printed.stdout.strip())


@unittest.skipUnless(os.geteuid() == 0, "a network namespace needs root")
class KillTest(unittest.TestCase):
    def setUp(self) -> None:
        self.firewall = self.enterContext(netspace.namespace())
        self.targets = netspace.addresses(20)
        self.tape = tape.Tape()
        self.down: frozenset[str] = frozenset()
        self.prober = process.ProbeProcess(
            "escalator.drivers.probe.icmp:Icmp",
            fault.Law(),
            True,
            lambda: rounds.Order(self.targets, self.down),
            self.tape,
        )
        self.prober.start()
        self.addCleanup(self.prober.stop)

    def kill_loop(self) -> None:
        old = self.prober.pid
        assert old is not None
        os.kill(old, signal.SIGKILL)
        self.assertTrue(
            tape.wait_until(lambda: self.prober.pid not in (None, old)), "not restarted"
        )

    def test_after_a_kill_it_repeats_nothing_and_misses_nothing(self) -> None:
        self.firewall.cut([self.targets["host-0003"]])
        self.assertTrue(self.tape.wait(lambda: len(self.tape.failed) == 1))
        self.down = frozenset({"host-0003"})
        self.kill_loop()
        self.firewall.cut([self.targets["host-0004"]])
        self.assertTrue(self.tape.wait(lambda: len(self.tape.failed) == 2))
        self.firewall.mend([self.targets["host-0003"]])
        self.assertTrue(self.tape.wait(lambda: bool(self.tape.returned)))
        self.assertEqual(["host-0003", "host-0004"], self.tape.names())
        self.assertEqual(["host-0003"], self.tape.returned)

    def test_a_fault_in_the_gap_is_found_by_the_next_loop(self) -> None:
        old = self.prober.pid
        assert old is not None
        os.kill(old, signal.SIGKILL)
        self.firewall.cut([self.targets["host-0005"]])
        self.assertTrue(self.tape.wait(lambda: bool(self.tape.failed)))
        self.assertEqual(["host-0005"], self.tape.names())
        self.assertFalse(self.tape.failed[0].has_answered)

    def test_a_frozen_loop_raises_no_alarm_when_it_thaws(self) -> None:
        pid = self.prober.pid
        assert pid is not None
        for _ in range(3):
            os.kill(pid, signal.SIGSTOP)
            time.sleep(0.5)
            os.kill(pid, signal.SIGCONT)
            time.sleep(0.15)
        self.assertTrue(self.tape.wait(lambda: max(self.tape.late_s, default=0) > 0.3))
        self.assertEqual([], self.tape.failed)

    def test_it_runs_before_every_normal_process(self) -> None:
        pid = self.prober.pid
        assert pid is not None
        policy = os.sched_getscheduler(pid) & ~os.SCHED_RESET_ON_FORK
        self.assertEqual(os.SCHED_FIFO, policy)
        self.assertEqual(os.SCHED_OTHER, os.sched_getscheduler(0))

    def test_new_targets_take_effect(self) -> None:
        more = {**self.targets, "late": "127.1.9.9", "never": "127.1.9.8"}
        self.firewall.cut(["127.1.9.8"])
        self.targets = more
        self.prober.refresh()
        self.assertTrue(self.tape.wait(lambda: bool(self.tape.failed)))
        self.assertEqual(["never"], self.tape.names())
