"""What every daemon is: a cotyledon master, forked workers, threads within.

SIGTERM stops taking work, finishes or hands over, exit status 0; SIGHUP
re-reads the options that may change.  Source: RU-8.
"""

import contextlib
import gc
import logging
import multiprocessing
import os
import sys
import threading
from collections.abc import Callable
from typing import Any, NoReturn

import cotyledon
from cotyledon import oslo_config_glue

from escalator import errors
from escalator.bus import transport
from escalator.cmd import config, parts

LOG = logging.getLogger(__name__)

Build = Callable[[Any, int], parts.Running]
Check = Callable[[Any], None]

SWITCH_INTERVAL_S = 0.0005
"""On the fault path a thread that was woken may not wait Python's 5 ms for the
one that runs: three services and three hand-overs each would be 45 ms."""

NICENESS = -10
"""On the fault path, if the kernel allows it: whoever writes the same fault down
takes the processor from nobody who has yet to tell of it."""


STARTING_S = 5.0
"""How long a stop waits for a start that goes on."""


class Worker(cotyledon.Service):
    """One worker process: builds its parts after the fork."""

    def __init__(
        self, worker_id: Any, conf: Any, binary: str, build: Build, is_prompt: bool
    ) -> None:
        super().__init__(worker_id)
        self.conf = conf
        self.binary = binary
        self.build = build
        self.is_prompt = is_prompt
        self.running: parts.Running | None = None
        self._lock = threading.Lock()

    def run(self) -> None:
        """Start; returns at once, the parts have threads of their own."""
        if self.is_prompt:
            sys.setswitchinterval(SWITCH_INTERVAL_S)
            # Threads started later take after this one.
            with contextlib.suppress(PermissionError):
                os.setpriority(os.PRIO_PROCESS, 0, NICENESS)
        transport.prepare(
            self.conf, self.binary, parts.instance_of(self.conf, self.worker_id)
        )
        with self._lock:
            try:
                self.running = self.build(self.conf, self.worker_id)
                self.running.start()
            except errors.EscalatorError as error:
                # The master starts another worker.
                LOG.error("%s did not start: %s", self.binary, error)
                sys.exit(1)
        # What was loaded stays: a full collection that looks through it all
        # was measured to stop every thread for 120 to 350 ms.
        gc.collect()
        gc.freeze()
        LOG.info("%s is ready", self.binary)

    def reload(self) -> None:
        """Take changed options in the running process; no message is lost."""
        self.conf.mutate_config_files()
        if self.running is not None:
            self.running.reload()
        LOG.info("%s has re-read its options", self.binary)

    def terminate(self) -> None:
        """Stop; bounded by ``graceful_shutdown_timeout``.

        One that still starts, for its broker is away, has taken nothing: it ends as
        if it were killed, of which nothing is lost.
        """
        if not self._lock.acquire(timeout=STARTING_S):
            LOG.warning("%s is stopped before it has started", self.binary)
            sys.exit(0)
        try:
            if self.running is not None:
                self.running.stop()
        finally:
            self._lock.release()
        transport.release(self.conf)
        LOG.info("%s has stopped", self.binary)


def serve(
    name: str,
    build: Build,
    check: Check,
    has_database: bool = False,
    is_prompt: bool = False,
) -> NoReturn:
    """Run the daemon of that name.

    :param build: makes the parts of a worker, after the fork.
    :param check: finds what would stop them, before the fork.
    :param is_prompt: it stands in the path of a fault.
    """
    binary = f"escalator-{name}"

    def main() -> int:
        conf = config.load(binary, sys.argv[1:], has_database)
        check(conf)
        transport.kombu_urls(conf)
        section = conf[name] if name in conf else None
        workers = getattr(section, "workers", 1)
        master = cotyledon.ServiceManager(
            mp_context=multiprocessing.get_context("fork")
        )
        master.add(Worker, workers=workers, args=(conf, binary, build, is_prompt))
        oslo_config_glue.setup(master, conf, reload_method="mutate")
        master.run()
        return 0

    config.guarded(binary, main)
