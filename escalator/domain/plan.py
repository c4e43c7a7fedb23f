"""A plan: what a campaign file says once it is understood.

``domain.lints`` judges a document, ``domain.reading`` turns a faultless one into a
Plan.  It names no host: targets are selected when a slot opens (P-4a).
"""

import dataclasses
import enum
from typing import Any

from escalator.domain.change_window import ChangeWindow


class Try(enum.StrEnum):
    """Rungs of a recovery ladder, mildest first (P-4c)."""

    RETRY = "retry"
    COMPENSATE = "compensate"
    RESTORE = "restore"
    QUARANTINE = "quarantine"
    HOLD = "hold"
    PAGE = "page"
    ROLLBACK = "rollback"


class OnPause(enum.StrEnum):
    """What a pause does to a step under way."""

    DRAIN = "drain"
    STOP = "stop"


class Idempotence(enum.StrEnum):
    """What may be done if nobody knows whether an attempt acted."""

    NATURAL = "natural"
    KEYED = "keyed"
    PROBE = "probe"
    NEVER = "never"


class Method(enum.StrEnum):
    """How a procedure takes its targets (P-1).

    ``PARALLEL_UNIVERSE`` is written out before a plan is made of it.
    """

    ROLLING = "rolling"
    SINGLE_STEP = "single_step"
    PARALLEL_UNIVERSE = "parallel_universe"


@dataclasses.dataclass(frozen=True, slots=True)
class Rung:
    """:ivar classes: failure classes it answers to; empty: all.
    :ivar times: how often it may be tried for one target.
    :ivar scope: ``procedure``, ``campaign``, or empty: see ``holding.scope_of``.
    :ivar evacuate: of a quarantine: move the instances away first.
    """

    attempt: str
    classes: tuple[str, ...] = ()
    times: int = 1
    backoff_s: float = 0.0
    scope: str = ""
    evacuate: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Undo:
    """The action that undoes a step; ``params`` as in the step."""

    action: str
    executor: str
    params: dict[str, Any]
    version: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Step:
    """:ivar kind: ``action``, ``verify`` or ``checkpoint``.
    :ivar action: entry-point name of the action or checkpoint driver.
    :ivar checkpoint: id of the checkpoint definition, for that kind.
    :ivar undo: None if nothing has to be undone.
    :ivar version: of the action that the file was judged by, see
        ``reading.ActionFacts``.
    :ivar on_pause: a value of :class:`OnPause`.
    :ivar progress_s: without any progress for so long it hangs; 0: no limit.
    :ivar covers: of a checkpoint: see ``reading.ActionFacts``.
    :ivar expected: if hosts differ: the expression that ``expected_s`` is for a host
        without instances, see ``timing.of_host``.  ``timeout`` likewise.
    """

    id: str
    kind: str
    action: str
    executor: str
    params: dict[str, Any]
    expected_s: float
    timeout_s: float
    idempotence: str
    is_mutating: bool
    may_reboot: bool = False
    checkpoint: str = ""
    undo: tuple[Undo, ...] = ()
    version: str = ""
    on_pause: str = "drain"
    progress_s: float = 0.0
    covers: tuple[str, ...] = ()
    expected: str = ""
    timeout: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Condition:
    """A fact must be one of ``values``; facts are named with dots."""

    fact: str
    values: tuple[str, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Order:
    """:ivar is_last: targets of which the fact is true come last, and wait until
    the others are done; see ``domain.last``.
    """

    fact: str
    is_descending: bool = False
    is_last: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Selector:
    """All of ``match`` must hold and none of ``exclude``."""

    id: str
    match: tuple[Condition, ...]
    exclude: tuple[Condition, ...] = ()
    order_by: tuple[Order, ...] = ()


class Kind(enum.StrEnum):
    """What a budget counts.

    ``migrations`` are targets that are being drained: such a token is given
    back when the drain is over, all others when the target is back.
    """

    DOWN = "down"
    QUORUM = "quorum"
    HEADROOM = "headroom"
    MIGRATIONS = "migrations"
    PARALLEL = "parallel"


@dataclasses.dataclass(frozen=True, slots=True)
class Budget:
    """A redundancy limit, held as tokens.

    :ivar scope: ``all``, ``fact`` (one limit per value of ``fact``),
        ``server_group`` (one per anti-affinity group with a member there) or
        ``owner`` (one per owner of instances there who declared a limit).
    :ivar max_down: most targets down at once per key; used if
        ``max_percent`` is 0.
    :ivar max_percent: percent of the key's population, rounded down, at
        least 1.
    :ivar kind: what is counted, see :class:`Kind`.
    :ivar keep: of a quorum: targets that stay up, 0 for the majority; of
        headroom: what stays free, used if ``keep_percent`` is 0.
    :ivar keep_percent: of headroom: percent of the key's whole capacity.
    :ivar capacity: of headroom: the fact that is summed up; empty: 1 a target.
    :ivar load: of headroom: the fact that tells how much is in use, or empty.
    """

    id: str
    scope: str
    fact: str = ""
    max_down: int = 1
    max_percent: float = 0.0
    kind: str = Kind.DOWN
    keep: float = 0.0
    keep_percent: float = 0.0
    capacity: str = ""
    load: str = ""


class Opening(enum.StrEnum):
    """What opens a gate once every host of its stage is done."""

    AUTO = "auto"
    WAIT = "wait"
    APPROVE = "approve"


@dataclasses.dataclass(frozen=True, slots=True)
class Stage:
    """So many targets first, then a gate.

    :ivar take: targets of this stage; used if ``take_percent`` is 0.
    :ivar take_percent: percent of the chosen targets, rounded down, at least 1.
    :ivar wait_s: of a gate that waits: seconds after the last one is done.
    """

    id: str
    take: int = 1
    take_percent: float = 0.0
    gate: str = Opening.AUTO
    wait_s: float = 0.0


@dataclasses.dataclass(frozen=True, slots=True)
class Procedure:
    """:ivar method: ``rolling`` or ``single_step``: all targets at once.
    :ivar parallel: most targets under way at once; used if
        ``parallel_percent`` is 0.
    :ivar parallel_percent: percent of the chosen targets, rounded down, at
        least 1; see ``ordering.parallel_limit``.
    :ivar rehearse_undo: the first target goes forward, back and forward again
        before any other is begun.
    :ivar stages: in their order; what they leave over comes last.
    :ivar merged: the procedures that share its visits, see ``domain.coalescing``.
    """

    id: str
    level: int
    after: tuple[str, ...]
    selector: str
    method: str
    parallel: int
    budgets: tuple[str, ...]
    steps: tuple[Step, ...]
    ladder: tuple[Rung, ...]
    parallel_percent: float = 0.0
    rehearse_undo: bool = False
    stages: tuple[Stage, ...] = ()
    merged: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class FaultPolicy:
    """What an unexpected fault of a host in scope does to the campaign.

    :ivar do: ``rollback``, ``hold`` or ``ignore`` (the host is quarantined
        in any case).
    """

    do: str = "rollback"
    scope: str = "campaign"


@dataclasses.dataclass(frozen=True, slots=True)
class Attribution:
    """When a fault of an upgraded host counts as the upgrade's fault.

    :ivar significance: so unlikely must the faults be without the upgrade.
    :ivar history_s: seconds before now whose faults tell the usual rate.
    """

    significance: float = 0.05
    history_s: float = 30 * 86400.0


class Commit(enum.StrEnum):
    """Who takes the step after which there is no way back."""

    AUTO = "auto"
    MANUAL = "manual"


@dataclasses.dataclass(frozen=True, slots=True)
class Remedy:
    """What the engine does on a host about which a check found something (V-7).

    :ivar check: name of the check, see ``preflight.CHECKS``.
    """

    check: str
    action: str
    params: dict[str, Any]
    timeout_s: float
    idempotence: str
    version: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Preflight:
    """What the system must be like, see ``domain.preflight`` (V-3 to V-7).

    :ivar valid_s: start and resume need a report that was asked for and is not
        older than this; 0: they make it themselves.
    :ivar on_finding: policy of the checks that have none in ``checks``.
    :ivar remedies: one for each check of policy ``remediate``.
    :ivar limits: ``statistics`` or ``logs`` -> name of a figure -> the most it may be.
    :ivar max_excluded: more hosts left out than this block; None: no limit.
    :ivar max_excluded_percent: the same as a share of the selected hosts.
    """

    valid_s: float = 0.0
    on_finding: str = "block"
    checks: dict[str, str] = dataclasses.field(default_factory=dict)
    max_excluded: int | None = None
    max_excluded_percent: float | None = None
    min_disk_gib: float = 0.0
    remedies: tuple[Remedy, ...] = ()
    limits: dict[str, dict[str, float]] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True)
class DriftPolicy:
    """How many hosts may join or leave before a person has to approve (P-4a).

    Without either there is no limit.

    :ivar approve_above: more than so many.
    :ivar approve_percent: percent of the hosts last approved, rounded down.
    """

    approve_above: int | None = None
    approve_percent: float | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Plan:
    """:ivar params: the values frozen at submission.
    :ivar soak_s: seconds to watch after the last step before committing.
    :ivar commit: a value of :class:`Commit`.
    :ivar commit_after_s: seconds after which a campaign that waits for an
        operator's commit commits itself; None: never.
    :ivar attribution: one or none: without it every fault in scope counts.
    :ivar max_quarantined: more of them stop the campaign; None: no limit.
    :ivar max_quarantined_percent: the same as a share of the selected hosts.
    :ivar windows: when hosts may be begun; empty: always.
    """

    name: str
    owner: str
    smoothness: str
    params: dict[str, Any]
    selectors: tuple[Selector, ...]
    budgets: tuple[Budget, ...]
    procedures: tuple[Procedure, ...]
    on_fault: FaultPolicy
    soak_s: float = 0.0
    max_quarantined: int | None = None
    max_quarantined_percent: float | None = None
    commit: str = Commit.AUTO.value
    commit_after_s: float | None = None
    preflight: Preflight = Preflight()
    on_drift: DriftPolicy = DriftPolicy()
    attribution: tuple[Attribution, ...] = ()
    windows: tuple[ChangeWindow, ...] = ()

    def procedure(self, procedure_id: str) -> Procedure:
        """Return the procedure of that id.

        :raises KeyError: there is none.
        """
        return {each.id: each for each in self.procedures}[procedure_id]

    def selector(self, selector_id: str) -> Selector:
        """Return the selector of that id.

        :raises KeyError: there is none.
        """
        return {each.id: each for each in self.selectors}[selector_id]


@dataclasses.dataclass(frozen=True, slots=True)
class Target:
    """A host as selection and budgets see it.

    :ivar groups: redundancy groups the host itself belongs to.
    :ivar server_groups: anti-affinity groups with an instance on it.
    :ivar projects: owners of instances on it.
    :ivar declared: owners of instances on it, each with the number of such
        targets that may be down at once, as the owner says.
    :ivar is_up: no confirmed fault, and no other campaign has it out.
    :ivar is_kept: another campaign is done with it and may still undo that.
    :ivar has_agent: its agent was heard of lately.
    """

    name: str
    role: str = ""
    rack: str = ""
    availability_zone: str = ""
    tags: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    server_groups: tuple[str, ...] = ()
    projects: tuple[str, ...] = ()
    declared: tuple[tuple[str, int], ...] = ()
    instances: int = 0
    is_up: bool = True
    is_quarantined: bool = False
    is_kept: bool = False
    has_agent: bool = True
    facts: dict[str, Any] = dataclasses.field(default_factory=dict)
