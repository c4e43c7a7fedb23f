"""Waits for what an order leads to, and judges how it ended."""

import dataclasses
import time
from collections.abc import Callable
from typing import Any

from keystoneauth1 import exceptions as ksa_exceptions
from osc_lib import exceptions

from escalator.cli.client import Refused

ENDED = frozenset({"committed", "rolled_back", "restored", "failed", "cancelled"})
"""Nothing moves any more."""

GOALS = {
    "start": frozenset({"completed", "committed"}),
    "resume": frozenset({"completed", "committed"}),
    "approve": frozenset({"completed", "committed"}),
    "commit": frozenset({"committed"}),
    "pause": frozenset({"paused"}),
    "rollback": frozenset({"rolled_back", "restored"}),
    "cancel": frozenset({"cancelled"}),
}
_STUCK = frozenset({"holding", "validated"})
"""Only a person gets it out of there; validated: the preflight refused."""

_REFUSED = {"resume": frozenset({"paused"})}
"""Where an order leaves a campaign whose preflight refused."""

INTERVAL_S = 1.0
PATIENCE_S = 60.0


class Patience:
    """Bears an API that is away for a while, as during its own upgrade.

    :param limit_s: an absence longer than this is an error.
    """

    def __init__(
        self,
        limit_s: float = PATIENCE_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.limit_s = limit_s
        self.clock = clock
        self._since: float | None = None

    def ask(self, read: Callable[[], Any], before: Any) -> Any:
        """Return what ``read`` gives, or ``before`` while nobody answers.

        :raises Refused: the answer is a refusal, or the patience is over.
        """
        try:
            found = read()
        except (Refused, ksa_exceptions.ConnectionError) as error:
            if isinstance(error, Refused) and error.status < 500:
                raise
            self._since = self.clock() if self._since is None else self._since
            if self.clock() - self._since > self.limit_s:
                raise
            return before
        self._since = None
        return found


@dataclasses.dataclass(frozen=True, slots=True)
class Wait:
    """How to wait.

    :ivar timeout_s: 0: without end.
    """

    action: str
    interval_s: float = INTERVAL_S
    timeout_s: float = 0.0
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic

    def follow(self, read: Callable[[], Any], campaign: Any) -> Any:
        """Return the campaign as soon as it reached the goal or cannot.

        :param read: returns the campaign as it is now.
        :raises CommandError: the time is over.
        """
        until = self.clock() + self.timeout_s
        patience = Patience(clock=self.clock)
        while not self._is_over(campaign):
            if self.timeout_s and self.clock() >= until:
                raise exceptions.CommandError(
                    f"Campaign {campaign['id']} is still {campaign['state']} "
                    f"after {self.timeout_s:g} s; it goes on."
                )
            self.sleep(self.interval_s)
            campaign = patience.ask(read, campaign)
        return campaign

    def _is_over(self, campaign: Any) -> bool:
        state = campaign["state"]
        if state not in ENDED and _is_asking(campaign):
            return False
        stuck = _STUCK | _REFUSED.get(self.action, frozenset())
        return state in GOALS[self.action] | ENDED | stuck

    def exit_code(self, campaign: Any) -> int:
        """Return 0 if the goal was reached, else 1."""
        return 0 if campaign["state"] in GOALS[self.action] else 1


def _is_asking(campaign: Any) -> bool:
    """Say whether a preflight waits for agents: the order is not refused yet."""
    return str(campaign.get("state_reason", "")).startswith("waits: preflight: ")
