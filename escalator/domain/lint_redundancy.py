"""C731: what is interrupted has somebody to stand in for it (E-3, S-7).

``smooth`` promises the users no outage, so it refuses what ``best_effort`` only warns
of; ``disruptive`` promises nothing.
"""

from collections.abc import Iterator, Sequence

from escalator.domain import draining, plan, selector
from escalator.domain.finding import Finding, point

INTERRUPTING = draining.ACTIONS | {
    "ha.hand_over",
    "host.reboot",
    "package.install",
    "package.restore",
    "playbook.run",
    "service.restart",
    "service.restore",
    "service.stop",
}
"""Actions during which a host does not serve, as far as anybody can know."""

_SEVERITIES = {"smooth": "error", "best_effort": "warning"}
_SAID = {"smooth": "best_effort or disruptive", "best_effort": "disruptive"}
_NAMED = 3

_Unit = tuple[str, ...]


def find(understood: plan.Plan, targets: Sequence[plan.Target]) -> Iterator[Finding]:
    """Find procedures that take out all of what stands in for each other."""
    said = understood.smoothness
    if said not in _SEVERITIES:
        return
    beside = _universes(understood)
    for index, procedure in enumerate(understood.procedures):
        step = next(filter(_interrupts, procedure.steps), None)
        if step is None or procedure.id in beside:
            continue
        chosen = selector.select(understood.selector(procedure.selector), targets)
        alone = _alone(procedure, chosen, targets)
        if alone:
            yield Finding(
                "C731",
                point("procedures", index, "select"),
                f"step {step.id} ({step.action}) interrupts {_shown(alone)}, and no"
                f" other host stands in: that is not {said}",
                "add a host of the same role or group, take fewer at once, or say"
                f" smoothness: {_SAID[said]}",
                severity=_SEVERITIES[said],
            )


def _interrupts(step: plan.Step) -> bool:
    return step.may_reboot or step.action in INTERRUPTING


def _universes(understood: plan.Plan) -> set[str]:
    """Return the parts of parallel universes: old and new stand in for each other."""
    after = {each.id: each.after for each in understood.procedures}
    found: set[str] = set()
    for name in after:
        whole, _, part = name.rpartition("/")
        new, switch, old = (f"{whole}/{each}" for each in ("new", "switch", "old"))
        is_built = part == "new" and new in after.get(switch, ())
        if is_built and switch in after.get(old, ()):
            found |= {new, switch, old}
    return found


def _alone(
    procedure: plan.Procedure,
    chosen: Sequence[plan.Target],
    targets: Sequence[plan.Target],
) -> list[str]:
    """Return the hosts that are out together with all that could stand in.

    Who is down or quarantined counts: that is the budgets' affair.
    """
    members: dict[_Unit, set[str]] = {}
    for target in targets:
        for unit in _units(target):
            members.setdefault(unit, set()).add(target.name)
    if procedure.method == plan.Method.SINGLE_STEP:
        out = {target.name for target in chosen}
        empty = {unit for unit, names in members.items() if names <= out}
    else:
        empty = {unit for unit, names in members.items() if len(names) == 1}
    return [target.name for target in chosen if empty.issuperset(_units(target))]


def _units(target: plan.Target) -> list[_Unit]:
    """Return in what a host is redundant: its groups, and its role where it is."""
    where = (selector.values_of(target, fact)[:1] for fact in ("cluster", "site"))
    role = ("role", target.role, *("".join(each) for each in where))
    return [role, *(("group", name) for name in target.groups)]


def _shown(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
