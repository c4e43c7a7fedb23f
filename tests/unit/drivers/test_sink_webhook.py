"""The webhook sink, with a client of its own instead of a network."""

import asyncio
import collections
import time
import unittest
from collections.abc import Mapping
from typing import Any
from unittest import mock

from escalator.domain import webhook as rules
from escalator.drivers import base
from escalator.drivers.sink import lane, webhook
from tests.unit.drivers import contract_sink

KEY = "0123456789abcdef0123456789abcdef"
QUICK = lane.Patience(
    timeout_s=0.2, attempts=2, backoff_s=0.001, backoff_max_s=0.002, connections=2
)


class FakePoster:
    """Answers by the host name of the URL; remembers what was posted."""

    def __init__(self, *_options: Any) -> None:
        self.posted: list[tuple[str, bytes, Mapping[str, str]]] = []
        self.calls: collections.Counter[str] = collections.Counter()

    async def post(
        self, url: str, body: bytes, headers: Mapping[str, str]
    ) -> dict[str, float]:
        self.posted.append((url, body, headers))
        self.calls[url] += 1
        if "hangs" in url:
            await asyncio.sleep(0.2)
            raise lane.Unanswered("no answer in time")
        if "refuses" in url:
            raise lane.Refused("answered 404")
        if "recovers" in url and self.calls[url] < 2:
            raise lane.Unanswered("answered 503")
        if "breaks" in url:
            raise RuntimeError("a bug")
        return {"T8": time.time(), "T9": time.time()}

    async def close(self) -> None:
        pass


class WebhookTest(contract_sink.SinkContract):
    TAKES = "http://takes/"
    REFUSES = "http://refuses/"
    HANGS = "http://hangs/"

    def make_sink(self) -> base.Sink:
        self.poster = FakePoster()
        return webhook.Webhook(KEY, QUICK, poster=lambda *_: self.poster)

    def test_signature_verifies_with_the_subscriptions_secret(self) -> None:
        sent = self.sending.submit(self.TAKES)
        self.sending.next()
        _, body, headers = self.poster.posted[0]
        stamp = headers[rules.TIMESTAMP_HEADER]
        secret = rules.secret_for(KEY, sent.subscription_id)
        header = headers[rules.SIGNATURE_HEADER]
        self.assertTrue(rules.verify(secret, stamp, body, header, time.time()))
        self.assertEqual(sent.id, headers[rules.NOTICE_ID_HEADER])
        self.assertEqual(sent.cause_id, headers[rules.EVENT_ID_HEADER])

    def test_tries_again_and_counts(self) -> None:
        self.sending.submit("http://recovers/")
        settled = self.sending.next()
        self.assertEqual(("delivered", 2, ""), _outcome(settled))

    def test_refused_is_not_tried_again(self) -> None:
        self.sending.submit(self.REFUSES)
        self.assertEqual(("dead", 1, "answered 404"), _outcome(self.sending.next()))

    def test_unsafe_url_is_never_posted(self) -> None:
        self.sending.submit("http://169.254.169.254/latest")
        settled = self.sending.next()
        self.assertEqual("dead", settled.state)
        self.assertIn("link-local", settled.error)
        self.assertEqual([], self.poster.posted)

    def test_an_unforeseen_error_still_settles(self) -> None:
        with self.assertLogs("escalator.drivers.sink.lane", "ERROR"):
            self.sending.submit("http://breaks/")
            self.assertEqual("dead", self.sending.next().state)


class LaneTest(unittest.IsolatedAsyncioTestCase):
    async def test_bounds_what_is_under_way(self) -> None:
        now, most = 0, 0

        async def attempt() -> None:
            nonlocal now, most
            now += 1
            most = max(most, now)
            await asyncio.sleep(0)
            now -= 1

        track = lane.Lane(QUICK)
        await asyncio.gather(*(track.carry(attempt) for _ in range(20)))
        self.assertEqual(QUICK.connections, most)
        self.assertTrue(track.is_idle)

    async def test_too_many_notices_for_a_failing_consumer_die_at_once(self) -> None:
        """Each holds an event of the broker: one consumer must not hold all."""
        track = lane.Lane(QUICK)

        async def fail() -> None:
            raise lane.Unanswered("answered 503")

        async def hang() -> None:
            await asyncio.sleep(60)

        await track.carry(fail)
        limit = QUICK.waiting_limit + QUICK.connections
        held = [asyncio.create_task(track.carry(hang)) for _ in range(limit)]
        await asyncio.sleep(0)
        account = await track.carry(hang)
        self.assertEqual(0, account.attempts)
        self.assertIn("too many", account.error)
        for task in held:
            task.cancel()

    async def test_a_healthy_consumer_may_have_any_number_waiting(self) -> None:
        track = lane.Lane(QUICK)

        async def take() -> None:
            await asyncio.sleep(0)

        accounts = await asyncio.gather(*(track.carry(take) for _ in range(300)))
        self.assertEqual({""}, {account.error for account in accounts})

    async def test_patience_with_a_failing_consumer_has_an_end(self) -> None:
        """Those that waited too long die in turn, untried."""
        track = lane.Lane(lane.Patience(1.0, 1, 0.0, 0.0, connections=1))
        now = 0.0

        async def fail() -> None:
            nonlocal now
            await asyncio.sleep(0)
            now += 0.4
            raise lane.Unanswered("answered 503")

        with mock.patch.object(lane, "_now", lambda: now):
            accounts = await asyncio.gather(*(track.carry(fail) for _ in range(50)))
        self.assertTrue(all(account.error for account in accounts))
        self.assertEqual([1] * 3 + [0] * 47, [each.attempts for each in accounts])

    async def test_patience_with_a_slow_consumer_has_none(self) -> None:
        track = lane.Lane(lane.Patience(0.001, 1, 0.0, 0.0, connections=1))

        async def take() -> None:
            await asyncio.sleep(0.001)

        accounts = await asyncio.gather(*(track.carry(take) for _ in range(50)))
        self.assertEqual({""}, {account.error for account in accounts})


def _outcome(settled: Any) -> tuple[str, int, str]:
    return settled.state, settled.attempts, settled.error
