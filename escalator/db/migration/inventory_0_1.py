"""Tables of hosts, faults and who is told of them as release 0.1 had them."""

import sqlalchemy as sa

from escalator.db.migration.columns_0_1 import (
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
