"""What makes a plan revision: drift of the inventory, or an operator's change.

Pure.  Source: P-4a, E-0, architecture section 3, rule 8.
"""

import dataclasses
import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from escalator.domain import (
    change_window,
    lint_order,
    lint_references,
    lint_windows,
    losses,
    plan,
)
from escalator.domain import document as doc
from escalator.domain.finding import Finding, point

Amount = int | str
"""A number, or a percentage such as ``"25%"``."""

_PLACE = ("action", "arguments")


@dataclasses.dataclass(frozen=True, slots=True)
class Change:
    """What an operator changes while a campaign runs.

    :ivar parallel: procedure -> new limit.
    :ivar budgets: budget -> new limit.
    :ivar exclude: tags whose hosts are begun no more.
    :ivar max_quarantined: new limit of the failure budget; None: as it is.
    :ivar windows: new change windows, as in the file; None: as they are.
    """

    parallel: Mapping[str, Amount]
    budgets: Mapping[str, Amount]
    exclude: Sequence[str] = ()
    max_quarantined: Amount | None = None
    windows: Sequence[Mapping[str, Any]] | None = None


def find(
    made: plan.Plan, change: Change, now: float | None = None
) -> Iterator[Finding]:
    """Judge a change by the rules of campaign files (C202, C402, C502, C701, C74x).

    :param now: epoch seconds; None: windows may be over.
    """
    yield from _find_windows(change, now)
    if isinstance(change.max_quarantined, int) and change.max_quarantined < 0:
        yield Finding(
            "C202",
            point(*_PLACE, "max_quarantined"),
            f"{change.max_quarantined} hosts cannot be given up",
            "write 0, with which the first one stops the campaign, or more",
        )
    known = {
        "parallel": [each.id for each in made.procedures],
        "budgets": [each.id for each in made.budgets],
    }
    refused = {
        "parallel": ("C502", "lets no target run"),
        "budgets": ("C701", "never admits a target"),
    }
    for key, limits in (("parallel", change.parallel), ("budgets", change.budgets)):
        names = known[key]
        for name, limit in limits.items():
            place = point(*_PLACE, key, name)
            if name not in names:
                yield Finding(
                    "C402",
                    place,
                    f"the plan has no {name} under {key}",
                    f"name one of: {', '.join(names) or 'none'}",
                )
            elif lint_order.is_nothing(limit):
                rule, effect = refused[key]
                yield Finding(
                    rule,
                    place,
                    f"{limit} for {name} {effect}",
                    "allow at least 1 or a percentage above 0; to stop, pause",
                )


def _find_windows(change: Change, now: float | None) -> Iterator[Finding]:
    entries: list[doc.Row] = [
        ((*_PLACE, "windows", at), body) for at, body in enumerate(_windows(change))
    ]
    found = [*lint_references.twice(entries), *lint_windows.find(entries)]
    found += [
        Finding(
            "C202",
            point(*place),
            "a window that is not whole",
            "write start and end, or days, from, to and tz",
        )
        for place, body in entries
        if not found and not lint_windows.is_whole(body)
    ]
    yield from found
    if not found:
        fresh = [change_window.read(body) for _, body in entries]
        place = point(*_PLACE, "windows")
        for each in lint_windows.find_over(fresh, now):
            yield dataclasses.replace(each, pointer=place)


def _windows(change: Change) -> Sequence[Mapping[str, Any]]:
    """Return the windows, each with an id."""
    return [
        {"id": f"window-{number}", **body}
        for number, body in enumerate(change.windows or (), 1)
    ]


def apply(made: plan.Plan, change: Change) -> plan.Plan:
    """Return the plan with the change; :func:`find` found nothing."""
    shut = tuple(plan.Condition("tag", (tag,)) for tag in change.exclude)
    return dataclasses.replace(
        made,
        **_losses(change.max_quarantined),
        windows=made.windows
        if change.windows is None
        else tuple(change_window.read(each) for each in _windows(change)),
        selectors=tuple(
            dataclasses.replace(
                each,
                exclude=each.exclude + tuple(c for c in shut if c not in each.exclude),
            )
            for each in made.selectors
        ),
        budgets=tuple(
            dataclasses.replace(each, **_limit(change.budgets[each.id], "max_down"))
            if each.id in change.budgets
            else each
            for each in made.budgets
        ),
        procedures=tuple(
            dataclasses.replace(each, **_limit(change.parallel[each.id], "parallel"))
            if each.id in change.parallel
            else each
            for each in made.procedures
        ),
    )


def _losses(amount: Amount | None) -> dict[str, Any]:
    """Return the two fields that hold the failure budget; none: it stays."""
    if amount is None:
        return {}
    share = doc.percent(amount)
    return {
        "max_quarantined": int(amount) if share is None else None,
        "max_quarantined_percent": share,
    }


def _limit(amount: Amount, key: str) -> dict[str, Any]:
    """Return the two fields that hold a limit, in budgets and procedures."""
    percent = {"max_down": "max_percent", "parallel": "parallel_percent"}[key]
    share = doc.percent(amount)
    if share is None:
        return {key: int(amount), percent: 0.0}
    return {key: 1, percent: share}


def differences(made: plan.Plan, change: Change) -> list[str]:
    """Return what differs, one text each, old value first."""
    found = [
        f"parallel {each.id}: {_shown(each.parallel, each.parallel_percent)}"
        f" -> {change.parallel[each.id]}"
        for each in made.procedures
        if each.id in change.parallel
    ]
    found += [
        f"budget {each.id}: {_shown(each.max_down, each.max_percent)}"
        f" -> {change.budgets[each.id]}"
        for each in made.budgets
        if each.id in change.budgets
    ]
    if change.max_quarantined is not None:
        before = losses.text(made)
        found.append(f"max_quarantined: {before} -> {change.max_quarantined}")
    if change.windows is not None:
        after = [change_window.read(each) for each in _windows(change)]
        found.append(f"windows: {_told(made.windows)} -> {_told(after)}")
    return found + [f"exclude tag {tag}" for tag in change.exclude]


def _told(windows: Sequence[change_window.ChangeWindow]) -> str:
    return " and ".join(each.text() for each in windows) or "always"


def _shown(number: int, percent: float) -> str:
    return f"{percent:g}%" if percent else str(number)


def awaits(
    policy: plan.DriftPolicy,
    earlier: Iterable[Mapping[str, Any]],
    approved: Collection[str],
    present: Collection[str],
) -> str:
    """Say why a revision needs an approval, or "" if it needs none.

    What operators took out or put in is no drift.

    :param earlier: diffs (``joined``, ``left``) that the inventory caused since
        the last approval, this one included.
    :param approved: the hosts at the last approval.
    :param present: the hosts of the revision.
    """
    limit, shown = policy.approve_above, str(policy.approve_above)
    if policy.approve_percent is not None:
        limit = math.floor(len(approved) * policy.approve_percent / 100)
        shown = f"{policy.approve_percent:g}% of {len(approved)} hosts"
    if limit is None:
        return ""
    moved: dict[str, None] = {}
    for diff in earlier:
        moved.update(dict.fromkeys((*diff["joined"], *diff["left"])))
    joined = sorted(set(moved) & set(present) - set(approved))
    left = sorted(set(moved) & set(approved) - set(present))
    if len(joined) + len(left) <= limit:
        return ""
    return (
        f"{len(joined)} hosts joined and {len(left)} left since the last approval,"
        f" on_drift lets {shown} pass"
    )
