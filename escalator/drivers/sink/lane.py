"""One consumer's lane: what waits for it never delays anybody else."""

import asyncio
import dataclasses
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import tenacity

from escalator import errors

LOG = logging.getLogger(__name__)


class Refused(Exception):
    """The consumer said no for good: trying again cannot help."""


class Unanswered(Exception):
    """The attempt failed, a later one may not."""


@dataclasses.dataclass(frozen=True, slots=True)
class Patience:
    """How long a consumer is borne with.

    :ivar waiting_limit: notices that may wait for a consumer whose last
        ``attempts`` attempts all failed; more are given up at once, because
        each one holds an unacknowledged event and with it, in the end,
        everybody's queue.
    """

    timeout_s: float
    attempts: int
    backoff_s: float
    backoff_max_s: float
    connections: int
    waiting_limit: int = 32

    @property
    def longest_s(self) -> float:
        """Seconds that all attempts and the pauses between them may take."""
        pauses = (self.backoff_s * 2**n for n in range(self.attempts - 1))
        waits = sum(min(pause, self.backoff_max_s) for pause in pauses)
        return self.attempts * self.timeout_s + waits


@dataclasses.dataclass(slots=True)
class Account:
    """What became of one notice: ``error`` empty means taken.

    :ivar since: when it came, seconds of the loop's clock.
    """

    since: float
    attempts: int = 0
    error: str = ""


Attempt = Callable[[], Awaitable[Any]]


class Lane:
    """Bounds what is under way to one consumer, and retries.

    A connection is held during an attempt, not during the pause after it.
    Any number of notices may wait for a consumer that takes them, however
    slowly.  One that fails has no patience left for those that waited longer
    than all their attempts would have taken.  Lives in the sink's loop.
    """

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._slots = asyncio.Semaphore(patience.connections)
        self._failures = 0
        self._present = 0

    @property
    def is_idle(self) -> bool:
        return self._present == 0

    async def carry(self, attempt: Attempt) -> Account:
        """Attempt until taken, refused or out of patience; never raises."""
        account = Account(_now())
        if self._is_failing() and self._waiting >= self._patience.waiting_limit:
            account.error = "the consumer fails, and too many notices wait for it"
            return account
        self._present += 1
        try:
            await self._retry(attempt, account)
            account.error = ""
        except (Refused, Unanswered, errors.UnsafeUrl) as error:
            account.error = str(error)
        except Exception as error:
            LOG.exception("a notice could not be sent")
            account.error = repr(error)
        finally:
            self._present -= 1
        return account

    async def _retry(self, attempt: Attempt, account: Account) -> None:
        """Try once by hand, and only then with tenacity's machinery.

        Most notices are taken at once; setting up the retries of one costs
        a quarter of sending it.
        """
        try:
            return await self._once(attempt, account)
        except Unanswered as error:
            failed: list[Unanswered] = [error]

        async def again() -> None:
            if failed:
                raise failed.pop()
            await self._once(attempt, account)

        await tenacity.AsyncRetrying(
            stop=tenacity.stop_after_attempt(self._patience.attempts),
            wait=tenacity.wait_exponential(
                multiplier=self._patience.backoff_s, max=self._patience.backoff_max_s
            ),
            retry=tenacity.retry_if_exception_type(Unanswered),
            reraise=True,
        )(again)

    async def _once(self, attempt: Attempt, account: Account) -> None:
        async with self._slots:
            if self._is_failing() and _now() - account.since > self._patience.longest_s:
                raise Refused(account.error or "earlier notices were not taken in time")
            account.attempts += 1
            try:
                await attempt()
            except Unanswered as error:
                self._failures += 1
                account.error = str(error)
                raise
            self._failures = 0

    @property
    def _waiting(self) -> int:
        return self._present - self._patience.connections

    def _is_failing(self) -> bool:
        return self._failures >= self._patience.attempts


def _now() -> float:
    return asyncio.get_running_loop().time()
