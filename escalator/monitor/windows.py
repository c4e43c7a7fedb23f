"""Hosts that a campaign's own step may be rebooting: expected to be down."""

from collections.abc import Callable

from oslo_log import log as logging

LOG = logging.getLogger(__name__)


class Windows:
    """Asks the conductor, and only about hosts that a campaign holds.

    A fault of any other host is never delayed by a question.

    :param is_worked_on: True if a campaign holds the host.
    :param read: host -> epoch seconds until which it is expected down, 0.0 if
        it is not.
    """

    def __init__(
        self,
        is_worked_on: Callable[[str], bool] = lambda _: False,
        read: Callable[[str], float] = lambda _: 0.0,
    ) -> None:
        self.is_worked_on = is_worked_on
        self._read = read

    def find_end(self, host: str) -> float:
        """Return until when ``host`` is expected down, epoch seconds, or 0.0."""
        if not self.is_worked_on(host):
            return 0.0
        try:
            return self._read(host)
        except Exception as error:
            # Whoever can not tell expects nothing: the fault goes out.
            LOG.warning("%s: not known whether it is expected down: %s", host, error)
            return 0.0
