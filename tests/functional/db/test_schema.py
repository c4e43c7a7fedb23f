"""The schema moves in two branches, on every database (RU-6)."""

import os
import subprocess
import sys
import tempfile
from typing import Any

import sqlalchemy as sa
from alembic import autogenerate
from alembic.runtime import migration

from escalator import errors
from escalator.db import models, schema, session
from tests.functional.db import servers

MANAGE = "from escalator.cmd import manage; manage.main()"


class Interrupted(BaseException):
    """Stands for a kill between two statements."""


class TestSqlite(servers.OnSqlite):
    def differences(self, database: session.Database) -> list[Any]:
        with database.engine.connect() as connection:
            context = migration.MigrationContext.configure(
                connection, opts={"compare_type": True}
            )
            found: list[Any] = autogenerate.compare_metadata(context, models.metadata)
            return found

    def pending(self, database: session.Database) -> list[str]:
        with database.engine.connect() as connection:
            return schema.pending(connection)

    def latches(self, database: session.Database) -> list[str]:
        with database.begin() as connection:
            return list(connection.execute(sa.select(models.latch.c.name)).scalars())

    def test_the_migrations_make_what_the_models_say(self) -> None:
        database = self.open()
        self.assertEqual(["expand", "contract"], self.pending(database))
        for branch in schema.BRANCHES:
            for _ in range(2):
                schema.upgrade(database.engine, branch)
        self.assertEqual([], self.pending(database))
        self.assertEqual([], self.differences(database))
        self.assertEqual(["admission"], self.latches(database))

    def test_what_is_missing_is_seen(self) -> None:
        """The comparison itself can fail."""
        database = self.open()
        schema.upgrade(database.engine, "expand")
        with database.begin() as connection:
            connection.execute(sa.text("DROP INDEX ix_step_slot" + self.on_table()))
            connection.execute(sa.text("ALTER TABLE host DROP COLUMN role"))
        kinds = {each[0] for each in self.differences(database)}
        self.assertEqual({"add_index", "add_column"}, kinds)

    def on_table(self) -> str:
        return ""

    def test_contract_is_refused_before_expand(self) -> None:
        database = self.open()
        with self.assertRaises(errors.Conflict):
            schema.upgrade(database.engine, "contract")
        self.assertEqual(["expand", "contract"], self.pending(database))
        self.assertEqual([], sa.inspect(database.engine).get_table_names()[1:])

    def test_an_interrupted_expand_is_run_again(self) -> None:
        """DDL commits by itself on some: tables without indexes may be left."""
        whole = self.count_creations(self.open(), limit=10_000)
        for limit in (0, 2, whole // 2, whole - 1):
            database = self.open()
            self.assertEqual(limit, self.count_creations(database, limit))
            schema.upgrade(database.engine, "expand")
            self.assertEqual([], self.differences(database), f"after {limit}")
            self.assertEqual(["admission"], self.latches(database))

    def count_creations(self, database: session.Database, limit: int) -> int:
        """Expand, interrupted after ``limit`` CREATEs; return how many ran."""
        done = 0

        def watch(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
            nonlocal done
            if statement.strip().startswith("CREATE") and "alembic" not in statement:
                if done == limit:
                    raise Interrupted("killed")
                done += 1

        sa.event.listen(database.engine, "before_cursor_execute", watch)
        try:
            schema.upgrade(database.engine, "expand")
        except (Interrupted, sa.exc.PendingRollbackError):
            pass
        finally:
            sa.event.remove(database.engine, "before_cursor_execute", watch)
        return done

    def test_the_command_tells_what_is_left_by_its_exit_status(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "escalator.conf")
            url = self.make_url().replace("%", "%%")
            with open(path, "w", encoding="utf-8") as file:
                file.write(f"[database]\nconnection = {url}\n")
            for verbs, expected in (
                (["check"], 2),
                (["upgrade", "--contract"], 1),
                (["upgrade", "--expand"], 0),
                (["check"], 4),
                (["upgrade", "--contract"], 0),
                (["check"], 0),
                (["upgrade"], 0),
            ):
                done = subprocess.run(
                    [
                        *(sys.executable, "-W", "ignore", "-c", MANAGE),
                        *("--config-file", path, *verbs),
                    ],
                    capture_output=True,
                    text=True,
                    check=False,
                )
                self.assertEqual(expected, done.returncode, (verbs, done.stderr))


class TestMariaDB(servers.OnMariaDB, TestSqlite):
    def on_table(self) -> str:
        return " ON step"


class TestPostgreSQL(servers.OnPostgreSQL, TestSqlite):
    pass
