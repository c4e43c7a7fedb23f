"""What the terminal shows: progress, hosts and steps, notices, summary."""

import dataclasses
from typing import Any

from rich import box, console, panel, progress, table, text

from escalator.cmd import demo_owner

_MARKS = {
    "done": ("●", "green"),
    "dispatched": ("◐", "yellow"),
    "running": ("◐", "yellow"),
    "verifying": ("◐", "cyan"),
    "failed": ("✗", "red"),
    "hung": ("✗", "red"),
    "lost": ("?", "red"),
    "reverting": ("↺", "magenta"),
    "reverted": ("○", "magenta"),
    "revert_failed": ("✗", "red"),
    "quarantined": ("☠", "red"),
    "superseded": ("–", "dim"),
    "held": ("·", "yellow"),
    "ready": ("·", "yellow"),
    "blocked": ("·", "dim"),
}
_IN_FLIGHT = ("dispatched", "running", "verifying", "reverting")


@dataclasses.dataclass
class Seen:
    """One look at everything, as the API tells it."""

    campaign: dict[str, Any]
    hosts: list[dict[str, Any]]
    steps: list[dict[str, Any]]
    elapsed_s: float

    @property
    def state(self) -> str:
        """Return the campaign's state."""
        return str(self.campaign["state"])

    def slots(self) -> dict[str, int]:
        """Return slot state -> count over all procedures."""
        counts: dict[str, int] = {}
        for states in self.campaign["progress"]["slots"].values():
            for state, count in states.items():
                counts[state] = counts.get(state, 0) + count
        return counts

    def is_half_way(self) -> bool:
        """True once half of the targets are done."""
        return self.slots().get("done", 0) * 2 >= self.campaign["progress"]["targets"]

    def hosts_upgraded(self) -> set[str]:
        """Return hosts whose last step is done."""
        last = max((s["seq"] for s in self.steps if s["intent"] == "run"), default=0)
        return {
            s["host"]
            for s in self.steps
            if s["intent"] == "run" and s["seq"] == last and s["state"] == "done"
        }

    def hosts_out(self) -> set[str]:
        """Return hosts on which a package is being changed at this moment."""
        return {
            s["host"]
            for s in self.steps
            if s["name"] == "install" and s["state"] in _IN_FLIGHT
        }


class Painter:
    """Draws one look."""

    def __init__(self, owners: list[demo_owner.Owner]) -> None:
        self.owners = owners

    def draw(self, seen: Seen, dead_host: str) -> console.RenderableType:
        """Return the whole picture."""
        parts: list[console.RenderableType] = [
            self._header(seen),
            self._bars(seen),
            self._hosts(seen),
        ]
        if dead_host:
            parts.append(self._owners(dead_host))
        return console.Group(*parts)

    def _header(self, seen: Seen) -> console.RenderableType:
        colour = {"running": "green", "committed": "green"}.get(seen.state, "magenta")
        line = text.Text()
        line.append(f" {seen.campaign['name']} ", "bold")
        line.append(f" {seen.state.replace('_', ' ')} ", f"bold white on {colour}")
        line.append(f"  {seen.elapsed_s:5.1f} s  ", "dim")
        line.append(seen.campaign["state_reason"], "italic")
        return panel.Panel(line, box=box.ROUNDED)

    def _bars(self, seen: Seen) -> console.RenderableType:
        bars = progress.Progress(
            progress.TextColumn("{task.description:<12}"),
            progress.BarColumn(40),
            progress.MofNCompleteColumn(),
            progress.TextColumn("{task.fields[note]}"),
        )
        total = seen.campaign["progress"]["targets"]
        for procedure, states in seen.campaign["progress"]["slots"].items():
            done = states.get("done", 0)
            note = ", ".join(f"{n} {state}" for state, n in sorted(states.items()))
            bars.add_task(procedure, total=total, completed=done, note=note)
        return bars

    def _hosts(self, seen: Seen) -> console.RenderableType:
        names = list(
            dict.fromkeys(s["name"] for s in seen.steps if s["intent"] == "run")
        )
        shown = table.Table(box=box.SIMPLE_HEAVY, padding=(0, 0), collapse_padding=True)
        for heading, width in (("host", 11), ("rack", 7), ("vms", 4), ("version", 8)):
            shown.add_column(heading, min_width=width, no_wrap=True)
        for name in names:
            shown.add_column(f"{name} ", justify="center", no_wrap=True)
        marks = {
            (s["host"], s["name"]): s["state"]
            for s in seen.steps
            if s["intent"] == "run"
        }
        for host in sorted(seen.hosts, key=lambda each: (each["rack"], each["name"])):
            shown.add_row(
                _host_name(host),
                host["rack"],
                str(host["instances"]),
                version_of(host),
                *(_mark(marks.get((host["name"], name), "")) for name in names),
            )
        return shown

    def _owners(self, dead_host: str) -> console.RenderableType:
        line = text.Text(f" {dead_host} died. ", "bold white on red")
        for owner in self.owners:
            if owner.faults():
                line.append(f"  {owner.name} told ✔ ", "green")
            else:
                wait = "…" if owner.is_hit else "not concerned"
                line.append(f"  {owner.name} {wait} ", "dim")
        return line


def _host_name(host: dict[str, Any]) -> text.Text:
    if host["is_quarantined"] or host["state"] == "down":
        return text.Text(host["name"], "bold red strike")
    return text.Text(host["name"])


def _mark(state: str) -> text.Text:
    sign, style = _MARKS.get(state, (" ", ""))
    return text.Text(sign, style)


def version_of(host: dict[str, Any]) -> str:
    """Return the versions that the host's agent told."""
    found = host["facts"].get("package", {})
    return ", ".join(str(version) for version in found.values()) or "?"


def summary(screen: console.Console, told: dict[str, Any], report: str) -> None:
    """Print how it ended."""
    screen.line()
    _print_hops(screen, told)
    shown = table.Table(title="Summary", box=box.ROUNDED)
    for heading in ("host", "rack", "version before", "version after", "remark"):
        shown.add_column(heading)
    for name, host in sorted(told["hosts"].items()):
        shown.add_row(
            name,
            host["rack"],
            host["version_before"],
            host["version_after"],
            text.Text(host["remark"], "red" if host["remark"] else ""),
        )
    screen.print(shown)
    line = (
        f"campaign {told['final_state']} after {told['elapsed_s']:.1f} s, "
        f"{told['invariant_violations']} invariant violations, report: {report}"
    )
    screen.print(line, style="bold")
    for promise in told["broken_promises"]:
        screen.print(f"broken promise: {promise}", style="bold red")
    if not told["broken_promises"]:
        screen.print("every promise was kept", style="bold green")


def _print_hops(screen: console.Console, told: dict[str, Any]) -> None:
    if not told["notices"]:
        return
    shown = table.Table(
        title="Milliseconds from detection (T1) to each hop; the budget is 1,000",
        box=box.SIMPLE_HEAVY,
        padding=(0, 1, 0, 0),
    )
    hops = [f"T{number}" for number in range(10)]
    for heading in ("owner", "vms", *hops, "handler"):
        shown.add_column(heading, justify="right", no_wrap=True)
    for notice in told["notices"]:
        detected = notice["times"]["T1"]
        cells = [
            f"{(notice['times'][hop] - detected) * 1000:.0f}"
            if hop in notice["times"]
            else "-"
            for hop in hops
        ]
        shown.add_row(
            notice["owner"],
            str(notice["instances"]),
            *cells,
            f"{notice['detected_to_handler_ms']:.0f}",
        )
    screen.print(shown)
