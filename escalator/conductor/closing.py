"""A campaign whose change windows are over holds, or does not start (CM-1, E-0)."""

from escalator import errors
from escalator.conductor import engine as engines
from escalator.conductor.situation import Situation
from escalator.conductor.wishing import Wish
from escalator.domain import change_window, states

REMEDY = "give it another one with campaign set --window"

_SHOWN = 5

_UNDER_WAY = (
    states.SlotState.ACTIVE.value,
    states.SlotState.UNDOING.value,
    states.SlotState.UNDONE.value,
    states.SlotState.REVERTING.value,
)


def judge(situation: Situation) -> tuple[states.CampaignState, str] | None:
    """Return where the campaign has to go if no window opens any more, and why.

    What is begun is finished first: a campaign that holds orders nothing.  What a
    procedure that holds has begun is not waited for.
    """
    hours = situation.hours
    if not hours.is_over(situation.now):
        return None
    slots = [
        row
        for name, each in situation.slots.items()
        if name not in situation.held
        for row in each.values()
    ]
    if any(row["state"] in _UNDER_WAY for row in slots):
        return None
    left = situation.waiting()
    if not left:
        return None
    more = f" and {len(left) - _SHOWN} more" if len(left) > _SHOWN else ""
    hosts = "1 host is" if len(left) == 1 else f"{len(left)} hosts are"
    return states.CampaignState.HOLDING, (
        f"the last change window closed at {hours.closed_at()}, {hosts} left:"
        f" {', '.join(left[:_SHOWN])}{more}; {REMEDY}, then resume it"
    )


def check_start(engine: engines.Engine, wish: Wish) -> None:
    """Refuse to start what could begin nothing any more.

    :raises Conflict: names the end of the last window, and the remedy.
    """
    made = engine.plan_of(wish.connection, wish.campaign)
    hours = change_window.Hours(made.windows)
    if not hours.is_over(wish.batch.now):
        return
    remedy = REMEDY
    if wish.campaign["state"] in states.ENDED:
        remedy = "submit a new campaign with windows to come"
    raise errors.Conflict(
        f"The last change window closed at {hours.closed_at()}; {remedy}."
    )
