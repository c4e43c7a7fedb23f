"""Faults that were raised before this inspector began.

The facts themselves were acknowledged by an earlier one, maybe killed before the
VIM had done all it was asked.  Asking again is harmless; a host that is not asked
again might stay half marked, and its checkpoints untold.
"""

import logging
import threading
from typing import Any

from escalator import errors
from escalator.domain import events, impact
from escalator.inspector import marking, standing
from escalator.objects import fault

LOG = logging.getLogger(__name__)

PAGE = 1000
PAUSE_S = 2.0
"""Between two readings: what ends just now is still raised in the first one."""


class Adopting:
    """A thread that reads the raised faults, once, as soon as somebody answers."""

    def __init__(
        self, context: Any, known: standing.Standing, marks: marking.Marking
    ) -> None:
        self._context = context
        self._known = known
        self._marks = marks
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="adopting", daemon=True)

    def start(self) -> None:
        """Begin; returns at once."""
        self._thread.start()

    def stop(self) -> None:
        """End; returns at once."""
        self._stopping.set()

    def _run(self) -> None:
        first: dict[str, events.Fault] | None = None
        while not self._stopping.is_set():
            try:
                found = {each.id: each for each in self._read()}
            except errors.EscalatorError as error:
                LOG.info("The raised faults are not known yet: %s", error)
            except Exception:
                LOG.exception("The raised faults could not be read; trying again")
            else:
                if first is not None:
                    self._adopt([found[i] for i in first.keys() & found.keys()])
                    return
                first = found
            self._stopping.wait(PAUSE_S)

    def _adopt(self, faults: list[events.Fault]) -> None:
        hosts = impact.hosts_to_mark(self._known.note_raised(faults))
        if hosts:
            LOG.info("%d hosts were down before: %s", len(hosts), ", ".join(hosts[:10]))
            self._marks.mark_later(hosts, True)

    def _read(self) -> list[events.Fault]:
        found: list[events.Fault] = []
        marker = None
        while True:
            page = fault.FaultRecordList.get_page(
                self._context, state="raised", limit=PAGE, marker=marker
            )
            if not page.objects:
                return found
            found += [each.to_fault() for each in page.objects]
            marker = page.objects[-1].id
