"""How fast, how sure and how cheap the monitor detects.

``python -m tests.bench.monitor --hosts 10,100,1000 --seconds 12 --json FILE``

Runs the real probe process against loopback addresses in a network namespace
of its own, cuts hosts at seeded random moments, alone and beside four CPU
burners, and reports detection time (cut -> verdict), the share of one core,
the loop's own lateness and false alarms.  Needs root.
"""

import argparse
import dataclasses
import json
import os
import platform
import random
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any

from escalator import realtime
from escalator.domain import fault
from escalator.monitor import lateness, process, report, rounds
from tests.fixtures import netspace

BURNERS = 4
WARM_UP_S = 2.0
LAST_CUT_S = 1.0
TARGETS = {"cpu_percent_per_1000": 15.0, "detection_p99_ms": 420.0, "false_alarms": 0}


@dataclasses.dataclass
class Tape:
    """Records what the probe process reports."""

    found: dict[str, float] = dataclasses.field(default_factory=dict)
    t0: dict[str, float] = dataclasses.field(default_factory=dict)
    piped_ms: list[float] = dataclasses.field(default_factory=list)
    returned: list[str] = dataclasses.field(default_factory=list)
    repeats: int = 0
    late_s: list[float] = dataclasses.field(default_factory=list)

    def judged(self, judged: report.Judged) -> None:
        self.piped_ms.append((time.time() - judged.at) * 1000)
        self.returned += judged.returned
        for failure in judged.failed:
            self.repeats += failure.host in self.found
            self.found.setdefault(failure.host, judged.at)
            self.t0.setdefault(failure.host, failure.t0)

    def ticked(self, late_s: Sequence[float]) -> None:
        self.late_s += late_s


def cpu_s(pid: int) -> float:
    """Return user and system seconds of a process."""
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def spread(values: Sequence[float]) -> dict[str, float]:
    """Return min, p50, p99 and max."""
    ordered = sorted(values)
    return {
        name: round(lateness.quantile(ordered, share), 3)
        for name, share in (("min", 0), ("p50", 0.5), ("p99", 0.99), ("max", 1))
    }


def burn(count: int) -> list[subprocess.Popen[bytes]]:
    """Start processes that only burn CPU."""
    return [
        subprocess.Popen([sys.executable, "-c", "while True: pass"])
        for _ in range(count)
    ]


def plan_cuts(
    hosts: Sequence[str], seconds: float, seed: int
) -> list[tuple[float, str]]:
    """Return (seconds from start, host) of every cut, at most half the hosts."""
    chosen = random.Random(seed)
    victims = chosen.sample(list(hosts), min(60, len(hosts) // 2))
    return sorted(
        (chosen.uniform(WARM_UP_S, seconds - LAST_CUT_S), host) for host in victims
    )


def measure(
    count: int, seconds: float, seed: int, law: fault.Law, is_realtime: bool
) -> dict[str, Any]:
    """Run one cell in a namespace of its own."""
    targets, tape = netspace.addresses(count), Tape()
    with netspace.namespace() as firewall:
        prober = process.ProbeProcess(
            "escalator.drivers.probe.icmp:Icmp",
            law,
            is_realtime,
            lambda: rounds.Order(targets),
            tape,
        )
        prober.start()
        # A cut that waits for its turn would count as detection time.
        realtime.take(realtime.TELLING)
        began = time.time()
        time.sleep(WARM_UP_S / 2)
        pid = prober.pid or 0
        cpu_from, at_from = cpu_s(pid), time.monotonic()
        cuts = {}
        for moment, host in plan_cuts(list(targets), seconds, seed):
            time.sleep(max(0.0, began + moment - time.time()))
            cuts[host] = firewall.cut([targets[host]])
        time.sleep(max(0.0, began + seconds - time.time()))
        used = (cpu_s(pid) - cpu_from) / (time.monotonic() - at_from) * 100
        prober.stop()
    return judge(count, used, cuts, tape)


def judge(
    count: int, used: float, cuts: dict[str, tuple[float, float]], tape: Tape
) -> dict[str, Any]:
    """Return the figures of one cell."""
    hits = {h: at for h, at in tape.found.items() if h in cuts and at > cuts[h][0]}
    # The cut happens somewhere within the call: count from its beginning.
    detection = [(at - cuts[host][0]) * 1000 for host, at in hits.items()]
    return {
        "hosts": count,
        "cpu_percent": round(used, 2),
        "cpu_percent_per_1000": round(used * 1000 / max(count, 1000), 2),
        "cuts": len(cuts),
        "detected": len(hits),
        "detection_ms": spread(detection),
        "cutting_took_ms": spread([(b - a) * 1000 for a, b in cuts.values()]),
        "verdict_to_parent_ms": spread(tape.piped_ms),
        "t0_after_cut": sum(tape.t0[h] > cuts[h][1] for h in hits),
        "lateness_ms": spread([late * 1000 for late in tape.late_s]),
        "false_alarms": len(tape.found) - len(hits) + tape.repeats,
        "false_clears": len(tape.returned),
    }


def is_met(cell: dict[str, Any]) -> bool:
    """Return True if the cell keeps all targets."""
    return bool(
        cell["cpu_percent_per_1000"] <= TARGETS["cpu_percent_per_1000"]
        and cell["detection_ms"]["p99"] <= TARGETS["detection_p99_ms"]
        and cell["false_alarms"] <= TARGETS["false_alarms"]
        and cell["detected"] == cell["cuts"]
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the grid; exit status 1 if a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hosts", default="10,100,1000,5000")
    parser.add_argument("--seconds", type=float, default=12.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--load", default="idle,burners")
    parser.add_argument("--interval-ms", type=float, default=100.0)
    parser.add_argument("--misses", type=int, default=3)
    parser.add_argument("--no-realtime", action="store_true")
    parser.add_argument("--json")
    args = parser.parse_args(argv)
    law = fault.Law(interval_s=args.interval_ms / 1000, misses=args.misses)
    cells = []
    for load in args.load.split(","):
        for count in (int(text) for text in args.hosts.split(",")):
            burners = burn(BURNERS if load == "burners" else 0)
            try:
                cell = measure(
                    count, args.seconds, args.seed, law, not args.no_realtime
                )
            finally:
                for burner in burners:
                    burner.kill()
                    burner.wait()
            cells.append({"load": load, **cell, "is_met": is_met(cell)})
            print(json.dumps(cells[-1]))
    summary = {
        "law": dataclasses.asdict(law),
        "is_realtime_wanted": not args.no_realtime,
        "machine": {"cores": os.cpu_count(), "kernel": platform.release()},
        "targets": TARGETS,
        "cells": cells,
    }
    if args.json:
        with open(args.json, "w") as out:
            json.dump(summary, out, indent=2)
    return 0 if all(cell["is_met"] for cell in cells) else 1


if __name__ == "__main__":
    sys.exit(main())
