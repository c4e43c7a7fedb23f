"""Instances of dead hosts are set to error, and back (DR-5, DR-10).

Off the critical path: one call takes Nova 50 ms and more, and runs in a small
pool.  What we put to error carries a metadata key, so that whoever takes over
knows it too, and undoes no error of somebody else's making.
"""

import concurrent.futures
import dataclasses
import logging
import threading
from collections.abc import Callable, Iterable
from typing import Any, Protocol

import tenacity

from escalator import errors
from escalator.drivers.vim.openstack import calls as nova

LOG = logging.getLogger(__name__)

MARK = "escalator_state_before"
"""Metadata of an instance that we put to error: the state it had."""

_SETTABLE = frozenset({"active"})
"""What os-resetState can restore; a stopped instance is left alone."""


class Instance(Protocol):
    """What is asked of ``model.Server``."""

    @property
    def id(self) -> str: ...

    @property
    def host(self) -> str: ...

    @property
    def state(self) -> str: ...

    @property
    def state_before(self) -> str: ...


@dataclasses.dataclass(frozen=True, slots=True)
class _Wish:
    """:ivar state: the state before, if it is known.
    :ivar host: where it is to be put to error, and nowhere else.
    """

    is_error: bool
    state: str
    host: str = ""


class States:
    """A bounded pool in front of os-resetState; the latest wish wins.

    :param at_once: calls under way; one nova-api process gains nothing from more.
    :param delay_s: from a host's death to the first call: the owners are told
        first, and the same Nova, bus and processors carry both.
    :param on_set: called with (instance id, ``state`` and ``state_before``).
    :param host_of: instance id -> where it is now; one that was evacuated while
        it waited for its turn is left alone.
    """

    def __init__(
        self,
        calls: nova.Calls,
        at_once: int,
        delay_s: float,
        on_set: Callable[..., None],
        host_of: Callable[[str], str],
    ) -> None:
        self._calls = calls
        self._delay_s = delay_s
        self._on_set = on_set
        self._host_of = host_of
        self._pool = concurrent.futures.ThreadPoolExecutor(at_once, "nova-states")
        self._lock = threading.Lock()
        self._planned: dict[str, _Wish] = {}
        self._wishes: dict[str, _Wish] = {}
        self._busy: set[str] = set()
        self._before: dict[str, str] = {}

    def put_to_error(self, servers: Iterable[Instance]) -> None:
        """Set instances to error, soon; returns at once, safe to repeat."""
        found = {
            each.id: _Wish(True, each.state, each.host)
            for each in servers
            if each.state in _SETTABLE
        }
        with self._lock:
            self._planned.update(found)
        timer = threading.Timer(self._delay_s, self._begin_planned, [list(found)])
        timer.daemon = True
        timer.start()

    def restore(self, servers: Iterable[Instance]) -> None:
        """Undo what we did to instances, or are about to do; returns at once."""
        for server in servers:
            with self._lock:
                self._planned.pop(server.id, None)
                is_ours = server.id in self._busy or server.state_before in _SETTABLE
            if is_ours:
                before = server.state_before if server.state == "error" else ""
                self._wish(server.id, _Wish(False, before))

    def _begin_planned(self, instance_ids: Iterable[str]) -> None:
        for instance_id in instance_ids:
            with self._lock:
                wish = self._planned.pop(instance_id, None)
            if wish is not None:
                self._wish(instance_id, wish)

    def _wish(self, instance_id: str, wish: _Wish) -> None:
        with self._lock:
            self._wishes[instance_id] = wish
            if instance_id in self._busy:
                return
            self._busy.add(instance_id)
        self._pool.submit(self._work, instance_id)

    def _work(self, instance_id: str) -> None:
        while True:
            with self._lock:
                wish = self._wishes.pop(instance_id, None)
                if wish is None:
                    self._busy.discard(instance_id)
                    return
            self._carry_out(instance_id, wish)

    def _carry_out(self, instance_id: str, wish: _Wish) -> None:
        if wish.is_error:
            # Another process may have undone what this one knew.
            self._before.pop(instance_id, None)
        try:
            _patiently(self._mark if wish.is_error else self._unmark, instance_id, wish)
        except errors.NotFound:
            LOG.info("Instance %s is gone", instance_id)
        except Exception as error:
            # The next snapshot shows it as it is, and it is begun again.
            LOG.warning("The state of %s was not set: %s", instance_id, error)

    def _mark(self, instance_id: str, wish: _Wish) -> None:
        if self._host_of(instance_id) != wish.host:
            return
        if self._before.get(instance_id) != wish.state:
            # Once only: Nova takes no metadata of an instance that is in error, as
            # it is if the reset below was carried out and its answer lost.
            path = f"/servers/{instance_id}/metadata/{MARK}"
            self._calls.send("mark_instance", "PUT", path, {"meta": {MARK: wish.state}})
            self._on_set(instance_id, state_before=wish.state)
            self._before[instance_id] = wish.state
        self._reset(instance_id, "error")

    def _unmark(self, instance_id: str, wish: _Wish) -> None:
        before = wish.state or self._before.get(instance_id, "")
        if before:
            self._reset(instance_id, before)
        path = f"/servers/{instance_id}/metadata/{MARK}"
        self._calls.send("unmark_instance", "DELETE", path, None)
        self._before.pop(instance_id, None)
        self._on_set(instance_id, state_before="")

    def _reset(self, instance_id: str, state: str) -> None:
        path = f"/servers/{instance_id}/action"
        body = {"os-resetState": {"state": state}}
        self._calls.send("reset_state", "POST", path, body)
        self._on_set(instance_id, state=state)


def _patiently(work: Any, instance_id: str, wish: _Wish) -> None:
    """Repeat while Nova is away; a refusal (409: another task) is repeated too."""
    tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(
            (errors.VimUnavailable, errors.ActionFailed)
        ),
        stop=tenacity.stop_after_attempt(6),
        wait=tenacity.wait_exponential(multiplier=0.2, max=5.0),
        reraise=True,
    )(work, instance_id, wish)
