"""From a fact to those who must hear of it."""

import dataclasses
import time
from collections.abc import Callable, Sequence

from escalator.domain import notice
from escalator.drivers import base
from escalator.notifier import ledger, reporting


class Dispatch:
    """Asks every sink whom it tells of a fact, and hands it the notices.

    Does no input or output itself: this is the hot path.

    :param directory: returns the subscribers of this moment.
    """

    def __init__(
        self,
        directory: Callable[[], notice.Directory],
        sinks: Sequence[base.Sink],
        book: ledger.Ledger,
        reporter: reporting.Reporter,
    ) -> None:
        self._directory = directory
        self._sinks = tuple(sinks)
        self._book = book
        self._reporter = reporter

    def take(self, deliveries: Sequence[ledger.Delivery]) -> None:
        """Tell everybody concerned; the facts are acknowledged later.

        Checkpoints ``T6`` (received) and ``T7`` (evaluated) are set here.
        If one cannot be evaluated the others are told all the same; then the
        error is raised, and the listener gives the batch back.  Those told
        already are recognised when they come again.
        """
        failure: Exception | None = None
        directory = self._directory()
        for delivery in deliveries:
            try:
                self._tell(delivery, directory)
            except Exception as error:
                failure = error
        if failure is not None:
            raise failure

    def _tell(self, delivery: ledger.Delivery, directory: notice.Directory) -> None:
        event = delivery.event
        assert isinstance(event, notice.Told)  # noqa: S101 - the handlers say so
        submit = {}
        for sink in self._sinks:
            for item in sink.evaluate(event, directory, delivery.received_at):
                submit[item.id] = (item, sink.submit)
        times = {"T6": delivery.received_at, "T7": time.time()}
        for item in self._book.enter(delivery, [item for item, _ in submit.values()]):
            _, tell = submit[item.id]
            tell(dataclasses.replace(item, times=times), self._reporter.put)
