"""What an operator asks of a campaign, and the transaction that carries it out."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from escalator.conductor import batch as batches
from escalator.db import session

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
