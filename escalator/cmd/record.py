"""A service's record and its heartbeat (RU-3)."""

import logging
import threading
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from escalator import errors
from escalator.objects import service, version_book

LOG = logging.getLogger(__name__)

INTERVAL_S = 10.0
FAREWELL_S = 2.0

_NAMESPACE = uuid.UUID("6f0b3f5e-6d3c-4c59-9a51-6a6a5b0d9c11")


Figures = Mapping[str, Mapping[str, float]]
"""What is measured -> figure (``count``, ``p99_ms``) -> number."""


class Record:
    """Tells every ten seconds that this process group lives.

    :param measure: returns what the process measures; quick, from any thread.
    """

    def __init__(
        self,
        context: Any,
        binary: str,
        host: str,
        instance: str,
        measure: Callable[[], Figures] = dict,
    ) -> None:
        name = f"{binary}/{host}/{instance}"
        self._record = service.Service(
            context,
            id=str(uuid.uuid5(_NAMESPACE, name)),
            binary=binary,
            host=host,
            instance=instance,
            service_version=version_book.SERVICE_VERSION,
            release=version_book.RELEASE,
            state="starting",
            figures={},
        )
        self._measure = measure
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="record", daemon=True)

    def start(self) -> None:
        """Begin to tell."""
        self._thread.start()

    def stop(self) -> None:
        """Tell that the service is down, if the conductor can be reached."""
        self._stop.set()
        self._record.state = "down"
        farewell = threading.Thread(target=self._beat, daemon=True)
        farewell.start()
        farewell.join(FAREWELL_S)

    def _run(self) -> None:
        while not self._stop.is_set():
            if self._beat():
                self._record.state = "up"
            self._stop.wait(INTERVAL_S if self._record.state == "up" else 1.0)

    def _beat(self) -> bool:
        self._record.figures = dict(self._measure())
        try:
            self._record.beat()
        except errors.EscalatorError as error:
            LOG.info("The service record waits for the conductor: %s", error)
            return False
        return True
