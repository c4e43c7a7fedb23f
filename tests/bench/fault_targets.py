"""The targets of the fault path (issue 2, part 5), beside what was measured."""

from typing import Any

SINGLE_MS = 15.0
SINGLE_FLOORS = 2.0
FROM_CUT_MS = 450.0
FIFTY_MS = 60.0
MASS_MS = {100: 600.0, 500: 900.0}
HUNG_MS = 300.0


def judge(report: dict[str, Any]) -> dict[str, Any]:
    """Return name -> value, limit, is_met; only of what was measured."""
    measured: list[tuple[str, float, float]] = []
    for cell in report["cells"]:
        measured += _judge_cell(cell)
    for mass in report["mass"]:
        if "cut_to_last_handler" in mass:
            name = (
                f"{mass['hosts']} hosts x {mass['consumers']} consumers, from the cut"
            )
            last = mass["cut_to_last_handler"]["last"]
            measured.append(
                (name, last, MASS_MS.get(mass["hosts"], max(MASS_MS.values())))
            )
    if "hung" in report:
        last = report["hung"]["detected_to_last_handler"]["last"]
        measured.append(("one hung of 20: the others", last, HUNG_MS))
    found = [*report["cells"], *report["mass"]]
    found += [report[name] for name in ("hung", "broker_kill") if name in report]
    measured.append(("lost", sum(each["lost"] for each in found), 0))
    return {
        name: {"value": value, "limit": limit, "is_met": value <= limit}
        for name, value, limit in measured
    }


def _judge_cell(cell: dict[str, Any]) -> list[tuple[str, float, float]]:
    last = cell["detected_to_last_handler"]
    if cell["instances"] == 50:
        name = f"50 instances of {cell['owners']} owners, p99"
        return [(name, last["p99"], FIFTY_MS)]
    if cell["instances"] != 1:
        return []
    floors = round(last["p99"] / cell["floor_durable"]["p99"], 2)
    found = [
        ("1 instance: detected to handler, p99", last["p99"], SINGLE_MS),
        ("1 instance: p99 in floors (durable queue)", floors, SINGLE_FLOORS),
    ]
    if "cut_to_last_handler" in cell:
        p99 = cell["cut_to_last_handler"]["p99"]
        found.append(("1 instance: cut to handler, p99", p99, FROM_CUT_MS))
    return found
