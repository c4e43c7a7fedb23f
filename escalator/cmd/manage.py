"""escalator-db-manage: move the schema (RU-6).

Exit status of ``check``: 0 nothing to do, 2 expand needed, 4 contract needed.
"""

import argparse
import sys
from typing import NoReturn

from escalator.cmd import config
from escalator.db import schema, session

NEEDED = {"expand": 2, "contract": 4}


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="escalator-db-manage")
    parser.add_argument("--config-file", action="append", default=[])
    verbs = parser.add_subparsers(dest="verb", required=True)
    upgrade = verbs.add_parser("upgrade", help="move the schema to this release")
    which = upgrade.add_mutually_exclusive_group()
    which.add_argument(
        "--expand", action="store_true", help="additive changes; services may run"
    )
    which.add_argument(
        "--contract", action="store_true", help="removals; no old service may run"
    )
    verbs.add_parser("check", help="tell what is left to do")
    verbs.add_parser("version", help="print the revisions of this release")
    return parser.parse_args(arguments)


def _upgrade(database: session.Database, chosen: argparse.Namespace) -> int:
    branches: tuple[str, ...] = schema.BRANCHES
    if chosen.expand:
        branches = ("expand",)
    elif chosen.contract:
        branches = ("contract",)
    for branch in branches:
        schema.upgrade(database.engine, branch)
        print(f"{branch}: done")
    return 0


def _check(database: session.Database) -> int:
    with database.engine.connect() as connection:
        pending = schema.pending(connection)
    for branch in pending:
        print(f"{branch}: needed")
    return NEEDED[pending[0]] if pending else 0


def _run(arguments: list[str]) -> int:
    chosen = _parse(arguments)
    files = [item for name in chosen.config_file for item in ("--config-file", name)]
    conf = config.load("escalator-db-manage", files, has_database=True)
    database = session.Database(conf.database)
    if chosen.verb == "upgrade":
        return _upgrade(database, chosen)
    if chosen.verb == "check":
        return _check(database)
    with database.engine.connect() as connection:
        for branch, head in schema.heads(connection).items():
            print(f"{branch}: {head}")
    return 0


def main() -> NoReturn:
    """Run the command."""
    config.guarded("escalator-db-manage", lambda: _run(sys.argv[1:]))
