"""The tables as release 0.1 made them; never changed once it is out."""

from escalator.db.migration import campaigns_0_1, columns_0_1, inventory_0_1

PARTS = (campaigns_0_1, inventory_0_1)
"""Importing them declares their tables."""

metadata = columns_0_1.metadata
