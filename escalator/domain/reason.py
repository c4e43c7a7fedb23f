"""Why something waits or failed: a code and a remedy for each sentence.  Pure.

The engine says a wait in one sentence that begins with one of the heads below; its
code follows from that, for rows stored by an earlier version too.  A refusal has a
code already: that of its error (``escalator.errors``), of a preflight finding or the
id of a lint.  Codes are never changed and never reused.
Source: P-4b, E-0; architecture section 3, rule 7.
"""

import dataclasses
import re

NOTHING = "nothing; it goes on by itself"


@dataclasses.dataclass(frozen=True, slots=True)
class Reason:
    """:ivar head: regular expression that the sentence begins with.
    :ivar remedy: what an operator can do about it.
    """

    code: str
    head: str
    remedy: str


WAITS = (
    Reason("W101", "waits: admission is closed by an operator", "resume it"),
    Reason("W102", r"waits: \d+ targets are worked on already", NOTHING),
    Reason(
        "W103",
        "waits: budget ",
        "nothing while its holders are worked on; repair those that are down, or raise"
        " the limit with campaign set --budget",
    ),
    Reason("W104", "waits: an earlier procedure", NOTHING),
    Reason("W105", "waits: the host is quarantined", "repair it, then host release"),
    Reason(
        "W106",
        "waits: the host is down or another campaign works on it",
        "repair the host, or let the other campaign end",
    ),
    Reason("W107", "waits: its agent is silent", "start the agent of the host"),
    Reason(
        "W108",
        "waits: the host left the inventory",
        "list it again in the VIM or the host facts, or skip it",
    ),
    Reason("W109", "waits: .* is undone first", NOTHING),
    Reason("W110", "waits: the agent finishes its present step", NOTHING),
    Reason("W111", "waits: admission is closed$", "resume the campaign"),
    Reason("W112", "waits: retry", NOTHING),
    Reason("W113", "waits: repeated by its idempotence", NOTHING),
    Reason("W114", "waits: silent, its agent is asked", NOTHING),
    Reason("W115", "waits: undone, and to be run again", "resume the campaign"),
    Reason(
        "W116",
        "waits: failed",
        "remove the cause and resume, or roll the campaign back",
    ),
    Reason(
        "W117",
        "waits: undo failed",
        "repair the host by hand and ask for the rollback again, or go on without it:"
        " campaign rollback --without",
    ),
    Reason(
        "W118", "waits: gate .*: its stage is done", "look at it, then campaign approve"
    ),
    Reason(
        "W119",
        "waits: gate .* quarantined",
        "look at the host, then campaign approve or rollback",
    ),
    Reason("W120", "waits: gate ", NOTHING),
    Reason("W121", "waits: the undo is rehearsed on one target first", NOTHING),
    Reason(
        "W122", "waits: a single step begins on all its hosts at once", "free them all"
    ),
    Reason("W123", "waits: nothing else begins during the single step", NOTHING),
    Reason("W124", "waits: it is the last of its cluster", NOTHING),
    Reason("W125", "waits: its agent was told to stop it", NOTHING),
    Reason("W126", "waits: stopped by a pause", "resume it"),
    Reason("W127", r"waits: revision \d+ needs no approval", "resume the campaign"),
    Reason("W128", r"waits: revision \d+ is not approved", "campaign approve"),
    Reason(
        "W129",
        r"waits: guard\.",
        "what the guard stopped was not ordered: look at the journal, then resume or"
        " roll back",
    ),
    Reason("W130", "left out by the preflight", "mend what it found, then preflight"),
    Reason("W131", "is next|is undone next", NOTHING),
    Reason(
        "W132",
        "waits: hung",
        "look at the program on the host; campaign set --retry, or rollback",
    ),
    Reason(
        "W133", "waits: lost", "see on the host whether the step acted; start its agent"
    ),
    Reason("W134", "waits: lost hosts", "repair them, or go on without them"),
    Reason("W135", "waits: every VIM agent is silent", "start one of them"),
    Reason(
        "W136",
        "waits: another campaign keeps the host until it is committed",
        "commit that campaign, or roll it back",
    ),
    Reason("W137", "waits: the change window opens at", NOTHING),
    Reason(
        "W138",
        "waits: it would not end before the change window closes",
        "nothing; it is begun in the next window that is long enough, or give it a"
        " longer one with campaign set --window",
    ),
    Reason(
        "W139",
        "waits: the last change window closed",
        "give it another one: campaign set --window",
    ),
    Reason("W141", "waits: preflight: its agent is asked", NOTHING),
    Reason("W142", "waits: preflight: mended by", NOTHING),
    Reason("W143", "waits: preflight: as many hosts as may be are", NOTHING),
    Reason("W144", r"waits: preflight: (remedies on )?\d+ ", NOTHING),
    Reason(
        "W145",
        "waits: the campaign does not run",
        "see what the campaign itself waits for: the row without a host",
    ),
    Reason("W146", "is not begun any more", "nothing; take it into a new campaign"),
    Reason(
        "W147",
        "waits: gate .*: preflight refused",
        "remove what it found, then campaign approve",
    ),
    Reason("W148", "waits: preflight: the VIM is asked", NOTHING),
    Reason("W151", "waits: the campaign was not started", "campaign start"),
    Reason(
        "W152",
        "waits: the preflight refused the start",
        "remove what it found, then campaign start",
    ),
    Reason(
        "W153",
        "waits: the preflight refused to let the campaign go on",
        "remove what it found, then campaign resume, or campaign rollback",
    ),
    Reason(
        "W154", "waits: the campaign pauses", "nothing; campaign resume once it paused"
    ),
    Reason(
        "W155",
        "waits: the campaign was paused",
        "campaign resume, or campaign rollback",
    ),
    Reason(
        "W156",
        "waits: the campaign holds",
        "remove the cause, then campaign resume, or campaign rollback",
    ),
    Reason(
        "W157",
        "waits: the campaign holds: the guard stopped it",
        "mend what the invariant names, report the bug, then campaign resume, or"
        " campaign rollback",
    ),
    Reason(
        "W166",
        "waits: the campaign holds: the last change window",
        "give it another window with campaign set --window, then campaign resume; or"
        " campaign rollback",
    ),
    Reason(
        "W158",
        "waits: the campaign soaks",
        "nothing; it goes on by itself, or at once: campaign commit",
    ),
    Reason(
        "W159",
        "waits: an operator has to commit the campaign",
        "campaign commit, or campaign rollback",
    ),
    Reason("W160", "waits: the campaign is being rolled back", NOTHING),
    Reason(
        "W161",
        "waits: the rollback is stuck",
        "repair what it waits for; if an undo failed, campaign rollback again; without"
        " a lost host: campaign rollback --without",
    ),
    Reason("W162", "waits: the campaign is being restored", NOTHING),
    Reason("W163", "the rollback is over", "nothing; campaign start to run it again"),
    Reason(
        "W164",
        "the rollback failed",
        "repair by hand the hosts whose undo failed, then campaign rollback",
    ),
    Reason("W165", "the campaign is ", "nothing; it is over"),
    Reason(
        "W171",
        r"waits: admission is closed, procedure \S+ holds",
        "remove the cause, then campaign resume --procedure, or campaign rollback",
    ),
    Reason(
        "W172",
        "waits: an earlier procedure holds",
        "remove the cause there, then campaign resume --procedure of that one, or"
        " campaign rollback",
    ),
    Reason("W173", "waits: a preflight comes first: the window opened", NOTHING),
    Reason(
        "W174",
        "waits: what is midway ends, then the campaign holds",
        "campaign preflight show; remove the cause, then campaign resume",
    ),
)

_FAILURES = {
    "transient": Reason("F201", "", "resume: a second attempt may succeed"),
    "permanent": Reason("F202", "", "remove the cause, then resume, or roll back"),
    "verification": Reason("F203", "", "look at what the check reports, or roll back"),
    "timeout": Reason("F204", "", "look at the host; it needs more timeout, or help"),
    "hung": Reason("F205", "", "look at the program on the host, then retry"),
    "lost": Reason("F206", "", "see on the host whether the step acted"),
}
"""By the failure class that an agent reports, or that the engine finds."""

_UNDER_WAY = Reason("S101", "", NOTHING)
_LATE = Reason("L101", "", "nothing; a report of an earlier order changes nothing")
_OTHER = Reason("W100", "", "see the journal of the campaign")


def find(text: str) -> Reason:
    """Return what a sentence of the engine says."""
    fitting = [each for each in WAITS if re.match(each.head, text)]
    return max(fitting, key=lambda each: len(each.head), default=_OTHER)


def of_step(state: str, text: str, failure_class: str = "") -> Reason:
    """Return what stands behind the state and the reason of a step, or its report."""
    if state == "late":
        return _LATE
    if failure_class in _FAILURES:
        return _FAILURES[failure_class]
    found = find(text)
    return _UNDER_WAY if found is _OTHER and not text.startswith("waits") else found
