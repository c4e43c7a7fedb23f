"""Where the schema stands, and how it is moved.

Source: RU-6.
"""

import os
import pathlib

import alembic.config
import sqlalchemy as sa
from alembic import command, script
from alembic.runtime import migration

from escalator import errors
from escalator.db import models

BRANCHES = ("expand", "contract")

_HERE = pathlib.Path(__file__).parent / "migration"


def _config(connection: sa.Connection) -> alembic.config.Config:
    config = alembic.config.Config()
    config.set_main_option("script_location", str(_HERE))
    config.set_main_option("path_separator", "os")
    config.set_main_option(
        "version_locations", os.pathsep.join([str(_HERE / "versions")])
    )
    config.attributes["connection"] = connection
    return config


def heads(connection: sa.Connection) -> dict[str, str]:
    """Return branch -> newest revision that this release knows."""
    directory = script.ScriptDirectory.from_config(_config(connection))
    return {
        branch: str(directory.get_revision(f"{branch}@head").revision)
        for branch in BRANCHES
    }


def pending(connection: sa.Connection) -> list[str]:
    """Return the branches that are not at their head."""
    directory = script.ScriptDirectory.from_config(_config(connection))
    present = migration.MigrationContext.configure(connection).get_current_heads()
    done: set[str] = set()
    for revision in directory.iterate_revisions(present, "base") if present else ():
        done.add(revision.revision)
    return [branch for branch, head in heads(connection).items() if head not in done]


def upgrade(engine: sa.Engine, branch: str) -> None:
    """Move one branch to its head; idempotent.

    :raises Conflict: contract is asked for before expand is done.
    """
    with engine.connect() as connection:
        if branch == "contract" and "expand" in pending(connection):
            raise errors.Conflict(
                "The schema is not expanded yet; run 'upgrade --expand' first."
            )
        connection.commit()
        command.upgrade(_config(connection), f"{branch}@head")
        connection.commit()


def missing_tables(connection: sa.Connection) -> set[str]:
    """Return tables that the models have and the database has not."""
    return set(models.metadata.tables) - set(sa.inspect(connection).get_table_names())
