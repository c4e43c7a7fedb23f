"""Runs the program of one job, once, whatever becomes of the agent.

Started as a script (``python -I -S job_wrapper.py DIRECTORY``) in a session of
its own, so it imports the standard library only.  It holds a lock on
``DIRECTORY/lock`` for its life.  Under that lock it refuses to go on if the job
was ever started, and notes durably that it starts before it does: two wrappers of
one directory, at once or one after the other, start the program at most once.

The files, each written whole or not at all:

* ``intent``: what to run and until when, written by the agent.  The deadline is
  on the kernel's monotonic clock, which all processes share: a wrapper that comes
  late does not start the program at all;
* ``started``: the wrapper's process, on disk before the program is started;
* ``program``: the program's process, written by itself before it becomes it;
* ``output``: standard output and error, an old part of it dropped if it grows;
* ``rc``: how it ended.
"""

import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
import time
from typing import Any

CHECK_S = 0.5
KILL_AFTER_S = 2.0
KEEP_TRIES = 60
MAX_OUTPUT_BYTES = 16 * 1024 * 1024
ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LC_ALL": "C.UTF-8",
    "DEBIAN_FRONTEND": "noninteractive",
}
"""All that a program gets: nothing of the agent's surroundings, no secrets."""


def write_whole(directory: str, name: str, values: dict[str, Any]) -> None:
    """Write a JSON file atomically and durably; of two at once the last one stays."""
    fresh = os.path.join(directory, f".{name}.{threading.get_native_id()}")
    with open(fresh, "w", encoding="utf-8") as target:
        json.dump(values, target)
        target.flush()
        os.fsync(target.fileno())
    os.rename(fresh, os.path.join(directory, name))
    sync_directory(directory)


def sync_directory(directory: str) -> None:
    """Make the names in a directory durable."""
    fd = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def start_time(pid: int) -> int:
    """Return when a process started, in clock ticks since boot; 0 if it is gone.

    Together with the pid it names a process for ever, until a reboot.
    """
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as source:
            fields = source.read().rpartition(")")[2].split()
    except OSError:
        return 0
    return 0 if fields[0] == "Z" else int(fields[19])


def identify(pid: int) -> dict[str, int]:
    """Return what :func:`start_time` can be compared with later."""
    return {"pid": pid, "start_time": start_time(pid)}


def signal_group(pid: int, number: int) -> None:
    """Signal a process group that may be gone."""
    try:
        os.killpg(pid, number)
    except ProcessLookupError:
        return


class Watch:
    """Ends the program when its time is up; called by the alarm signal."""

    def __init__(self, program: int, output: int, deadline: float) -> None:
        self.is_timed_out = False
        self._program = program
        self._output = output
        self._end = deadline

    def __call__(self, *_: object) -> None:
        """Check time and size of output; also serves as signal handler."""
        if os.fstat(self._output).st_size > MAX_OUTPUT_BYTES:
            os.ftruncate(self._output, 0)
        late_s = time.monotonic() - self._end
        if late_s >= KILL_AFTER_S:
            signal_group(self._program, signal.SIGKILL)
        elif late_s >= 0:
            self.is_timed_out = True
            signal_group(self._program, signal.SIGTERM)
        self.arm()

    def arm(self) -> None:
        """Ask for the next call."""
        left = self._end - time.monotonic()
        wait_s = min(left, CHECK_S) if left > 0 else CHECK_S
        signal.setitimer(signal.ITIMER_REAL, max(wait_s, 0.01))


def run(directory: str, intent: dict[str, Any]) -> dict[str, Any]:
    """Run the program to its end, or to the end of its time."""

    def become() -> None:
        write_whole(directory, "program", identify(os.getpid()))

    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    output = os.open(os.path.join(directory, "output"), flags, 0o600)
    try:
        program = subprocess.Popen(
            intent["argv"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=ENVIRONMENT,
            cwd="/",
            start_new_session=True,
            preexec_fn=become,  # safe: the wrapper has one thread
        )
    except (OSError, subprocess.SubprocessError) as error:
        os.write(output, f"{intent['argv'][0]}: {error}\n".encode())
        return {"returncode": 127, "is_timed_out": False}
    watch = Watch(program.pid, output, intent["deadline"])
    signal.signal(signal.SIGALRM, watch)
    watch.arm()
    returncode = program.wait()
    signal.setitimer(signal.ITIMER_REAL, 0)
    if watch.is_timed_out:
        signal_group(program.pid, signal.SIGKILL)
    return {"returncode": returncode, "is_timed_out": watch.is_timed_out}


def keep(directory: str, ending: dict[str, Any]) -> None:
    """Write ``rc``; a full disk may be cleared within a minute."""
    for _ in range(KEEP_TRIES):
        try:
            return write_whole(directory, "rc", ending)
        except OSError:
            time.sleep(1.0)


def main(directory: str) -> None:
    """Run the job of ``directory`` unless it was started before."""
    lock = os.open(os.path.join(directory, "lock"), os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    if any(os.path.exists(os.path.join(directory, name)) for name in ("started", "rc")):
        return
    with open(os.path.join(directory, "intent"), encoding="utf-8") as source:
        intent = json.load(source)
    if intent["deadline"] <= time.monotonic():
        write_whole(directory, "rc", {"returncode": -1, "is_timed_out": True})
        return
    write_whole(directory, "started", identify(os.getpid()))
    keep(directory, run(directory, intent))


if __name__ == "__main__":
    main(sys.argv[1])
