"""What scales by itself in the simulated VIM: policies that boot instances (S-7)."""

import json
import sqlite3
import uuid
from collections.abc import Callable

from escalator import errors
from escalator.drivers import scaling
from escalator.drivers.vim import storage

_POLICY = "SELECT * FROM scaling WHERE name = ?"
_CHANGE = """
UPDATE scaling SET is_enabled = :is_enabled, holders = :holders
WHERE name = :name
"""

Boot = Callable[[str, str], str]
"""(instance id, project) -> host."""


class SimulatedScaling(scaling.Scaling):
    """Policies of projects, in the same file as hosts and instances.

    :param boot: places a new instance.
    """

    def __init__(self, store: storage.Storage, boot: Boot) -> None:
        self._storage = store
        self._boot = boot

    def triggers(self) -> list[scaling.Trigger]:
        """Return every policy by name."""
        rows = self._storage.read("SELECT * FROM scaling ORDER BY name")
        return [_trigger(row) for row in rows]

    def change(self, trigger_id: str, wanted: scaling.Wanted) -> None:
        """Change a policy in one transaction.

        :raises NotFound: there is no such policy.
        """
        with self._storage.change() as db:
            before = _trigger(_policy(db, trigger_id))
            after = wanted(before)
            if after != before:
                values = {
                    "name": trigger_id,
                    "is_enabled": int(after.is_enabled),
                    "holders": json.dumps(after.holders),
                }
                db.execute(_CHANGE, values)

    def set_enabled(self, name: str, is_enabled: bool) -> None:
        """Do what the policy's owner may do at any time.

        :raises NotFound: there is no such policy.
        """
        with self._storage.change() as db:
            row = _policy(db, name)
            values = {"is_enabled": int(is_enabled), "holders": row["holders"]}
            db.execute(_CHANGE, {"name": name, **values})

    def fire(self, name: str) -> str:
        """Scale up by one instance, as load does; return its host, "": disabled.

        :raises NotFound: there is no such policy.
        :raises ActionFailed: it fits nowhere.
        """
        rows = self._storage.read(_POLICY, name)
        if not rows:
            raise _unknown(name)
        if not rows[0]["is_enabled"]:
            return ""
        return self._boot(f"{name}-{uuid.uuid4()}", rows[0]["project"])


def _policy(db: sqlite3.Connection, name: str) -> sqlite3.Row:
    row: sqlite3.Row | None = db.execute(_POLICY, (name,)).fetchone()
    if row is None:
        raise _unknown(name)
    return row


def _unknown(name: str) -> errors.NotFound:
    return errors.NotFound(kind="scaling policy", id=name)


def _trigger(row: sqlite3.Row) -> scaling.Trigger:
    return scaling.Trigger(
        id=row["name"],
        name=row["name"],
        is_enabled=bool(row["is_enabled"]),
        holders=json.loads(row["holders"]),
    )
