"""From answers to verdicts: k misses in a row, or k answers in a row.

A round is one probe to every host.  It is judged one interval later, after
everything that had arrived was read, so a fault is found between k and k+1
intervals after it happened.  The monitor is the first suspect: a round whose
judgement came late is not judged until answers had a fair chance to be read
(stall guard), and a failure of most hosts at once is held (storm guard).
Source: DR-3, DR-4, DR-10.
"""

import dataclasses
from collections.abc import Collection, Iterable, Sequence
from typing import Protocol, TypeVar

from escalator.domain import target

LATE_SHARE = 0.1
"""Waking later than this share of an interval is a stall."""

GRID_SHARE = 0.25
"""A round that starts later than this share of an interval begins a new grid."""

GRACE_SHARE = 0.25
"""After a stall answers get this share of an interval to be read; so often, at
least, the loop must say that it is awake."""

MIN_OPEN_SHARE = 0.25
"""Even the last probe of a slow round has this share of an interval to be answered;
an answer that comes later still counts, for the next round."""


T = TypeVar("T")


class Answer(Protocol):
    """What a probe driver heard: ``at`` is in seconds, monotonic."""

    @property
    def host(self) -> str: ...

    @property
    def at(self) -> float: ...


@dataclasses.dataclass(frozen=True, slots=True)
class Law:
    """When a host is failed, and when it is back.

    :ivar misses: unanswered rounds in a row that make a fault.
    :ivar answers: answered rounds in a row that clear one.
    :ivar storm_share: with more than this share of the live hosts, and more
        than ``storm_min`` of them, failing at once the monitor suspects
        itself for ``storm_hold_s``.
        Hosts are counted, not their interfaces.
    :ivar flap_window_s: every further fault of a host within this time
        doubles the answers it owes before it is believed to be back.
    :ivar flap_limit: most that ``answers`` is multiplied by.
    """

    interval_s: float = 0.1
    misses: int = 3
    answers: int = 3
    storm_share: float = 0.5
    storm_min: int = 3
    storm_hold_s: float = 0.3
    flap_window_s: float = 60.0
    flap_limit: int = 64


@dataclasses.dataclass(frozen=True, slots=True)
class Verdict:
    """One host has failed.

    :ivar since: its last answer, or when the watch began: the earliest
        moment at which it can have failed (T0), monotonic seconds.
    :ivar faults: its faults within the flap window, this one included.
    :ivar has_answered: False if it never answered this monitor.
    :ivar is_storm: it was held by the storm guard first.
    """

    host: str
    since: float
    misses: int
    faults: int
    has_answered: bool
    is_storm: bool


@dataclasses.dataclass(frozen=True, slots=True)
class Judgement:
    """Everything one round brought to light, in one piece."""

    failed: tuple[Verdict, ...] = ()
    returned: tuple[str, ...] = ()
    held: int = 0


CALM = Judgement()


@dataclasses.dataclass(frozen=True, slots=True)
class View:
    """What a round has shown of all targets, in one order.

    :ivar host_of: the host of each target.
    :ivar heard_in: the last round in which each target answered.
    :ivar owed: the targets that are failed already, by their places.
    """

    round: int
    host_of: Sequence[str]
    heard_in: Sequence[int]
    owed: Collection[int]


class StormGuard:
    """Holds the failure of most hosts at once for a moment."""

    def __init__(self, law: Law) -> None:
        self._law = law
        self._since: float | None = None

    def calm(self) -> None:
        """Note a round in which nobody fails."""
        self._since = None

    def believe(
        self, failing: list[int], view: View, now: float
    ) -> tuple[list[int], bool]:
        """Return whom to believe failed now, and whether after a storm."""
        if not failing:
            self._since = None
            return [], False
        if self._since is None:
            if not self._is_storm(view):
                return ([] if _is_beginning(failing, view) else failing), False
            self._since = now
        # Half an interval of tolerance: rounds do not fall due to the microsecond.
        waited = now - self._since + self._law.interval_s / 2
        if waited < self._law.storm_hold_s:
            return [], False
        self._since = None
        return failing, True

    def _is_storm(self, view: View) -> bool:
        """Count hosts, those one miss short as well: a storm takes a moment to show.

        One lost interface is enough: the monitor's own wire may lead to the same
        interface of all hosts.
        """
        limit, owed = view.round - max(1, self._law.misses - 1), view.owed
        missing = {
            host
            for at, (host, heard_in) in enumerate(
                zip(view.host_of, view.heard_in, strict=True)
            )
            if heard_in <= limit and at not in owed
        }
        if len(missing) <= self._law.storm_min:
            return False
        live = {host for at, host in enumerate(view.host_of) if at not in owed}
        return len(missing) > self._law.storm_share * len(live)


def _is_beginning(failing: list[int], view: View) -> bool:
    """Return whether these are several hosts, all heard in the last round.

    Where one miss is enough no host is one miss short: the next round shows
    whether more of them follow.
    """
    is_fresh = all(view.heard_in[at] == view.round - 1 for at in failing)
    return is_fresh and len({view.host_of[at] for at in failing}) > 1


class Detector:
    """Judges rounds of probes of many hosts.

    Call order: :meth:`watch` at any time; per round :meth:`sent`, then
    :meth:`hear` as answers are read and :meth:`awake` at every wake-up, then
    :meth:`judge` at :attr:`due_at`.
    Deterministic: time comes only from the arguments (monotonic seconds).
    State is kept in flat lists: 5,000 hosts cost about 0.3 ms a round.
    """

    def __init__(self, law: Law) -> None:
        self.law = law
        self.due_at = 0.0
        self.stalls = 0
        self._awake_at = 0.0
        self._hosts: list[str] = []
        self._host_of: list[str] = []
        self._index: dict[str, int] = {}
        self._round = 0
        self._heard_in: list[int] = []
        self._heard_at: list[float] = []
        self._since_round: list[int] = []
        self._owed: dict[int, int] = {}
        self._faults: dict[str, list[float]] = {}
        self._guard = StormGuard(law)

    def watch(
        self, hosts: Iterable[str], now: float, down: Collection[str] = ()
    ) -> None:
        """Judge these hosts from now on; known ones keep their history.

        :param down: hosts that an earlier monitor found failed.  Counts only
            for hosts that are new here: no verdict repeats, their return does.
        """
        before, owed = self._index, self._owed
        kept = [(host, before.get(host)) for host in dict.fromkeys(hosts)]
        self._owed = {
            new: owed[old] for new, (_, old) in enumerate(kept) if old in owed
        }
        for new, (host, old) in enumerate(kept):
            if old is None and host in down:
                self._owed[new] = self.law.answers
        self._heard_in = _carry(kept, self._heard_in, self._round)
        self._heard_at = _carry(kept, self._heard_at, now)
        self._since_round = _carry(kept, self._since_round, self._round)
        self._hosts = [host for host, _ in kept]
        self._host_of = [target.host_of(name) for name in self._hosts]
        self._index = {host: at for at, host in enumerate(self._hosts)}
        self._faults = {h: t for h, t in self._faults.items() if h in self._index}

    def sent(self, started: float, ended: float) -> None:
        """Open a round whose probes left between the two moments."""
        step = self.law.interval_s
        # Keep to the grid, but never shorten a round to catch up with it.
        is_on_grid = 0 <= started - self.due_at < GRID_SHARE * step
        first = self.due_at if is_on_grid else started
        self.due_at = max(first + step, ended + MIN_OPEN_SHARE * step)
        self._awake_at = ended
        self._round += 1

    def hear(self, answers: Iterable[Answer]) -> None:
        """Note answers; those of hosts that are not watched are dropped."""
        find, now = self._index.get, self._round
        heard_in, heard_at = self._heard_in, self._heard_at
        for answer in answers:
            at = find(answer.host)
            if at is not None:
                heard_in[at] = now
                heard_at[at] = answer.at

    def awake(self, now: float) -> None:
        """Note that the monitor runs; a gap since the last time is a stall.

        Only what the stall covered is held: :attr:`due_at` moves so far that
        answers it kept back can be read, the round still counts.
        """
        step = self.law.interval_s
        if now - self._awake_at > (GRACE_SHARE + LATE_SHARE) * step:
            self.due_at = max(self.due_at, now + GRACE_SHARE * step)
            self.stalls += 1
        self._awake_at = now

    def judge(self, read_at: float) -> Judgement | None:
        """Judge the open round.

        :param read_at: all answers that had arrived by then were heard.
        :returns: None before :attr:`due_at`, which a stall may just have
            moved: go on hearing.
        """
        self.awake(read_at)
        if read_at < self.due_at:
            return None
        failing = self._find_failing()
        if not failing and not self._owed:
            self._guard.calm()
            return CALM
        returned = self._count_answers()
        view = View(self._round, self._host_of, self._heard_in, self._owed)
        believed, is_storm = self._guard.believe(failing, view, read_at)
        failed = tuple(self._fail(at, read_at, is_storm) for at in believed)
        return Judgement(failed, returned, len(failing) - len(failed))

    def _find_failing(self) -> list[int]:
        limit, heard_in = self._round - self.law.misses, self._heard_in
        if not heard_in or min(heard_in) > limit:
            return []
        owed = self._owed
        return [at for at, r in enumerate(heard_in) if r <= limit and at not in owed]

    def _count_answers(self) -> tuple[str, ...]:
        returned = []
        for at, owed in self._owed.items():
            if self._heard_in[at] != self._round:
                self._owed[at] = self._price(self._hosts[at])
            else:
                self._owed[at] = owed - 1
                if owed <= 1:
                    returned.append(at)
        for at in returned:
            del self._owed[at]
        return tuple(self._hosts[at] for at in returned)

    def _fail(self, at: int, read_at: float, is_storm: bool) -> Verdict:
        host, heard_in = self._hosts[at], self._heard_in[at]
        horizon = read_at - self.law.flap_window_s
        recent = [t for t in self._faults.get(host, ()) if t > horizon]
        self._faults[host] = [*recent, read_at]
        self._owed[at] = self._price(host)
        return Verdict(
            host=host,
            since=self._heard_at[at],
            misses=self._round - heard_in,
            faults=len(recent) + 1,
            has_answered=heard_in > self._since_round[at],
            is_storm=is_storm,
        )

    def _price(self, host: str) -> int:
        """Return the answers in a row that ``host`` owes to be believed."""
        faults = len(self._faults.get(host, ()))
        factor = min(self.law.flap_limit, 2 ** max(0, faults - 1))
        return self.law.answers * factor


def _carry(kept: list[tuple[str, int | None]], values: list[T], fresh: T) -> list[T]:
    return [fresh if old is None else values[old] for _, old in kept]
