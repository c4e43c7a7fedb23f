"""Programs that outlive the agent and are never run twice for one key.

The key is (step, attempt, name); its directory is the whole truth:

=====================  ==================  =====================================
what is there          wrapper's lock      meaning
=====================  ==================  =====================================
nothing, or no intent  free                never ran: write the intent, start
intent                 free                never ran (the agent died before or
                                           just after it started a wrapper):
                                           start another, at most one goes on
intent, started        held                it runs: wait
rc                     any                 it ended: collect
started, no rc         free                power cut, or somebody killed the
                                           wrapper: nobody can tell
=====================  ==================  =====================================

Source: architecture section 3, rule 3; implements ``drivers.kit.Jobs``.
"""

import contextlib
import fcntl
import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Collection, Hashable, Sequence
from typing import Any

from escalator import errors
from escalator.agent import endings, job_wrapper
from escalator.domain import commands
from escalator.drivers import kit

OUTPUT_LIMIT_BYTES = 1024 * 1024
"""The tail of the output that is handed back; a node's manifest fits."""

POLL_S = 0.02
END_POLL_S = 0.2
MARGIN_S = job_wrapper.KILL_AFTER_S + 3.0
"""How much longer than the program the agent waits for the wrapper."""

_SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,100}", re.ASCII)


class Jobs:
    """The jobs of one agent, below ``root``."""

    def __init__(self, root: str, python: str = sys.executable) -> None:
        self.root = root
        self._python = python
        self._starting = threading.Lock()
        os.makedirs(root, mode=0o700, exist_ok=True)

    def run(
        self, order: commands.RunStep, name: str, argv: Sequence[str], timeout_s: float
    ) -> kit.JobResult:
        """Run ``argv`` once, or wait for and collect the run that was.

        :param argv: no shell; an absolute program, or one on the usual path.
        :raises ActionFailed: class ``timeout``, or ``interrupted`` if it was
            started and nobody can tell how it ended.
        """
        deadline = time.monotonic() + timeout_s
        job = Job(self._directory(order, name), name)
        if not job.was_started() and not job.is_over():
            self._await_earlier(order, deadline)
            if deadline <= time.monotonic():
                raise _timeout(name, "no time was left to start it")
            self._begin(order, job, argv, deadline)
        elif self.ending(order) is not None:
            job.end()
        job.wait(deadline)
        result = job.collect()
        if result.returncode != 0:
            self._check(order)
        return result

    def end(self, order: commands.RunStep, ending: endings.Ending) -> bool:
        """Let no program of the attempt go on or begin; False if none runs.

        Returns at once; the programs are ended in a thread of its own.
        """
        with self._starting:
            endings.write(self._parent(order), order.attempt, ending)
        running = [job for job in self._mine(order) if not job.is_over()]
        for job in running:
            threading.Thread(target=job.end, name="ending", daemon=True).start()
        return bool(running)

    def ending(self, order: commands.RunStep) -> endings.Ending | None:
        """Return why the attempt was ended, if it was."""
        return endings.read(self._parent(order), order.attempt)

    def sign(self, order: commands.RunStep) -> Hashable:
        """Return what differs once the attempt's programs made progress."""
        return tuple(
            (job.label, job.is_over(), job.output_size()) for job in self._mine(order)
        )

    def _begin(
        self,
        order: commands.RunStep,
        job: "Job",
        argv: Sequence[str],
        deadline: float,
    ) -> None:
        with self._starting:
            self._check(order)
            self._make(job.directory)
            job.start(argv, deadline, self._python)

    def _check(self, order: commands.RunStep) -> None:
        """Refuse to go on with an attempt that was ended.

        :raises ActionFailed: says why.
        """
        ending = self.ending(order)
        if ending is not None:
            raise errors.ActionFailed(
                action=order.action, reason=f"{ending.kind}: {ending.reason}"
            )

    def _mine(self, order: commands.RunStep) -> list["Job"]:
        prefix = f"{order.attempt}-"
        return [job for job in self._jobs_of(order) if job.label.startswith(prefix)]

    def _parent(self, order: commands.RunStep) -> str:
        if not _SAFE_NAME.fullmatch(order.step_id):
            raise errors.ActionFailed(f"{order.step_id!r} cannot name a job")
        return os.path.join(self.root, order.step_id)

    def can_resume(self, order: commands.RunStep) -> bool:
        """Return True if all the attempt did is known or still going on.

        False if it left no trace, or a program vanished: it may have acted.
        """
        found = self._mine(order)
        return bool(found) and not any(job.has_vanished() for job in found)

    def forget_all_but(self, step_ids: Collection[str]) -> None:
        """Remove the directories of all other steps."""
        for step_id in os.listdir(self.root):
            if step_id not in step_ids:
                shutil.rmtree(os.path.join(self.root, step_id), ignore_errors=True)

    def _directory(self, order: commands.RunStep, name: str) -> str:
        for part in (order.step_id, name):
            if not _SAFE_NAME.fullmatch(part):
                raise errors.ActionFailed(f"{part!r} cannot name a job")
        return os.path.join(self.root, order.step_id, f"{order.attempt}-{name}")

    def _jobs_of(self, order: commands.RunStep) -> list["Job"]:
        parent = os.path.join(self.root, order.step_id)
        with contextlib.suppress(FileNotFoundError):
            names = sorted(os.listdir(parent))
            return [
                Job(os.path.join(parent, label), label)
                for label in names
                if not endings.MARK.fullmatch(label) and not label.startswith(".")
            ]
        return []

    def _make(self, directory: str) -> None:
        parent = os.path.dirname(directory)
        os.makedirs(directory, mode=0o700, exist_ok=True)
        job_wrapper.sync_directory(self.root)
        job_wrapper.sync_directory(parent)

    def _await_earlier(self, order: commands.RunStep, deadline: float) -> None:
        """Let programs of earlier attempts end: two must not act at once."""
        mine = f"{order.attempt}-"
        for job in self._jobs_of(order):
            if not job.label.startswith(mine):
                job.wait(deadline)


class Job:
    """One directory; see the table above."""

    def __init__(self, directory: str, label: str) -> None:
        self.directory = directory
        self.label = label
        self._child: subprocess.Popen[bytes] | None = None

    def was_started(self) -> bool:
        """Return True once the program may have begun."""
        return self._has("started")

    def is_over(self) -> bool:
        """Return True once its result is on disk."""
        return self._has("rc")

    def is_alive(self) -> bool:
        """Return True while a wrapper holds the lock."""
        with contextlib.suppress(FileNotFoundError):
            lock = os.open(os.path.join(self.directory, "lock"), os.O_RDWR)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            finally:
                os.close(lock)
        return False

    def has_vanished(self) -> bool:
        """Return True if it was started and left neither life nor ``rc``."""
        return (
            self.was_started()
            and not self.is_over()
            and not self.is_alive()
            and not self.is_over()  # it may have ended between the two looks
        )

    def start(self, argv: Sequence[str], deadline: float, python: str) -> None:
        """Write the intent and start a wrapper that outlives this process.

        :param deadline: ``time.monotonic()`` seconds.
        """
        intent = {"argv": list(argv), "deadline": deadline}
        job_wrapper.write_whole(self.directory, "intent", intent)
        self._child = subprocess.Popen(
            [python, "-I", "-S", job_wrapper.__file__, self.directory],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def wait(self, deadline: float) -> None:
        """Return when the job is over; kill it well past ``deadline``.

        :param deadline: ``time.monotonic()`` seconds.
        """
        if self._child is not None:
            _await_exit(self._child, deadline + MARGIN_S)
        while self._is_under_way():
            if time.monotonic() > deadline + MARGIN_S:
                self._kill()
                return
            time.sleep(POLL_S)

    def collect(self) -> kit.JobResult:
        """Return how it ended.

        :raises ActionFailed: class ``timeout`` or ``interrupted``.
        """
        if not self.is_over():
            raise errors.ActionFailed(
                action=self.label,
                reason="the program vanished without a result",
                failure_class="interrupted",
            )
        ending = self._read("rc")
        if ending["is_timed_out"]:
            raise _timeout(self.label, self._tail(2000))
        return kit.JobResult(ending["returncode"], self._tail(OUTPUT_LIMIT_BYTES))

    def end(self) -> None:
        """Terminate the program, and kill it if that does not help.

        One that was not started yet is ended as soon as it is.
        """
        number = signal.SIGTERM
        kill_at = time.monotonic() + job_wrapper.KILL_AFTER_S
        end = kill_at + MARGIN_S
        while self._is_under_way() and time.monotonic() < end:
            if time.monotonic() >= kill_at:
                number = signal.SIGKILL
            if self._is_program_alive():
                job_wrapper.signal_group(self._read("program")["pid"], number)
            time.sleep(END_POLL_S)

    def output_size(self) -> int:
        """Return how many bytes it has put out, 0 if none."""
        with contextlib.suppress(FileNotFoundError):
            return os.stat(os.path.join(self.directory, "output")).st_size
        return 0

    def _is_under_way(self) -> bool:
        if self.is_over():
            return False
        return self.is_alive() or self._is_program_alive()

    def _is_program_alive(self) -> bool:
        """Ask for the program itself, should its wrapper have been killed."""
        if not self._has("program"):
            return False
        known = self._read("program")
        return bool(
            known["start_time"]
            and job_wrapper.start_time(known["pid"]) == known["start_time"]
        )

    def _kill(self) -> None:
        """End the program's group; its wrapper then writes ``rc``."""
        if self._is_program_alive():
            job_wrapper.signal_group(self._read("program")["pid"], signal.SIGKILL)
        end = time.monotonic() + MARGIN_S
        while self._is_under_way() and time.monotonic() < end:
            time.sleep(POLL_S)

    def _tail(self, limit_bytes: int) -> str:
        with contextlib.suppress(FileNotFoundError):
            with open(os.path.join(self.directory, "output"), "rb") as source:
                length = os.fstat(source.fileno()).st_size
                left_out = max(length - limit_bytes, 0)
                source.seek(left_out)
                text = source.read(limit_bytes).decode(errors="replace")
            return f"[{left_out} bytes left out]\n{text}" if left_out else text
        return ""

    def _has(self, name: str) -> bool:
        return os.path.exists(os.path.join(self.directory, name))

    def _read(self, name: str) -> dict[str, Any]:
        path = os.path.join(self.directory, name)
        with open(path, encoding="utf-8") as source:
            content: dict[str, Any] = json.load(source)
        return content


def _await_exit(child: "subprocess.Popen[bytes]", deadline: float) -> None:
    """Wait for a child without polling; reap it."""
    watched = os.pidfd_open(child.pid)
    try:
        poller = select.poll()
        poller.register(watched, select.POLLIN)
        poller.poll(max(deadline - time.monotonic(), 0) * 1000)
    finally:
        os.close(watched)
    child.poll()


def _timeout(name: str, detail: str) -> errors.ActionFailed:
    return errors.ActionFailed(
        action=name, reason=f"timed out: {detail}", failure_class="timeout"
    )
