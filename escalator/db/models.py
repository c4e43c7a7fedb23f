"""The tables: one row per thing, never a blob.

Every ``*_at`` and ``*_until`` column holds seconds since the epoch (UTC) of
the database's own clock, see ``session.Database.now``.  Source: architecture
section 3.
"""

import sqlalchemy as sa

from escalator.db.columns import (
    ID,
    NAME,
    STATE,
    TEXT,
    at,
    big_id,
    count,
    metadata,
    text,
)
from escalator.db.preflight_models import preflight_finding as preflight_finding
from escalator.db.preflight_models import preflight_order as preflight_order
from escalator.db.preflight_models import preflight_reading as preflight_reading
from escalator.db.preflight_models import preflight_report as preflight_report
from escalator.db.preflight_models import preflight_wait as preflight_wait
from escalator.db.preflight_models import vim_agent as vim_agent

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
admission, a hold with "reason".  ``look_after``: until then its reports go first."""

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
"""``kind``: ``run``, ``probe``, ``stop``, ``release`` are cast to an agent, ``event``
is published."""

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

host = sa.Table(
    "host",
    metadata,
    sa.Column("name", NAME, primary_key=True),
    text("address"),
    text("role"),
    text("rack"),
    text("availability_zone"),
    sa.Column("tags", sa.JSON, nullable=False),
    sa.Column("groups", sa.JSON, nullable=False),
    sa.Column("nics", sa.JSON, nullable=False, default=dict),
    sa.Column("server_groups", sa.JSON, nullable=False),
    sa.Column("declared", sa.JSON, nullable=False, default=list),
    sa.Column("residents", sa.JSON, nullable=False, default=list),
    count("instances"),
    text("state", STATE),
    text("fault_id", ID),
    sa.Column("is_quarantined", sa.Boolean, nullable=False, default=False),
    text("quarantine_reason", TEXT),
    sa.Column("campaign_id", ID, nullable=True),
    sa.Column("facts", sa.JSON, nullable=False),
    sa.Column("listed_facts", sa.JSON, nullable=False, default=dict),
    at("agent_seen_at"),
    sa.Column("is_listed", sa.Boolean, nullable=False, default=True),
)
"""``is_listed``: still in the VIM's inventory.  ``listed_facts``: from the VIM or an
operator's file, ``facts``: from the agent; ``declared``: list of [owner, most down]."""

fault = sa.Table(
    "fault",
    metadata,
    sa.Column("id", ID, primary_key=True),
    text("host"),
    text("fault_type", sa.String(64)),
    text("severity", sa.String(16)),
    text("state", sa.String(16)),
    sa.Column("is_marked_down", sa.Boolean, nullable=False, default=False),
    sa.Column("is_expected", sa.Boolean, nullable=False, default=False),
    sa.Column("times", sa.JSON, nullable=False),
    sa.Column("evidence", sa.JSON, nullable=False),
    sa.Column("instances", sa.JSON, nullable=False),
    sa.Column("campaign_ids", sa.JSON, nullable=False),
    at("raised_at", False),
    at("cleared_at"),
    sa.Index("ix_fault_raised", "raised_at"),
    sa.Index("ix_fault_host", "host"),
)

"""``is_expected``: a step of a campaign explains it."""

fault_project = sa.Table(
    "fault_project",
    metadata,
    sa.Column("fault_id", ID, primary_key=True),
    sa.Column("project_id", sa.String(64), primary_key=True),
)

fault_checkpoint = sa.Table(
    "fault_checkpoint",
    metadata,
    sa.Column("fault_id", ID, primary_key=True),
    sa.Column("checkpoint", sa.String(8), primary_key=True),
    at("reached_at", False),
)
"""Checkpoints that followed the notices; the fault itself has the others."""

notice = sa.Table(
    "notice",
    metadata,
    sa.Column("id", ID, primary_key=True),
    text("cause_id", ID),
    text("subscription_id", ID),
    text("project_id", sa.String(64)),
    text("state", sa.String(16)),
    count("attempts"),
    sa.Column("times", sa.JSON, nullable=False),
    text("error", TEXT),
    text("body", TEXT),
    at("settled_at", False),
    sa.Index("ix_notice_state", "state", "settled_at"),
)
"""``body`` is kept until somebody took it."""

fault_notice = sa.Table(
    "fault_notice",
    metadata,
    sa.Column("fault_id", ID, primary_key=True),
    sa.Column("notice_id", ID, primary_key=True, index=True),
)

subscription = sa.Table(
    "subscription",
    metadata,
    sa.Column("id", ID, primary_key=True),
    text("project_id", sa.String(64)),
    text("user_id", sa.String(64)),
    text("name"),
    text("url", sa.String(2048)),
    sa.Column("fault_types", sa.JSON, nullable=False),
    text("min_severity", sa.String(16)),
    sa.Column("min_probes", sa.Integer, nullable=False, default=1),
    sa.Column("is_admin", sa.Boolean, nullable=False, default=False),
    at("created_at", False),
    text("ovo_version", sa.String(15)),
    sa.Index("ix_subscription_project", "project_id"),
)

alarm = sa.Table(
    "alarm",
    metadata,
    sa.Column("id", ID, primary_key=True),
    text("name"),
    text("project_id", sa.String(64)),
    text("user_id", sa.String(64)),
    text("token_digest", sa.String(64)),
    text("host"),
    text("campaign_id", ID),
    text("reaction", sa.String(16)),
    text("fault_type", sa.String(64)),
    text("severity", sa.String(16)),
    text("aodh_alarm_id"),
    text("state", STATE),
    sa.Column("fault", sa.JSON, nullable=False, default=dict),
    count("reports"),
    count("repeats"),
    at("created_at", False),
    at("reported_at"),
    at("revoked_at"),
    text("ovo_version", sa.String(15)),
    sa.UniqueConstraint("token_digest", name="uq_alarm_token"),
    sa.Index("ix_alarm_project", "project_id"),
)
"""``fault``: what it raised (``domain.events.Fault``) and is not over, or {}."""

alarm_observation = sa.Table(
    "alarm_observation",
    metadata,
    big_id("seq"),
    sa.Column("alarm_id", ID, nullable=False),
    sa.Column("report_key", sa.String(64), nullable=False),
    at("at", False),
    text("previous", STATE),
    text("state", STATE),
    text("reason", TEXT),
    text("verdict", sa.String(16)),
    text("outcome", TEXT),
    sa.UniqueConstraint("alarm_id", "report_key", name="uq_alarm_observation"),
    sa.Index("ix_alarm_observation", "alarm_id", "seq"),
)
"""``report_key``: see ``domain.alarm.key``."""

service = sa.Table(
    "service",
    metadata,
    sa.Column("id", ID, primary_key=True),
    text("binary", sa.String(64)),
    text("host"),
    text("instance", sa.String(64)),
    count("service_version"),
    text("release", sa.String(32)),
    text("state", STATE),
    at("started_at"),
    at("last_seen_at"),
    sa.Column("figures", sa.JSON, nullable=False, default=dict),
    sa.UniqueConstraint("binary", "host", "instance", name="uq_service_instance"),
)
