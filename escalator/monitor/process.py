"""Keeps the probe loop alive as a process of its own."""

import dataclasses
import json
import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from oslo_log import log as logging

from escalator import errors, realtime
from escalator.domain import fault
from escalator.monitor import report, rounds

LOG = logging.getLogger(__name__)

READY_TIMEOUT_S = 20.0
HUNG_S = 15.0
"""The loop reports every few seconds; this silent, it hangs."""

PAUSE_S = 0.1
BRIEF_S = 2.0
BRIEF_PAUSE_S = 1.0
"""Before the next start: longer after a loop that lived only briefly."""

PIECE_BYTES = 1 << 20


class ProbeProcess:
    """Runs ``escalator.monitor.probing``; starts it again whenever it ends.

    :param probe: ``module:class`` of the driver.
    :param options: what the driver is made with, as keywords; fit for JSON.
    :param read_order: what to watch, asked again at every start, so that a
        new process knows the hosts that are down.
    """

    def __init__(
        self,
        probe: str,
        law: fault.Law,
        is_realtime: bool,
        read_order: Callable[[], rounds.Order],
        outlet: report.Outlet,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self._settings = {
            "probe": probe,
            "options": dict(options or {}),
            "law": dataclasses.asdict(law),
            "realtime": is_realtime,
            "parent": os.getpid(),
        }
        self._read_order = read_order
        self._outlet = outlet
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._stopping = threading.Event()
        self._settled = threading.Event()
        self._refusal: dict[str, Any] | None = None
        self._is_ready = False
        # The kernel ends the child with the thread that started it: this one
        # lives exactly as long as the child is wanted.
        self._thread = threading.Thread(
            target=self._run, name="monitor-probing", daemon=True
        )

    @property
    def pid(self) -> int | None:
        """Return the process id of the loop that runs now."""
        child = self._child
        return child.pid if child else None

    def start(self) -> None:
        """Start the loop and wait until it probes.

        :raises ConfigError: it may not, for example for want of privilege.
        """
        self._thread.start()
        self._settled.wait(READY_TIMEOUT_S)
        if self._is_ready:
            return
        self.stop()
        if self._refusal is not None:
            raise errors.ConfigError(**self._refusal)
        raise errors.ConfigError(
            group="monitor", option="probes", reason="the probe loop did not start"
        )

    def refresh(self) -> None:
        """Ask for the order and hand it to the loop.

        Asked under the lock: what was asked while one loop lived is never
        told to the next one, whose hosts down may be others.
        """
        with self._lock:
            order = self._read_order()
            body = {"targets": dict(order.targets), "down": sorted(order.down)}
            line = json.dumps(body, separators=(",", ":")).encode() + b"\n"
            child = self._child
            if child is None or child.stdin is None:
                return
            try:
                child.stdin.write(line)
                child.stdin.flush()
            except OSError:
                # It ended; the next one asks for the order itself.
                LOG.debug("The probe loop took no order")

    def stop(self) -> None:
        """End the loop; its last reports are taken."""
        self._stopping.set()
        with self._lock:
            child = self._child
            if child is not None and child.stdin is not None:
                child.stdin.close()
        if self._thread.is_alive():
            self._thread.join(5.0)
        if child is not None and child.poll() is None:
            child.kill()
            child.wait()

    def _run(self) -> None:
        if self._settings["realtime"]:
            realtime.take(realtime.TELLING)
        while not self._stopping.is_set():
            began = time.monotonic()
            try:
                self._live_once()
            except Exception:
                LOG.exception("Keeping the probe loop failed")
            if not self._is_ready:
                break
            is_brief = time.monotonic() - began < BRIEF_S
            if not self._stopping.wait(BRIEF_PAUSE_S if is_brief else PAUSE_S):
                LOG.warning("The probe loop ended; starting it again")
        self._settled.set()

    def _live_once(self) -> None:
        with self._lock:
            if self._stopping.is_set():
                return
            child = self._child = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "escalator.monitor.probing",
                    json.dumps(self._settings),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
        try:
            self._take_reports(child)
        finally:
            child.kill()
            LOG.debug("The probe loop ended with %d", child.wait())

    def _take_reports(self, child: subprocess.Popen[bytes]) -> None:
        if child.stdout is None:
            return
        fd, rest = child.stdout.fileno(), b""
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        while True:
            if not poll.poll(HUNG_S * 1000):
                LOG.error("The probe loop hangs")
                return
            piece = os.read(fd, PIECE_BYTES)
            if not piece:
                return
            *lines, rest = (rest + piece).split(b"\n")
            for line in lines:
                self._take(line)

    def _take(self, line: bytes) -> None:
        kind, body = report.decode(line)
        if kind == "judged":
            self._outlet.judged(report.decode_judged(body))
        elif kind == "ticked":
            self._outlet.ticked(body)
        elif kind == "refused":
            self._refusal = body
        elif kind == "ready":
            LOG.info("Probe loop ready, realtime: %s", body["realtime"])
            self.refresh()
            self._is_ready = True
            self._settled.set()
