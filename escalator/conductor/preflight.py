"""May a campaign start now?"""

from escalator.conductor import admission as admissions


def refusal(situation: admissions.Situation) -> str:
    """Return why the campaign may not start now, or "" (V-5)."""
    selected = {
        target.name: target
        for procedure in situation.plan.procedures
        for target in situation.selected(procedure)
    }
    if not selected:
        return "preflight refused: no host is selected"
    down = sorted(name for name, target in selected.items() if not target.is_up)
    if down:
        return f"preflight refused: down or busy: {', '.join(down)}"
    silent = sorted(n for n, target in selected.items() if not target.has_agent)
    if silent:
        return f"preflight refused: agents are silent: {', '.join(silent)}"
    return ""
