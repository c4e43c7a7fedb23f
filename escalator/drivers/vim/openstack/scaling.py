"""Alarms of Aodh that let Heat or Senlin scale are held (S-7, ADR 26).

Who holds an alarm, and why, stands at the end of its description: owners see it,
and it outlives every process of ours.
"""

import dataclasses
import re
from collections.abc import Mapping

from escalator.drivers import scaling
from escalator.drivers.vim.openstack import alarms
from escalator.drivers.vim.openstack import calls as services

_MARK = re.compile(r" ?\[Escalator holds this alarm for ([^\s:\[\]]+): ([^\[\]]*)\]")
_BEYOND_THE_BMP = re.compile("[^\u0000-\uffff]")
"""What a MySQL with three bytes for a character refuses."""


@dataclasses.dataclass(frozen=True, slots=True)
class Choice:
    """:ivar actions: expressions, of whatever case; an action URL with one scales.

    :ivar settle_s: Aodh's evaluator and listener store alarms whole, with flag and
        description, from copies that are no older.
    """

    actions: tuple[str, ...] = ()
    settle_s: float = 0.0


class AlarmScaling(scaling.Scaling):
    """Holds what its choice says, of all projects."""

    def __init__(self, known: alarms.Alarms, choice: Choice) -> None:
        self.settle_s = choice.settle_s
        self._alarms = known
        self._actions = [re.compile(each, re.IGNORECASE) for each in choice.actions]

    def triggers(self) -> list[scaling.Trigger]:
        """Return the alarms that scale, and all that are marked."""
        found = [(each, trigger_of(each)) for each in self._alarms.list_all()]
        return [
            trigger
            for alarm, trigger in found
            if trigger.holders or self._is_scaling(alarm)
        ]

    def change(self, trigger_id: str, wanted: scaling.Wanted) -> None:
        """Read an alarm and write it: mark and flag in one PUT.

        Aodh has no compare-and-set; the look that follows finds what was written
        over in between.

        :raises NotFound: it was deleted.
        :raises ActionFailed: Aodh refuses.
        """
        alarm = self._alarms.read(trigger_id)
        before = trigger_of(alarm)
        after = wanted(before)
        if after != before:
            description = described(alarm["description"], after.holders)
            changed = {"enabled": after.is_enabled, "description": description}
            self._alarms.write({**alarm, **changed})

    def _is_scaling(self, alarm: alarms.Alarm) -> bool:
        urls = [url for key in alarms.ACTIONS for url in alarm.get(key) or ()]
        return any(each.search(url) for each in self._actions for url in urls)


def trigger_of(alarm: alarms.Alarm) -> scaling.Trigger:
    """Return what an alarm says of itself; pure."""
    return scaling.Trigger(
        id=alarm["alarm_id"],
        name=f"{alarm['name']} ({alarm['alarm_id']})",
        is_enabled=alarm["enabled"],
        holders=dict(_MARK.findall(alarm["description"])),
    )


def described(description: str, holders: Mapping[str, str]) -> str:
    """Return a description with these marks at its end, and the owner's text; pure."""
    marks = [
        f" [Escalator holds this alarm for {holder}: {_BEYOND_THE_BMP.sub('?', why)}]"
        for holder, why in holders.items()
    ]
    return "".join([_MARK.sub("", description), *marks])


def connect(
    adapter: services.Adapter,
    timeout_s: float,
    figures: services.Figures,
    choice: Choice,
) -> AlarmScaling:
    """Return it over an adapter to Aodh; nothing is sent yet."""
    calls = services.Calls(adapter, timeout_s, "Aodh", figures)
    return AlarmScaling(alarms.Alarms(calls), choice)
