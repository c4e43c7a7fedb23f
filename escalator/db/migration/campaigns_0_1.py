"""Tables of campaigns as release 0.1 had them."""

import sqlalchemy as sa

from escalator.db.migration.columns_0_1 import (
    ID,
    STATE,
    TEXT,
    at,
    big_id,
    count,
    metadata,
    text,
)

campaign = sa.Table(
    "campaign",
    metadata,
    sa.Column("id", ID, primary_key=True),
    text("name"),
    text("project_id", sa.String(64)),
    text("user_id", sa.String(64)),
    sa.Column("request_key", sa.String(255), nullable=True),
    text("request_digest", sa.String(64)),
    text("state", STATE),
    sa.Column("state_reason", TEXT, nullable=False, default=""),
    sa.Column("document", TEXT, nullable=False),
    text("file_digest", sa.String(64)),
    sa.Column("params", sa.JSON, nullable=False),
    count("plan_rev"),
    sa.Column("closed_to", sa.JSON, nullable=False),
    text("rollback_scope", sa.String(16)),
    text("rollback_procedure"),
    sa.Column("preflight_id", ID, nullable=True),
    at("soak_until"),
    at("commit_at"),
    at("look_after"),
    at("created_at", False),
    at("updated_at", False),
    at("started_at"),
    at("ended_at"),
    text("ovo_version", sa.String(15)),
    sa.UniqueConstraint("project_id", "request_key", name="uq_campaign_request"),
    sa.Index("ix_campaign_state", "state"),
)
"""``closed_to``: list of {"host": ...}, {"rack": ...} or {"procedure": ...} closed to
admission, a hold with "reason"."""

plan_rev = sa.Table(
    "plan_rev",
    metadata,
    sa.Column("campaign_id", ID, primary_key=True),
    sa.Column("rev", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("plan", sa.JSON, nullable=False),
    sa.Column("targets", sa.JSON, nullable=False),
    sa.Column("diff", sa.JSON, nullable=False),
    text("author"),
    text("awaits", TEXT),
    text("approved_by"),
    at("created_at", False),
    at("approved_at"),
)
"""``author``: who ordered it, or empty: the inventory changed.  ``awaits``: why it
needs an approval, or empty."""

slot = sa.Table(
    "slot",
    metadata,
    sa.Column("id", ID, primary_key=True),
    sa.Column("campaign_id", ID, nullable=False),
    text("procedure"),
    text("host"),
    text("stage", sa.String(64)),
    count("ordinal"),
    text("state", STATE),
    text("reason", TEXT),
    count("compensations"),
    count("reruns"),
    text("rehearsal", sa.String(16)),
    at("opened_at", False),
    at("ended_at"),
    sa.Column("server_groups", sa.JSON, nullable=False, default=list),
    sa.Column("declared", sa.JSON, nullable=False, default=list),
    sa.UniqueConstraint("campaign_id", "procedure", "host", name="uq_slot_target"),
    sa.Index("ix_slot_host", "host"),
)

gate = sa.Table(
    "gate",
    metadata,
    sa.Column("id", ID, primary_key=True),
    sa.Column("campaign_id", ID, nullable=False),
    text("procedure"),
    text("stage", sa.String(64)),
    text("state", STATE),
    count("take"),
    at("opens_at"),
    text("reason", TEXT),
    at("changed_at", False),
    sa.UniqueConstraint("campaign_id", "procedure", "stage", name="uq_gate_stage"),
)

step = sa.Table(
    "step",
    metadata,
    sa.Column("id", ID, primary_key=True),
    sa.Column("campaign_id", ID, nullable=False),
    sa.Column("slot_id", ID, nullable=False),
    text("procedure"),
    text("host"),
    count("seq"),
    text("name"),
    text("kind", sa.String(16)),
    text("action"),
    text("executor", sa.String(16)),
    text("intent", sa.String(8)),
    sa.Column("undo_of", ID, nullable=True),
    text("state", STATE),
    text("reason", TEXT),
    text("idempotence", sa.String(8)),
    sa.Column("is_mutating", sa.Boolean, nullable=False, default=False),
    sa.Column("may_reboot", sa.Boolean, nullable=False, default=False),
    count("attempt"),
    count("retries"),
    count("fence"),
    text("agent"),
    text("lease_owner"),
    at("lease_until"),
    at("hard_at"),
    at("ready_at"),
    sa.Column("expected_s", sa.Double, nullable=False, default=0.0),
    sa.Column("timeout_s", sa.Double, nullable=False, default=0.0),
    text("failure_class", sa.String(32)),
    sa.Column("result", sa.JSON, nullable=True),
    at("created_at", False),
    at("started_at"),
    at("ended_at"),
    sa.Index("ix_step_slot", "slot_id"),
    sa.Index("ix_step_campaign_state", "campaign_id", "state"),
    sa.Index("ix_step_state_lease", "state", "lease_until"),
)

token_hold = sa.Table(
    "token_hold",
    metadata,
    sa.Column("slot_id", ID, primary_key=True),
    sa.Column("budget", sa.String(64), primary_key=True),
    sa.Column("key", sa.String(128), primary_key=True),
    sa.Column("campaign_id", ID, nullable=False),
    text("target"),
    sa.Index("ix_token_hold_campaign", "campaign_id"),
)

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

vim_agent = sa.Table(
    "vim_agent",
    metadata,
    sa.Column("name", sa.String(255), primary_key=True),
    sa.Column("actions", sa.JSON, nullable=False),
    at("seen_at", False),
)

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

checkpoint = sa.Table(
    "checkpoint",
    metadata,
    sa.Column("step_id", ID, primary_key=True),
    sa.Column("campaign_id", ID, nullable=False),
    sa.Column("slot_id", ID, nullable=False),
    text("host"),
    text("checkpoint"),
    sa.Column("content", sa.JSON, nullable=False),
    at("created_at", False),
    sa.Index("ix_checkpoint_slot", "slot_id"),
)

journal = sa.Table(
    "journal",
    metadata,
    big_id("seq"),
    at("at", False),
    sa.Column("campaign_id", ID, nullable=False),
    text("object_type", sa.String(16)),
    text("object_id", ID),
    text("slot_id", ID),
    text("host"),
    text("name"),
    text("intent", sa.String(8)),
    text("from_state", STATE),
    text("to_state", STATE),
    text("actor"),
    count("attempt"),
    count("fence"),
    text("detail", TEXT),
    sa.Index("ix_journal_campaign", "campaign_id", "seq"),
    sa.Index("ix_journal_slot", "slot_id", "seq"),
)

outbox = sa.Table(
    "outbox",
    metadata,
    sa.Column("id", ID, primary_key=True),
    text("kind", sa.String(16)),
    text("target"),
    text("executor", sa.String(16)),
    sa.Column("payload", sa.JSON, nullable=False),
    at("claimed_until", False),
    at("created_at", False),
    count("ordinal"),
    sa.Index("ix_outbox_claimed", "claimed_until"),
)
"""``kind``: ``run``, ``probe``, ``stop`` are cast to an agent, ``event`` published."""

signal = sa.Table(
    "signal",
    metadata,
    big_id("id"),
    sa.Column("campaign_id", ID, nullable=False),
    text("kind", sa.String(16)),
    sa.Column("arguments", sa.JSON, nullable=False),
    text("sender"),
    sa.Column("request_key", sa.String(255), nullable=True),
    at("at", False),
    at("handled_at"),
    sa.UniqueConstraint("campaign_id", "request_key", name="uq_signal_request"),
    sa.Index("ix_signal_open", "handled_at", "campaign_id"),
)

latch = sa.Table("latch", metadata, sa.Column("name", sa.String(32), primary_key=True))
"""Rows that are locked to serialise: ``admission``."""
