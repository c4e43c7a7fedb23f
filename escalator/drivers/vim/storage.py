"""The SQLite file of a simulated VIM, shared by the processes of a machine."""

import contextlib
import os
import sqlite3
import tempfile
import threading
from collections.abc import Callable, Iterator
from typing import Any

from escalator import errors

BUSY_S = 5.0
"""How long a call waits for another process's transaction."""

_SCHEMA = """
CREATE TABLE host (
    name TEXT PRIMARY KEY, address TEXT, role TEXT, rack TEXT, zone TEXT,
    tags TEXT, groups TEXT, capacity INTEGER, is_enabled INTEGER,
    reason TEXT, is_forced_down INTEGER, nics TEXT, facts TEXT);
CREATE TABLE instance (
    id TEXT PRIMARY KEY, name TEXT, project TEXT, host TEXT, state TEXT,
    state_before TEXT, server_group TEXT);
CREATE INDEX instance_host ON instance (host);
CREATE INDEX instance_group ON instance (server_group);
CREATE TABLE scaling (
    name TEXT PRIMARY KEY, project TEXT, is_enabled INTEGER, holders TEXT);
CREATE TABLE change (number INTEGER);
INSERT INTO change VALUES (1);
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

    def create(self, fill: Callable[[sqlite3.Connection], None]) -> None:
        """Make and fill the file if there is none; nobody sees it half filled.

        It grows under another name and is then linked: of several processes
        that start together one wins.  No connection stays open, so that a
        process may still fork.

        :raises VimUnavailable: what is there is no such file.
        """
        with self._translate():
            if not os.path.exists(self.path):
                self._make(fill)
            with contextlib.closing(self._connect()) as db:
                db.execute("SELECT number FROM change")

    def _make(self, fill: Callable[[sqlite3.Connection], None]) -> None:
        folder = os.path.dirname(os.path.abspath(self.path))
        os.makedirs(folder, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".vim-") as place:
            draft = os.path.join(place, "draft")
            made = sqlite3.connect(draft, isolation_level=None)
            with contextlib.closing(made) as db:
                db.executescript(_SCHEMA)
                db.execute("PRAGMA journal_mode=WAL")
                with _transaction(db):
                    fill(db)
            with contextlib.suppress(FileExistsError):
                os.link(draft, self.path)

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

    @contextlib.contextmanager
    def trial(self) -> Iterator[sqlite3.Connection]:
        """Open a transaction that is rolled back in the end, whatever was done.

        :raises VimUnavailable: the file is busy or cannot be written.
        """
        with self._lend() as db:
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
            finally:
                if db.in_transaction:
                    db.execute("ROLLBACK")

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
