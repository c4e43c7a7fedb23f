"""Instances of dead hosts are set to error, and back (DR-5, DR-10).

Off the critical path: one call takes Nova 50 ms and more, and runs in a small
pool.  What we put to error carries a metadata key, so that whoever takes over
knows it too, and undoes no error of somebody else's making.
"""

import concurrent.futures
import dataclasses
import logging
import threading
import time
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

_ERROR = "error"

_ATTEMPTS = 6

LONGEST_HUSH_S = 10.0
"""Hosts that die one after the other keep a call waiting no longer than this."""


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


class _Left:
    """Which instances of a host are still to be put to error; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._of: dict[str, set[str]] = {}

    def begin(self, host: str, instance_ids: Iterable[str]) -> None:
        with self._lock:
            self._of[host] = set(instance_ids)

    def settle(self, host: str, instance_id: str = "") -> bool:
        """Take an instance out; True once, when it was the last of its host."""
        with self._lock:
            left = self._of.get(host)
            if left is None:
                return False
            left.discard(instance_id)
            if left:
                return False
            del self._of[host]
            return True


def _tell_nobody(host: str) -> None:
    """Until somebody wants to know."""


class States:
    """A bounded pool in front of os-resetState; the latest wish wins.

    :ivar on_host_set: called with a host when the instances of it that were to be
        put to error are.

    :param at_once: calls under way; one nova-api process gains nothing from more.
    :param delay_s: from a host's death to the next call: the owners are told
        first, and the same Nova, bus and processors carry both.
    :param on_set: called with (instance id, ``state`` and ``state_before``).
    :param find: instance id -> what is known of it now.  One that was evacuated
        while it waited for its turn is left alone, and so is one that is as it
        should be.
    """

    def __init__(
        self,
        calls: nova.Calls,
        at_once: int,
        delay_s: float,
        on_set: Callable[..., None],
        find: Callable[[str], Instance | None],
    ) -> None:
        self._calls = calls
        self._delay_s = delay_s
        self._on_set = on_set
        self._find = find
        self._hush_until = 0.0
        self._pool = concurrent.futures.ThreadPoolExecutor(at_once, "nova-states")
        self._lock = threading.Lock()
        self._wishes: dict[str, _Wish] = {}
        self._busy: set[str] = set()
        self._before: dict[str, str] = {}
        self._left = _Left()
        self.on_host_set: Callable[[str], None] = _tell_nobody

    def hush(self) -> None:
        """Let nothing begin for a while: a host is being marked down."""
        self._hush_until = time.monotonic() + self._delay_s

    def put_to_error(self, host: str, servers: Iterable[Instance]) -> None:
        """Set the instances of a host to error, soon; returns at once.

        Safe to repeat.  :attr:`on_host_set` tells that all of them are.
        """
        wishes = {
            server.id: _Wish(True, server.state, host)
            for server in servers
            if server.state in _SETTABLE
        }
        self._left.begin(host, wishes)
        for instance_id, wish in wishes.items():
            self._wish(instance_id, wish)
        if not wishes and self._left.settle(host):
            self.on_host_set(host)

    def restore(self, servers: Iterable[Instance]) -> None:
        """Undo what we did to instances, or are about to do; returns at once."""
        for server in servers:
            with self._lock:
                is_ours = server.id in self._busy or server.state_before in _SETTABLE
            if is_ours:
                before = server.state_before if server.state == _ERROR else ""
                self._wish(server.id, _Wish(False, before))

    def _wish(self, instance_id: str, wish: _Wish) -> None:
        with self._lock:
            self._wishes[instance_id] = wish
            if instance_id in self._busy:
                return
            self._busy.add(instance_id)
        self._pool.submit(self._work, instance_id)

    def _work(self, instance_id: str) -> None:
        while True:
            self._await_turn()
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
            return
        if self._left.settle(wish.host, instance_id):
            self.on_host_set(wish.host)

    def _await_turn(self) -> None:
        latest = time.monotonic() + LONGEST_HUSH_S
        while (left := min(self._hush_until, latest) - time.monotonic()) > 0:
            time.sleep(left)

    def _mark(self, instance_id: str, wish: _Wish) -> None:
        known = self._find(instance_id)
        if known is None or known.host != wish.host:
            return
        if known.state == _ERROR and known.state_before:
            return
        if self._before.get(instance_id) != wish.state:
            # Once only: Nova takes no metadata of an instance that is in error, as
            # it is if the reset below was carried out and its answer lost.
            path = f"/servers/{instance_id}/metadata/{MARK}"
            self._send("mark_instance", "PUT", path, {"meta": {MARK: wish.state}})
            self._on_set(instance_id, state_before=wish.state)
            self._before[instance_id] = wish.state
        self._reset(instance_id, _ERROR)

    def _unmark(self, instance_id: str, wish: _Wish) -> None:
        known = self._find(instance_id)
        if known is None or (known.state != _ERROR and not known.state_before):
            return
        before = wish.state or self._before.get(instance_id, "")
        if before:
            self._reset(instance_id, before)
        path = f"/servers/{instance_id}/metadata/{MARK}"
        self._send("unmark_instance", "DELETE", path, None)
        self._before.pop(instance_id, None)
        self._on_set(instance_id, state_before="")

    def _reset(self, instance_id: str, state: str) -> None:
        path = f"/servers/{instance_id}/action"
        body = {"os-resetState": {"state": state}}
        self._send("reset_state", "POST", path, body)
        self._on_set(instance_id, state=state)

    def _send(self, call: str, verb: str, path: str, body: Any) -> None:
        self._await_turn()
        self._calls.send(call, verb, path, body)


def _patiently(work: Any, instance_id: str, wish: _Wish) -> None:
    """Repeat while Nova is away; a refusal (409: another task) is repeated too."""
    tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(
            (errors.VimUnavailable, errors.ActionFailed)
        ),
        stop=tenacity.stop_after_attempt(_ATTEMPTS),
        wait=tenacity.wait_exponential(multiplier=0.2, max=5.0),
        before_sleep=_tell_repetition,
        reraise=True,
    )(work, instance_id, wish)


def _tell_repetition(state: tenacity.RetryCallState) -> None:
    LOG.warning(
        "The state of %s is set again in %.1f s, attempt %d of %d: %s",
        state.args[0],
        state.upcoming_sleep,
        state.attempt_number + 1,
        _ATTEMPTS,
        state.outcome and state.outcome.exception(),
    )
