"""The three databases, each test with an empty one of its own."""

import functools
import os
import tempfile
import types
import unittest
import uuid

from escalator.db import session
from tests.fixtures import mariadb, postgresql

SUMMER_TIME = "CET-1CEST,M3.5.0,M10.5.0/3"
"""MariaDB runs where an hour of local time is repeated every autumn."""


@functools.cache
def shared_mariadb() -> mariadb.MariaDB:
    before = os.environ.get("TZ")
    os.environ["TZ"] = SUMMER_TIME
    try:
        return mariadb.MariaDB().start()
    finally:
        del os.environ["TZ"]
        if before is not None:
            os.environ["TZ"] = before


@functools.cache
def shared_postgresql() -> postgresql.PostgreSQL:
    return postgresql.PostgreSQL().start()


class OnSqlite(unittest.TestCase):
    has_server = False

    def make_url(self) -> str:
        """Return the URL of a database that is empty."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        return f"sqlite:///{folder.name}/escalator.sqlite"

    def open(self, url: str = "") -> session.Database:
        """Return an opened database; without tables."""
        section = types.SimpleNamespace(
            connection=url or self.make_url(), max_pool_size=20, max_overflow=20
        )
        made = session.Database(section)
        self.addCleanup(made.dispose)
        return made


class OnMariaDB(OnSqlite):
    has_server = True

    def make_url(self) -> str:
        return shared_mariadb().create_database(f"t{uuid.uuid4().hex[:8]}")


class OnPostgreSQL(OnSqlite):
    has_server = True

    def make_url(self) -> str:
        return shared_postgresql().create_database(f"t{uuid.uuid4().hex[:8]}")
