"""The small interfaces that plugins implement.

Each has a contract test that every driver, ours or a third party's, inherits
(``tests/unit/drivers/contract_*.py``).  Drivers get the values they need, never
the whole configuration.
"""

import abc
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from escalator import errors
from escalator.domain import commands, events, notice
from escalator.domain.notice import Notice as Notice
from escalator.drivers import kit
from escalator.drivers.scaling import Scaling


class Action(abc.ABC):
    """One deed on one target; its undo is another action.

    :cvar executor: ``node`` (runs on the host itself) or ``vim`` (runs on an
        agent with access to the VIM).
    :cvar is_mutating: True if the target differs afterwards.
    :cvar params_schema: JSON schema of ``params``.
    :cvar idempotence: a value of ``plan.Idempotence`` for steps that do not say
        it themselves; empty: they must.
    :cvar undo: the undo of steps that do not name one: an action, or
        ``none_needed``; empty: they must.
    :cvar progress: how its progress is seen: ``programs`` (its jobs begin, end and
        print), ``told`` (by ``resources["progress"]``) or empty: only by its end, so
        that its steps can have no limit without progress (C614).
    """

    executor: ClassVar[str] = "node"
    is_mutating: ClassVar[bool] = True
    params_schema: ClassVar[Mapping[str, Any]] = {"type": "object"}
    idempotence: ClassVar[str] = ""
    undo: ClassVar[str] = ""
    progress: ClassVar[str] = ""

    @abc.abstractmethod
    def run(self, order: commands.RunStep) -> dict[str, Any]:
        """Reach the goal and return a JSON object kept for the undo.

        Reaching a goal that is reached already succeeds and changes nothing.

        :raises ActionFailed: with the failure class.
        """

    def detect(self, order: commands.RunStep) -> dict[str, Any] | None:
        """Return the result if the goal is reached, else None; change nothing.

        Asked before a second attempt of a step whose idempotence is
        ``probe``.
        """
        return None

    def dry_run(self, order: commands.RunStep) -> list[str]:
        """Return what stands in the way of ``run``, in words; change nothing.

        Asked by a preflight, long before the step (V-3); nothing: it may be tried.

        :raises ActionFailed: it cannot be told now.
        """
        return []

    def can_resume(self, order: commands.RunStep) -> bool:
        """Return True if the agent's next process may call ``run`` again.

        Asked for an attempt that the agent's end, or a reboot, cut off and whose
        jobs do not tell what became of it.  False: the conductor decides.
        """
        return False


def previous(order: commands.RunStep, keep: kit.Keep) -> dict[str, Any]:
    """Return what the step that ``order`` undoes found before it acted.

    From its result (member ``previous``), else from this node's own record: the
    result is lost if the step was cut off, and leaves out what is secret.

    :raises ActionFailed: class ``permanent``: nothing was recorded.
    """
    found: dict[str, Any] | None = order.undo.get("result", {}).get("previous")
    if found is None and order.undo.get("record"):
        found = keep.find(order.undo["record"], "before")
    if found is None:
        raise errors.ActionFailed(
            action=order.action, reason="no earlier state was recorded"
        )
    return found


class Checkpoint(abc.ABC):
    """Records the state of one target, to be gone back to.

    :cvar covers: patterns (``package.*``) of the actions whose changes ``restore``
        puts back; empty: it cannot restore.
    """

    executor: ClassVar[str] = "node"
    covers: ClassVar[tuple[str, ...]] = ()

    @abc.abstractmethod
    def take(self, order: commands.RunStep) -> dict[str, Any]:
        """Return the checkpoint's content as a JSON object; change nothing.

        :raises ActionFailed: the state cannot be recorded.
        """

    def restore(self, order: commands.RunStep, content: Mapping[str, Any]) -> None:
        """Bring the target back to what ``take`` recorded, whole.

        A target that is back already is left alone.  The agent takes the checkpoint
        once more afterwards: a difference is a failure.

        :raises ActionFailed: class ``permanent`` says what cannot be restored.
        """
        raise errors.ActionFailed(
            action=order.action, reason="this checkpoint cannot be put back"
        )


class Collector(abc.ABC):
    """Reads figures of a host for a preflight; there may be several of a kind (V-6).

    :cvar kind: ``statistics`` or ``logs``.
    :param resources: what actions get as well; ``log_files``: paths.
    """

    kind: ClassVar[str]

    def __init__(self, resources: Mapping[str, Any]) -> None:
        self.resources = resources

    @abc.abstractmethod
    def collect(self, timeout_s: float) -> dict[str, float]:
        """Return figures by name, none of them secret; change nothing.

        Nothing: there is nothing to be read on this host.

        :raises ActionFailed: it cannot be read now.
        """


@dataclasses.dataclass(frozen=True, slots=True)
class Reply:
    """One answer of one target; ``at`` is ``time.monotonic()`` seconds."""

    host: str
    at: float


class Probe(abc.ABC):
    """Measures many targets in one loop of one thread.

    :cvar options: names of the options of ``[monitor]`` that it is made with,
        as keywords.
    :cvar is_local: True if it lives on what the monitor hears, and so in the
        monitor's own process.
    :cvar misses: unanswered rounds in a row that make a fault; None: as many as
        ``[monitor] misses``.  For probes whose silence was counted already.
    """

    options: ClassVar[tuple[str, ...]] = ()
    is_local: ClassVar[bool] = False
    misses: ClassVar[int | None] = None

    def hear(self, host: str) -> None:  # noqa: B027 - only some listen
        """Take note that the agent of ``host`` beat; from any thread."""

    @abc.abstractmethod
    def set_targets(self, targets: Mapping[str, str]) -> None:
        """Probe these from now on: target (a host, or host%nic) -> address."""

    @abc.abstractmethod
    def send(self) -> None:
        """Send one probe to every target; never blocks on a target."""

    @abc.abstractmethod
    def receive(self, timeout_s: float) -> list[Reply]:
        """Return the answers that came within ``timeout_s``, maybe none."""

    @abc.abstractmethod
    def close(self) -> None:
        """Release sockets; idempotent."""


@dataclasses.dataclass(frozen=True, slots=True)
class VimHost:
    """A host in the VIM's inventory.

    :ivar groups: names of redundancy groups the host itself belongs to.
    :ivar nics: address of every data-plane interface, by its name (DR-3).
    :ivar facts: what else selectors and budgets may use, by name.
    """

    name: str
    address: str
    role: str
    rack: str
    availability_zone: str
    is_enabled: bool
    is_forced_down: bool
    tags: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    nics: Mapping[str, str] = dataclasses.field(default_factory=dict)
    facts: Mapping[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True)
class VimInstance:
    """:ivar server_group: id of its anti-affinity group, or empty."""

    id: str
    name: str
    project_id: str
    host: str
    state: str
    server_group: str = ""


Broker = Callable[[str], tuple[tuple[str, ...], Any]]
"""oslo.messaging's URL of a broker -> kombu's URLs, and its ``ssl``."""


Moved = Callable[[int, int], None]
"""Told how many instances of a host have been moved, and of how many."""


def tell_nobody(done: int, total: int) -> None:
    """Nobody wants to know how far a drain is."""


class Vim(abc.ABC):
    """What Escalator asks of the virtual infrastructure manager.

    Every call is safe to repeat.  All raise VimUnavailable if the VIM does
    not answer within the driver's deadline.

    :cvar waits_for_states: ``mark_down`` returns only when the instances of the
        host show it too; otherwise that follows.
    :ivar scaling: what holds all that scales by itself; None: it cannot tell.
    """

    waits_for_states: ClassVar[bool] = True
    scaling: Scaling | None = None

    @classmethod
    def from_conf(cls, conf: Any, broker: Broker) -> "Vim":
        """Return the driver of ``[vim]``; it connects when it is first asked.

        :raises ConfigError: names the option.
        """
        return cls()

    @classmethod  # noqa: B027 - not all need it
    def check_conf(cls, conf: Any, broker: Broker) -> None:
        """Find what would stop it (before a fork).

        :raises ConfigError: names the option.
        """

    @abc.abstractmethod
    def list_hosts(self) -> list[VimHost]: ...

    @abc.abstractmethod
    def list_instances(self) -> list[VimInstance]: ...

    @abc.abstractmethod
    def read_changes(self) -> int:
        """Return a number that grows whenever hosts or instances change."""

    @abc.abstractmethod
    def set_scheduling(self, host: str, is_enabled: bool, reason: str) -> None:
        """Allow or refuse new instances on ``host``."""

    @abc.abstractmethod
    def drain(self, host: str, tell: Moved = tell_nobody) -> dict[str, str]:
        """Move every instance off ``host``; returns instance id -> new host.

        :param tell: called after each instance that moved.
        :raises ActionFailed: class ``permanent`` if one fits nowhere.
        """

    @abc.abstractmethod
    def try_drain(self, host: str) -> list[str]:
        """Return what stands in the way of ``drain`` now, in words; change nothing.

        One sentence for each obstacle, naming the instance; nothing: the host can
        be drained.  Source: V-3, O-0c.

        :raises ActionFailed: it cannot be told now.
        :raises NotFound: there is no such host.
        """

    def begin_marking(  # noqa: B027 - not all need it
        self, states_set: Callable[[str], None]
    ) -> None:
        """Take note that it is this process that marks hosts.

        What another one before it has left half done is its affair from now on.

        :param states_set: called from any thread, without blocking it, with a host
            that was marked down, when the states of its instances are set; never by
            a driver that ``waits_for_states``.
        """

    def figures(self) -> Mapping[str, Mapping[str, float]]:
        """Return of every call its ``count``, ``failures``, ``p50_ms``, ``p99_ms``."""
        return {}

    @abc.abstractmethod
    def mark_down(self, hosts: Sequence[str], is_down: bool) -> None:
        """Force hosts down (and their instances to error), or undo it.

        Undo restores the states of the instances that are still there; those
        moved meanwhile stay where they are (DR-10).
        """


class Sink(abc.ABC):
    """Delivers notices; one slow subscriber never delays another."""

    def evaluate(
        self, event: notice.Told, directory: notice.Directory, now: float
    ) -> Sequence[Notice]:
        """Return what this sink has to say of ``event``; no input or output.

        One notice per subscription, unless the sink knows its audience itself.

        :param now: epoch seconds.
        """
        return notice.notices(event, directory, now)

    def revive(
        self, letter: events.ResendRequested, directory: notice.Directory
    ) -> Notice | None:
        """Return the notice that a dead letter was; no input or output.

        :returns: None if it is none of this sink's, or its subscription is gone.
        :raises ValueError: its body cannot be read.
        """
        return notice.revive(letter, directory)

    @abc.abstractmethod
    def start(self) -> None: ...

    @abc.abstractmethod
    def submit(
        self, notice: Notice, settled: Callable[[events.NoticeSettled], None]
    ) -> None:
        """Accept ``notice`` at once; call ``settled`` exactly once, later.

        ``settled`` is called from the sink's own thread with state
        ``delivered`` or, after the last retry, ``dead``.
        """

    @abc.abstractmethod
    def stop(self, timeout_s: float) -> None:
        """Finish or give up what is under way; unsettled notices stay so."""


@dataclasses.dataclass(frozen=True, slots=True)
class Demand:
    """Work that wants a time: minutes, and what it occupies meanwhile."""

    id: str
    length_min: int
    resources: tuple[str, ...]


class Solver(abc.ABC):
    """Proposes start times; ``domain.window.check_schedule`` judges them."""

    @abc.abstractmethod
    def solve(
        self,
        demands: Sequence[Demand],
        window_min: tuple[int, int],
        taken: Sequence[tuple[str, int, int]],
        concurrent: int,
    ) -> dict[str, int]:
        """Return demand id -> start, minutes from the origin.

        :param window_min: [earliest start, latest end), minutes.
        :param taken: (resource, start, end) of other work.
        :raises NoSchedule: none was found.
        """
