"""The SQLite file of a simulated VIM, shared by the processes of a machine."""

import contextlib
import os
import sqlite3
import threading
from collections.abc import Iterator
from typing import Any

from escalator import errors

BUSY_S = 5.0
"""How long a call waits for another process's transaction."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS host (
    name TEXT PRIMARY KEY, address TEXT, role TEXT, rack TEXT, zone TEXT,
    tags TEXT, groups TEXT, capacity INTEGER, is_enabled INTEGER,
    reason TEXT, is_forced_down INTEGER);
CREATE TABLE IF NOT EXISTS instance (
    id TEXT PRIMARY KEY, name TEXT, project TEXT, host TEXT, state TEXT,
    state_before TEXT, server_group TEXT);
CREATE INDEX IF NOT EXISTS instance_host ON instance (host);
CREATE INDEX IF NOT EXISTS instance_group ON instance (server_group);
CREATE TABLE IF NOT EXISTS change (number INTEGER);
"""


class Storage:
    """Lends a connection to each call; as many stay open as were in use at once.

    SQLite's own state does not survive a fork: whoever used the file before a
    fork is refused afterwards, loudly, instead of ignoring others' locks.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._idle: list[sqlite3.Connection] = []
        self._lock = threading.Lock()
        self._user_pid = 0

    def create(self) -> bool:
        """Make file and tables; True while nobody has filled them.

        Keeps no connection, so that a process may still fork.
        """
        os.makedirs(os.path.dirname(os.path.abspath(self.path)), exist_ok=True)
        with self._translate(), contextlib.closing(self._connect()) as db:
            db.execute("BEGIN IMMEDIATE")
            for statement in _SCHEMA.split(";"):
                db.execute(statement)
            db.execute("COMMIT")
            return db.execute("SELECT 1 FROM change").fetchone() is None

    @contextlib.contextmanager
    def first(self) -> Iterator[sqlite3.Connection | None]:
        """Open the transaction that fills it; None if it is filled already."""
        with self._translate(), contextlib.closing(self._connect()) as db:
            with _transaction(db):
                if db.execute("SELECT 1 FROM change").fetchone() is None:
                    db.execute("INSERT INTO change VALUES (1)")
                    yield db
                else:
                    yield None

    @contextlib.contextmanager
    def change(self) -> Iterator[sqlite3.Connection]:
        """Open a transaction; the change number grows if it changes a row.

        :raises VimUnavailable: the file is busy or cannot be written.
        """
        with self._lend() as db, _transaction(db):
            before = db.total_changes
            yield db
            if db.total_changes != before:
                db.execute("UPDATE change SET number = number + 1")

    def read(self, query: str, *values: Any) -> list[sqlite3.Row]:
        """Return rows as of one moment; never waits for a writer.

        :raises VimUnavailable: the file cannot be read.
        """
        with self._lend() as db:
            return db.execute(query, values).fetchall()

    @contextlib.contextmanager
    def _lend(self) -> Iterator[sqlite3.Connection]:
        if self._user_pid not in (0, os.getpid()):
            raise RuntimeError(
                "The simulated VIM was used before this process was forked; "
                "make it after the fork."
            )
        self._user_pid = os.getpid()
        with self._translate():
            with self._lock:
                db = self._idle.pop() if self._idle else None
            db = db or self._connect()
            try:
                yield db
            finally:
                with self._lock:
                    self._idle.append(db)

    def _connect(self) -> sqlite3.Connection:
        made = sqlite3.connect(
            self.path, BUSY_S, isolation_level=None, check_same_thread=False
        )
        made.row_factory = sqlite3.Row
        made.execute("PRAGMA journal_mode=WAL")
        made.execute("PRAGMA synchronous=NORMAL")
        return made

    @contextlib.contextmanager
    def _translate(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise errors.VimUnavailable(
                call=f"simulated VIM in {self.path}",
                timeout_s=BUSY_S,
                reason=str(error),
            ) from error


@contextlib.contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[None]:
    """Take the write lock at once: a decision never rests on an old read."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
