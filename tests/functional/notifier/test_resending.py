"""Dead letters sent again: a real conductor, RabbitMQ, notifiers that are killed."""

import logging
import multiprocessing
import pathlib
import tempfile
import time
import types
import unittest
import uuid
from typing import Any

import sqlalchemy as sa
from oslo_config import cfg

from escalator import context, errors
from escalator.bus import events as bus
from escalator.bus import rpcapi, transport
from escalator.cmd import conductor
from escalator.cmd import notifier as program
from escalator.db import models, session
from escalator.domain import webhook
from escalator.objects import base as objects_base
from escalator.objects.notice import NoticeRecord, NoticeRecordList
from escalator.objects.subscription import Subscription
from tests.fixtures import bus as bus_fixtures
from tests.fixtures import consumer, rabbit
from tests.unit.notifier import fakes

KEY = "0123456789abcdef0123456789abcdef"
WAIT_S = 20.0
CTXT = context.service_context("test")


def make_conf(url: str, prefix: str = "") -> cfg.ConfigOpts:
    conf = bus_fixtures.make_conf(url)
    if prefix:
        conf.set_override("prefix", prefix, "bus")
    for name, value in (
        ("signing_key", KEY),
        ("allowed_networks", ["127.0.0.0/8"]),
        ("timeout_s", 5.0),
        ("attempts", 2),
        ("backoff_s", 0.05),
    ):
        conf.set_override(name, value, group="notifier")
    return conf


def run_notifier(url: str, prefix: str) -> None:
    """Be a notifier, until killed."""
    logging.disable()
    program.build(make_conf(url, prefix)).start()
    time.sleep(3600)


class ResendTest(unittest.TestCase):
    broker: rabbit.Rabbit

    @classmethod
    def setUpClass(cls) -> None:
        cls.broker = rabbit.Rabbit().start()
        cls.addClassCleanup(cls.broker.stop)

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.conf = make_conf(self.broker.url)
        self.addCleanup(transport.release, self.conf)
        vim = str(self.folder / "vim.sqlite")
        self.conf.set_override("simulated_path", vim, "vim")
        self.start_conductor()
        self.publisher = bus.EventPublisher(self.conf)
        self.addCleanup(self.publisher.close)
        self.api = rpcapi.ConductorAPI(self.conf)

    def start_conductor(self) -> None:
        url = f"sqlite:///{self.folder / 'escalator.sqlite'}"
        self.database = session.Database(types.SimpleNamespace(connection=url))
        self.addCleanup(self.database.dispose)
        self.database.create_all()
        self.addCleanup(setattr, objects_base.EscalatorObject, "store", None)
        running = conductor.build(self.conf, database=self.database)
        running.start()
        self.addCleanup(running.stop)

    def start_notifier(self) -> Any:
        """Start a notifier in a process of its own, to be killed."""
        child = multiprocessing.get_context("spawn").Process(
            target=run_notifier, args=(self.broker.url, self.conf.bus.prefix)
        )
        child.start()
        self.addCleanup(child.join, 10)
        self.addCleanup(child.kill)
        return child

    def kill(self, child: Any) -> None:
        child.kill()
        child.join(10)

    def subscribe(self, **options: Any) -> tuple[Subscription, Any]:
        """Subscribe a consumer that checks the signature."""
        id = str(uuid.uuid4())
        process = consumer.ConsumerProcess(
            self.folder / id, secret=webhook.secret_for(KEY, id), **options
        )
        self.addCleanup(process.stop)
        made = Subscription(
            context=CTXT,
            id=id,
            project_id="red",
            user_id="u",
            name="",
            url=process.url,
            fault_types=[],
            min_severity="warning",
            min_probes=1,
            is_admin=False,
        )
        made.create()
        return made, process

    def wait_for(self, state: str) -> NoticeRecord:
        """Return the only notice once it is in that state."""

        def is_there() -> bool:
            page = NoticeRecordList.get_page(None).objects
            return [each.state for each in page] == [state]

        self.assertTrue(bus_fixtures.eventually(is_there, WAIT_S), state)
        (found,) = NoticeRecordList.get_page(None).objects
        return found

    def text(self) -> str:
        """Return what the conductor keeps of the only notice's text."""
        with self.database.begin() as connection:
            query = sa.select(models.notice.c.body)
            return str(connection.execute(query).scalar_one())

    def left_on_broker(self) -> int:
        """Return wishes that nobody has acknowledged."""
        name = f"{self.conf.bus.prefix}.resend.notifier"
        lines = self.broker.ctl("list_queues", "name", "messages").splitlines()
        found = [line.split()[1] for line in lines if line.startswith(name)]
        return sum(map(int, found))

    def test_heard_after_all_whoever_is_killed_meanwhile(self) -> None:
        """DR-7, DR-9: the same notice, freshly signed, and how it ended at last."""
        hook, red = self.subscribe(fail=2, delay=1.0)
        first = self.start_notifier()
        self.publisher.publish(fakes.host_down("red", "blue"))
        dead = self.wait_for("dead")
        self.assertEqual((2, "answered 503"), (dead.attempts, dead.error))
        kept = self.text()
        self.kill(first)

        sent = self.api.notice_resend(CTXT, dead.id)
        self.assertEqual("resending", sent.state)
        self.assertEqual(kept, self.text())
        second = self.start_notifier()
        self.assertEqual(3, len(red.wait(3, WAIT_S)))
        self.kill(second)  # It has sent it, and does not know yet how that ended.
        self.assertEqual("resending", self.wait_for("resending").state)

        self.start_notifier()
        heard = red.wait(4, WAIT_S)
        found = self.wait_for("delivered")
        self.assertEqual([503, 503, 204, 204], [each["status"] for each in heard])
        self.assertEqual(
            {dead.id}, {each["headers"][webhook.NOTICE_ID_HEADER] for each in heard}
        )
        self.assertEqual({True}, {each["is_signed"] for each in heard})
        stamps = {each["headers"][webhook.TIMESTAMP_HEADER] for each in heard}
        self.assertEqual(4, len(stamps))
        self.assertEqual([heard[0]["body"]] * 4, [each["body"] for each in heard])
        self.assertEqual((hook.id, 1, ""), self.outcome_of(found))
        self.assertEqual({"T6", "T7", "T8", "T9"}, set(found.times))
        self.assertLess(dead.times["T6"], found.times["T6"])
        self.assertEqual("", self.text())
        self.assertTrue(
            bus_fixtures.eventually(lambda: not self.left_on_broker(), WAIT_S)
        )
        with self.assertRaisesRegex(errors.Conflict, "was delivered"):
            self.api.notice_resend(CTXT, dead.id)

    def outcome_of(self, found: NoticeRecord) -> tuple[Any, ...]:
        return found.subscription_id, found.attempts, found.error

    def test_a_subscription_that_is_deleted_in_between(self) -> None:
        """Accepted first: it stays dead, and says why; then it is refused."""
        hook, red = self.subscribe(fail=99)
        first = self.start_notifier()
        self.publisher.publish(fakes.host_down("red"))
        dead = self.wait_for("dead")
        kept = self.text()
        self.kill(first)
        self.api.notice_resend(CTXT, dead.id)
        hook.destroy()
        self.start_notifier()
        found = self.wait_for("dead")
        self.assertIn("its subscription is deleted", found.error)
        self.assertEqual((kept, 2), (self.text(), len(red.heard())))
        with self.assertRaisesRegex(errors.Conflict, "is deleted"):
            self.api.notice_resend(CTXT, dead.id)
