"""Draws a campaign: bars per procedure, hosts against steps, summary.  Pure."""

import collections
import dataclasses
from collections.abc import Iterable
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

Row = dict[str, Any]

_GOOD = frozenset(
    {"committed", "completed", "done", "reverted", "rolled_back", "restored"}
)
_BUSY = frozenset(
    {
        "active",
        "dispatched",
        "pausing",
        "preflight",
        "reverting",
        "rolling_back",
        "running",
        "soaking",
        "undoing",
        "verifying",
    }
)
_BAD = frozenset(
    {"failed", "holding", "hung", "lost", "quarantined", "revert_failed", "undo_failed"}
)
_UNTOUCHED = frozenset({"blocked", "ready", "held", "skipped", "superseded"})


@dataclasses.dataclass(frozen=True, slots=True)
class Snapshot:
    """:ivar steps: in the order of their creation."""

    campaign: Row
    steps: list[Row]


def style_of(state: str) -> str:
    """Return the colour of a campaign's, slot's or step's state."""
    for states, style in ((_GOOD, "green"), (_BUSY, "cyan"), (_BAD, "bold red")):
        if state in states:
            return style
    return "dim"


def screen(snapshot: Snapshot, rows: int) -> RenderableType:
    """Return the live view.

    :param rows: most hosts to list; the busiest stay.
    """
    return Group(_title(snapshot.campaign), _bars(snapshot), _grid(snapshot, rows))


def _title(campaign: Row) -> Text:
    state = campaign["state"]
    title = Text.assemble(
        (campaign["name"], "bold"), "  ", (state, style_of(state)), no_wrap=True
    )
    reason = campaign.get("state_reason")
    return title.append(f"  {reason}", "dim") if reason else title


def _bars(snapshot: Snapshot) -> Table:
    progress = snapshot.campaign.get("progress") or {}
    table = Table.grid(padding=(0, 2))
    for procedure, counts in sorted(progress.get("slots", {}).items()):
        total = max(sum(counts.values()), progress.get("targets", 0))
        told = Text(", ").join(
            Text(f"{count} {state}", style_of(state))
            for state, count in sorted(counts.items())
        )
        done = counts.get("done", 0)
        table.add_row(
            Text(procedure, "bold"),
            ProgressBar(total=total, completed=done, width=24),
            Text(f"{done}/{total}"),
            told,
        )
    return table


def by_target(steps: Iterable[Row]) -> dict[tuple[str, str], list[Row]]:
    """Return (procedure, host) -> its forward steps, latest row of each name."""
    found: dict[tuple[str, str], dict[str, Row]] = collections.defaultdict(dict)
    for step in steps:
        if step.get("intent", "run") == "run":
            place = (step.get("procedure", ""), step["host"])
            found[place][step.get("name", "")] = step
    return {place: list(named.values()) for place, named in found.items()}


def _grid(snapshot: Snapshot, rows: int) -> Table:
    targets = by_target(snapshot.steps)
    names = list(dict.fromkeys(s["name"] for steps in targets.values() for s in steps))
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("host", *names):
        table.add_column(heading, no_wrap=True)
    ranked = sorted(targets.items(), key=lambda item: (_rank(item[1]), item[0]))
    for (_, host), steps in ranked[:rows]:
        states = {step["name"]: step["state"] for step in steps}
        cells = [Text(states.get(n, ""), style_of(states.get(n, ""))) for n in names]
        table.add_row(host, *cells)
    if len(ranked) > rows:
        table.caption = f"and {len(ranked) - rows} more"
    return table


def _rank(steps: list[Row]) -> int:
    states = {step["state"] for step in steps}
    if states & _BUSY:
        return 0
    return 1 if states & _BAD else 2


def outcome(steps: list[Row]) -> str:
    """Return in one word how it ended for one target."""
    states = {step["state"] for step in steps} - {"skipped", "superseded"}
    for word in ("quarantined", "revert_failed", "failed", "hung", "lost"):
        if word in states:
            return word.replace("_", " ")
    if states and states <= {"done"}:
        return "upgraded"
    if states and states <= {"reverted"} | _UNTOUCHED:
        return "undone" if "reverted" in states else "untouched"
    return "midway"


def summary(snapshot: Snapshot, quarantined: list[str]) -> RenderableType:
    """Return how the campaign ended, per target.

    :param quarantined: hosts that are not upgraded and need a person.
    """
    campaign = snapshot.campaign
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=None)
    for heading in ("procedure", "host", "outcome", "reason"):
        table.add_column(heading)
    for (procedure, host), steps in sorted(by_target(snapshot.steps).items()):
        word = outcome(steps)
        style = {"upgraded": "green", "undone": "yellow"}.get(word, "bold red")
        table.add_row(procedure, host, Text(word, style), _reason(steps))
    parts: list[RenderableType] = [table, _title(campaign)]
    if quarantined:
        parts.append(Text(f"Quarantined: {', '.join(quarantined)}", "bold red"))
    return Group(*parts)


def _reason(steps: list[Row]) -> str:
    told = [s for s in steps if s["state"] not in {"done", "superseded"}]
    reasons = [f"{s['name']}: {s['reason']}" for s in told if s.get("reason")]
    return reasons[0] if reasons else ""


def plain(entry: Row) -> str:
    """Return one line of the journal as one line of text."""
    at = str(entry.get("at", ""))[11:19]
    what = " ".join(
        str(entry[name]) for name in ("object_type", "host", "name") if entry.get(name)
    )
    move = f"{entry.get('from_state') or '-'} -> {entry.get('to_state') or '-'}"
    detail = f"  ({entry['detail']})" if entry.get("detail") else ""
    told = entry.get("intent") or "run"
    intent = "" if told == "run" else f" [{told}]"
    return f"{at} {what}{intent}: {move}{detail}"
