"""What is known of how long steps take, for every look of a conductor (P-4e)."""

from escalator.db import session, timings
from escalator.domain import timing

FRESH_S = 300.0
"""So old it may be: it is thousands of rows, and a few more change little."""


class Learning:
    """Reads it again now and then; one per conductor process."""

    def __init__(self) -> None:
        self._read_at = float("-inf")
        self._learned: timing.Learned = {}

    def read(self, connection: session.Connection, now: float) -> timing.Learned:
        """Return what was learned, at most :data:`FRESH_S` ago.

        :param now: epoch seconds, of the database; it may be set back.
        """
        if not 0.0 <= now - self._read_at < FRESH_S:
            self._learned, self._read_at = timings.read_learned(connection), now
        return self._learned
