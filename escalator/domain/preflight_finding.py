"""What a preflight finds, and what may follow from it (V-5, V-7)."""

import dataclasses

BLOCK, EXCLUDE, REPORT = "block", "exclude_and_report", "report"
POLICIES = (BLOCK, EXCLUDE, REPORT)

REMEDIATE = "remediate"
"""Policy of a check with a remedy of its own; effect: a start would mend it."""

EFFECTS = (*POLICIES, REMEDIATE)


@dataclasses.dataclass(frozen=True, slots=True)
class Finding:
    """:ivar code: see above; its first part names the check.
    :ivar host: the selected host that it is about, or "" for the campaign.
    :ivar effect: a policy: what the finding does to the start.
    """

    code: str
    host: str
    text: str
    remedy: str
    effect: str = BLOCK
