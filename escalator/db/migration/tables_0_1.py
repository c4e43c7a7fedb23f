"""The tables as release 0.1 made them; never edited."""

import sqlalchemy as sa
from sqlalchemy.dialects import mysql

metadata = sa.MetaData()

_ID = sa.String(36)
_NAME = sa.String(255)
_STATE = sa.String(32)
_TEXT = sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb")


def _at(name: str, nullable: bool = True) -> sa.Column[float]:
    return sa.Column(name, sa.Double(), nullable=nullable)


def _text(name: str, kind: sa.types.TypeEngine[str] = _NAME) -> sa.Column[str]:
    return sa.Column(name, kind, nullable=False, default="")


def _count(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, nullable=False, default=0)


def _big_id(name: str) -> sa.Column[int]:
    kind = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    return sa.Column(name, kind, primary_key=True, autoincrement=True)


campaign = sa.Table(
    "campaign",
    metadata,
    sa.Column("id", _ID, primary_key=True),
    _text("name"),
    _text("project_id", sa.String(64)),
    _text("user_id", sa.String(64)),
    sa.Column("request_key", sa.String(255), nullable=True),
    _text("request_digest", sa.String(64)),
    _text("state", _STATE),
    sa.Column("state_reason", _TEXT, nullable=False, default=""),
    sa.Column("document", _TEXT, nullable=False),
    _text("file_digest", sa.String(64)),
    sa.Column("params", sa.JSON, nullable=False),
    _count("plan_rev"),
    sa.Column("closed_to", sa.JSON, nullable=False),
    _text("rollback_scope", sa.String(16)),
    _text("rollback_procedure"),
    sa.Column("preflight_id", _ID, nullable=True),
    _at("soak_until"),
    _at("commit_at"),
    _at("created_at", False),
    _at("updated_at", False),
    _at("started_at"),
    _at("ended_at"),
    _text("ovo_version", sa.String(15)),
    sa.UniqueConstraint("project_id", "request_key", name="uq_campaign_request"),
    sa.Index("ix_campaign_state", "state"),
)
"""``closed_to``: list of {"host": ...}, {"rack": ...} or {"procedure": ...}
closed to admission."""

plan_rev = sa.Table(
    "plan_rev",
    metadata,
    sa.Column("campaign_id", _ID, primary_key=True),
    sa.Column("rev", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("plan", sa.JSON, nullable=False),
    sa.Column("targets", sa.JSON, nullable=False),
    sa.Column("diff", sa.JSON, nullable=False),
    _text("author"),
    _text("awaits", _TEXT),
    _text("approved_by"),
    _at("created_at", False),
    _at("approved_at"),
)
"""``author``: who ordered it, or empty: the inventory changed.  ``awaits``: why it
needs an approval, or empty."""

slot = sa.Table(
    "slot",
    metadata,
    sa.Column("id", _ID, primary_key=True),
    sa.Column("campaign_id", _ID, nullable=False),
    _text("procedure"),
    _text("host"),
    _text("stage", sa.String(64)),
    _count("ordinal"),
    _text("state", _STATE),
    _text("reason", _TEXT),
    _count("compensations"),
    _count("reruns"),
    _text("rehearsal", sa.String(16)),
    _at("opened_at", False),
    _at("ended_at"),
    sa.Column("server_groups", sa.JSON, nullable=False, default=list),
    sa.UniqueConstraint("campaign_id", "procedure", "host", name="uq_slot_target"),
    sa.Index("ix_slot_host", "host"),
)

gate = sa.Table(
    "gate",
    metadata,
    sa.Column("id", _ID, primary_key=True),
    sa.Column("campaign_id", _ID, nullable=False),
    _text("procedure"),
    _text("stage", sa.String(64)),
    _text("state", _STATE),
    _count("take"),
    _at("opens_at"),
    _text("reason", _TEXT),
    _at("changed_at", False),
    sa.UniqueConstraint("campaign_id", "procedure", "stage", name="uq_gate_stage"),
)

step = sa.Table(
    "step",
    metadata,
    sa.Column("id", _ID, primary_key=True),
    sa.Column("campaign_id", _ID, nullable=False),
    sa.Column("slot_id", _ID, nullable=False),
    _text("procedure"),
    _text("host"),
    _count("seq"),
    _text("name"),
    _text("kind", sa.String(16)),
    _text("action"),
    _text("executor", sa.String(16)),
    _text("intent", sa.String(8)),
    sa.Column("undo_of", _ID, nullable=True),
    _text("state", _STATE),
    _text("reason", _TEXT),
    _text("idempotence", sa.String(8)),
    sa.Column("is_mutating", sa.Boolean, nullable=False, default=False),
    sa.Column("may_reboot", sa.Boolean, nullable=False, default=False),
    _count("attempt"),
    _count("retries"),
    _count("fence"),
    _text("agent"),
    _text("lease_owner"),
    _at("lease_until"),
    _at("hard_at"),
    _at("ready_at"),
    sa.Column("expected_s", sa.Double, nullable=False, default=0.0),
    sa.Column("timeout_s", sa.Double, nullable=False, default=0.0),
    _text("failure_class", sa.String(32)),
    sa.Column("result", sa.JSON, nullable=True),
    _at("created_at", False),
    _at("started_at"),
    _at("ended_at"),
    sa.Index("ix_step_slot", "slot_id"),
    sa.Index("ix_step_campaign_state", "campaign_id", "state"),
    sa.Index("ix_step_state_lease", "state", "lease_until"),
)

token_hold = sa.Table(
    "token_hold",
    metadata,
    sa.Column("slot_id", _ID, primary_key=True),
    sa.Column("budget", sa.String(64), primary_key=True),
    sa.Column("key", sa.String(128), primary_key=True),
    sa.Column("campaign_id", _ID, nullable=False),
    _text("target"),
    sa.Index("ix_token_hold_campaign", "campaign_id"),
)

preflight_report = sa.Table(
    "preflight_report",
    metadata,
    sa.Column("id", _ID, primary_key=True),
    sa.Column("campaign_id", _ID, nullable=False),
    _count("plan_rev"),
    _text("refusal", _TEXT),
    sa.Column("remedies", sa.JSON, nullable=False),
    _at("made_at", False),
    sa.Index("ix_preflight_report_campaign", "campaign_id"),
)

preflight_wait = sa.Table(
    "preflight_wait",
    metadata,
    sa.Column("campaign_id", _ID, primary_key=True),
    _text("verb", sa.String(16)),
    sa.Column("arguments", sa.JSON, nullable=False),
    _text("actor"),
    _count("at_once"),
    _at("begun_at", False),
)

preflight_order = sa.Table(
    "preflight_order",
    metadata,
    sa.Column("id", _ID, primary_key=True),
    sa.Column("campaign_id", _ID, nullable=False),
    _text("host"),
    _text("intent", sa.String(16)),
    _count("round"),
    _text("about", sa.String(64)),
    _text("action"),
    sa.Column("params", sa.JSON, nullable=False),
    _text("idempotence", sa.String(16)),
    sa.Column("timeout_s", sa.Float, nullable=False),
    _text("state", _STATE),
    _count("attempt"),
    _count("fence"),
    _text("detail", _TEXT),
    sa.Column("result", sa.JSON, nullable=True),
    _at("hard_at"),
    _at("created_at", False),
    _at("started_at"),
    _at("ended_at"),
    sa.Index("ix_preflight_order_campaign", "campaign_id"),
)

vim_agent = sa.Table(
    "vim_agent",
    metadata,
    sa.Column("name", sa.String(255), primary_key=True),
    sa.Column("actions", sa.JSON, nullable=False),
    _at("seen_at", False),
)

preflight_finding = sa.Table(
    "preflight_finding",
    metadata,
    sa.Column("report_id", _ID, primary_key=True),
    sa.Column("ordinal", sa.Integer, primary_key=True, autoincrement=False),
    _text("code", sa.String(64)),
    _text("host"),
    _text("text", _TEXT),
    _text("remedy", _TEXT),
    _text("effect", sa.String(32)),
)

checkpoint = sa.Table(
    "checkpoint",
    metadata,
    sa.Column("step_id", _ID, primary_key=True),
    sa.Column("campaign_id", _ID, nullable=False),
    sa.Column("slot_id", _ID, nullable=False),
    _text("host"),
    _text("checkpoint"),
    sa.Column("content", sa.JSON, nullable=False),
    _at("created_at", False),
    sa.Index("ix_checkpoint_slot", "slot_id"),
)

journal = sa.Table(
    "journal",
    metadata,
    _big_id("seq"),
    _at("at", False),
    sa.Column("campaign_id", _ID, nullable=False),
    _text("object_type", sa.String(16)),
    _text("object_id", _ID),
    _text("slot_id", _ID),
    _text("host"),
    _text("name"),
    _text("intent", sa.String(8)),
    _text("from_state", _STATE),
    _text("to_state", _STATE),
    _text("actor"),
    _count("attempt"),
    _count("fence"),
    _text("detail", _TEXT),
    sa.Index("ix_journal_campaign", "campaign_id", "seq"),
    sa.Index("ix_journal_slot", "slot_id", "seq"),
)

outbox = sa.Table(
    "outbox",
    metadata,
    sa.Column("id", _ID, primary_key=True),
    _text("kind", sa.String(16)),
    _text("target"),
    _text("executor", sa.String(16)),
    sa.Column("payload", sa.JSON, nullable=False),
    _at("claimed_until", False),
    _at("created_at", False),
    _count("ordinal"),
    sa.Index("ix_outbox_claimed", "claimed_until"),
)
"""``kind``: ``run``, ``probe``, ``stop`` are cast to an agent, ``event`` published."""

signal = sa.Table(
    "signal",
    metadata,
    _big_id("id"),
    sa.Column("campaign_id", _ID, nullable=False),
    _text("kind", sa.String(16)),
    sa.Column("arguments", sa.JSON, nullable=False),
    _text("sender"),
    sa.Column("request_key", sa.String(255), nullable=True),
    _at("at", False),
    _at("handled_at"),
    sa.UniqueConstraint("campaign_id", "request_key", name="uq_signal_request"),
    sa.Index("ix_signal_open", "handled_at", "campaign_id"),
)

latch = sa.Table("latch", metadata, sa.Column("name", sa.String(32), primary_key=True))
"""Rows that are locked to serialise: ``admission``."""

host = sa.Table(
    "host",
    metadata,
    sa.Column("name", _NAME, primary_key=True),
    _text("address"),
    _text("role"),
    _text("rack"),
    _text("availability_zone"),
    sa.Column("tags", sa.JSON, nullable=False),
    sa.Column("groups", sa.JSON, nullable=False),
    sa.Column("nics", sa.JSON, nullable=False, default=dict),
    sa.Column("server_groups", sa.JSON, nullable=False),
    sa.Column("declared", sa.JSON, nullable=False, default=list),
    sa.Column("residents", sa.JSON, nullable=False, default=list),
    _count("instances"),
    _text("state", _STATE),
    _text("fault_id", _ID),
    sa.Column("is_quarantined", sa.Boolean, nullable=False, default=False),
    _text("quarantine_reason", _TEXT),
    sa.Column("campaign_id", _ID, nullable=True),
    sa.Column("facts", sa.JSON, nullable=False),
    sa.Column("listed_facts", sa.JSON, nullable=False, default=dict),
    _at("agent_seen_at"),
    sa.Column("is_listed", sa.Boolean, nullable=False, default=True),
)
"""``is_listed``: still in the VIM's inventory.  ``listed_facts``: from the VIM or an
operator's file, ``facts``: from the agent; ``declared``: list of [owner, most down]."""

fault = sa.Table(
    "fault",
    metadata,
    sa.Column("id", _ID, primary_key=True),
    _text("host"),
    _text("fault_type", sa.String(64)),
    _text("severity", sa.String(16)),
    _text("state", sa.String(16)),
    sa.Column("is_marked_down", sa.Boolean, nullable=False, default=False),
    sa.Column("is_expected", sa.Boolean, nullable=False, default=False),
    sa.Column("times", sa.JSON, nullable=False),
    sa.Column("evidence", sa.JSON, nullable=False),
    sa.Column("instances", sa.JSON, nullable=False),
    sa.Column("campaign_ids", sa.JSON, nullable=False),
    _at("raised_at", False),
    _at("cleared_at"),
    sa.Index("ix_fault_raised", "raised_at"),
    sa.Index("ix_fault_host", "host"),
)

fault_project = sa.Table(
    "fault_project",
    metadata,
    sa.Column("fault_id", _ID, primary_key=True),
    sa.Column("project_id", sa.String(64), primary_key=True),
)

notice = sa.Table(
    "notice",
    metadata,
    sa.Column("id", _ID, primary_key=True),
    _text("cause_id", _ID),
    _text("subscription_id", _ID),
    _text("project_id", sa.String(64)),
    _text("state", sa.String(16)),
    _count("attempts"),
    sa.Column("times", sa.JSON, nullable=False),
    _text("error", _TEXT),
    _text("body", _TEXT),
    _at("settled_at", False),
)
"""``body`` is kept for dead letters only."""

fault_notice = sa.Table(
    "fault_notice",
    metadata,
    sa.Column("fault_id", _ID, primary_key=True),
    sa.Column("notice_id", _ID, primary_key=True),
)

subscription = sa.Table(
    "subscription",
    metadata,
    sa.Column("id", _ID, primary_key=True),
    _text("project_id", sa.String(64)),
    _text("user_id", sa.String(64)),
    _text("name"),
    _text("url", sa.String(2048)),
    sa.Column("fault_types", sa.JSON, nullable=False),
    _text("min_severity", sa.String(16)),
    sa.Column("is_admin", sa.Boolean, nullable=False, default=False),
    _at("created_at", False),
    _text("ovo_version", sa.String(15)),
    sa.Index("ix_subscription_project", "project_id"),
)

alarm = sa.Table(
    "alarm",
    metadata,
    sa.Column("id", _ID, primary_key=True),
    _text("name"),
    _text("project_id", sa.String(64)),
    _text("user_id", sa.String(64)),
    _text("token_digest", sa.String(64)),
    _text("host"),
    _text("campaign_id", _ID),
    _text("reaction", sa.String(16)),
    _text("fault_type", sa.String(64)),
    _text("severity", sa.String(16)),
    _text("aodh_alarm_id"),
    _text("state", _STATE),
    sa.Column("fault", sa.JSON, nullable=False, default=dict),
    _count("reports"),
    _count("repeats"),
    _at("created_at", False),
    _at("reported_at"),
    _at("revoked_at"),
    _text("ovo_version", sa.String(15)),
    sa.UniqueConstraint("token_digest", name="uq_alarm_token"),
    sa.Index("ix_alarm_project", "project_id"),
)

alarm_observation = sa.Table(
    "alarm_observation",
    metadata,
    _big_id("seq"),
    sa.Column("alarm_id", _ID, nullable=False),
    sa.Column("report_key", sa.String(64), nullable=False),
    _at("at", False),
    _text("previous", _STATE),
    _text("state", _STATE),
    _text("reason", _TEXT),
    _text("verdict", sa.String(16)),
    _text("outcome", _TEXT),
    sa.UniqueConstraint("alarm_id", "report_key", name="uq_alarm_observation"),
    sa.Index("ix_alarm_observation", "alarm_id", "seq"),
)

service = sa.Table(
    "service",
    metadata,
    sa.Column("id", _ID, primary_key=True),
    _text("binary", sa.String(64)),
    _text("host"),
    _text("instance", sa.String(64)),
    _count("service_version"),
    _text("release", sa.String(32)),
    _text("state", _STATE),
    _at("started_at"),
    _at("last_seen_at"),
    sa.UniqueConstraint("binary", "host", "instance", name="uq_service_instance"),
)
