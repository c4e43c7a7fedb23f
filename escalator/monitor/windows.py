"""Hosts that a campaign's own step may be rebooting: expected to be down."""

import functools
from collections.abc import Callable, Iterable

from oslo_log import log as logging

from escalator.bus import deadline

LOG = logging.getLogger(__name__)

LIMIT_S = 0.3
"""A conductor that takes longer is not waited for: the fault goes out."""


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

    def find_ends(self, hosts: Iterable[str]) -> dict[str, float]:
        """Return until when hosts are expected down, epoch seconds.

        Hosts that are not are left out; so are all that follow a question
        without an answer.
        """
        found: dict[str, float] = {}
        for host in filter(self.is_worked_on, hosts):
            try:
                found[host] = deadline.run(functools.partial(self._read, host), LIMIT_S)
            except Exception as error:
                LOG.warning("Not known which hosts are expected down: %s", error)
                break
        return found
