"""What an operator asks of a campaign, and the transaction that carries it out."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from escalator.conductor import batch as batches
from escalator.conductor import engine as engines
from escalator.conductor import inquiring
from escalator.db import session
from escalator.domain import states

Row = Mapping[str, Any]


@dataclasses.dataclass(slots=True)
class Wish:
    """:ivar campaign: its row, as it is after what was done so far.
    :ivar actor: who asks.
    :ivar is_again: it waited for a preflight, which is over.
    """

    connection: session.Connection
    batch: batches.Batch
    campaign: Row
    arguments: Row
    actor: str = ""
    is_again: bool = False

    def asked(self, verb: str) -> inquiring.Asked:
        """Return for what a preflight is made."""
        return inquiring.Asked(verb, self.arguments, self.actor, self.is_again)

    def move(
        self,
        engine: engines.Engine,
        to: states.CampaignState,
        reason: str,
        **values: Any,
    ) -> None:
        """Move the campaign; the operator's own reason goes before ``reason``."""
        self.campaign = engine.move_campaign(
            self.connection,
            self.batch,
            self.campaign,
            to,
            self.arguments.get("reason") or reason,
            **values,
        )
