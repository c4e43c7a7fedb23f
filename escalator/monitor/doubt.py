"""Whom to believe when most hosts fail at once: never the own eyes alone.

Each host needs a second opinion: another monitor that finds it dead as well,
or its agent's silence on the bus, which is another network's evidence.  A host
that another monitor sees alive is not believed.
"""

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent import futures

from oslo_log import log as logging

from escalator import errors
from escalator.domain import events
from escalator.monitor import detection

LOG = logging.getLogger(__name__)

SUSPECT_S = 5.0
"""Doubt that lasts longer is told although nobody contradicts."""

LOOK_S = 0.25
"""Another monitor may judge a little later: it is given so long to agree."""

STEP_S = 0.02

_ISOLATED = events.FaultType.MONITOR_ISOLATED

Ask = Callable[[str, Sequence[str]], Mapping[str, bool]]
"""Asks a monitor which hosts it finds dead, or without a link; says nothing of
those it does not watch; raises EscalatorError if it does not answer in time."""


class Doubt:
    """Implements ``monitor.weighing.Doubt``.

    :param name: this monitor, the ``host`` of ``monitor.isolated``.
    :param others: returns the names of the other monitors.
    :param is_trusting: believe what nobody else could have seen.
    """

    def __init__(
        self,
        detector: detection.Detection,
        name: str,
        others: Callable[[], Sequence[str]],
        ask: Ask,
        is_trusting: bool,
    ) -> None:
        self._detection = detector
        self._name = name
        self._others = others
        self._ask = ask
        self._is_trusting = is_trusting
        self._since: float | None = None
        self._lock = threading.Lock()

    def believe(self, hosts: Sequence[str]) -> frozenset[str]:
        """Return those of which there is a second opinion."""
        views = self._ask_all(hosts)
        dead = {h for view in views.values() for h, is_dead in view.items() if is_dead}
        alive = {h for view in views.values() for h in view if not view[h]}
        unseen = set(hosts) - dead - alive
        believed = (dead - alive) | {host for host in unseen if self._is_second(host)}
        rest = len(hosts) - len(believed)
        LOG.warning(
            "%d hosts failed at once: %d believed, %d seen alive by %s",
            len(hosts),
            len(believed),
            len(alive),
            ", ".join(views) or "nobody asked",
        )
        self._suspect(rest, len(alive), len(hosts), sorted(views))
        return frozenset(believed)

    def calm(self) -> None:
        """Note that no host is in doubt any more."""
        with self._lock:
            if self._since is None:
                return
            self._since = None
        self._detection.over([(_ISOLATED, self._name)], time.time())

    def _is_second(self, host: str) -> bool:
        silent = events.FaultType.AGENT_SILENT
        return self._is_trusting or self._detection.is_open(silent, host)

    def _suspect(self, rest: int, alive: int, count: int, asked: list[str]) -> None:
        """Tell administrators if it is this monitor that has failed."""
        now = time.time()
        with self._lock:
            since = self._since = self._since or now
        is_contradicted = 2 * alive > count
        if rest and (is_contradicted or now - since > SUSPECT_S):
            evidence = {"hosts": rest, "seen_alive": alive, "vantage": asked}
            found = detection.Finding(_ISOLATED, self._name, since, now, evidence)
            self._detection.found([found])

    def _ask_all(self, hosts: Sequence[str]) -> dict[str, Mapping[str, bool]]:
        names = list(self._others())
        if not names:
            return {}
        with futures.ThreadPoolExecutor(len(names)) as pool:
            asked = {name: pool.submit(self._ask, name, hosts) for name in names}
            views = {}
            for name, answer in asked.items():
                try:
                    views[name] = answer.result()
                except errors.EscalatorError as error:
                    LOG.warning("Monitor %s gave no second opinion: %s", name, error)
        return views


def look(
    see: Callable[[Iterable[str]], Mapping[str, bool]],
    hosts: Sequence[str],
    limit_s: float = LOOK_S,
) -> dict[str, bool]:
    """Return what this monitor sees of ``hosts``, as soon as all are dead.

    :param see: ``monitor.weighing.Weighing.look``.
    """
    deadline = time.monotonic() + limit_s
    while True:
        found = see(hosts)
        if all(found.values()) or time.monotonic() >= deadline:
            return dict(found)
        time.sleep(STEP_S)
