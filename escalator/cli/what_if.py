"""The answer to ``campaign plan --what-if``: before and after, side by side."""

import pathlib
from typing import Any

import matplotlib
from cliff import columns
from matplotlib import pyplot

matplotlib.use("Agg")

Row = dict[str, Any]

BINS = 40
MOST_OWNERS = 20


class Compared(columns.FormattableColumn):
    """One line per name, ``before -> after``; one value where both are equal."""

    def human_readable(self) -> str:
        before, after = self._value["before"], self._value["after"]
        names = list(dict.fromkeys([*before, *after]))
        return "\n".join(
            f"{name}: {_change(before.get(name), after.get(name))}" for name in names
        )


class Changes(columns.FormattableColumn):
    """One line per alternative."""

    def human_readable(self) -> str:
        return "\n".join(
            " and ".join(f"{key}={value}" for key, value in sorted(each.items()))
            for each in self._value
        )


def _change(before: Any, after: Any) -> str:
    told = [_number(before), _number(after)]
    return told[0] if told[0] == told[1] else " -> ".join(told)


def _number(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3f}".rstrip("0").rstrip(".")
    return "-" if value is None else str(value)


def cells(answer: Row) -> Row:
    """Return the fields of the table."""
    before, after = answer["before"], answer["after"]

    def both(name: str) -> Compared:
        return Compared({"before": before[name], "after": after[name]})

    owners = {
        name: {
            f"{each['project_id']} {what}": each[what]
            for each in found["owners"]
            for what in ("moved", "moving_s", "down", "down_s")
            if each[what]
        }
        for name, found in (("before", before), ("after", after))
    }
    alone = {
        name: {what: found[what] for what in ("is_feasible", "quarantined", "reason")}
        for name, found in (("before", before), ("after", after))
    }
    return {
        "what_if": Changes([answer["changes"]]),
        "feasible": Compared(alone),
        "what_if_end_s": both("end_s"),
        "outcomes": both("outcomes"),
        "most_down": both("most_down"),
        "owners": Compared(owners),
        "no_room": both("no_room"),
        "relaxations": Changes(answer["relaxations"]),
    }


def draw(plan: Row, path: pathlib.Path) -> None:
    """Write a histogram of the ends, before and after."""
    answer = plan["what_if"]
    ends = {name: answer[name]["ends_s"] for name in ("before", "after")}
    both = [*ends["before"], *ends["after"]]
    low, high = min(both, default=0.0), max(both, default=0.0)
    width = max(high - low, 1e-9) / BINS
    edges = [low + at * width for at in range(BINS + 1)]
    with matplotlib.rc_context({"svg.hashsalt": plan["digest"]}):
        figure, axis = pyplot.subplots(figsize=(10, 4), layout="constrained")
        for at, (name, found) in enumerate(ends.items()):
            p90 = answer[name]["end_s"]["p90"]
            label = f"{name}: p90 {p90:.0f} s"
            axis.hist(found, bins=edges, alpha=0.6, color=f"C{at}", label=label)
            axis.axvline(p90, color=f"C{at}", linestyle=":")
        changes = ", ".join(f"{k}={v}" for k, v in answer["changes"].items())
        axis.set_title(f"{plan['summary']['name']}: {changes or 'as it is'}")
        axis.set_xlabel("end, seconds from the start; dotted: p90")
        axis.set_ylabel("runs")
        axis.legend()
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else {})
        pyplot.close(figure)
