"""The demo service's own program for its database, as ``nova-manage`` is Nova's.

Release 1.0 knows a server's flavor by name, 2.0 by number.  Triggers keep the two
columns equal while code of both releases writes.

    python demo_schema.py FILE-WITH-URL VERB [ROWS]

A verb ``is-...`` and ``verify`` end with 0 if it is so.  ``migrate`` ends with 1
while it moves rows.  Each verb may be repeated.
"""

import contextlib
import pathlib
import sys
import urllib.parse
from typing import Any

import pymysql

FLAVORS = {"small": 1, "large": 2}
CREATE = (
    "CREATE TABLE server (id INT AUTO_INCREMENT PRIMARY KEY,"
    " name VARCHAR(40) NOT NULL UNIQUE, flavor VARCHAR(20) NOT NULL DEFAULT '')"
)
_ID = "CASE {} WHEN 'small' THEN 1 WHEN 'large' THEN 2 END"
_NAME = "CASE {} WHEN 1 THEN 'small' WHEN 2 THEN 'large' END"
_BOTH_WAYS = (
    "IF {by_id} THEN SET NEW.flavor = " + _NAME.format("NEW.flavor_id") + ";"
    " ELSEIF {by_name} THEN SET NEW.flavor_id = " + _ID.format("NEW.flavor") + ";"
    " END IF"
)
_ON_INSERT = _BOTH_WAYS.format(by_id="NEW.flavor_id IS NOT NULL", by_name="TRUE")
_ON_UPDATE = _BOTH_WAYS.format(
    by_id="NOT (NEW.flavor_id <=> OLD.flavor_id)",
    by_name="NOT (NEW.flavor <=> OLD.flavor)",
)
_NO_TRIGGERS = (
    "DROP TRIGGER IF EXISTS server_insert",
    "DROP TRIGGER IF EXISTS server_update",
)
CHANGES = {
    "expand": (
        "ALTER TABLE server ADD COLUMN IF NOT EXISTS flavor_id INT NULL",
        "CREATE TRIGGER IF NOT EXISTS server_insert BEFORE INSERT ON server"
        f" FOR EACH ROW BEGIN {_ON_INSERT}; END",
        "CREATE TRIGGER IF NOT EXISTS server_update BEFORE UPDATE ON server"
        f" FOR EACH ROW BEGIN {_ON_UPDATE}; END",
    ),
    "shrink": (
        *_NO_TRIGGERS,
        "ALTER TABLE server DROP COLUMN IF EXISTS flavor_id",
    ),
    "contract": (*_NO_TRIGGERS, "ALTER TABLE server DROP COLUMN IF EXISTS flavor"),
}


def connect(url: str) -> Any:
    """Return a connection that commits each statement."""
    parts = urllib.parse.urlsplit(url)
    return pymysql.connect(
        host=parts.hostname,
        port=parts.port or 3306,
        user=parts.username,
        password=parts.password or "",
        database=parts.path.lstrip("/"),
        autocommit=True,
    )


def ask(connection: Any, statement: str, *values: Any) -> Any:
    """Run a statement; return (rows changed, rows found)."""
    with connection.cursor() as cursor:
        return cursor.execute(statement, values), cursor.fetchall()


def picture(connection: Any) -> list[str]:
    """Return the schema as text: the table and its triggers."""
    _, rows = ask(connection, "SHOW CREATE TABLE server")
    words = str(rows[0][1]).split()
    table = " ".join(each for each in words if not each.startswith("AUTO_INCREMENT="))
    _, triggers = ask(connection, "SHOW TRIGGERS")
    return [table, *sorted(str(row[0]) for row in triggers)]


def _columns(connection: Any) -> set[str]:
    return {str(row[0]) for row in ask(connection, "SHOW COLUMNS FROM server")[1]}


def _migrate(connection: Any, rows: int) -> int:
    moved, _ = ask(
        connection,
        f"UPDATE server SET flavor_id = {_ID.format('flavor')}"
        " WHERE flavor_id IS NULL LIMIT %s",
        rows,
    )
    sys.stdout.write(f"{moved} rows moved\n")
    return 1 if moved else 0


def _is_migrated(connection: Any) -> bool:
    if "flavor_id" not in _columns(connection):
        return False
    query = "SELECT count(*) FROM server WHERE flavor_id IS NULL"
    return bool(ask(connection, query)[1][0][0] == 0)


def main() -> None:
    """Read the command line and do it."""
    url, verb = pathlib.Path(sys.argv[1]).read_text().strip(), sys.argv[2]
    with contextlib.closing(connect(url)) as connection:
        if verb in CHANGES:
            for statement in CHANGES[verb]:
                ask(connection, statement)
            return
        if verb == "migrate":
            sys.exit(_migrate(connection, int(sys.argv[3])))
        columns = _columns(connection)
        answers = {
            "is-expanded": {"flavor", "flavor_id"} <= columns
            and len(picture(connection)) == 3,
            "is-shrunk": "flavor_id" not in columns,
            "is-contracted": "flavor" not in columns,
            "verify": _is_migrated(connection),
        }
        sys.exit(0 if answers[verb] else 1)


if __name__ == "__main__":
    main()
