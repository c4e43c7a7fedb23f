"""The directory of one agent: journal and jobs, for one process at a time."""

import fcntl
import os

from escalator import errors
from escalator.agent import jobs, journal, kept, ledger
from escalator.domain import commands


class State:
    """Opens ``<state_path>/<host>``; survives a reboot.

    :ivar ledger: the steps known so far.
    :ivar jobs: the programs started so far.
    :ivar kept: what the steps found before they acted.
    :raises ConfigError: another process has it, or it cannot be made.
    """

    def __init__(self, state_path: str, host: str) -> None:
        directory = os.path.join(state_path, host)
        try:
            self._lock = _lock(directory)
            self._journal = journal.Journal(os.path.join(directory, "journal"))
            self.ledger = ledger.Ledger(self._journal)
            self.jobs = jobs.Jobs(os.path.join(directory, "jobs"))
            self.kept = kept.Kept(os.path.join(directory, "kept"))
        except OSError as error:
            raise errors.ConfigError(
                group="agent",
                option="state_path",
                reason=f"{directory} cannot be used, or another agent has it: {error}",
            ) from error
        self.jobs.forget_all_but(self.ledger.step_ids())
        self.kept.forget_all_but(self.ledger.kept_ids())

    def release(self, asked: commands.ReleaseSteps) -> None:
        """Forget what the undo of steps would have needed; idempotent.

        :raises OSError: the journal does not take it; nothing was forgotten.
        """
        self.kept.forget(self.ledger.release(asked.fences))

    def close(self) -> None:
        """Let another process have it."""
        self._journal.close()
        os.close(self._lock)


def _lock(directory: str) -> int:
    """Return a lock that dies with this process, not with its children."""
    os.makedirs(directory, mode=0o700, exist_ok=True)
    lock = os.open(os.path.join(directory, "lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise
    return lock
