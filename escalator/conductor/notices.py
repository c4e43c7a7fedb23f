"""Dead letters that somebody wants to be sent once more.

The notice's new state and the message that is owed for it are one transaction: what
was answered is sent, whoever dies.  Source: DR-6, DR-7, DR-9; architecture section 3,
rule 2; ADR 23.
"""

import logging
import uuid
from collections.abc import Mapping
from typing import Any

from escalator import errors
from escalator.conductor import engine as engines
from escalator.db import notices, session, subscriptions
from escalator.domain import events, notice

LOG = logging.getLogger(__name__)

Row = Mapping[str, Any]


class Notices:
    """Hands dead letters to the notifiers again."""

    def __init__(self, engine: engines.Engine) -> None:
        self.engine = engine

    @session.retry_on_conflict
    def resend(self, notice_id: str, actor: str) -> None:
        """Have a dead letter sent as the notice that it was; its owner drops repeats.

        One that is under way may be asked for again: a broker that lost everything
        lost the request too.

        :raises NotFound: there is no such notice.
        :raises Conflict: it was delivered, or nobody can be told any more.
        """
        with self.engine.database.begin() as connection:
            row = notices.lock(connection, notice_id)
            _check(connection, row)
            batch = self.engine.batch(connection)
            batch.publish(_request(connection, row))
            notices.note_resending(connection, notice_id)
            batch.write(connection)
        LOG.info("Notice %s is sent again, asked for by %s", notice_id, actor)
        self.engine.send(batch.messages)


def _check(connection: session.Connection, row: Row) -> None:
    """Refuse what cannot be sent.

    :raises Conflict: with the reason.
    """
    if row["state"] == notice.State.DELIVERED:
        raise errors.Conflict(
            f"Notice {row['id']} was delivered: there is nothing to send again."
        )
    subscription_id = row["subscription_id"]
    if notice.has_subscription(subscription_id):
        if not subscriptions.read(connection, id=subscription_id):
            raise errors.Conflict(
                f"Subscription {subscription_id} of notice {row['id']} is deleted:"
                " nobody is left to send it to. What it told is with its fault, or in"
                " its campaign's journal."
            )
    if not row["body"]:
        raise errors.Conflict(
            f"The text of notice {row['id']} was not kept. What it told is with its"
            " fault, or in its campaign's journal."
        )


def _request(connection: session.Connection, row: Row) -> events.ResendRequested:
    faults = notices.read_faults(connection, [row["id"]])
    return events.ResendRequested(
        event_id=str(uuid.uuid4()),
        notice_id=row["id"],
        cause_id=row["cause_id"],
        fault_ids=tuple(faults.get(row["id"], ())),
        subscription_id=row["subscription_id"],
        project_id=row["project_id"],
        body=row["body"],
    )
