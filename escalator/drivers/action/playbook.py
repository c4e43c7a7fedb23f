"""Playbooks of the node's own directory, run by ansible-runner.

Runner and Ansible are an extra (``escalator[playbook]``) and programs of their own:
a playbook is a job, and outlives the agent.
"""

import contextlib
import json
import os
import shutil
import sys
import threading
from collections.abc import Mapping
from typing import Any, ClassVar

from escalator import errors
from escalator.domain import commands
from escalator.drivers import base, grants, kit

IDENT = "run"
LOOK_S = 0.5
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
UNREACHABLE = 4
_NAME = "^[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*\\.ya?ml$(?!\\n)"
_ENDED = ("runner_on_ok", "runner_on_failed", "runner_on_skipped")

SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "playbook": {"type": "string", "pattern": _NAME},
        "undo_playbook": {"type": "string", "pattern": _NAME},
        "variables": {"type": "object"},
    },
    "required": ["playbook"],
    "additionalProperties": False,
}


class Run(base.Action):
    """Runs ``playbook`` against this host, once for each step.

    ``variables`` reach it by a file that is removed afterwards, not by arguments.
    """

    progress = "told"
    params_schema: ClassVar[Mapping[str, Any]] = SCHEMA
    idempotence = "keyed"
    undo = "playbook.undo"
    key = "playbook"

    def __init__(self, resources: Mapping[str, Any]) -> None:
        self._grants = grants.of(resources)
        self._keep: kit.Keep = resources["keep"]
        self._jobs: kit.Jobs = resources["jobs"]
        self._tell: kit.Progress = resources.get("progress", lambda *_: None)

    def run(self, order: commands.RunStep) -> dict[str, Any]:
        """Run it and count what it did.

        :raises ActionFailed: ``permanent``: a task failed, or there is no such
            playbook or no runner; ``transient``: a host was unreachable.
        """
        done = self._keep.find(order.record, "done")
        if done is not None:
            return done
        name, runner = self._name(order), _runner()
        place = self._keep.directory(order.record, f"playbook-{order.attempt}")
        _prepare(place, order.params.get("variables", {}))
        events = Events(place)
        with _told(events, lambda progress: self._tell(order.step_id, progress)):
            argv = self._argv(runner, place, name)
            result = self._jobs.run(order, "playbook", argv, order.timeout_s)
        _forget_variables(place)
        events.read()
        if result.returncode != 0:
            raise _failed(name, result, events)
        made = {"playbook": name, **events.stats}
        return self._keep.once(order.record, "done", lambda: made)

    def detect(self, order: commands.RunStep) -> dict[str, Any] | None:
        """Return the result if this step ran it to its end."""
        return self._keep.find(order.record, "done")

    def _name(self, order: commands.RunStep) -> str:
        name, root = order.params.get(self.key), self._grants.playbooks
        if not name:
            raise errors.ActionFailed(f"The step names no {self.key}.")
        if not root:
            raise errors.ActionFailed("[agent] playbook_path of this node is empty.")
        real = os.path.realpath(os.path.join(root, name))
        is_below = real.startswith(os.path.join(os.path.realpath(root), ""))
        if not (is_below and os.path.isfile(real)):
            raise errors.ActionFailed(f"No playbook {name} below {root}.")
        return str(name)

    def _argv(self, runner: str, place: str, name: str) -> list[str]:
        """Let the runner find its Ansible, and leave nothing in a home directory."""
        path = f"{os.path.dirname(runner)}:{PATH}"
        surroundings = [f"PATH={path}", f"ANSIBLE_HOME={place}/ansible"]
        options = ["-p", name, "--ident", IDENT, "-q"]
        roots = ["--project-dir", self._grants.playbooks]
        return ["env", *surroundings, runner, "run", place, *options, *roots]


class Undo(Run):
    """Runs ``undo_playbook`` with the variables of the step."""

    undo = "none_needed"
    key = "undo_playbook"


class Events:
    """What the runner wrote of its tasks below a directory, read as it grows.

    :ivar stats: ``ok``, ``changed`` and ``failures`` of the whole run.
    :ivar failure: the last failed task with its message.
    """

    def __init__(self, place: str) -> None:
        self._place = os.path.join(place, "artifacts", IDENT, "job_events")
        self._seen: set[str] = set()
        self.stats = {"ok": 0, "changed": 0, "failures": 0}
        self.failure = ""
        self.done = 0
        self.task = ""

    def read(self) -> None:
        """Read what is new."""
        with contextlib.suppress(FileNotFoundError):
            for name in sorted(os.listdir(self._place)):
                if name.endswith(".json") and name not in self._seen:
                    path = os.path.join(self._place, name)
                    with open(path, encoding="utf-8") as source:
                        event = json.load(source)
                    self._seen.add(name)
                    self._take(event["event"], event.get("event_data", {}))

    def progress(self) -> dict[str, Any]:
        """Return how far it is; nobody knows of how many."""
        return {"done": self.done, "unit": "tasks", "task": self.task}

    def _take(self, kind: str, data: Mapping[str, Any]) -> None:
        self.done += kind in _ENDED
        self.task = str(data.get("task", self.task))
        if kind in ("runner_on_failed", "runner_on_unreachable"):
            message = data.get("res", {}).get("msg", "")
            self.failure = f"{self.task}: {message}"[-1000:]
        if kind == "playbook_on_stats":
            for name in self.stats:
                self.stats[name] = sum(data.get(name, {}).values())


@contextlib.contextmanager
def _told(events: Events, tell: Any) -> Any:
    """Tell how far it is until the block ends."""
    is_over = threading.Event()

    def look() -> None:
        while not is_over.wait(LOOK_S):
            with contextlib.suppress(OSError, ValueError, KeyError):
                events.read()
            tell(events.progress())

    thread = threading.Thread(target=look, name="playbook-events", daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def _prepare(place: str, variables: Mapping[str, Any]) -> None:
    """Write what the runner reads: this host alone, and the variables."""
    for folder in ("env", "inventory"):
        os.makedirs(os.path.join(place, folder), mode=0o700, exist_ok=True)
    host = "localhost ansible_connection=local ansible_python_interpreter=auto_silent\n"
    _write(os.path.join(place, "inventory", "hosts"), host)
    _write(os.path.join(place, "env", "extravars"), json.dumps(variables))


def _write(path: str, text: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(fd, "w", encoding="utf-8") as target:
        target.write(text)


def _forget_variables(place: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(os.path.join(place, "env", "extravars"))


def _runner() -> str:
    """Return ansible-runner, the one beside this Python first."""
    near = os.path.dirname(sys.executable)
    found = shutil.which("ansible-runner", path=f"{near}:{PATH}")
    if found is None:
        raise errors.ActionFailed(
            "This agent has no ansible-runner; install escalator[playbook]."
        )
    return found


def _failed(name: str, result: kit.JobResult, events: Events) -> errors.ActionFailed:
    is_unreachable = result.returncode == UNREACHABLE
    detail = events.failure or result.output[-1000:]
    return errors.ActionFailed(
        action=name,
        reason=f"exit status {result.returncode}: {detail}",
        failure_class="transient" if is_unreachable else "permanent",
        result=dict(events.stats),
    )
