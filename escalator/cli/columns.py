"""Cells that are text for people and structures for programs."""

import datetime
from typing import Any

from cliff import columns


class Hops(columns.FormattableColumn):
    """Times of a fault: one line per hop, with ms since the one before."""

    def human_readable(self) -> str:
        return "\n".join(line(hop) for hop in self._value)


class Notices(columns.FormattableColumn):
    """One paragraph per owner told: outcome, then the hops since detected."""

    def human_readable(self) -> str:
        return "\n".join(_paragraph(notice) for notice in self._value)


class Times(columns.FormattableColumn):
    """Checkpoints with their time of day (UTC)."""

    def human_readable(self) -> str:
        known = sorted(self._value.items())
        return "\n".join(f"{name}  {clock(at)}" for name, at in known)


class Progress(columns.FormattableColumn):
    """Slots by procedure and state."""

    def human_readable(self) -> str:
        progress = self._value or {}
        lines = [
            f"{procedure}: "
            + ", ".join(f"{count} {state}" for state, count in sorted(counts.items()))
            for procedure, counts in sorted(progress.get("slots", {}).items())
        ]
        return "\n".join([*lines, f"of {progress.get('targets', 0)} hosts"])


class Structure(columns.FormattableColumn):
    """A flat mapping as ``key=value``, a list with commas."""

    def human_readable(self) -> str:
        if isinstance(self._value, dict):
            return ", ".join(f"{k}={v}" for k, v in sorted(self._value.items()))
        if isinstance(self._value, list):
            return ", ".join(str(item) for item in self._value)
        return "" if self._value is None else str(self._value)


class Figures(columns.FormattableColumn):
    """One line for each thing that is measured."""

    def human_readable(self) -> str:
        return "\n".join(
            " ".join([name, *(f"{k}={v:g}" for k, v in sorted(figures.items()))])
            for name, figures in sorted(self._value.items())
        )


class Observations(columns.FormattableColumn):
    """One line per observation: when, what was reported, what was done."""

    def human_readable(self) -> str:
        return "\n".join(
            f"{each['at']}  {each['state']}: {each['outcome']} ({each['verdict']})"
            for each in self._value
        )


class Visits(columns.FormattableColumn):
    """The order in which hosts go out; of many only the first."""

    MOST = 40

    def human_readable(self) -> str:
        lines = [
            f"{each['start_s']:>9.1f} s  {each['end_s'] - each['start_s']:>8.1f} s  "
            f"{each['host']} ({each['procedure']})"
            for each in self._value[: self.MOST]
        ]
        left = len(self._value) - self.MOST
        return "\n".join([*lines, *([f"and {left} more"] if left > 0 else [])])


def clock(at: float) -> str:
    """Return the time of day of an epoch time, to the millisecond, UTC."""
    moment = datetime.datetime.fromtimestamp(at, datetime.UTC)
    return moment.strftime("%H:%M:%S.") + f"{moment.microsecond // 1000:03}"


def line(hop: dict[str, Any]) -> str:
    """Return one hop as a line of a table."""
    return f"{hop['from']} -> {hop['to']}  {hop['ms']:>10.3f} ms  {hop['meaning']}"


def _paragraph(notice: dict[str, Any]) -> str:
    total = notice["detected_to_taken_ms"]
    span = f"{total:.1f} ms after detection" if total is not None else "not taken"
    head = (
        f"{notice.get('project_id') or 'operator'}: {notice['state']}, {span} "
        f"({notice['subscription_id']})"
    )
    tail = [f"  {line(hop)}" for hop in notice["hops"] if hop["to"] >= "T6"]
    return "\n".join([head, *tail])
