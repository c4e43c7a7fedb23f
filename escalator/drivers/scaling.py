"""Keeps the VIM from scaling by itself, and gives it back as it was (S-7, ADR 26).

What a campaign has disabled is noted at the thing itself, in the change that
disables it: no crash leaves one without the other, and every process sees it.
"""

import abc
import dataclasses
import time
from collections.abc import Callable, Mapping

from escalator import errors

LOOKS = 5
"""Times that everything is looked at; the last one has to find nothing to do."""

_NAMED = 5


@dataclasses.dataclass(frozen=True, slots=True)
class Trigger:
    """What scales by itself: an alarm, a policy.

    :ivar name: for people.
    :ivar holders: who holds it -> the reason told to its owner.
    """

    id: str
    name: str
    is_enabled: bool
    holders: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def held(self, holder: str, reason: str) -> "Trigger":
        """Return it disabled for ``holder``; as it is if its owner disabled it."""
        if not self.is_enabled and not self.holders:
            return self
        holders = {**self.holders, holder: self.holders.get(holder, reason)}
        return dataclasses.replace(self, is_enabled=False, holders=holders)

    def released(self, holder: str) -> "Trigger":
        """Return it without ``holder``; the last one who leaves enables it."""
        if holder not in self.holders:
            return self
        rest = {name: why for name, why in self.holders.items() if name != holder}
        is_enabled = self.is_enabled or not rest
        return dataclasses.replace(self, is_enabled=is_enabled, holders=rest)


Wanted = Callable[[Trigger], Trigger]
"""What is to become of a trigger; pure, and asked again of what it returned it
leaves that as it is."""


class Scaling(abc.ABC):
    """Holds triggers for campaigns; both calls are safe to repeat by any process.

    All raise VimUnavailable if the VIM does not answer, and NotFound if it has no
    service that could scale.

    :ivar settle_s: for so long the VIM itself may write over what was changed.
    """

    settle_s: float = 0.0

    @abc.abstractmethod
    def triggers(self) -> list[Trigger]:
        """Return every trigger that scales, and every one that somebody holds."""

    @abc.abstractmethod
    def change(self, trigger_id: str, wanted: Wanted) -> None:
        """Make a trigger, read anew, what is wanted of it, in one change.

        :raises NotFound: it is gone.
        :raises ActionFailed: the VIM refuses.
        """

    def hold(self, holder: str, reason: str, timeout_s: float) -> dict[str, list[str]]:
        """Disable what is enabled, and note at it for whom and why.

        Returns when it has lasted for ``settle_s``.

        :param timeout_s: nothing is begun later.
        :returns: names: ``held`` for the holder now, ``disabled_before`` by their
            owners, ``enabled_meanwhile`` though held (and now held again), ``gone``.
        :raises ActionFailed: some are not held; all others are.
        """
        until = time.monotonic() + timeout_s

        def wanted(each: Trigger) -> Trigger:
            return each.held(holder, reason)

        before, now = self._work(wanted, until)
        enabled, gone = _enabled(before, holder), _gone(before, now)
        is_lasting = not any(holder in each.holders for each in now.values())
        while self.settle_s and not is_lasting:
            self._settle(until)
            before, after = self._work(wanted, until)
            freed = [each for each in before.values() if wanted(each) != each]
            enabled += [each.name for each in freed if each.id in now]
            is_lasting, now = not freed, after
        return {
            "held": [each.name for each in now.values() if holder in each.holders],
            "disabled_before": [
                each.name
                for each in now.values()
                if not each.is_enabled and not each.holders
            ],
            "enabled_meanwhile": list(dict.fromkeys(enabled)),
            "gone": gone,
        }

    def release(self, holder: str, timeout_s: float) -> dict[str, list[str]]:
        """Take the holder's note off; what nobody else holds is enabled again.

        :returns: names: ``released`` by this call, ``still_held`` by others,
            ``enabled_meanwhile`` by their owners, ``gone``.
        :raises ActionFailed: some are not released; all others are.
        """
        until = time.monotonic() + timeout_s
        before, now = self._work(lambda each: each.released(holder), until)
        mine = {key: each for key, each in before.items() if holder in each.holders}
        left = {key: now[key] for key in mine if key in now}
        return {
            "released": [
                each.name
                for key, each in left.items()
                if each.is_enabled and not mine[key].is_enabled
            ],
            "still_held": [each.name for each in left.values() if not each.is_enabled],
            "enabled_meanwhile": _enabled(mine, holder),
            "gone": _gone(mine, now),
        }

    def _work(
        self, wanted: Wanted, until: float
    ) -> tuple[dict[str, Trigger], dict[str, Trigger]]:
        """Change triggers until a look finds nothing to be changed.

        The look afterwards finds what is new, and what another campaign wrote over
        at the same moment.

        :returns: id -> trigger as it was found first, and as it is now.
        """
        first: dict[str, Trigger] = {}
        refused: dict[str, str] = {}
        for _ in range(LOOKS):
            now = {each.id: each for each in self.triggers()}
            first = {**now, **first}
            todo = [each for each in now.values() if wanted(each) != each]
            if not {each.id for each in todo} - set(refused):
                break
            for each in todo:
                if each.id not in refused and (why := self._try(each, wanted, until)):
                    refused[each.id] = f"{each.name}: {why}"
        else:
            raise _failed("others change the same ones all the time", "transient")
        if refused:
            raise _failed(_some(list(refused.values())))
        return first, now

    def _settle(self, until: float) -> None:
        if time.monotonic() + self.settle_s > until:
            raise _failed(
                f"no time is left to see for {self.settle_s:g} s whether it lasts;"
                " give the step a longer timeout",
                "timeout",
            )
        time.sleep(self.settle_s)

    def _try(self, each: Trigger, wanted: Wanted, until: float) -> str:
        """Change one; return why it cannot be, or ""."""
        if time.monotonic() > until:
            raise _failed("the step's time is over, some are left", "timeout")
        try:
            self.change(each.id, wanted)
        except errors.NotFound:
            return ""
        except errors.ActionFailed as error:
            return str(error)
        return ""


def _enabled(before: Mapping[str, Trigger], holder: str) -> list[str]:
    """Name those that somebody enabled though the holder holds them."""
    return [
        each.name
        for each in before.values()
        if each.is_enabled and holder in each.holders
    ]


def _gone(before: Mapping[str, Trigger], now: Mapping[str, Trigger]) -> list[str]:
    return [each.name for key, each in before.items() if key not in now]


def _some(texts: list[str]) -> str:
    told = "; ".join(texts[:_NAMED])
    more = len(texts) - _NAMED
    return f"{told} (and {more} more)" if more > 0 else told


def _failed(reason: str, failure_class: str = "permanent") -> errors.ActionFailed:
    return errors.ActionFailed(
        action="scaling", reason=reason, failure_class=failure_class
    )
