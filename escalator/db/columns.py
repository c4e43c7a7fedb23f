"""Kinds of columns, as the tables of ``escalator.db.models`` use them."""

import sqlalchemy as sa
from sqlalchemy.dialects import mysql

metadata = sa.MetaData()
"""Of every table."""

ID = sa.String(36)
NAME = sa.String(255)
STATE = sa.String(32)
TEXT = sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb")


def at(name: str, nullable: bool = True) -> sa.Column[float]:
    """Return a moment, seconds since the epoch (UTC) of the database's clock."""
    return sa.Column(name, sa.Double(), nullable=nullable)


def text(name: str, kind: sa.types.TypeEngine[str] = NAME) -> sa.Column[str]:
    """Return a text that is empty unless something is said."""
    return sa.Column(name, kind, nullable=False, default="")


def count(name: str) -> sa.Column[int]:
    """Return a number that begins at 0."""
    return sa.Column(name, sa.Integer, nullable=False, default=0)


def big_id(name: str) -> sa.Column[int]:
    """Return a primary key that the database counts up."""
    kind = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    return sa.Column(name, kind, primary_key=True, autoincrement=True)
