"""What an operator asks of a campaign, and the transaction that carries it out."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from escalator.conductor import batch as batches
from escalator.conductor import engine as engines
from escalator.db import session
from escalator.domain import states

Row = Mapping[str, Any]


@dataclasses.dataclass(slots=True)
class Wish:
    """:ivar campaign: its row, as it is after what was done so far.
    :ivar actor: who asks.
    """

    connection: session.Connection
    batch: batches.Batch
    campaign: Row
    arguments: Row
    actor: str = ""

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
