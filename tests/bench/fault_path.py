"""From a cut wire to the last owner's handler, on real parts.

    python -m tests.bench.fault_path --instances 1,10,50,200 --runs 30 --json FILE

Needs root: everything runs in a network namespace of its own, where nftables
cut loopback addresses that the real monitor probes (``--inject cut``).  With
``--inject event`` the bench publishes FaultConfirmed as the monitor does, and
nothing is said about detection.  The floor (``tests.bench.floor``) is measured
between the runs.  Exit status 1 if something was lost.
"""

import argparse
import contextlib
import json
import pathlib
import random
import signal
import sys
import time
import uuid
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from escalator.domain import events
from tests.bench import fault_bed, fault_targets, figures, floor
from tests.fixtures import netspace

INSTANCES_PER_OWNER = 5
CELL_OWNERS = 10
MASS_OWNERS = 5
FILLER = 700
"""Hosts that never fail: a mass fault is no storm if most hosts answer."""

HUNG = "owner-hung"
HUNG_RUNS = 10
KILL_HOSTS = 40
KILL_SPACING_S = 0.1
KILL_AFTER_S = 1.5
LIMIT_S = 10.0
RECOVERY_LIMIT_S = 90.0
STORED_LIMIT_S = 60.0
QUIET_S = 0.25
HOPS = [f"T{number}" for number in range(10)]


class Cell:
    """The samples of one scenario, and what went wrong."""

    def __init__(self) -> None:
        self.samples: dict[str, list[float]] = {}
        self.lost = 0
        self.repeated = 0

    def add(self, name: str, seconds: float) -> None:
        self.samples.setdefault(name, []).append(seconds)

    def report(self) -> dict[str, Any]:
        spreads = {name: figures.spread(found) for name, found in self.samples.items()}
        return {**spreads, "lost": self.lost, "repeated": self.repeated}


class Bench:
    """Runs scenarios over one bed.

    :param firewall: cuts addresses; None: faults are published instead.
    """

    def __init__(
        self, bed: fault_bed.Bed, firewall: netspace.Firewall | None, floors: Any
    ) -> None:
        self.bed = bed
        self._firewall = firewall
        self._floors = floors
        self._random = random.Random(1)

    def strike(self, hosts: Sequence[str]) -> float:
        """Let hosts fail; returns the moment, epoch seconds."""
        if self._firewall is not None:
            return self._firewall.cut([self.bed.addresses[name] for name in hosts])[0]
        now = time.time()
        times = {"T0": now, "T1": now}
        faults = tuple(
            events.Fault(str(uuid.uuid4()), name, "host.down", "critical", times)
            for name in hosts
        )
        self.bed.publish(events.FaultConfirmed(str(uuid.uuid4()), faults))
        return now

    def run(
        self, cell: Cell, hosts: dict[str, list[str]], deaf: Iterable[str] = ()
    ) -> None:
        """Strike once; wait for every owner, and count what is not as it must.

        :param hosts: host -> owners that must hear of it.
        :param deaf: owners whose consumer hangs: nothing is expected of them.
        """
        expected = {(own, h) for h, owners in hosts.items() for own in set(owners)}
        owners = sorted({own for own, _ in expected} - set(deaf))
        expected = {pair for pair in expected if pair[0] in owners}
        self.bed.news(owners)
        time.sleep(QUIET_S + self._random.uniform(0.0, 0.1))
        struck_at = self.strike(list(hosts))
        if self._firewall is not None:
            time.sleep(0.45)
        heard = self._await(expected, owners, LIMIT_S)
        self._note(cell, heard, expected, struck_at)
        for name, source in self._floors.items():
            cell.add(f"floor_{name}", source.measure())

    def _await(
        self,
        expected: set[tuple[str, str]],
        owners: Sequence[str],
        limit_s: float,
    ) -> list[tuple[str, dict[str, Any]]]:
        """Collect notices until all pairs were told, and a moment longer."""
        deadline = time.monotonic() + limit_s
        heard: list[tuple[str, dict[str, Any]]] = []
        told: set[tuple[str, str]] = set()
        while time.monotonic() < deadline and not told >= expected:
            time.sleep(0.02)
            fresh = self.bed.news(owners)
            heard += fresh
            told |= {(own, host) for own, line in fresh for host in _hosts_of(line)}
        time.sleep(0.05)
        return heard + self.bed.news(owners)

    def _note(
        self,
        cell: Cell,
        heard: list[tuple[str, dict[str, Any]]],
        expected: set[tuple[str, str]],
        struck_at: float,
    ) -> None:
        down = [(own, line) for own, line in heard if _is_down(line)]
        told = Counter((own, host) for own, line in down for host in _hosts_of(line))
        cell.lost += len(expected - set(told))
        cell.repeated += sum(count - 1 for count in told.values())
        if not down:
            return
        at = [line["at"] for _, line in down]
        detected = min(f["times"]["T1"] for _, n in down for f in n["body"]["faults"])
        if self._firewall is not None:
            cell.add("cut_to_detected", detected - struck_at)
            cell.add("cut_to_last_handler", max(at) - struck_at)
        cell.add("detected_to_first_handler", min(at) - detected)
        cell.add("detected_to_last_handler", max(at) - detected)

    def kill_broker(self, hosts: dict[str, list[str]]) -> dict[str, Any]:
        """Kill -9 the broker while hosts fail one by one; count after all."""
        cell = Cell()
        owners = sorted({own for each in hosts.values() for own in each})
        expected = {(own, host) for host, each in hosts.items() for own in each}
        self.bed.news(owners)
        started = time.monotonic()
        killed_at = back_at = 0.0
        names = list(hosts)
        while names:
            if not killed_at and time.monotonic() - started > KILL_AFTER_S:
                killed_at = time.time()
                self.bed.rabbit.kill9()
            if self._firewall is None and killed_at:
                break
            self.strike([names.pop()])
            time.sleep(KILL_SPACING_S)
        self.bed.rabbit.restart()
        back_at = time.time()
        for name in names:
            self.strike([name])
        heard = self._await(expected, owners, RECOVERY_LIMIT_S)
        time.sleep(3.0)
        heard += self.bed.news(owners)
        self._note(cell, heard, expected, killed_at)
        last = max((line["at"] for _, line in heard), default=0.0)
        ids = Counter(line["body"]["notice_id"] for _, line in heard)
        return {
            "hosts": len(hosts),
            "broker_away_s": round(back_at - killed_at, 2),
            "last_heard_after_broker_back_s": round(last - back_at, 2),
            "lost": cell.lost,
            "repeated": cell.repeated,
            "repeated_with_the_same_notice_id": sum(n - 1 for n in ids.values()),
        }

    def hops(self, names: Iterable[str]) -> dict[str, Any]:
        """Return the spread of every hop of these hosts' stored faults (DR-9)."""
        spans: dict[str, list[float]] = {}
        incomplete = 0
        for record in self._await_stored(set(names)):
            for notice in record.notices or [{"times": {}}]:
                times = {**record.times, **notice["times"]}
                if any(hop not in times for hop in HOPS):
                    incomplete += 1
                    continue
                for one, two in zip(HOPS, HOPS[1:], strict=False):
                    spans.setdefault(f"{one}_{two}", []).append(times[two] - times[one])
        spreads = {name: figures.spread(found) for name, found in spans.items()}
        return {**spreads, "incomplete": incomplete}

    def _await_stored(self, names: set[str]) -> list[Any]:
        """Return these hosts' faults once all of them and a notice are stored."""
        deadline = time.monotonic() + STORED_LIMIT_S
        while True:
            time.sleep(2.0)
            found = [f for f in self.bed.stored_faults() if f.host in names]
            is_all = {f.host for f in found if f.notices} >= names
            if is_all or time.monotonic() > deadline:
                return found


def plan(options: argparse.Namespace) -> dict[str, dict[str, list[str]]]:
    """Return group -> host -> the owner of each of its instances."""
    groups: dict[str, dict[str, list[str]]] = {}

    def add(group: str, count: int, owners: Sequence[Sequence[str]]) -> None:
        groups[group] = {
            f"{group}-{number:03d}": list(owners[number % len(owners)])
            for number in range(count)
        }

    everyone = [f"owner-{number:02d}" for number in range(fault_bed.OWNERS)]
    for count in options.instances:
        owners = everyone[: owners_of(count)]
        spread = [owners[number % len(owners)] for number in range(count)]
        add(f"cell-{count}", options.runs + 1, [spread])
    for number, count in enumerate(options.mass):
        add(f"mass-{number}", count, [everyone[:MASS_OWNERS]])
    if options.hung:
        add("hung", HUNG_RUNS, [[*everyone[1:], HUNG]])
    if options.broker_kill:
        add("kill", KILL_HOSTS, [[owner] for owner in everyone])
    add("filler", FILLER, [[]])
    return groups


def owners_of(instances: int) -> int:
    """Return how many owners share the instances of a host: 10 of 50."""
    return max(1, min(CELL_OWNERS, instances // INSTANCES_PER_OWNER))


def run_cells(
    bench: Bench, options: argparse.Namespace, groups: dict[str, dict[str, list[str]]]
) -> list[dict[str, Any]]:
    """Run the single-host cells; the first run of each is reported as cold."""
    reports = []
    for count in options.instances:
        hosts = list(groups[f"cell-{count}"].items())
        cold, warm = Cell(), Cell()
        for number, (name, owners) in enumerate(hosts):
            bench.run(warm if number else cold, {name: owners})
        reports.append(
            {
                "instances": count,
                "owners": owners_of(count),
                **warm.report(),
                "cold": cold.report(),
                "hops": bench.hops(name for name, _ in hosts[1:]),
            }
        )
        print(f"cell {count}: done", file=sys.stderr)
    return reports


def run_all(
    bench: Bench, options: argparse.Namespace, groups: dict[str, dict[str, list[str]]]
) -> dict[str, Any]:
    """Run every scenario asked for, the violent ones last."""
    report: dict[str, Any] = {"cells": run_cells(bench, options, groups), "mass": []}
    for number, count in enumerate(options.mass):
        cell, group = Cell(), groups[f"mass-{number}"]
        bench.run(cell, group)
        found = {"hosts": count, "consumers": MASS_OWNERS, **cell.report()}
        report["mass"].append(found | {"hops": bench.hops(group)})
        print(f"mass {count}: done", file=sys.stderr)
    if options.hung:
        bench.bed.hang(HUNG)
        cell = Cell()
        for name, owners in groups["hung"].items():
            bench.run(cell, {name: owners}, deaf=[HUNG])
        report["hung"] = {"consumers": fault_bed.OWNERS, **cell.report()}
        print("hung: done", file=sys.stderr)
    if options.broker_kill:
        report["broker_kill"] = bench.kill_broker(groups["kill"])
        print("broker kill: done", file=sys.stderr)
    return report


def _is_down(line: dict[str, Any]) -> bool:
    return bool(line["body"].get("event") == "host.down")


def _hosts_of(line: dict[str, Any]) -> list[str]:
    """Return the hosts of a notice by their instances' names.

    The host itself is never named to a tenant.
    """
    if not _is_down(line):
        return []
    names = {i["name"] for f in line["body"]["faults"] for i in f["instances"]}
    return sorted({name.rpartition("-")[0] for name in names})


def _parse() -> argparse.Namespace:
    def numbers(text: str) -> list[int]:
        return [int(part) for part in text.split(",") if part]

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--instances", type=numbers, default=[1, 10, 50, 200])
    parser.add_argument("--runs", type=int, default=30)
    parser.add_argument("--mass", type=numbers, default=[], help="e.g. 100,100,500")
    parser.add_argument("--hung", action="store_true")
    parser.add_argument("--broker-kill", action="store_true")
    parser.add_argument("--inject", choices=("cut", "event"), default="cut")
    parser.add_argument("--database", choices=("mariadb", "sqlite"), default="mariadb")
    parser.add_argument("--json", type=pathlib.Path)
    return parser.parse_args()


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Build the bed, run, and take it down again."""
    groups = plan(options)
    hosts = {
        name: owners for group in groups.values() for name, owners in group.items()
    }
    with contextlib.ExitStack() as undo:
        firewall = None
        if options.inject == "cut":
            firewall = undo.enter_context(netspace.namespace())
        bed = fault_bed.Bed(hosts, firewall is not None, options.database == "mariadb")
        undo.callback(bed.stop)
        floors = {}
        url = bed.rabbit.url.replace("rabbit://", "pyamqp://")
        for name in ("durable", "transient"):
            is_durable = name == "durable"
            made = floor.Floor(url, name, bed.directory, is_durable)
            floors[name] = made
            undo.callback(made.stop)
        bench = Bench(bed, firewall, floors)
        before = figures.machine()
        report = run_all(bench, options, groups)
        warnings = bed.logs()
    return {
        "bench": "fault_path",
        "machine": before,
        "load_after": figures.machine()["load"],
        "inject": options.inject,
        "database": options.database,
        "hosts": len(hosts),
        "instances": sum(len(owners) for owners in hosts.values()),
        **report,
        "targets": fault_targets.judge(report),
        "warnings": warnings.splitlines()[-50:],
    }


def main() -> int:
    """Read the command line, measure, write the report."""
    options = _parse()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    report = measure(options)
    text = json.dumps(report, indent=2)
    if options.json:
        options.json.write_text(text + "\n")
    else:
        print(text)
    for name, verdict in report["targets"].items():
        mark = "met" if verdict["is_met"] else "MISSED"
        line = f"{mark:7}{name}: {verdict['value']} (limit {verdict['limit']})"
        print(line, file=sys.stderr)
    return 0 if report["targets"]["lost"]["is_met"] else 1


if __name__ == "__main__":
    sys.exit(main())
