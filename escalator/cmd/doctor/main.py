"""escalator-doctor-test: is the owner told within a second, on this cloud? (DR-8)

Does what Doctor's run.sh did: makes a user, a project, instances on one host
and an alarm for each; starts a consumer; breaks the host; asks for the host's
status as the owner sees it, inside the consumer's handler; computes the
notification time; takes everything away.  Exit status 0: every run was OK, 1:
one was NG, 2: the test could not be made, 128 and the signal's number: it was
stopped; everything is mended and taken away then as well.  With --clear: mends the
host whose failure is named, and takes away what tests that were killed left behind.
"""

import argparse
import contextlib
import json
import logging
import os
import pathlib
import sys
import time
from collections.abc import Sequence
from typing import Any

from escalator import errors
from escalator.cmd.doctor import (
    clearing,
    consumer,
    injection,
    records,
    report,
    scene,
    stopping,
)

LOG = logging.getLogger("escalator.doctor")

STATES_S, INSTANCE_S = 10.0, 0.2
"""How long the states of the instances may take that the VIM sets last (T3)."""


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Return the options; ends the program if they do not fit together."""
    parser = argparse.ArgumentParser(prog="escalator-doctor-test", description=__doc__)
    add = parser.add_argument
    add("--os-cloud", default=os.environ.get("OS_CLOUD", ""), help="of clouds.yaml")
    add("--endpoint", default="", help="Escalator's API; default: from the catalog")
    add("--instances", type=int, default=1, metavar="N")
    add("--owners", type=int, default=1, metavar="N", help="projects that share them")
    add("--runs", type=int, default=1, metavar="M")
    add("--host", default="", help="compute host; default: the scheduler's choice")
    add("--image", default="cirros", help="name or id")
    add("--flavor", default="m1.tiny", help="name or id")
    add("--network", default="auto", help="name or id, auto or none")
    add("--interface", default="", help="link that is cut")
    add("--namespace", default="", help="network namespace of the link")
    add("--ssh", default="", metavar="USER@HOST", help="machine of the link")
    add("--inject-command", default="", help="breaks the host instead of a link")
    add("--restore-command", default="", help="undoes it")
    add("--consumer-address", default="127.0.0.1", help="where Aodh reaches us")
    add("--settle-s", type=float, default=60.0, help="from the alarms to the cut")
    add("--timeout-s", type=float, default=30.0, help="patience per step of a run")
    add("--budget-s", type=float, default=1.0, help="most the last alarm may take")
    add("--monitor-log", type=pathlib.Path, help="take the detection from this log")
    add("--log", type=pathlib.Path, help="write the consumer's log here")
    add("--json", type=pathlib.Path, metavar="FILE", help="write every figure here")
    add("--clear", action="store_true", help="take away what killed tests left")
    options = parser.parse_args(arguments)
    if options.instances < 1 or options.runs < 1 or options.owners < 1:
        parser.error("--instances, --owners and --runs must be at least 1")
    if options.owners > options.instances:
        parser.error("--owners: there are not so many instances")
    if bool(options.inject_command) != bool(options.restore_command):
        parser.error("--inject-command and --restore-command go together")
    failures = bool(options.interface) + bool(options.inject_command)
    if failures > 1 or not (failures or options.clear):
        parser.error("give either --interface or --inject-command")
    return options


class DoctorTest:
    """The steps of run.sh, in its order."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        if options.interface:
            self.injection = injection.link(
                options.interface, options.namespace, options.ssh
            )
        else:
            self.injection = injection.commands(
                options.inject_command, options.restore_command
            )
        self.stopping = stopping.Stopping()
        self.runs: list[dict[str, Any]] = []
        self._is_broken = False

    def clear(self) -> None:
        """Mend the host if its failure is named, and take away what tests left.

        :raises DoctorTestFailed: not everything could be done; it may be tried again.
        :raises Stopped: a signal ended it.
        """
        if self.injection.mend_argv:
            self.injection.mend()
        with self.stopping.allowed():
            admin = scene.connect(self.options.os_cloud)
        with contextlib.closing(admin):
            clearing.clear(admin, self.stopping.pause)

    def run(self) -> None:
        """Make everything, do the runs, take everything away.

        :raises DoctorTestFailed: a step could not be done.
        :raises Stopped: a signal ended it; all is mended and taken away.
        """
        options, allowed = self.options, self.stopping.allowed
        with contextlib.ExitStack() as undo:
            with allowed():
                admin = scene.connect(options.os_cloud)
            undo.callback(admin.close)
            self.records = records.Records(admin.session, options.endpoint)
            self.scene = scene.Scene(
                admin,
                scene.Wanted(
                    options.instances,
                    options.owners,
                    options.image,
                    options.flavor,
                    options.network,
                    options.host,
                ),
                self.stopping.pause,
            )
            self.consumer = consumer.Consumer(
                options.consumer_address, self.scene.host_status
            )
            self.consumer.start()
            undo.callback(self.consumer.stop)
            undo.callback(self.scene.clear)
            undo.callback(self._mend)
            self.scene.set_up()
            self.consumer.owner_of.update(self.scene.owner_of())
            with allowed():
                self.records.await_watched(self.scene.host, options.timeout_s)
            for number in range(options.runs):
                self._run_once(number + 1)

    def _run_once(self, number: int) -> None:
        options, host = self.options, self.scene.host
        self._arm()
        LOG.info("Run %d: %s fails now", number, host)
        try:
            self._is_broken = True
            injected_at = self.injection.inject()
            with self.stopping.allowed():
                heard = self.consumer.wait(options.instances, options.timeout_s)
                fault = self.records.await_fault(host, injected_at, options.timeout_s)
                fault = self.records.await_hops(
                    fault, STATES_S + INSTANCE_S * options.instances
                )
        finally:
            self._mend()
        run = report.judge(
            injected_at,
            self._detected_at(fault, injected_at),
            heard,
            fault,
            sorted(self.consumer.owner_of),
            options.budget_s,
        )
        self.runs.append(run)
        LOG.info("Run %d: %s", number, "OK" if run["is_ok"] else "NG")
        with self.stopping.allowed():
            self.records.await_calm(host, options.timeout_s)

    def _mend(self) -> None:
        """Undo the failure; what did not work is tried again at the end."""
        if self._is_broken:
            self.injection.mend()
            self._is_broken = False

    def _arm(self) -> None:
        """Set the alarms; again if one fires, by a late event of an earlier run.

        :raises DoctorTestFailed: they keep firing although nothing fails.
        """
        deadline = time.monotonic() + self.options.timeout_s
        while True:
            self.consumer.begin()
            self.scene.set_alarms(self.consumer.url)
            self.stopping.pause(self.options.settle_s)
            early = self.consumer.wait(0, 0.0)
            if not early:
                return
            if time.monotonic() > deadline:
                raise errors.DoctorTestFailed(
                    step="set_alarms",
                    reason=f"the alarm of {early[0].instance_id} fires although no"
                    " host fails",
                )
            LOG.info("An alarm fired before the failure; all are set again")

    def _detected_at(self, fault: dict[str, Any], since: float) -> float:
        """Return the monitor's moment: from its log if we have it.

        :raises DoctorTestFailed: the log and the fault's record differ.
        """
        stored = float(fault["times"]["T1"])
        if self.options.monitor_log is None:
            return stored
        logged = records.detected_in_log(
            self.options.monitor_log, self.scene.host, since
        )
        if logged is None or abs(logged - stored) > 1e-3:
            raise errors.DoctorTestFailed(
                step="calculate_notification_time",
                reason=f"the monitor's log says {logged}, the fault's record {stored}",
            )
        return logged


def main() -> int:
    """Run the test of the command line."""
    options = parse(sys.argv[1:])
    logging.basicConfig(
        level=logging.INFO,
        filename=options.log,
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
    )
    for noisy in ("openstack", "keystoneauth", "urllib3", "stevedore"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    test = DoctorTest(options)
    failure = ""
    with test.stopping as stop:
        try:
            test.clear() if options.clear else test.run()
        except errors.DoctorTestFailed as error:
            failure = str(error)
        except stopping.Stopped:
            failure = stop.reason
        if not options.clear:
            _tell(test, failure or stop.reason)
    if failure:
        print(f"escalator-doctor-test: {failure}", file=sys.stderr)
    if stop.signum:
        return 128 + stop.signum
    if failure:
        return 2
    return 0 if all(run["is_ok"] for run in test.runs) else 1


def _tell(test: DoctorTest, failure: str) -> None:
    summary = report.summarize(test.runs)
    if test.runs:
        report.draw(test.runs, test.options.budget_s)
    if test.options.json is not None:
        told = {"failure": failure, "summary": summary, "runs": test.runs}
        test.options.json.write_text(json.dumps(told, indent=2) + "\n")


if __name__ == "__main__":
    sys.exit(main())
