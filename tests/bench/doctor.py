"""From the monitor's verdict to the owner's webhook through the real Aodh (DR-1).

    OS_CLOUD=admin python -m tests.bench.doctor --instances 1,10,50,100,200 \
        --owners 1,10 --runs 20 --ways direct,nova --json FILE

One host dies again and again; every instance on it has an alarm written as
Doctor writes it.  One owner (``--asking``), another one in every run, asks Nova for
the host's status inside the handler, as all do in escalator-doctor-test.

Each cell tells detected -> first, p50, p95, p99 and last webhook of every run, what
was lost, repeated, and fired again by another event, and the hops.  ``direct`` is
our own event at ``alarm.all``, in turn with its floor, the same messages without us
(``tests.bench.aodh_floor``); ``nova`` is the way through os-resetState, Nova's
notification and Ceilometer.  Further cells: ``--probed`` more hosts watched
meanwhile, ``--hung``: one consumer that never answers, ``--broker-kill``: our
broker dies in the middle.
"""

import argparse
import contextlib
import json
import pathlib
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

import openstack

from escalator.cmd.doctor import consumer, records, report, scene
from escalator.drivers.vim.openstack import states
from tests.bench import aodh_floor, figures, resting
from tests.cloud import base
from tests.fixtures import cloud_bed, netspace

TARGETS_MS = {10: 150.0, 50: 520.0, 200: 950.0}
"""Instances on the host -> p99 of the last webhook, direct, one owner or ten."""

PATIENCE_S = 60.0
SETTLE_S = 1.5


class Bench:
    """One host, its owners, their alarms, and what became of each run."""

    def __init__(
        self, bed: cloud_bed.CloudBed, admin: Any, owners: int, asking: int
    ) -> None:
        self.bed = bed
        self.asking = asking
        self._runs = 0
        self.records = records.Records(admin.session, bed.endpoint)
        host = sorted(bed.nodes)[0 if owners == 1 else 1]
        wanted = scene.Wanted(
            owners,
            owners,
            base.setting("image", "cirros"),
            base.setting("flavor", "m1.tiny"),
            base.setting("network", "none"),
            host,
        )
        self.scene = scene.Scene(admin, wanted)
        self.node = bed.nodes[host]
        self.consumer = consumer.Consumer("127.0.0.1", self.scene.host_status)
        self.consumer.start()

    def close(self) -> None:
        """Take everything away."""
        self.consumer.stop()
        self.scene.clear()

    def grow(self, instances: int) -> None:
        """Have so many instances, each with an alarm."""
        if not self.scene.owners:
            self.scene.set_up()
        self.scene.grow(instances)
        self.consumer.owner_of.update(self.scene.owner_of())
        self.scene.set_alarms(self.consumer.url, repeats=True)
        self.records.await_watched(self.scene.host, PATIENCE_S)

    def run(self, in_the_middle: Any = None) -> dict[str, Any]:
        """Let the host die once and come back."""
        time.sleep(SETTLE_S)
        self.consumer.begin(self._next_asking())
        injected_at = time.time()
        self.node.link_down()
        try:
            if in_the_middle is not None:
                in_the_middle()
            instances = sorted(self.consumer.owner_of)
            self.consumer.wait(len(instances), PATIENCE_S)
            # What comes twice comes soon, and so do the records of the notices.
            time.sleep(0.5)
            heard = self.consumer.wait(0, 0.0)
            fault = self.records.await_fault(
                self.scene.host, injected_at - 0.5, PATIENCE_S
            )
        finally:
            self.node.link_up()
        run = report.judge(
            injected_at, fault["times"]["T1"], heard, fault, instances, 1.0
        )
        self.records.await_calm(self.scene.host, PATIENCE_S)
        self._await_states()
        self._await_silence()
        resting.await_idle(PATIENCE_S * 3)
        return run

    def _next_asking(self) -> list[str]:
        """Return the owners that ask Nova in this run; others in the next one."""
        owners = sorted(set(self.consumer.owner_of.values()))
        first = self._runs * self.asking
        self._runs += 1
        return [owners[(first + n) % len(owners)] for n in range(self.asking)]

    def run_floor(self, floor: aodh_floor.Floor) -> float | None:
        """Let Aodh have the same messages without a fault; seconds to the last."""
        time.sleep(SETTLE_S)
        project_of = {
            instance_id: owner.project.id
            for owner in self.scene.owners
            for instance_id in owner.instance_ids
        }
        return floor.run(self.consumer, project_of, self._next_asking(), PATIENCE_S)

    def _await_silence(self) -> None:
        """Wait until what Nova and Ceilometer tell as well has come."""
        heard = -1
        while heard != (now := len(self.consumer.wait(0, 0.0))):
            heard = now
            time.sleep(SETTLE_S)

    def _await_states(self) -> None:
        """Wait until nothing of the run is left to be undone in Nova.

        An instance that was touched keeps its mark until it is as it was: what goes
        on there would be in the next run's way.
        """
        deadline = time.monotonic() + PATIENCE_S * 3
        ours = set(self.consumer.owner_of)
        while time.monotonic() < deadline:
            servers = self.scene.admin.compute.servers(
                details=True, all_projects=True, host=self.scene.host
            )
            if not any(
                each.id in ours
                and (each.status == "ERROR" or states.MARK in each.metadata)
                for each in servers
            ):
                return
            time.sleep(0.5)
        raise RuntimeError("instances stay marked, or in error")


def tell(runs: list[dict[str, Any]], **names: Any) -> dict[str, Any]:
    """Return a cell: milliseconds over all runs; the first run is told apart."""
    warm = runs[1:] or runs
    every = [at for run in warm for at in run["detected_to_handler_s"]]
    return {
        **names,
        "runs": len(warm),
        "cold_last_ms": _ms(runs[0]["notification_time_s"]),
        "detected_to_first": figures.spread(_known(warm, "first_s")),
        "detected_to_every": figures.spread(every),
        "detected_to_last": figures.spread(_known(warm, "notification_time_s")),
        "cut_to_detected": figures.spread(_known(warm, "cut_to_detected_s")),
        "hops_ms_p50": _hops(warm),
        "hops_ms_slowest": max(warm, key=_length)["hops_ms"],
        "lost": sum(len(run["lost"]) for run in runs),
        "repeated": sum(run["repeated"] for run in runs),
        "fired_again": sum(run["fired_again"] for run in runs),
        "ng": [run["wrong"] for run in runs if run["wrong"]],
    }


def _known(runs: list[dict[str, Any]], name: str) -> list[float]:
    return [run[name] for run in runs if run[name] is not None]


def _length(run: dict[str, Any]) -> float:
    return run["notification_time_s"] or 0.0


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1e3, 1)


def _hops(runs: list[dict[str, Any]]) -> dict[str, float]:
    names = sorted({name for run in runs for name in run["hops_ms"]})
    return {
        name: round(
            figures.percentile(
                [run["hops_ms"][name] for run in runs if name in run["hops_ms"]], 0.5
            ),
            2,
        )
        for name in names
    }


@contextlib.contextmanager
def hung_consumer() -> Iterator[str]:
    """Lend the URL of a server that takes connections and never answers."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=256)
    taken: list[socket.socket] = []

    def take() -> None:
        with contextlib.suppress(OSError):
            while True:
                taken.append(listener.accept()[0])

    threading.Thread(target=take, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.close()
        for each in taken:
            each.close()


class Session:
    """All cells of one command line."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.admin = openstack.connect()
        self.cells: list[dict[str, Any]] = []

    def play(self) -> None:
        """Measure everything; what is measured is kept, also if a later cell fails."""
        for way in filter(None, self.options.ways.split(",")):
            self._with_bed(way, 0, self._grid)
        if self.options.probed:
            self._with_bed("direct", self.options.probed, self._single)
        if self.options.hung:
            self._with_bed("direct", 0, self._hung)
        if self.options.broker_kill:
            self._with_bed("direct", 0, self._broker_kill)

    def _with_bed(self, way: str, probed: int, measure: Any) -> None:
        extra = dict(list(netspace.addresses(probed).items()))
        bed = cloud_bed.CloudBed(
            self.admin,
            cloud_bed.settings_for_aodh(way, base.CloudTestCase.transport_url()),
            extra_hosts=extra,
        ).start()
        try:
            measure(bed, way, probed)
        finally:
            print(bed.logs()[-2000:], flush=True)
            bed.stop()

    def _grid(self, bed: cloud_bed.CloudBed, way: str, probed: int) -> None:
        for owners in _numbers(self.options.owners):
            bench = Bench(bed, self.admin, owners, self.options.asking)
            with contextlib.closing(bench):
                for instances in _numbers(self.options.instances):
                    if instances < owners:
                        continue
                    bench.grow(instances)
                    time.sleep(self.options.settle_s)
                    cell = {
                        "way": way,
                        "owners": owners,
                        "instances": instances,
                        "asking": min(self.options.asking, owners),
                    }
                    if way == "direct":
                        self._beside_floor(bench, cell)
                    else:
                        runs = [bench.run() for _ in range(self.options.runs + 1)]
                        self._keep(runs, **cell)

    def _beside_floor(self, bench: Bench, cell: dict[str, Any]) -> None:
        runs, floors = [], []
        url = base.CloudTestCase.transport_url()
        with contextlib.closing(aodh_floor.Floor(url)) as floor:
            for number in range(self.options.runs + 1):
                runs.append(bench.run())
                if number % self.options.floor_every == 0:
                    floors.append(bench.run_floor(floor))
        self._keep(runs, floors[1:] or floors, **cell)

    def _single(self, bed: cloud_bed.CloudBed, way: str, probed: int) -> None:
        bench = Bench(bed, self.admin, 1, 1)
        with contextlib.closing(bench):
            bench.grow(10)
            time.sleep(self.options.settle_s)
            runs = [bench.run() for _ in range(self.options.runs + 1)]
            self._keep(runs, way=way, owners=1, instances=10, probed=probed)

    def _hung(self, bed: cloud_bed.CloudBed, way: str, probed: int) -> None:
        bench = Bench(bed, self.admin, 10, self.options.asking)
        with contextlib.closing(bench), hung_consumer() as url:
            bench.grow(10)
            hung = bench.scene.owners[0]
            hung.delete_alarms()
            for instance_id in hung.instance_ids:
                hung.create_alarm(instance_id, url, repeats=True)
                del bench.consumer.owner_of[instance_id]
            time.sleep(self.options.settle_s)
            runs = [bench.run() for _ in range(self.options.runs + 1)]
            self._keep(runs, way=way, owners=10, instances=10, hung=1)

    def _broker_kill(self, bed: cloud_bed.CloudBed, way: str, probed: int) -> None:
        bench = Bench(bed, self.admin, 1, 1)
        with contextlib.closing(bench):
            bench.grow(10)
            time.sleep(self.options.settle_s)

            def kill() -> None:
                time.sleep(0.35)
                bed.rabbit.kill9()
                time.sleep(2.0)
                bed.rabbit.restart()

            runs = [bench.run(kill) for _ in range(self.options.runs + 1)]
            self._keep(runs, way=way, owners=1, instances=10, broker_kill=1)

    def _keep(
        self,
        runs: list[dict[str, Any]],
        floors: Sequence[float | None] = (),
        **names: Any,
    ) -> None:
        cell = tell(runs, **names)
        if floors:
            cell["floor_last"] = figures.spread([f for f in floors if f is not None])
            cell["floor_lost"] = sum(each is None for each in floors)
        limit = TARGETS_MS.get(names["instances"])
        if names["way"] == "direct" and limit and "asking" in names:
            cell["target_ms"] = limit
            cell["is_met"] = cell["detected_to_last"].get("p99", 1e9) <= limit
        self.cells.append(cell)
        print(json.dumps(cell), flush=True)


def _numbers(text: str) -> list[int]:
    return [int(each) for each in text.split(",")]


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--instances", default="1,10,50,100,200")
    parser.add_argument("--owners", default="1,10")
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--ways", default="direct,nova")
    parser.add_argument(
        "--asking",
        type=int,
        default=1,
        metavar="N",
        help="owners that ask Nova for the host's status inside their handler, others"
        " in each run: a cloud on the same machine pays for every one of them",
    )
    parser.add_argument("--probed", type=int, default=0, help="hosts watched as well")
    parser.add_argument("--hung", action="store_true")
    parser.add_argument("--broker-kill", action="store_true")
    parser.add_argument(
        "--settle-s",
        type=float,
        default=0.0,
        help="before a cell's first run: longer than Aodh's event_alarm_cache_ttl",
    )
    parser.add_argument(
        "--floor-every",
        type=int,
        default=1,
        metavar="N",
        help="the floor after every N-th run: it takes as long as a run",
    )
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    session = Session(options)
    before = figures.machine()
    try:
        session.play()
    finally:
        told = {"before": before, "after": figures.machine(), "cells": session.cells}
        if options.json:
            options.json.write_text(json.dumps(told, indent=2) + "\n")


if __name__ == "__main__":
    main()
