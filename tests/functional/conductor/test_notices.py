"""Dead letters are asked for again, on the real store: refusals, outbox, kills."""

import os
import pathlib
import signal
import tempfile
import time
import unittest
import uuid
from typing import Any

import sqlalchemy as sa

from escalator import context, errors
from escalator.conductor import notices
from escalator.db import models, store
from escalator.domain import events
from escalator.objects import base as objects_base
from escalator.objects.notice import NoticeRecord
from escalator.objects.subscription import Subscription
from tests.fixtures import crash
from tests.fixtures import engine as beds
from tests.functional.db import servers

BODY = '{"event":"host.down"}'
DEAD = {"state": "dead", "attempts": 5, "error": "answered 503", "body": BODY}


class Case(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        opened = beds.database(self.make_url())
        self.addCleanup(opened.dispose)
        self.bed = beds.EngineBed(opened, beds.FakeFleet())
        self.notices = notices.Notices(self.bed.engine)
        self.addCleanup(setattr, objects_base.EscalatorObject, "store", None)
        objects_base.use_store(store.Store(opened))
        self.hook = self.subscribe()

    def make_url(self) -> str:
        return f"sqlite:///{self.folder / 'e.sqlite'}"

    def subscribe(self) -> Subscription:
        made = Subscription(
            context=context.service_context("test"),
            id=str(uuid.uuid4()),
            project_id="red",
            user_id="u",
            name="",
            url="https://noc.example/",
            fault_types=[],
            min_severity="warning",
            min_probes=1,
            is_admin=False,
        )
        made.create()
        return made

    def settle(self, **changes: Any) -> events.NoticeSettled:
        """Store how a notice ended: as a dead letter, unless it is said otherwise."""
        values: dict[str, Any] = {
            "event_id": str(uuid.uuid4()),
            "notice_id": str(uuid.uuid4()),
            "cause_id": str(uuid.uuid4()),
            "fault_ids": (str(uuid.uuid4()),),
            "subscription_id": self.hook.id,
            "project_id": "red",
            "times": {"T6": 1.0},
            **DEAD,
            **changes,
        }
        made = events.NoticeSettled(**values)
        self.bed.faults.apply_settled([made])
        return made

    def requests(self) -> list[events.ResendRequested]:
        kind = events.ResendRequested
        return [each for each in self.bed.news if isinstance(each, kind)]

    def kept(self, notice_id: str) -> tuple[str, str]:
        """Return the state and the text of a notice."""
        with self.bed.database.begin() as connection:
            table = models.notice
            query = sa.select(table.c.state, table.c.body)
            row = connection.execute(query.where(table.c.id == notice_id)).one()
        return row.state, row.body


class TestResending(Case):
    def test_the_whole_letter_is_owed(self) -> None:
        letter = self.settle()
        self.notices.resend(letter.notice_id, "alice")
        (request,) = self.requests()
        for name in ("notice_id", "cause_id", "fault_ids", "subscription_id", "body"):
            self.assertEqual(getattr(letter, name), getattr(request, name), name)
        self.assertEqual("red", request.project_id)
        self.assertEqual(("resending", BODY), self.kept(letter.notice_id))
        self.assertEqual([], self.bed.rows(models.outbox))

    def test_how_it_ends_replaces_the_dead_letter(self) -> None:
        """DR-9: attempts, times and error are those of the last time."""
        letter = self.settle()
        same = {"notice_id": letter.notice_id, "fault_ids": letter.fault_ids}
        self.notices.resend(letter.notice_id, "alice")
        self.settle(**same, attempts=2, error="no answer in time", times={"T6": 7.0})
        found = NoticeRecord.get_by_id(None, letter.notice_id)
        self.assertEqual(
            ("dead", 2, "no answer in time", {"T6": 7.0}),
            (found.state, found.attempts, found.error, found.times),
        )
        self.notices.resend(letter.notice_id, "alice")
        self.settle(**same, state="delivered", attempts=1, error="", body="")
        found = NoticeRecord.get_by_id(None, letter.notice_id)
        self.assertEqual(
            ("delivered", 1, ""), (found.state, found.attempts, found.error)
        )
        self.assertEqual(list(letter.fault_ids), found.fault_ids)
        self.assertEqual(("delivered", ""), self.kept(letter.notice_id))

    def test_what_was_told_before_comes_late_and_decides_nothing(self) -> None:
        """At least once: the first outcome may be told again after the wish."""
        letter = self.settle()
        self.notices.resend(letter.notice_id, "alice")
        self.bed.faults.apply_settled([letter])
        same = {"notice_id": letter.notice_id, "fault_ids": letter.fault_ids}
        self.settle(**same, state="delivered", error="", body="")
        self.bed.faults.apply_settled([letter])
        self.assertEqual(("delivered", ""), self.kept(letter.notice_id))

    def test_it_may_be_asked_for_again_while_it_is_under_way(self) -> None:
        letter = self.settle()
        for _ in range(2):
            self.notices.resend(letter.notice_id, "alice")
        first, second = self.requests()
        self.assertNotEqual(first.event_id, second.event_id)
        self.assertEqual(first.body, second.body)

    def test_aodhs_letter_needs_no_subscription(self) -> None:
        """DR-6: the alarm is the subscription, and Aodh's; campaigns too."""
        letter = self.settle(subscription_id="aodh", fault_ids=())
        self.notices.resend(letter.notice_id, "alice")
        (request,) = self.requests()
        self.assertEqual(("aodh", ()), (request.subscription_id, request.fault_ids))


class TestRefusals(Case):
    def assert_refused(self, notice_id: str, *words: str) -> None:
        before = self.kept(notice_id)
        with self.assertRaises(errors.Conflict) as caught:
            self.notices.resend(notice_id, "alice")
        for word in (notice_id, *words):
            self.assertIn(word, str(caught.exception))
        self.assertEqual(before, self.kept(notice_id))
        self.assertEqual([], self.requests())

    def test_a_notice_that_was_delivered(self) -> None:
        letter = self.settle(state="delivered", error="", body="")
        self.assert_refused(letter.notice_id, "was delivered")

    def test_a_subscription_that_is_deleted(self) -> None:
        letter = self.settle()
        self.hook.destroy()
        self.assert_refused(letter.notice_id, self.hook.id, "is deleted")

    def test_a_letter_without_its_text(self) -> None:
        letter = self.settle(body="")
        self.assert_refused(letter.notice_id, "was not kept")

    def test_one_that_never_was(self) -> None:
        with self.assertRaises(errors.NotFound):
            self.notices.resend(str(uuid.uuid4()), "alice")


class TestResendingOnMariaDB(servers.OnMariaDB, TestResending):
    pass


class TestResendingOnPostgreSQL(servers.OnPostgreSQL, TestResending):
    pass


class TestKilled(Case):
    """SIGKILL of the conductor before and after it commits a wish."""

    def die(self, place: str, notice_id: str) -> None:
        pid = os.fork()
        if not pid:
            try:
                opened = crash.MortalDatabase(self.make_url(), crash.Fuse(place, 1))
                bed = beds.EngineBed(opened, beds.FakeFleet())
                notices.Notices(bed.engine).resend(notice_id, "alice")
            finally:
                os._exit(1)
        status = os.waitpid(pid, 0)[1]
        self.assertTrue(os.WIFSIGNALED(status))
        self.assertEqual(signal.SIGKILL, os.WTERMSIG(status))

    def sweep(self) -> list[events.ResendRequested]:
        """Let another conductor send what is owed; return the requests."""
        deadline = time.monotonic() + 10.0
        while self.bed.rows(models.outbox) and time.monotonic() < deadline:
            self.bed.box._deliver_all(self.bed.box._overdue())
            time.sleep(0.05)
        return self.requests()

    def test_before_the_commit_nothing_happened(self) -> None:
        letter = self.settle()
        self.die(crash.BEFORE_COMMIT, letter.notice_id)
        self.assertEqual([], self.sweep())
        self.assertEqual(("dead", BODY), self.kept(letter.notice_id))

    def test_after_the_commit_another_sends_it(self) -> None:
        letter = self.settle()
        self.die(crash.AFTER_COMMIT, letter.notice_id)
        self.assertEqual(("resending", BODY), self.kept(letter.notice_id))
        (request,) = self.sweep()
        self.assertEqual((letter.notice_id, BODY), (request.notice_id, request.body))
