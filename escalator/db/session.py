"""Engine and transactions.

A transaction takes its write lock at once on SQLite, and reads committed rows
only on the servers, so that a decision never rests on a stale snapshot.
"""

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import sqlalchemy as sa
from oslo_db import api as db_api
from oslo_db import exception as db_errors
from oslo_db.sqlalchemy import enginefacade

from escalator import errors
from escalator.db import models

Connection = sa.Connection
"""What the functions of this room take; other rooms need no SQLAlchemy."""

Duplicate = db_errors.DBDuplicateEntry
"""Raised when a unique constraint refuses a row."""

IDLE_TRANSACTION_S = 5
"""Seconds a transaction may do nothing; ours take milliseconds."""

_Result = TypeVar("_Result")

_CLOCKS = {
    "sqlite": "SELECT (julianday('now') - 2440587.5) * 86400.0",
    "mysql": "SELECT TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)) / 1e6",
    "postgresql": "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) AS float8)",
}
"""None passes through local time: it repeats an hour every autumn."""


def retry_on_conflict(call: Callable[..., _Result]) -> Callable[..., _Result]:
    """Repeat a whole transaction that the database gave up for another's sake."""
    wrapped: Callable[..., _Result] = db_api.wrap_db_retry(
        max_retries=20,
        retry_interval=0.005,
        inc_retry_interval=True,
        max_retry_interval=0.5,
        jitter=True,
        retry_on_deadlock=True,
        exception_checker=_is_conflict,
    )(call)
    return functools.wraps(call)(wrapped)


def _is_conflict(error: Exception) -> bool:
    if isinstance(error, db_errors.DBDuplicateEntry):
        return False
    text = str(error)
    # What fails in BEGIN itself is not translated by oslo.db.
    return isinstance(error, db_errors.DBError | sa.exc.OperationalError) and (
        "database is locked" in text or "Record has changed since last read" in text
    )


class Database:
    """One engine; make it after the fork.

    :param section: the ``[database]`` group of the configuration.
    :raises ConfigError: the section names no connection.
    :raises DatabaseUnavailable: nobody answers there, after ``max_retries``.
    """

    def __init__(self, section: Any) -> None:
        if not section.connection:
            raise errors.ConfigError(
                group="database",
                option="connection",
                reason="is not set; the conductor needs it",
            )
        manager = enginefacade.transaction_context()
        manager.configure(**_facade_options(section))
        try:
            self.engine: sa.Engine = manager.writer.get_engine()
        except db_errors.DBError as error:
            reason = str(error).partition("\n")[0]
            raise errors.DatabaseUnavailable(reason=reason) from error
        self.dialect = self.engine.dialect.name
        if self.dialect == "sqlite":
            sa.event.listen(self.engine, "connect", _tune_sqlite)
            sa.event.listen(
                self.engine, "before_cursor_execute", _begin_immediate, retval=True
            )
            self.engine.dispose()
        else:
            sa.event.listen(self.engine, "connect", self._bound_idleness)
            self.engine.dispose()
            self.engine = self.engine.execution_options(
                isolation_level="READ COMMITTED"
            )
        self.has_skip_locked = self.dialect != "sqlite"
        self._clock = sa.text(_CLOCKS[self.dialect])

    def _bound_idleness(self, connection: Any, record: Any) -> None:
        """Let the server end a transaction whose process stands still.

        Its locks would stop every other conductor; when it wakes up, its
        connection is gone and the fence refuses what it still believes.
        """
        seconds = IDLE_TRANSACTION_S
        if self.dialect == "postgresql":
            query = f"SET idle_in_transaction_session_timeout = '{seconds}s'"
        elif getattr(self.engine.dialect, "is_mariadb", False):
            query = f"SET SESSION idle_transaction_timeout = {seconds}"
        else:
            return
        with contextlib.closing(connection.cursor()) as cursor:
            cursor.execute(query)
        connection.commit()  # PostgreSQL undoes a SET with its transaction.

    @contextlib.contextmanager
    def begin(self) -> Iterator[sa.Connection]:
        """Open one transaction; commits unless the block raises."""
        with self.engine.begin() as connection:
            yield connection

    def now(self, connection: sa.Connection) -> float:
        """Return the database's clock, seconds since the epoch (UTC)."""
        return float(connection.execute(self._clock).scalar_one())

    def lock_free(self, query: sa.Select[Any]) -> sa.Select[Any]:
        """Lock the rows of ``query``, leaving out those somebody works on."""
        return query.with_for_update(skip_locked=self.has_skip_locked)

    def create_all(self) -> None:
        """Create the tables without migrations (tests, embedded default)."""
        models.metadata.create_all(self.engine)
        with self.begin() as connection:
            ensure_latch(connection)

    def dispose(self) -> None:
        """Close every connection."""
        self.engine.dispose()


def ensure_latch(connection: sa.Connection) -> None:
    """Make the row that admissions are serialised by."""
    query = sa.select(models.latch.c.name).where(models.latch.c.name == "admission")
    if connection.execute(query).first() is None:
        connection.execute(sa.insert(models.latch).values(name="admission"))


def _facade_options(section: Any) -> dict[str, Any]:
    names = (
        "connection",
        "connection_recycle_time",
        "max_pool_size",
        "max_overflow",
        "max_retries",
        "retry_interval",
        "pool_timeout",
        "mysql_sql_mode",
        "connection_parameters",
    )
    return {name: getattr(section, name) for name in names if hasattr(section, name)}


def _tune_sqlite(connection: Any, record: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA busy_timeout=20000")
    cursor.close()


def _begin_immediate(
    connection: Any, cursor: Any, statement: str, parameters: Any, *rest: Any
) -> tuple[str, Any]:
    """Take the write lock at once: a later upgrade of the lock could fail."""
    return ("BEGIN IMMEDIATE" if statement == "BEGIN" else statement), parameters
