"""Campaigns touch every project's hosts: administrators only."""

from oslo_policy import policy

from escalator.api.policies.roles import ADMIN, OVERSEER
from escalator.api.policies.rule import rule

_ONE = "/v1/campaigns/{campaign_id}"

ACTIONS = (
    "preflight",
    "start",
    "pause",
    "resume",
    "commit",
    "rollback",
    "cancel",
    "change",
    "approve",
)


def list_rules() -> list[policy.DocumentedRuleDefault]:
    """Return the rules of campaigns."""
    reads = [
        ("list", "List campaigns.", "/v1/campaigns"),
        ("show", "Show a campaign.", _ONE),
        ("steps", "List a campaign's steps.", f"{_ONE}/steps"),
        ("journal", "Read a campaign's journal.", f"{_ONE}/journal"),
        ("explain", "Ask why steps wait.", f"{_ONE}/explain"),
        ("show_preflight", "Read the preflight report.", f"{_ONE}/preflight"),
        ("revisions", "List the revisions of a plan.", f"{_ONE}/revisions"),
    ]
    return [
        rule("campaigns:create", ADMIN, "Submit a file.", "POST", "/v1/campaigns"),
        rule(
            "campaigns:validate",
            OVERSEER,
            "Judge a file, store nothing.",
            "POST",
            "/v1/campaigns/validate",
        ),
        rule(
            "campaigns:plan",
            OVERSEER,
            "Ask what a file would do, store nothing.",
            "POST",
            "/v1/campaigns/plan",
        ),
        *(
            rule(f"campaigns:{verb}", OVERSEER, what, "GET", path)
            for verb, what, path in reads
        ),
        *(
            rule(
                f"campaigns:{verb}",
                ADMIN,
                f"Order a campaign to {verb}.",
                "POST",
                f"{_ONE}/actions",
            )
            for verb in ACTIONS
        ),
    ]
