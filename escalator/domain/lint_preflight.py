"""C821 to C823: what a preflight collects, and may have done to a host (V-6, V-7)."""

from collections.abc import Iterator, Mapping
from typing import Any

from escalator.domain import document as doc
from escalator.domain import draining, duration, parameters
from escalator.domain.finding import Finding, point
from escalator.domain.plan import Idempotence
from escalator.domain.preflight import MENDED
from escalator.domain.preflight_finding import REMEDIATE
from escalator.domain.reading import Catalogue

_TAKES_OUT = draining.ACTIONS | {"host.reboot", "ha.hand_over"}
"""A remedy has no budget and no undo: it leaves the host in service."""


def rows(filled: Mapping[str, Any]) -> list[doc.Row]:
    """Return every remedy with its place."""
    checks = doc.table(doc.table(filled, "preflight"), "checks")
    return [
        (("preflight", "checks", name, REMEDIATE), doc.table(checks[name], REMEDIATE))
        for name in checks
        if isinstance(checks[name], Mapping) and REMEDIATE in checks[name]
    ]


def find(filled: Mapping[str, Any], catalogue: Catalogue) -> Iterator[Finding]:
    """Find remedies that are none, and limits that nothing is held against."""
    yield from _idle_limits(filled)
    for path, body in rows(filled):
        check = str(path[2])
        if check not in MENDED:
            yield Finding(
                "C822",
                point(*path),
                f"no agent can say anew what {check} looks at",
                f"write a policy; a remedy may stand at {', '.join(MENDED)}",
            )
        yield from _action(path, body, catalogue)
        yield from _timeout(path, body)


def _idle_limits(filled: Mapping[str, Any]) -> Iterator[Finding]:
    wanted = doc.table(filled, "preflight")
    for kind in doc.table(wanted, "limits"):
        if kind not in doc.table(wanted, "checks"):
            yield Finding(
                "C823",
                point("preflight", "limits", kind),
                f"{kind} are not collected: the check does not stand under checks",
                f"name {kind} under preflight: checks, or take its limits out",
            )


def _action(
    path: doc.Path, body: Mapping[str, Any], catalogue: Catalogue
) -> Iterator[Finding]:
    action = doc.text(body, "action")
    facts = catalogue.get(action)
    if facts is None or facts.is_checkpoint:
        return
    repeats = facts.idempotence or Idempotence.NEVER
    reasons = [
        (repeats == Idempotence.NEVER, "may not be repeated after a crash"),
        (facts.executor != "node", "is not run by the agent of the host itself"),
        (not facts.is_mutating, "changes nothing"),
        (action in _TAKES_OUT, "takes the host out of service"),
    ]
    for is_so, reason in reasons:
        if is_so:
            yield Finding(
                "C821",
                point(*path, "action"),
                f"{action} is no remedy: it {reason}",
                "take an action of the node that may be repeated, such as command.run",
            )
            return


def _timeout(path: doc.Path, body: Mapping[str, Any]) -> Iterator[Finding]:
    """One without a timeout is C203's affair."""
    value = body.get("timeout", "1s")
    if isinstance(value, str) and parameters.uses(value):
        return
    try:
        is_short = duration.parse(value) <= 0
    except ValueError as error:
        yield Finding(
            "C603", point(*path, "timeout"), str(error), f"write {duration.SHAPES}"
        )
        return
    if is_short:
        yield Finding(
            "C603",
            point(*path, "timeout"),
            "a timeout of zero ends the remedy before it begins",
            "allow the time that it needs",
        )
