"""Who goes last: the active member of a cluster after the others (O-0e).

The order of a selector is a wish: a target that has to wait is passed by.  One
that is last by ``order_by`` is not begun before the others of its cluster are
done, whoever has to wait for what.
"""

from collections.abc import Collection, Iterable

from escalator.domain import selector
from escalator.domain.plan import Selector, Target

_NAMED = 5


class Queue:
    """Those of a selection that come before others.

    :param chosen: the selection; its members of one ``cluster`` belong together,
        those without that fact too.
    :param settled: names of those that are done or given up.
    """

    def __init__(
        self, chosen_by: Selector, chosen: Iterable[Target], settled: Collection[str]
    ) -> None:
        self._facts = [each.fact for each in chosen_by.order_by if each.is_last]
        self._before: dict[str, dict[str, None]] = {}
        for target in chosen if self._facts else ():
            if target.name not in settled and not self._is_last(target):
                self._before.setdefault(cluster_of(target), {})[target.name] = None

    def reason(self, target: Target) -> str:
        """Return why a target has to wait for others of its cluster, or ""."""
        before = list(self._before.get(cluster_of(target), ()))
        if not before or not self._is_last(target):
            return ""
        named = ", ".join(before[:_NAMED])
        if len(before) > _NAMED:
            named += f" and {len(before) - _NAMED} more"
        return f"waits: it is the last of its cluster, before it: {named}"

    def settle(self, target: Target) -> None:
        """Note that a target is done."""
        self._before.get(cluster_of(target), {}).pop(target.name, None)

    def _is_last(self, target: Target) -> bool:
        return any(selector.is_true(target, fact) for fact in self._facts)


def cluster_of(target: Target) -> str:
    """Return the cluster that a target is told to belong to, or ""."""
    return "".join(selector.values_of(target, "cluster")[:1])
