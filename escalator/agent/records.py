"""What stands in the journal, and how steps are read out of it again.  Pure."""

import dataclasses
import enum
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from escalator.domain import commands, events

Record = dict[str, Any]


class Phase(enum.StrEnum):
    ACCEPTED = "accepted"
    STARTED = "started"
    SETTLED = "settled"


@dataclasses.dataclass(slots=True)
class Entry:
    """The newest attempt of one step; ``order.fence`` is the highest seen.

    :ivar is_released: the step will never be undone.
    """

    order: commands.RunStep
    phase: Phase
    touched_at: float
    report: events.StepReported | None = None
    is_delivered: bool = False
    is_released: bool = False


@dataclasses.dataclass(slots=True)
class Book:
    """All steps by id, and the reports that are not delivered by event id."""

    entries: dict[str, Entry] = dataclasses.field(default_factory=dict)
    owed: dict[str, events.StepReported] = dataclasses.field(default_factory=dict)

    def is_owed_by(self, step_id: str) -> bool:
        """Return True if a report of that step is not delivered."""
        return any(report.step_id == step_id for report in self.owed.values())


def accepted(order: commands.RunStep, at: float) -> Record:
    """Return the record of an order that was taken."""
    return {"kind": "accepted", "order": dataclasses.asdict(order), "at": at}


def started(order: commands.RunStep) -> Record:
    """Return the record that says: from here on it may have acted."""
    return {"kind": "started", "step_id": order.step_id, "fence": order.fence}


def outcome(report: events.StepReported) -> Record:
    """Return the record of a known outcome."""
    return {"kind": "outcome", "report": dataclasses.asdict(report)}


def delivered(event_id: str) -> Record:
    """Return the record of a report that the bus has."""
    return {"kind": "delivered", "event_id": event_id}


def released(step_ids: Iterable[str]) -> Record:
    """Return the record of steps that will never be undone."""
    return {"kind": "released", "step_ids": list(step_ids)}


def replay(found: Iterable[Record]) -> Book:
    """Rebuild the book from records in the order they were written."""
    book = Book()
    for record in found:
        match record["kind"]:
            case "accepted":
                order = _rebuild(commands.RunStep, record["order"])
                book.entries.pop(order.step_id, None)
                entry = Entry(order, Phase.ACCEPTED, record["at"])
                book.entries[order.step_id] = entry
            case "started":
                _replay_start(book, record)
            case "outcome":
                _replay_outcome(book, _rebuild(events.StepReported, record["report"]))
            case "delivered":
                settle_delivery(book, record["event_id"])
            case "released":
                for step_id in record["step_ids"]:
                    if step_id in book.entries:
                        book.entries[step_id].is_released = True
    return book


def settle_delivery(book: Book, event_id: str) -> bool:
    """Strike a report off what is owed; False if it was not owed."""
    report = book.owed.pop(event_id, None)
    if report is None:
        return False
    entry = book.entries.get(report.step_id)
    if entry is not None and entry.report is report:
        entry.is_delivered = True
    return True


def forget(book: Book, before: float, kept_before: float) -> None:
    """Drop the steps that are over, delivered and older than ``before``.

    One that may yet have to be undone must be older than ``kept_before``.
    """
    for step_id, entry in list(book.entries.items()):
        limit = kept_before if may_be_undone(entry) else before
        is_old = entry.is_delivered and entry.touched_at < limit
        if is_old and not book.is_owed_by(step_id):
            del book.entries[step_id]


def may_be_undone(entry: Entry) -> bool:
    """Say whether the node may need what the step found there before."""
    order = entry.order
    is_change = order.intent == "run" and order.kind == "action"
    return is_change and order.executor == "node" and not entry.is_released


def compact(book: Book) -> Iterator[Record]:
    """Yield the fewest records from which :func:`replay` makes ``book``."""
    for report in book.owed.values():
        entry = book.entries.get(report.step_id)
        if entry is not None and entry.report is not report:
            yield accepted(entry.order, entry.touched_at)
            yield outcome(report)
    for entry in book.entries.values():
        yield accepted(entry.order, entry.touched_at)
        if entry.phase is not Phase.ACCEPTED:
            yield started(entry.order)
        if entry.report is not None:
            yield outcome(entry.report)
            if entry.is_delivered:
                yield delivered(entry.report.event_id)
        if entry.is_released:
            yield released([entry.order.step_id])


def _replay_start(book: Book, record: Record) -> None:
    entry = book.entries.get(record["step_id"])
    if entry is not None and entry.order.fence == record["fence"]:
        entry.phase = Phase.STARTED


def _replay_outcome(book: Book, report: events.StepReported) -> None:
    entry = book.entries.get(report.step_id)
    if entry is None:
        return
    book.owed[report.event_id] = report
    if entry.order.fence == report.fence:
        entry.phase, entry.report = Phase.SETTLED, report


def _rebuild(kind: type[Any], values: Mapping[str, Any]) -> Any:
    """Return the dataclass; members of a newer release are dropped."""
    names = {field.name for field in dataclasses.fields(kind)}
    return kind(**{name: value for name, value in values.items() if name in names})
