"""An agent to be killed: orders as JSON lines on stdin, reports on stdout.

Everything but the bus is real.  Its one action runs two programs that append a
letter each to a file: the side effects a test counts.
"""

import dataclasses
import json
import os
import sys
import time
from collections.abc import Mapping
from typing import Any

from escalator.agent import accounts, deeds, reporting, runner, state
from escalator.domain import commands, events
from escalator.drivers import base, kit

APPEND = "import sys, time; open(sys.argv[1], 'a').write(sys.argv[2]); time.sleep(0.15)"


class Spell(base.Action):
    """Writes ``ab`` into ``params["path"]``, one job for each letter."""

    def __init__(self, resources: Mapping[str, Any]) -> None:
        self._jobs: kit.Jobs = resources["jobs"]

    def run(self, order: commands.RunStep) -> dict[str, Any]:
        path = order.params["path"]
        for letter in "ab":
            argv = [sys.executable, "-S", "-c", APPEND, path, letter]
            self._jobs.run(order, letter, argv, order.timeout_s)
        with open(path, encoding="utf-8") as source:
            return {"text": source.read()}

    def detect(self, order: commands.RunStep) -> dict[str, Any] | None:
        path = order.params["path"]
        if not os.path.exists(path):
            return None
        with open(path, encoding="utf-8") as source:
            return {"text": "ab"} if source.read() == "ab" else None


class Stdout:
    """A bus of one line per report."""

    def publish(self, event: events.Event) -> None:
        sys.stdout.write(json.dumps(dataclasses.asdict(event)) + "\n")
        sys.stdout.flush()


def main(state_path: str) -> None:
    """Serve until stdin ends."""
    kept = state.State(state_path, "node-1")
    reporter = reporting.Reporter(Stdout(), kept.ledger)
    worker = deeds.Deeds({"spell": Spell}, {}, {"jobs": kept.jobs})
    teller = accounts.Teller("node-1", "node-1:0", time.time)
    steps = runner.Runner(teller, kept.ledger, worker, reporter, kept.jobs.can_resume)
    reporter.start()
    steps.resume()
    for line in sys.stdin:
        steps.order(commands.RunStep(**json.loads(line)))
    steps.stop()
    steps.wait(10)
    reporter.stop()
    reporter.wait(10)
    kept.close()


if __name__ == "__main__":
    main(sys.argv[1])
