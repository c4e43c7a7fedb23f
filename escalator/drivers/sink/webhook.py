"""Webhooks: signed, bounded in time, retried, one lane per consumer.

One asyncio loop in one thread carries everything: measured faster than any
pool of threads, and a hung consumer occupies no thread.  Source: issue 2,
part 6; ADR 13.
"""

import asyncio
import collections
import functools
import json
import logging
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from escalator.domain import events, webhook
from escalator.domain import notice as domain_notice
from escalator.drivers import base
from escalator.drivers.sink import lane, post

LOG = logging.getLogger(__name__)

Settled = Callable[[events.NoticeSettled], None]
_Job = tuple[domain_notice.Notice, Settled]

LANES_KEPT = 1024
START_LIMIT_S = 10.0


class Client(Protocol):
    """What is asked of ``post.Poster``."""

    async def post(
        self, url: str, body: bytes, headers: Mapping[str, str]
    ) -> dict[str, float]: ...

    async def close(self) -> None: ...


class Webhook(base.Sink):
    """Posts notices to their subscriptions' URLs.

    :param signing_key: every subscription's secret is derived from it.
    :param patience: time limits, retries and connections per consumer.
    :param allowed: special networks that may be posted to all the same.
    :param ca_file: PEM file of authorities; None means the system's.
    :param poster: makes the HTTP client, inside the loop.
    """

    def __init__(
        self,
        signing_key: str,
        patience: lane.Patience,
        allowed: Sequence[webhook.Network] = (),
        ca_file: str | None = None,
        poster: Callable[..., Client] = post.Poster,
    ) -> None:
        self._key = signing_key
        self._patience = patience
        self._make_poster = functools.partial(
            poster, patience.timeout_s, allowed, ca_file
        )
        self._allowed = tuple(allowed)
        self._arrived: collections.deque[_Job] = collections.deque()
        self._lanes: dict[str, lane.Lane] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_stopping = False
        self._is_woken = False
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="webhook", daemon=True)

    def start(self) -> None:
        self._thread.start()
        self._ready.wait(START_LIMIT_S)
        if self._failure is not None:
            raise self._failure

    def submit(self, notice: domain_notice.Notice, settled: Settled) -> None:
        self._arrived.append((notice, settled))
        if not self._is_woken:
            self._is_woken = True
            self._loop.call_soon_threadsafe(self._collect)

    def stop(self, timeout_s: float) -> None:
        """Finish what is under way within ``timeout_s``, then end the loop."""
        if self._thread.is_alive() and self._ready.is_set():
            self._loop.call_soon_threadsafe(self._leave, timeout_s)
            self._thread.join(timeout_s + 1.0)

    def _run(self) -> None:
        try:
            asyncio.run(self._live())
        except Exception as error:
            LOG.exception("webhooks: the loop ended")
            self._failure = error
            self._ready.set()

    async def _live(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._leaving = self._loop.create_future()
        self._poster = self._make_poster()
        try:
            self._ready.set()
            timeout_s = await self._leaving
            if self._tasks:
                await asyncio.wait(self._tasks, timeout=timeout_s)
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await self._poster.close()

    def _leave(self, timeout_s: float) -> None:
        self._collect()
        self._is_stopping = True
        if not self._leaving.done():
            self._leaving.set_result(timeout_s)

    def _collect(self) -> None:
        """Take over what other threads submitted: one wake-up for many."""
        self._is_woken = False
        while self._arrived and not self._is_stopping:
            task = self._loop.create_task(self._deliver(*self._arrived.popleft()))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _deliver(self, notice: domain_notice.Notice, settled: Settled) -> None:
        body = json.dumps(notice.body, separators=(",", ":")).encode()
        times = dict(notice.times)

        async def attempt() -> None:
            _check_url(notice.url, self._allowed)
            headers = self._headers(notice, body)
            times.update(await self._poster.post(notice.url, body, headers))

        account = await self._lane(notice.url).carry(attempt)
        settled(_settlement(notice, account, times, body))

    def _lane(self, url: str) -> lane.Lane:
        name = webhook.lane_of(url)
        if name not in self._lanes:
            if len(self._lanes) >= LANES_KEPT:
                self._lanes = {
                    n: kept for n, kept in self._lanes.items() if not kept.is_idle
                }
            self._lanes[name] = lane.Lane(self._patience)
        return self._lanes[name]

    def _headers(self, notice: domain_notice.Notice, body: bytes) -> Mapping[str, str]:
        secret = webhook.secret_for(self._key, notice.subscription_id)
        timestamp = f"{time.time():.3f}"
        return {
            webhook.EVENT_ID_HEADER: notice.cause_id,
            webhook.NOTICE_ID_HEADER: notice.id,
            webhook.TIMESTAMP_HEADER: timestamp,
            webhook.SIGNATURE_HEADER: webhook.sign(secret, timestamp, body),
        }


@functools.lru_cache(maxsize=LANES_KEPT)
def _check_url(url: str, allowed: tuple[webhook.Network, ...]) -> None:
    """Remember URLs that are fine; refusals raise and are not remembered."""
    webhook.check_url(url, allowed)


def _settlement(
    notice: domain_notice.Notice,
    account: lane.Account,
    times: dict[str, float],
    body: bytes,
) -> events.NoticeSettled:
    """Return the fact; its id is the same for the same outcome."""
    state = "dead" if account.error else "delivered"
    return events.NoticeSettled(
        event_id=str(uuid.uuid5(uuid.UUID(notice.id), state)),
        notice_id=notice.id,
        cause_id=notice.cause_id,
        fault_ids=notice.fault_ids,
        subscription_id=notice.subscription_id,
        project_id=notice.project_id,
        state=state,
        attempts=account.attempts,
        times=times,
        error=account.error,
        body=body.decode() if account.error else "",
    )
