"""Services: systemd where it runs, else daemons with a pid file.

The second kind is declared on the node (``[agent] services``) and driven by
``start-stop-daemon``; it also serves where an init system is not the first process.
"""

import abc
import contextlib
import dataclasses
import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from typing import Any

from escalator import errors
from escalator.domain import commands
from escalator.drivers import grants, kit

SYSTEMD_MARK = "/run/systemd/system"
"""There if systemd is the first process: ``sd_booted(3)``."""

ASK_S = 10.0
POLL_S = 0.05
SLACK_S = 5.0
"""How far the clock may have been set since a pid file was written."""

SERVICE_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "argv": grants.ARGV,
        "pid_file": {"type": "string", "pattern": "^/"},
        "user": {"type": "string", "pattern": grants.NAME},
        "stop_timeout": {"type": "integer", "minimum": 1},
        "settle": {"type": "number", "minimum": 0},
    },
    "required": ["argv", "pid_file"],
    "additionalProperties": False,
}


@dataclasses.dataclass(frozen=True, slots=True)
class State:
    """:ivar identity: differs after every start; empty if it does not run."""

    is_active: bool
    identity: str = ""


class Supervisor(abc.ABC):
    """One service."""

    settle_s = 0.5
    """How long a service must live to be called started."""

    def __init__(self, name: str, resources: Mapping[str, Any]) -> None:
        self.name = name
        self._jobs: kit.Jobs = resources["jobs"]

    @abc.abstractmethod
    def state(self) -> State:
        """Return how it is now.

        :raises ActionFailed: there is no such service, or nobody can tell.
        """

    @abc.abstractmethod
    def act(self, order: commands.RunStep, verb: str) -> None:
        """``start``, ``stop``, ``restart`` or ``reload`` it.

        :raises ActionFailed: the supervisor says no.
        """

    @abc.abstractmethod
    def hang_up(self, order: commands.RunStep) -> None:
        """Send SIGHUP to its main process: read your configuration."""

    def await_state(self, is_active: bool, timeout_s: float) -> State:
        """Return the state once it is so, and stays so.

        :raises ActionFailed: class ``permanent``.
        """
        end = time.monotonic() + timeout_s
        while True:
            found = self.state()
            if found.is_active == is_active:
                time.sleep(self.settle_s if is_active else 0)
                if self.state() == found:
                    return found
            if time.monotonic() >= end:
                raise errors.ActionFailed(
                    f"{self.name} is {'not running' if is_active else 'running'}"
                )
            time.sleep(POLL_S)

    def _run(self, order: commands.RunStep, name: str, argv: Sequence[str]) -> None:
        result = self._jobs.run(order, name, argv, order.timeout_s)
        if result.returncode != 0:
            reason = f"exit status {result.returncode}: {result.output[-500:]}"
            raise errors.ActionFailed(action=f"{name} {self.name}", reason=reason)


class Systemd(Supervisor):
    """A unit."""

    def state(self) -> State:
        """Ask ``systemctl show``."""
        argv = ["systemctl", "show", "--property=LoadState,ActiveState,InvocationID"]
        try:
            answer = subprocess.run(
                [*argv, "--", self.name],
                capture_output=True,
                text=True,
                timeout=ASK_S,
                check=False,
                stdin=subprocess.DEVNULL,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise errors.ActionFailed(f"systemctl: {error}") from error
        return parse_unit(self.name, answer.stdout + answer.stderr)

    def act(self, order: commands.RunStep, verb: str) -> None:
        """Let systemd do it, and wait for its job."""
        self._run(order, verb, ["systemctl", verb, "--", self.name])

    def hang_up(self, order: commands.RunStep) -> None:
        """Signal the main process only."""
        argv = ["systemctl", "kill", "--signal=HUP", "--kill-who=main", "--"]
        self._run(order, "hang-up", [*argv, self.name])


def parse_unit(name: str, text: str) -> State:
    """Return what ``systemctl show`` said.

    :raises ActionFailed: class ``permanent``: no such unit.
    """
    found = dict(line.partition("=")[::2] for line in text.splitlines())
    if found.get("LoadState") != "loaded":
        reason = found.get("LoadState") or text.strip()[-300:]
        raise errors.ActionFailed(f"This node has no unit {name}: {reason}")
    is_active = found.get("ActiveState") in ("active", "reloading", "activating")
    return State(is_active, found.get("InvocationID", "") if is_active else "")


class PidFile(Supervisor):
    """A daemon in the foreground, put into the background; see ``SERVICE_SCHEMA``."""

    def __init__(
        self, name: str, resources: Mapping[str, Any], entry: Mapping[str, Any]
    ) -> None:
        super().__init__(name, resources)
        self._entry = entry
        self.settle_s = entry.get("settle", Supervisor.settle_s)

    def state(self) -> State:
        """Ask the kernel about the process of the pid file.

        A process that started after the file was written is another one, which
        got the number later, maybe in a later boot.
        """
        with contextlib.suppress(OSError, ValueError):
            with open(self._entry["pid_file"], encoding="ascii") as source:
                pid = int(source.read())
                written_at = os.fstat(source.fileno()).st_mtime
            started = start_time(pid)
            if started and _as_epoch(started) <= written_at + SLACK_S:
                return State(True, f"{pid}/{started}")
        return State(False)

    def act(self, order: commands.RunStep, verb: str) -> None:
        """Call ``start-stop-daemon``."""
        if not self.state().is_active:
            # Never signal whoever has the number of a stale file now.
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._entry["pid_file"])
        elif verb in ("stop", "restart"):
            retry = f"TERM/{self._entry.get('stop_timeout', 10)}/KILL/5"
            argv = ["--stop", "--oknodo", "--remove-pidfile", "--retry", retry]
            self._daemon(order, "stop", argv)
        if verb in ("start", "restart"):
            program, *arguments = self._entry["argv"]
            argv = ["--start", "--oknodo", "--background", "--make-pidfile"]
            if "user" in self._entry:
                argv += ["--chuid", self._entry["user"]]
            argv += ["--startas", program, "--", *arguments]
            self._daemon(order, "start", argv)
        if verb == "reload":
            self.hang_up(order)

    def hang_up(self, order: commands.RunStep) -> None:
        """Signal the process of the pid file."""
        if not self.state().is_active:
            raise errors.ActionFailed(f"{self.name} is not running")
        self._daemon(order, "hang-up", ["--stop", "--signal", "HUP"])

    def _daemon(self, order: commands.RunStep, name: str, argv: Sequence[str]) -> None:
        self._run(
            order,
            name,
            ["start-stop-daemon", "--pidfile", self._entry["pid_file"], *argv],
        )


def start_time(pid: int) -> int:
    """Return when a living process started, in clock ticks since boot; else 0."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as source:
            fields = source.read().rpartition(")")[2].split()
    except OSError:
        return 0
    return 0 if fields[0] == "Z" else int(fields[19])


def _as_epoch(ticks: int) -> float:
    """Return ticks since boot as epoch seconds."""
    booted_at = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    return booted_at + ticks / os.sysconf("SC_CLK_TCK")


def of(resources: Mapping[str, Any], name: str) -> Supervisor:
    """Return the supervisor of a service: as declared, else systemd.

    :raises ActionFailed: class ``permanent``: neither is there.
    """
    path, kind = grants.of(resources).services, "services"
    is_booted = os.path.isdir(SYSTEMD_MARK)
    if not is_booted or (path and name in grants.load(path, kind)):
        entry = grants.declared(path, name, kind, SERVICE_SCHEMA)
        return PidFile(name, resources, entry)
    return Systemd(name, resources)
