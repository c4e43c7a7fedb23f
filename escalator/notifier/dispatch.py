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

        One sink after the other, in the order of the option: the second one's
        thinking about a mass fault delays nothing of the first.

        Checkpoints ``T6`` (received) and ``T7`` (evaluated) are set here.
        If one cannot be evaluated the others are told all the same; then the
        error is raised, and the listener gives the batch back.  Those told
        already are recognised when they come again.
        """
        failure: Exception | None = None
        directory = self._directory()
        entries = [ledger.Entry(each) for each in deliveries]
        failed: list[ledger.Entry] = []
        for sink in self._sinks:
            for entry in entries:
                try:
                    self._tell(sink, entry, directory)
                except Exception as error:
                    failure = error
                    failed.append(entry)
        for entry in entries:
            if entry not in failed:
                self._book.close(entry)
        if failure is not None:
            raise failure

    def _tell(
        self, sink: base.Sink, entry: ledger.Entry, directory: notice.Directory
    ) -> None:
        event, at = entry.delivery.event, entry.delivery.received_at
        assert isinstance(event, notice.Told)  # noqa: S101 - the handlers say so
        found = sink.evaluate(event, directory, at)
        times = {"T6": at, "T7": time.time()}
        for item in self._book.add(entry, found):
            sink.submit(dataclasses.replace(item, times=times), self._reporter.put)
