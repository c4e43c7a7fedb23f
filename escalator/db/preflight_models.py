"""The tables of preflights: reports, what they ask of agents, and who waits.

Seconds as in ``escalator.db.models``.
"""

import sqlalchemy as sa

from escalator.db.columns import ID, STATE, TEXT, at, count, metadata, text

preflight_report = sa.Table(
    "preflight_report",
    metadata,
    sa.Column("id", ID, primary_key=True),
    sa.Column("campaign_id", ID, nullable=False),
    count("plan_rev"),
    text("refusal", TEXT),
    sa.Column("remedies", sa.JSON, nullable=False),
    sa.Column("collected", sa.JSON, nullable=False),
    sa.Column("baseline_id", ID, nullable=True),
    at("made_at", False),
    sa.Index("ix_preflight_report_campaign", "campaign_id"),
)
"""``collected``: kinds of readings; ``baseline_id``: the report that let it start;
``remedies``: list of {host, check, action, state, detail, started_at, ended_at}."""

preflight_finding = sa.Table(
    "preflight_finding",
    metadata,
    sa.Column("report_id", ID, primary_key=True),
    sa.Column("ordinal", sa.Integer, primary_key=True, autoincrement=False),
    text("code", sa.String(64)),
    text("host"),
    text("text", TEXT),
    text("remedy", TEXT),
    text("effect", sa.String(32)),
)

preflight_reading = sa.Table(
    "preflight_reading",
    metadata,
    sa.Column("report_id", ID, primary_key=True),
    sa.Column("ordinal", sa.Integer, primary_key=True, autoincrement=False),
    text("kind", sa.String(16)),
    text("host"),
    text("name"),
    sa.Column("value", sa.Float, nullable=False),
)

preflight_wait = sa.Table(
    "preflight_wait",
    metadata,
    sa.Column("campaign_id", ID, primary_key=True),
    text("verb", sa.String(16)),
    sa.Column("arguments", sa.JSON, nullable=False),
    text("actor"),
    count("at_once"),
    at("begun_at", False),
)
"""A verb that is carried out once the agents have answered its preflight.

``at_once``: hosts that are mended at once at most."""

preflight_order = sa.Table(
    "preflight_order",
    metadata,
    sa.Column("id", ID, primary_key=True),
    sa.Column("campaign_id", ID, nullable=False),
    text("host"),
    text("intent", sa.String(16)),
    text("executor", sa.String(16)),
    count("round"),
    text("about", sa.String(64)),
    text("action"),
    sa.Column("params", sa.JSON, nullable=False),
    text("idempotence", sa.String(16)),
    sa.Column("timeout_s", sa.Float, nullable=False),
    text("state", STATE),
    count("attempt"),
    count("fence"),
    text("detail", TEXT),
    sa.Column("result", sa.JSON, nullable=True),
    at("hard_at"),
    at("created_at", False),
    at("started_at"),
    at("ended_at"),
    sa.Index("ix_preflight_order_campaign", "campaign_id"),
)
"""``intent``: ask or remedy; ``executor``: node or vim, who gets it; ``round``: 1 after
the remedies; ``about``: the check that a remedy is for; ``state``: ready, dispatched,
done or failed."""

vim_agent = sa.Table(
    "vim_agent",
    metadata,
    sa.Column("name", sa.String(255), primary_key=True),
    sa.Column("actions", sa.JSON, nullable=False),
    at("seen_at", False),
)
"""``actions``: what the agent told: action -> version."""
