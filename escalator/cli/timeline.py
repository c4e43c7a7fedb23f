"""A picture of a plan: who is out when, how many at once (SVG or PNG)."""

import collections
import pathlib
from collections.abc import Sequence
from typing import Any

import matplotlib
from matplotlib import pyplot
from osc_lib import exceptions

matplotlib.use("Agg")

Row = dict[str, Any]

KINDS = (".svg", ".png")
MOST_ROWS = 120
"""With more hosts a bar each can no longer be told apart."""

UNITS = ((48 * 3600.0, 3600.0, "hours"), (120 * 60.0, 60.0, "minutes"))


def check(path: str) -> pathlib.Path:
    """Return the path.

    :raises CommandError: its name ends neither in .svg nor in .png.
    """
    found = pathlib.Path(path)
    if found.suffix not in KINDS:
        raise exceptions.CommandError(
            f"{path}: name a file that ends in {' or '.join(KINDS)}"
        )
    return found


def draw(plan: Row, path: pathlib.Path) -> None:
    """Write the picture."""
    visits = plan["visits"]
    scale, unit = _unit(max((each["end_s"] for each in visits), default=0.0))
    hosts = list(dict.fromkeys(each["host"] for each in visits))
    has_rows = len(hosts) <= MOST_ROWS
    height = max(2.5, 0.22 * len(hosts)) if has_rows else 0.0
    # The same picture for the same plan, to the byte.
    with matplotlib.rc_context({"svg.hashsalt": plan["digest"]}):
        figure, axes = pyplot.subplots(
            2 if has_rows else 1,
            1,
            sharex=True,
            squeeze=False,
            figsize=(10, height + 2.5),
            height_ratios=[height, 2.0] if has_rows else None,
            layout="constrained",
        )
        colours = _colours(visits)
        if has_rows:
            _draw_rows(axes[0][0], visits, hosts, scale, colours)
        _draw_counts(axes[-1][0], visits, scale, colours)
        for each in plan.get("closed", []):
            for axis in (row[0] for row in axes):
                axis.axvspan(
                    each["start_s"] / scale, each["end_s"] / scale, color="0.92"
                )
        p90 = plan["end_s"]["p90"] / scale
        axes[-1][0].axvline(p90, color="grey", linestyle=":")
        shaded = "; grey: closed" if plan.get("closed") else ""
        axes[-1][0].set_xlabel(f"{unit} from the start; dotted: end at p90{shaded}")
        figure.suptitle(f"{plan['summary']['name']}: at most {plan['most_out']} out")
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else {})
        pyplot.close(figure)


def _unit(end_s: float) -> tuple[float, str]:
    for longer_than, scale, unit in UNITS:
        if end_s > longer_than:
            return scale, unit
    return (60.0, "minutes") if end_s > 120.0 else (1.0, "seconds")


def _colours(visits: Sequence[Row]) -> dict[str, str]:
    names = dict.fromkeys(each["procedure"] for each in visits)
    return {name: f"C{at % 10}" for at, name in enumerate(names)}


def _draw_rows(
    axis: Any,
    visits: Sequence[Row],
    hosts: Sequence[str],
    scale: float,
    colours: dict[str, str],
) -> None:
    places = {host: at for at, host in enumerate(hosts)}
    for name, colour in colours.items():
        mine = [each for each in visits if each["procedure"] == name]
        axis.barh(
            [places[each["host"]] for each in mine],
            [(each["end_s"] - each["start_s"]) / scale for each in mine],
            left=[each["start_s"] / scale for each in mine],
            color=colour,
            label=name,
        )
    axis.set_yticks(range(len(hosts)), hosts, fontsize=7)
    axis.invert_yaxis()
    axis.legend(loc="upper right", fontsize=8)


def _draw_counts(
    axis: Any, visits: Sequence[Row], scale: float, colours: dict[str, str]
) -> None:
    moves: collections.Counter[float] = collections.Counter()
    for each in visits:
        moves[each["start_s"]] += 1
        moves[each["end_s"]] -= 1
    times, counts, out = [0.0], [0], 0
    for at in sorted(moves):
        out += moves[at]
        times.append(at / scale)
        counts.append(out)
    axis.step(times, counts, where="post", color="black")
    axis.set_ylabel("out at once")
    axis.set_ylim(bottom=0)
