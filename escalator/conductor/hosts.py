"""What operators ask of a host: quarantine and release.

Source: P-4c, R-2.
"""

import logging
from collections.abc import Callable, Mapping
from typing import Any

from escalator import errors
from escalator.conductor import batch as batches
from escalator.conductor import engine as engines
from escalator.db import session, tokens

LOG = logging.getLogger(__name__)

Row = Mapping[str, Any]


class Hosts:
    """Keeps hosts out of campaigns, and lets them in again."""

    def __init__(self, engine: engines.Engine) -> None:
        self.engine = engine

    @session.retry_on_conflict
    def act(
        self, name: str, action: str, arguments: Mapping[str, Any], actor: str
    ) -> None:
        """Quarantine or release a host; idempotent.

        :raises NotFound: there is no such host.
        :raises Conflict: a host that is down, or on which a campaign is
            midway, cannot be released or quarantined.
        :raises InvalidInput: unknown action.
        """
        verbs: dict[str, Callable[..., str]] = {
            "quarantine": self._quarantine,
            "release": self._release,
        }
        if action not in verbs:
            raise errors.InvalidInput(
                kind="action", summary=f"{action}; known: {', '.join(sorted(verbs))}"
            )
        with self.engine.database.begin() as connection:
            host = tokens.read_host(connection, name)
            if host is None:
                raise errors.NotFound(kind="host", id=name)
            batch = self.engine.batch(connection)
            batch.owner = actor or batch.owner
            told = verbs[action](connection, host, arguments.get("reason", ""))
            if not told:
                return
            self._journal(connection, batch, host, action, told)
            batch.write(connection)
        LOG.info("%s: %s by %s: %s", name, action, batch.owner, told)
        self.engine.wake()

    def _quarantine(
        self, connection: session.Connection, host: Row, reason: str
    ) -> str:
        if host["is_quarantined"]:
            return ""
        if host["campaign_id"]:
            raise errors.Conflict(
                f"Campaign {host['campaign_id']} works on {host['name']}; pause it"
                " for this host and let it end, or roll it back."
            )
        told = reason or "quarantined by an operator"
        tokens.quarantine(connection, host["name"], told)
        return told

    def _release(self, connection: session.Connection, host: Row, reason: str) -> str:
        if not host["is_quarantined"]:
            return ""
        if host["state"] != "up":
            raise errors.Conflict(
                f"{host['name']} is down; repair it first, it is released when the"
                " monitor hears it again."
            )
        tokens.release_quarantine(connection, host["name"])
        return reason or "released by an operator"

    def _journal(
        self,
        connection: session.Connection,
        batch: batches.Batch,
        host: Row,
        action: str,
        told: str,
    ) -> None:
        """Let the campaigns that are under way on it know."""
        slots = tokens.active_slots_on(connection, [host["name"]])
        for campaign_id in sorted({row["campaign_id"] for row in slots}):
            batch.journal(
                campaign_id, "host", host["name"], "", action, told, host=host["name"]
            )
