"""Clock, locks and repeats of transactions, on every database."""

import sqlite3
import threading
import time
from typing import Any

import sqlalchemy as sa

from escalator.db import models, session
from tests.functional.db import servers


def insert_latches(database: session.Database, *names: str) -> None:
    with database.begin() as connection:
        connection.execute(sa.insert(models.latch), [{"name": n} for n in names])


class TestSqlite(servers.OnSqlite):
    def setUp(self) -> None:
        self.url = self.make_url()
        self.database = self.open(self.url)
        self.database.create_all()

    def test_the_clock_is_the_databases_and_right(self) -> None:
        """Architecture section 3, rule 1."""
        with self.database.begin() as connection:
            before, now = time.time(), self.database.now(connection)
            self.assertLess(before - 0.1, now)
            self.assertLess(now, time.time() + 0.1)
            time.sleep(0.02)
            self.assertGreater(self.database.now(connection), now + 0.01)

    def test_a_block_that_raises_leaves_nothing(self) -> None:
        with self.assertRaises(ZeroDivisionError):
            with self.database.begin() as connection:
                connection.execute(sa.insert(models.latch).values(name="a"))
                raise ZeroDivisionError
        with self.database.begin() as connection:
            names = list(connection.execute(sa.select(models.latch.c.name)).scalars())
        self.assertEqual(["admission"], names)

    def test_a_duplicate_is_not_repeated(self) -> None:
        attempts = []

        @session.retry_on_conflict
        def write() -> None:
            attempts.append(1)
            insert_latches(self.database, "admission")

        with self.assertRaises(session.Duplicate):
            write()
        self.assertEqual(1, len(attempts))

    def test_a_conflict_is_repeated_until_it_succeeds(self) -> None:
        """One writer holds the file for longer than another waits."""
        sa.event.listen(self.database.engine, "connect", _wait_little)
        self.database.dispose()
        blocker = sqlite3.connect(
            self.url.removeprefix("sqlite:///"),
            isolation_level=None,
            check_same_thread=False,
        )
        self.addCleanup(blocker.close)
        blocker.execute("BEGIN IMMEDIATE")
        attempts = []

        @session.retry_on_conflict
        def write() -> None:
            attempts.append(1)
            if len(attempts) == 3:
                blocker.execute("ROLLBACK")
            insert_latches(self.database, "late")

        write()
        self.assertGreaterEqual(len(attempts), 3)


def _wait_little(connection: Any, record: Any) -> None:
    connection.execute("PRAGMA busy_timeout=5")


class OnServer(TestSqlite):
    def test_a_conflict_is_repeated_until_it_succeeds(self) -> None:
        """A deadlock: the database gives up one of two, and it comes again."""
        insert_latches(self.database, "a", "b")
        both = threading.Barrier(2, timeout=20)
        attempts: list[str] = []

        @session.retry_on_conflict
        def lock(first: str, second: str) -> None:
            attempts.append(first)
            is_first = attempts.count(first) == 1
            with self.database.begin() as connection:
                for name in (first, second):
                    query = sa.select(models.latch).where(models.latch.c.name == name)
                    connection.execute(query.with_for_update()).all()
                    if name == first and is_first:
                        both.wait()

        threads = [threading.Thread(target=lock, args=names) for names in ("ab", "ba")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        self.assertFalse(any(thread.is_alive() for thread in threads))
        self.assertEqual(3, len(attempts), attempts)

    def test_what_somebody_works_on_is_left_out(self) -> None:
        """SKIP LOCKED: several conductors share the work."""
        insert_latches(self.database, "a")
        query = self.database.lock_free(sa.select(models.latch.c.name))
        with self.database.begin() as one, self.database.begin() as other:
            self.assertEqual(2, len(one.execute(query).all()))
            self.assertEqual([], other.execute(query).all())

    def test_decisions_rest_on_what_is_committed_now(self) -> None:
        count = sa.select(sa.func.count()).select_from(models.latch)
        with self.database.begin() as connection:
            self.assertEqual(1, connection.execute(count).scalar_one())
            insert_latches(self.database, "a")
            self.assertEqual(2, connection.execute(count).scalar_one())

    def test_a_transaction_that_stands_still_is_ended(self) -> None:
        """Its locks would stop every other conductor."""
        with self.database.engine.connect() as connection:
            found = connection.execute(sa.text(self.IDLE)).scalar_one()
        self.assertIn(str(session.IDLE_TRANSACTION_S), str(found))

    IDLE = ""


class TestMariaDB(servers.OnMariaDB, OnServer):
    IDLE = "SELECT @@idle_transaction_timeout"

    def test_no_hour_is_lived_twice(self) -> None:
        """Leases and deadlines would be an hour off when summer time ends."""
        with self.database.begin() as connection:
            zone = connection.execute(sa.text("SELECT @@time_zone")).scalar_one()
            self.assertEqual("SYSTEM", zone)
            for moment in (1792888200, 1792891800):
                connection.execute(sa.text(f"SET timestamp = {moment}"))
                self.assertEqual(moment, self.database.now(connection))


class TestPostgreSQL(servers.OnPostgreSQL, OnServer):
    IDLE = "SHOW idle_in_transaction_session_timeout"


del OnServer
