"""Steps per second and memory of the engine, with the real rules.

    python -m tests.bench.engine --hosts 1000 --workers 4 --json FILE

Worker processes share one campaign on MariaDB (and one alone on SQLite); each
has a fake fleet in place of the bus, whose agents answer at once.  Counts
every side effect over all workers: none may happen twice.
"""

import argparse
import collections
import contextlib
import json
import multiprocessing
import os
import queue
import resource
import tempfile
import time
from collections.abc import Iterator
from typing import Any

import tests
from tests.fixtures import engine as beds
from tests.fixtures import mariadb

assert tests

STEPS = (
    beds.step("checkpoint", "manifest", kind="checkpoint", checkpoint="cp"),
    beds.step("cordon", "disable", "enable"),
    beds.step("drain", "drain"),
    beds.step("stop", "stop", "start"),
    beds.step("install", "install", "restore"),
    beds.step("start", "start", "stop"),
    beds.step("verify", "verify", kind="verify"),
    beds.step("uncordon", "enable", "vacate"),
)
TICK_S = 0.05
WAIT_S = 0.01


def _work(url: str, number: int, gate: Any, pool: Any, sender: Any) -> None:
    """One conductor: applies reports at once, looks at the campaign by tick.

    :param pool: reports for whichever conductor takes them, as the broker's queue is.
    """
    database = beds.database(url)
    bed = beds.EngineBed(
        database,
        beds.FakeFleet(),
        f"conductor-{number}",
        beds.settings(lease_s=30.0, outbox_retry_s=10.0),
    )
    is_due = True

    def wake() -> None:
        nonlocal is_due
        is_due = True

    bed.engine.wake = wake
    turn_at = 0.0
    gate.wait()
    while True:
        reports, bed.reports = bed.reports, []
        for report in reports:
            pool.put(report)
        bed.results.apply(_take(pool, bed.engine.settings.batch))
        if time.monotonic() > (turn_at if is_due else turn_at + 3 * TICK_S):
            left_s = bed.execution.look_in_turn()
            is_due = left_s > 0
            turn_at = time.monotonic() + max(left_s, TICK_S)
            if bed.state() == "committed":
                break
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    sender.send((dict(bed.fleet.effects), peak_mib))


def _take(pool: Any, most: int) -> list[Any]:
    """Return what is at hand, as a listener's lane does."""
    taken: list[Any] = []
    with contextlib.suppress(queue.Empty):
        taken.append(pool.get(timeout=WAIT_S))
        while len(taken) < most:
            taken.append(pool.get_nowait())
    return taken


def measure(url: str, hosts: int, workers: int, parallel: int) -> dict[str, Any]:
    """Run one campaign to its end and return the figures."""
    database = beds.database(url)
    beds.add_hosts(database, hosts, racks=max(hosts // 20, 1))
    made = beds.rolling_plan(parallel=parallel, steps=STEPS)
    limits = tuple(
        beds.plan.Budget(each.id, each.scope, each.fact, 8 if each.fact else 1)
        for each in made.budgets
    )
    made = beds.rolling_plan(parallel=parallel, steps=STEPS, budgets=limits)
    starter = beds.EngineBed(database, beds.FakeFleet())
    beds.start_campaign(starter, made)
    database.dispose()
    spawn = multiprocessing.get_context("spawn")
    gate, pool = spawn.Barrier(workers + 1), spawn.Queue()
    pipes, processes = [], []
    for number in range(workers):
        receiver, sender = spawn.Pipe(duplex=False)
        process = spawn.Process(target=_work, args=(url, number, gate, pool, sender))
        process.start()
        pipes.append(receiver)
        processes.append(process)
    gate.wait()
    started = time.perf_counter()
    effects: collections.Counter[Any] = collections.Counter()
    peaks = []
    for receiver in pipes:
        done, peak_mib = receiver.recv()
        effects.update(done)
        peaks.append(peak_mib)
    elapsed_s = time.perf_counter() - started
    for process in processes:
        process.join()
    steps = hosts * len(STEPS)
    return {
        "hosts": hosts,
        "steps": steps,
        "workers": workers,
        "parallel": parallel,
        "elapsed_s": round(elapsed_s, 2),
        "steps_per_s": round(steps / elapsed_s, 1),
        "done": sum(effects.values()),
        "twice": sum(1 for count in effects.values() if count > 1),
        "peak_mib_per_worker": [round(peak, 1) for peak in peaks],
    }


@contextlib.contextmanager
def _sqlite() -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        yield "sqlite:///" + os.path.join(folder, "engine.sqlite")


@contextlib.contextmanager
def _mariadb() -> Iterator[str]:
    server = mariadb.MariaDB()
    server.start()
    try:
        yield server.url
    finally:
        server.stop()


def main() -> None:
    """Measure and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hosts", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--parallel", type=int, default=200)
    parser.add_argument("--databases", default="mariadb,sqlite")
    parser.add_argument("--json", metavar="FILE")
    chosen = parser.parse_args()
    makers = {"mariadb": (_mariadb, chosen.workers), "sqlite": (_sqlite, 1)}
    told: dict[str, Any] = {"cores": os.cpu_count(), "load": os.getloadavg()}
    for name in chosen.databases.split(","):
        opened, workers = makers[name]
        with opened() as url:
            told[name] = measure(url, chosen.hosts, workers, chosen.parallel)
        print(json.dumps({name: told[name]}), flush=True)
    if chosen.json:
        with open(chosen.json, "w", encoding="utf-8") as file:
            json.dump(told, file, indent=2)


if __name__ == "__main__":
    main()
