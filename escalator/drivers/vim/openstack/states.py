"""Instances of dead hosts are set to error, and back (DR-5, DR-10).

Off the critical path: one call takes Nova 50 ms and more, and runs in a small
pool.  What we put to error carries a metadata key, so that whoever takes over
knows it too, and undoes no error of somebody else's making.
"""

import concurrent.futures
import logging
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
    def state(self) -> str: ...

    @property
    def state_before(self) -> str: ...


class States:
    """A bounded pool in front of os-resetState.

    :param at_once: calls under way; one nova-api process gains nothing from more.
    :param on_set: called with (instance id, ``state`` and ``state_before``).
    """

    def __init__(
        self, calls: nova.Calls, at_once: int, on_set: Callable[..., None]
    ) -> None:
        self._calls = calls
        self._on_set = on_set
        self._pool = concurrent.futures.ThreadPoolExecutor(at_once, "nova-states")
        self._under_way: set[str] = set()

    def put_to_error(self, servers: Iterable[Instance]) -> None:
        """Begin to set instances to error; returns at once, safe to repeat."""
        for server in servers:
            if server.state in _SETTABLE:
                self._begin(self._mark, server.id, server.state)

    def restore(self, servers: Iterable[Instance]) -> None:
        """Begin to undo what we did to instances; returns at once."""
        for server in servers:
            before = server.state_before
            if before in _SETTABLE:
                is_ours = server.state == "error"
                self._begin(self._unmark, server.id, before if is_ours else "")

    def _begin(self, work: Any, instance_id: str, state: str) -> None:
        if instance_id in self._under_way:
            return
        self._under_way.add(instance_id)
        self._pool.submit(self._carry_out, work, instance_id, state)

    def _carry_out(self, work: Any, instance_id: str, state: str) -> None:
        try:
            _patiently(work, instance_id, state)
        except errors.NotFound:
            LOG.info("Instance %s is gone", instance_id)
        except Exception as error:
            # The next snapshot shows it as it is, and it is begun again.
            LOG.warning("The state of %s was not set: %s", instance_id, error)
        finally:
            self._under_way.discard(instance_id)

    def _mark(self, instance_id: str, state: str) -> None:
        path = f"/servers/{instance_id}/metadata/{MARK}"
        self._calls.send("mark_instance", "PUT", path, {"meta": {MARK: state}})
        self._on_set(instance_id, state_before=state)
        self._reset(instance_id, "error")

    def _unmark(self, instance_id: str, state: str) -> None:
        if state:
            self._reset(instance_id, state)
        path = f"/servers/{instance_id}/metadata/{MARK}"
        self._calls.send("unmark_instance", "DELETE", path, None)
        self._on_set(instance_id, state_before="")

    def _reset(self, instance_id: str, state: str) -> None:
        path = f"/servers/{instance_id}/action"
        body = {"os-resetState": {"state": state}}
        self._calls.send("reset_state", "POST", path, body)
        self._on_set(instance_id, state=state)


def _patiently(work: Any, instance_id: str, state: str) -> None:
    """Repeat while Nova is away; a refusal (409: another task) is repeated too."""
    tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(
            (errors.VimUnavailable, errors.ActionFailed)
        ),
        stop=tenacity.stop_after_attempt(6),
        wait=tenacity.wait_exponential(multiplier=0.2, max=5.0),
        reraise=True,
    )(work, instance_id, state)
