"""Calls to Nova, Placement and Aodh: a deadline, safe retries, figures."""

import collections
import logging
import math
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

import tenacity
from keystoneauth1 import exceptions as refusals
from openstack import exceptions as sdk_errors

from escalator import errors

LOG = logging.getLogger(__name__)

REMEMBERED = 1000
ATTEMPTS = 3
PAGE = 1000
"""Nova's own limit (``[api] max_limit``); it may be lower, so pages are followed."""

_NEVER_SEEN = (refusals.ConnectFailure,)
_ANY = (
    refusals.ConnectFailure,
    refusals.ConnectTimeout,
    refusals.HttpServerError,
    refusals.UnknownConnectionError,
    refusals.RetriableConnectionFailure,
    refusals.SSLError,
    refusals.RequestTimeout,
    refusals.Unauthorized,
    sdk_errors.SDKException,
)
_TOO_MANY_REQUESTS = 429
_DETAILS = 300


class Adapter(Protocol):
    """What is asked of ``openstack.connection.Connection.compute`` and the like."""

    def request(self, url: str, method: str, **kwargs: Any) -> Any: ...

    def get_endpoint_data(self) -> Any: ...

    def get_project_id(self) -> Any: ...


class Figures:
    """How often each call was made, failed, and how long it took; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: collections.Counter[str] = collections.Counter()
        self._failures: collections.Counter[str] = collections.Counter()
        self._took: dict[str, collections.deque[float]] = {}

    def add(self, call: str, took_s: float, is_failure: bool) -> None:
        """Note one attempt."""
        with self._lock:
            self._counts[call] += 1
            self._failures[call] += is_failure
            known = self._took.setdefault(call, collections.deque(maxlen=REMEMBERED))
            known.append(took_s)

    def read(self) -> dict[str, dict[str, float]]:
        """Return call -> count, failures, p50_ms, p99_ms of the latest."""
        with self._lock:
            return {
                call: {
                    "count": self._counts[call],
                    "failures": self._failures[call],
                    "p50_ms": _percentile(took, 0.5),
                    "p99_ms": _percentile(took, 0.99),
                }
                for call, took in self._took.items()
            }


def _percentile(seconds: collections.deque[float], share: float) -> float:
    ordered = sorted(seconds)
    at = max(math.ceil(share * len(ordered)), 1) - 1
    return round(ordered[at] * 1e3, 1)


class Calls:
    """Speaks to one service for everybody else in this package; thread-safe.

    A token that expired is fetched again by keystoneauth itself.

    :param timeout_s: deadline of one attempt, connection included.
    :param service: its name for people.
    :param figures: those of another service, to be continued.
    """

    def __init__(
        self,
        adapter: Adapter,
        timeout_s: float,
        service: str = "Nova",
        figures: Figures | None = None,
    ) -> None:
        self._adapter = adapter
        self._service = service
        self.timeout_s = timeout_s
        self.figures = figures or Figures()
        self._newest: tuple[int, int] | None = None

    def supports(self, microversion: str) -> bool:
        """Tell whether the service has it; asked once.

        :raises VimUnavailable: it does not say.
        """
        if self._newest is None:
            found = self._attempt("versions", self._adapter.get_endpoint_data)
            if found is None or found.max_microversion is None:
                # keystoneauth falls back to the catalog when discovery fails.
                raise errors.VimUnavailable(
                    call="versions",
                    timeout_s=self.timeout_s,
                    reason=f"{self._service} does not say which microversions it has",
                )
            self._newest = tuple(found.max_microversion)[:2]
        major, minor = microversion.split(".")
        return self._newest >= (int(major), int(minor))

    def project_id(self) -> str:
        """Return the project of the account.

        :raises VimUnavailable: Keystone does not say.
        """
        return str(self._attempt("token", self._adapter.get_project_id) or "")

    def read(self, name: str, path: str, microversion: str | None = "2.1") -> Any:
        """GET, and return the JSON.

        :param microversion: None for a service that has none.
        :raises VimUnavailable: no answer in time, after retries.
        :raises NotFound: there is no such thing.
        """
        retry = tenacity.retry_if_exception_type(errors.VimUnavailable)
        return _repeated(retry, self.timeout_s)(
            self._call, name, "GET", path, None, microversion
        )

    def pages(
        self, name: str, path: str, key: str, microversion: str
    ) -> Iterator[dict[str, Any]]:
        """Yield every member of a collection, page by page."""
        joint = "&" if "?" in path else "?"
        marker = ""
        while True:
            query = f"{path}{joint}limit={PAGE}{marker}"
            found = self.read(name, query, microversion)[key]
            yield from found
            if not found:
                return
            marker = f"&marker={found[-1]['id']}"

    def send(
        self,
        name: str,
        method: str,
        path: str,
        body: Mapping[str, Any] | None,
        microversion: str | None = "2.1",
        is_repeatable: bool = True,
    ) -> Any:
        """Change something; returns the JSON, None without any.

        :param is_repeatable: False: tried again only if Nova cannot have seen it.
        :raises VimUnavailable: no answer in time, or an error of Nova's own.
        :raises NotFound: there is no such thing.
        :raises ActionFailed: Nova refuses.
        """
        retry: Any = tenacity.retry_if_exception_type(errors.VimUnavailable)
        if not is_repeatable:
            retry = tenacity.retry_if_exception(_was_never_seen)
        return _repeated(retry, self.timeout_s)(
            self._call, name, method, path, body, microversion
        )

    def _call(
        self,
        name: str,
        method: str,
        path: str,
        body: Mapping[str, Any] | None,
        microversion: str | None,
    ) -> Any:
        answer = self._attempt(
            name,
            self._adapter.request,
            path,
            method,
            json=body,
            microversion=microversion,
            timeout=self.timeout_s,
            raise_exc=True,
        )
        try:
            return answer.json() if answer.content else None
        except ValueError as error:
            raise errors.VimUnavailable(
                call=name, timeout_s=self.timeout_s, reason="the answer is no JSON"
            ) from error

    def _attempt(self, name: str, call: Any, *arguments: Any, **more: Any) -> Any:
        began = time.monotonic()
        is_failure = True
        try:
            found = call(*arguments, **more)
            is_failure = False
        except _ANY as error:
            raise errors.VimUnavailable(
                call=name, timeout_s=self.timeout_s, reason=str(error)
            ) from error
        except refusals.NotFound as error:
            raise errors.NotFound(kind=name, id=str(error)) from error
        except refusals.HTTPClientError as error:
            if error.http_status == _TOO_MANY_REQUESTS:
                raise errors.VimUnavailable(
                    call=name, timeout_s=self.timeout_s, reason=str(error)
                ) from error
            raise errors.ActionFailed(
                action=name, reason=_told(error), status=error.http_status
            ) from error
        except refusals.ClientException as error:
            # Keystone is away, or does not know us (any more).
            raise errors.VimUnavailable(
                call=name, timeout_s=self.timeout_s, reason=str(error)
            ) from error
        finally:
            self.figures.add(name, time.monotonic() - began, is_failure)
        return found


def _told(error: refusals.HTTPClientError) -> str:
    """Return what the service says of its refusal; Placement says why in details."""
    details = " ".join(str(error.details or "").split())[:_DETAILS]
    return f"{error}: {details}" if details else str(error)


def _repeated(retry: Any, timeout_s: float) -> tenacity.Retrying:
    return tenacity.Retrying(
        retry=retry,
        stop=tenacity.stop_after_attempt(ATTEMPTS)
        | tenacity.stop_after_delay(timeout_s),
        wait=tenacity.wait_exponential(multiplier=0.05, max=0.5),
        before_sleep=_tell_repetition,
        reraise=True,
    )


def _tell_repetition(state: tenacity.RetryCallState) -> None:
    """Log why a call is repeated: if that heals it, nothing else tells of it."""
    _, verb, path = state.args[:3]
    LOG.warning(
        "%s %s is repeated in %.2f s, attempt %d of %d: %s",
        verb,
        path,
        state.upcoming_sleep,
        state.attempt_number + 1,
        ATTEMPTS,
        state.outcome and state.outcome.exception(),
    )


def _was_never_seen(error: BaseException) -> bool:
    return isinstance(error.__cause__, _NEVER_SEEN)
