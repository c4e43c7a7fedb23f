"""The subscriptions, kept in memory and read again now and then."""

import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any

from escalator import errors
from escalator.domain import notice
from escalator.objects import subscription

LOG = logging.getLogger(__name__)

PAGE = 1000
RETRY_S = 0.5


class Subscriptions:
    """Keeps a directory of all subscriptions up to date.

    While the conductor is away the last directory stays in use.

    :param interval_s: seconds between two readings; :meth:`refresh` is
        quicker.
    :param on_first: called once, in the reading thread, after the first
        reading that succeeded.
    """

    def __init__(
        self, context: Any, interval_s: float, on_first: Callable[[], None]
    ) -> None:
        self._context = context
        self._interval_s = interval_s
        self._on_first = on_first
        self._directory: notice.Directory | None = None
        self._changed = threading.Event()
        self._stopped = threading.Event()
        self._thread = threading.Thread(
            target=self._run, name="subscriptions", daemon=True
        )

    @property
    def directory(self) -> notice.Directory:
        """The subscribers as last read; empty before the first reading."""
        return self._directory or notice.Directory()

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout_s: float) -> None:
        """End the thread; a call to the conductor may outlast ``timeout_s``."""
        self._stopped.set()
        self._changed.set()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)

    def refresh(self) -> None:
        """Have them read again at once; returns immediately."""
        self._changed.set()

    def _run(self) -> None:
        while not self._stopped.is_set():
            self._changed.clear()
            is_read = self._read()
            self._changed.wait(self._interval_s if is_read else RETRY_S)

    def _read(self) -> bool:
        try:
            directory = notice.Directory(_read_all(self._context))
        except errors.EscalatorError as error:
            LOG.warning("the subscriptions could not be read: %s", error)
            return False
        except Exception:
            LOG.exception("the subscriptions could not be read")
            return False
        is_first = self._directory is None
        self._directory = directory
        if is_first:
            self._on_first()
        return True


def _read_all(context: Any) -> Iterator[notice.Subscriber]:
    marker = None
    while True:
        page = subscription.SubscriptionList.get_page(
            context, limit=PAGE, marker=marker
        )
        if not page.objects:
            return
        for item in page.objects:
            yield notice.subscriber(
                id=item.id,
                project_id=item.project_id,
                url=item.url,
                fault_types=item.fault_types,
                min_severity=item.min_severity,
                is_admin=item.is_admin,
                min_probes=item.min_probes,
            )
        # The server may cap a page: only an empty one is the end.
        marker = page.objects[-1].id
