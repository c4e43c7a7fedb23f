"""Every fact that may travel, one frozen dataclass each.

Facts are named in the past tense and carry an ``event_id`` by which a
receiver drops repeats (delivery is at least once).  ``times`` holds the
checkpoints of a fault as seconds since the epoch (UTC), see ``HOPS``.
Source: Doctor DR-9, architecture section 4.
"""

import dataclasses
import enum
from collections.abc import Mapping
from typing import Any

HOPS: Mapping[str, str] = {
    "T0": "fault: the earliest moment at which the target can have failed",
    "T1": "detected: the monitor's verdict",
    "T2": "mapped: the inspector knows the instances",
    "T3": "instance states set",
    "T4": "host marked down",
    "T5": "impact published",
    "T6": "impact received by the notifier",
    "T7": "evaluated against the subscriptions",
    "T8": "notice sent to the owner",
    "T9": "notice taken by the owner's handler",
}
"""The checkpoints of one fault, in order (DR-9)."""


class FaultType(enum.StrEnum):
    HOST_DOWN = "host.down"
    AGENT_SILENT = "agent.silent"
    LINK_DOWN = "link.down"
    SERVICE_FAILED = "service.failed"
    MONITOR_ISOLATED = "monitor.isolated"
    ALARM = "alarm"


class Severity(enum.StrEnum):
    """X.733 perceived severities, worst last."""

    WARNING = "warning"
    MINOR = "minor"
    MAJOR = "major"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """Return 0 (warning) to 3 (critical)."""
        return list(Severity).index(self)


class Outcome(enum.StrEnum):
    """What an agent knows of a step."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    UNKNOWN = "unknown"
    NEVER_SEEN = "never_seen"
    REFUSED = "refused"
    STOPPED = "stopped"


@dataclasses.dataclass(frozen=True, slots=True)
class Fault:
    """A confirmed fault of one host.

    :ivar id: UUID text, the same in every later event.
    :ivar times: ``T0`` and ``T1`` so far, epoch seconds.
    :ivar evidence: JSON object: probes missed, vantage points and the like;
        ``alarm_id`` if an alarm told of it.
    """

    id: str
    host: str
    fault_type: str
    severity: str
    times: dict[str, float]
    evidence: dict[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def source(self) -> str:
        """The alarm that told of it; empty: the monitors did.

        What one source says of a host ends nothing that another one said.
        """
        return str(self.evidence.get("alarm_id", ""))

    @property
    def probes(self) -> int:
        """How many kinds of probes find it; one where the evidence names none."""
        named = self.evidence.get("probes")
        return max(len(named), 1) if isinstance(named, list) else 1

    @property
    def probes_watching(self) -> int:
        """How many kinds of probes watch the host: no more can ever find it.

        None watches for what an alarm told of, which so many find as told of it.
        """
        told = self.evidence.get("probes_watching")
        return max(told, self.probes) if isinstance(told, int) else self.probes


@dataclasses.dataclass(frozen=True, slots=True)
class AffectedInstance:
    id: str
    project_id: str
    name: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Impact:
    """What one fault means: the host's instances, and what was done.

    :ivar is_marked_down: False if the VIM missed its deadline; the notice
        goes out all the same and says so (DR-2).
    :ivar times: ``T0`` to ``T5``.
    """

    fault: Fault
    instances: tuple[AffectedInstance, ...]
    is_marked_down: bool
    times: dict[str, float]


@dataclasses.dataclass(frozen=True, slots=True)
class FaultConfirmed:
    """One event for all hosts whose fault was judged in the same round."""

    event_id: str
    faults: tuple[Fault, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class FaultCleared:
    """The hosts answer again (DR-10).  ``faults`` keep their ids."""

    event_id: str
    faults: tuple[Fault, ...]
    cleared_at: float


@dataclasses.dataclass(frozen=True, slots=True)
class FaultCorroborated:
    """Further probes find faults that are confirmed already (DR-4).

    One event for all hosts of a round; told only if a subscription waits for it.

    :ivar faults: keep their ids and times; the evidence is that of now.
    :ivar before: fault id -> how many probes had been told of so far.
    :ivar corroborated_at: epoch seconds.
    """

    event_id: str
    faults: tuple[Fault, ...]
    before: dict[str, int]
    corroborated_at: float


@dataclasses.dataclass(frozen=True, slots=True)
class HostMarkedDown:
    """:ivar others: faults of the same hosts that are open and were told before."""

    event_id: str
    impacts: tuple[Impact, ...]
    others: tuple[Fault, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class HostMarkedUp:
    """:ivar others: faults of the same hosts that are open still."""

    event_id: str
    impacts: tuple[Impact, ...]
    cleared_at: float
    others: tuple[Fault, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class CheckpointReached:
    """What was reached after the impact of faults was told (DR-9).

    :ivar checkpoint: ``T3`` or ``T4``.
    :ivar reached_at: fault id -> epoch seconds.
    """

    event_id: str
    checkpoint: str
    reached_at: dict[str, float]


@dataclasses.dataclass(frozen=True, slots=True)
class ImpactCorroborated:
    """Whom faults affect that further probes find (DR-4).

    :ivar before: fault id -> how many probes had been told of so far.
    :ivar corroborated_at: epoch seconds.
    :ivar others: faults of the same hosts that are open and were told before.
    """

    event_id: str
    impacts: tuple[Impact, ...]
    before: dict[str, int]
    corroborated_at: float
    others: tuple[Fault, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class StepReported:
    """An agent's account of one step; the answer to an order or a probe.

    :ivar result: JSON object, kept for verification and undo.
    :ivar duration_s: seconds the action took, 0.0 while it runs.
    """

    event_id: str
    step_id: str
    campaign_id: str
    host: str
    agent: str
    attempt: int
    fence: int
    outcome: str
    failure_class: str = ""
    detail: str = ""
    result: dict[str, Any] = dataclasses.field(default_factory=dict)
    duration_s: float = 0.0
    reported_at: float = 0.0


@dataclasses.dataclass(frozen=True, slots=True)
class AgentBeat:
    """An agent lives.  Lost beats are not repeated: the next one says more.

    :ivar capabilities: executors it offers: ``node``, ``vim``.
    :ivar facts: JSON object merged into the host's facts.
    """

    host: str
    agent: str
    capabilities: tuple[str, ...]
    facts: dict[str, Any]
    sent_at: float
    interval_s: float


INFO = "info"
"""Severity of news of a campaign that are no alarm."""


@dataclasses.dataclass(frozen=True, slots=True)
class CampaignChanged:
    """A campaign moved; tells the campaign's owner (topic escalator.notice).

    :ivar severity: ``info``, or of ``Severity``: a person has to look at once.
    """

    event_id: str
    campaign_id: str
    name: str
    project_id: str
    from_state: str
    to_state: str
    reason: str
    hosts: tuple[str, ...]
    occurred_at: float
    severity: str = INFO


@dataclasses.dataclass(frozen=True, slots=True)
class NoticeSettled:
    """A notice was taken by its owner, or became a dead letter.

    :ivar state: ``delivered`` or ``dead``.
    :ivar times: ``T6`` to ``T9``.
    """

    event_id: str
    notice_id: str
    cause_id: str
    fault_ids: tuple[str, ...]
    subscription_id: str
    project_id: str
    state: str
    attempts: int
    times: dict[str, float]
    error: str = ""
    body: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class AlarmReported:
    """Aodh called: the state of an alarm, told anew or repeated.

    :ivar event_id: of this call; UUID text.
    :ivar token_digest: SHA-256 of the token that it was made with, hex.
    :ivar alarm_id: Aodh's id of the alarm.
    :ivar current: one of ``domain.alarm.State``.
    :ivar message_id: of the event that fired an event alarm, else empty.
    :ivar reported_at: epoch seconds.
    """

    event_id: str
    token_digest: str
    alarm_id: str
    alarm_name: str
    severity: str
    previous: str
    current: str
    reason: str
    message_id: str
    reported_at: float


@dataclasses.dataclass(frozen=True, slots=True)
class SubscriptionsChanged:
    event_id: str
    subscription_ids: tuple[str, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class ResendRequested:
    """Somebody wants a dead letter to be sent once more, as the notice that it was.

    :ivar body: as the sink that gave it up has kept it.
    """

    event_id: str
    notice_id: str
    cause_id: str
    fault_ids: tuple[str, ...]
    subscription_id: str
    project_id: str
    body: str


Event = (
    FaultConfirmed
    | FaultCleared
    | FaultCorroborated
    | HostMarkedDown
    | HostMarkedUp
    | CheckpointReached
    | ImpactCorroborated
    | StepReported
    | AgentBeat
    | CampaignChanged
    | NoticeSettled
    | SubscriptionsChanged
    | AlarmReported
    | ResendRequested
)
