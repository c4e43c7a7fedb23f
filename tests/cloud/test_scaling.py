"""Alarms of a real Aodh that let something scale are held (S-7)."""

import os
import threading
import time
import uuid
from unittest import mock

import oslo_messaging
from oslo_config import cfg

from escalator import errors
from escalator.conf import vim as options
from escalator.drivers.vim.openstack import (
    alarms,
    driver,
    following,
    scaling,
    session,
    settings,
)
from tests.cloud import base

WHERE = {"service_type": "alarming"}
LONG_S = 60.0
CHANGING = ("timestamp", "evaluate_timestamp")
"""Aodh's own notes of who wrote or looked last."""


class Case(base.CloudTestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        compute = session.Compute(session.by_cloud(os.environ["OS_CLOUD"]), 10.0)
        chosen = settings.Options(
            following.Source(), choice=scaling.Choice(tuple(options.SCALING_ACTIONS))
        )
        vim = driver.Openstack(compute, 10.0, chosen)
        cls.addClassCleanup(vim.stop)
        cls.scaling, cls.figures = vim.scaling, vim.figures
        identity = cls.connection.identity
        cls.projects = []
        for _ in range(2):
            name = base.unique("scale")
            made = identity.create_project(name=name, domain_id="default")
            cls.addClassCleanup(identity.delete_project, made)
            cls.projects.append(str(made.id))

    def setUp(self):
        self.holder = str(uuid.uuid4())
        self.addCleanup(self.scaling.release, self.holder, LONG_S)

    def alarm(self, url=None, project=0, **given):
        """Create an alarm as a stack of Heat does; returns its id."""
        stack = f"{base.unique('stack')}/{uuid.uuid4()}"
        signal = f"http://heat:8004/v1/p/stacks/{stack}/resources/up/signal"
        body = {
            "name": base.unique("scale"),
            "description": "text of the owner",
            "type": "event",
            "project_id": self.projects[project],
            "severity": "moderate",
            "repeat_actions": True,
            "alarm_actions": [url or signal, "log://"],
            "event_rule": {
                "event_type": "none",
                "query": [
                    {
                        "field": "traits.x",
                        "op": "eq",
                        "type": "string",
                        "value": "y",
                    }
                ],
            },
            "time_constraints": [
                {"name": "nights", "start": "0 23 * * *", "duration": 10800}
            ],
            **given,
        }
        made = self.connection.session.post(
            "/v2/alarms", json=body, endpoint_filter=WHERE
        ).json()
        path = f"/v2/alarms/{made['alarm_id']}"
        self.addCleanup(
            self.connection.session.delete, path, endpoint_filter=WHERE, raise_exc=False
        )
        return str(made["alarm_id"])

    def shown(self, alarm_id):
        found = self.connection.session.get(
            f"/v2/alarms/{alarm_id}", endpoint_filter=WHERE
        ).json()
        return {key: value for key, value in found.items() if key not in CHANGING}

    def named(self, told):
        return {each.rpartition("(")[2].rstrip(")") for each in told}


class TestScaling(Case):
    def test_held_and_given_back_as_it_was(self):
        """S-7: of whatever project; what its owner disabled stays so."""
        on = [self.alarm(project=number) for number in (0, 1)]
        off = self.alarm(enabled=False)
        other = self.alarm("http://consumer:1234/failure")
        before = {each: self.shown(each) for each in (*on, off, other)}
        told = self.scaling.hold(self.holder, "to 2.0, call noc", LONG_S)
        self.assertLessEqual({*on}, self.named(told["held"]))
        self.assertIn(off, self.named(told["disabled_before"]))
        for each in on:
            held = self.shown(each)
            self.assertFalse(held["enabled"])
            self.assertEqual(
                "text of the owner [Escalator holds this alarm for"
                f" {self.holder}: to 2.0, call noc]",
                held["description"],
            )
            changed = {key for key in held if held[key] != before[each][key]}
            self.assertEqual({"enabled", "description"}, changed)
        self.assertEqual(before[other], self.shown(other))
        again = self.scaling.hold(self.holder, "to 2.0, call noc", LONG_S)
        self.assertEqual(told["held"], again["held"])
        told = self.scaling.release(self.holder, LONG_S)
        self.assertLessEqual({*on}, self.named(told["released"]))
        self.assertEqual(before, {each: self.shown(each) for each in before})
        for name in ("list_alarms", "show_alarm", "update_alarm"):
            print(name, self.figures()[name])

    def test_two_holders(self):
        held, other = self.alarm(), str(uuid.uuid4())
        self.addCleanup(self.scaling.release, other, LONG_S)
        before = self.shown(held)
        for each in (self.holder, other):
            self.scaling.hold(each, "an upgrade", LONG_S)
        told = self.scaling.release(self.holder, LONG_S)
        self.assertIn(held, self.named(told["still_held"]))
        self.assertFalse(self.shown(held)["enabled"])
        self.scaling.release(other, LONG_S)
        self.assertEqual(before, self.shown(held))

    def test_one_that_is_deleted_meanwhile(self):
        held = self.alarm()
        self.scaling.hold(self.holder, "an upgrade", LONG_S)
        self.connection.session.delete(f"/v2/alarms/{held}", endpoint_filter=WHERE)
        told = self.scaling.release(self.holder, LONG_S)
        self.assertNotIn(held, self.named([e for each in told.values() for e in each]))

    def test_many_in_pages(self):
        """No alarm is left out or told twice where answers end."""
        made = {self.alarm() for _ in range(5)}
        known = {each["alarm_id"] for each in self.scaling._alarms.list_all()}
        self.assertLessEqual(made, known)
        with mock.patch.object(alarms, "PAGE", 2):
            paged = [each["alarm_id"] for each in self.scaling._alarms.list_all()]
        self.assertEqual(sorted(known), sorted(paged))

    def test_an_alarm_that_nobody_knows(self):
        with self.assertRaises(errors.NotFound):
            self.scaling.change(str(uuid.uuid4()), lambda each: each)


class TestSettle(Case):
    """Aodh's listener stores alarms whole, from a copy of a minute ago."""

    def notifier(self):
        conf = cfg.ConfigOpts()
        conf([], default_config_files=[], default_config_dirs=[])
        transport = oslo_messaging.get_notification_transport(
            conf, url=self.transport_url()
        )
        self.addCleanup(transport.cleanup)
        return oslo_messaging.Notifier(
            transport,
            driver="messagingv2",
            publisher_id="test",
            topics=["alarm.all"],
            retry=3,
        )

    def test_an_old_copy_that_aodh_writes_back(self):
        """S-7: the hold has gone, and is there again when the step is over."""
        kind = base.unique("escalator.scale")
        held = self.alarm(
            "http://127.0.0.1:9/v1/p/stacks/a/b/resources/up/signal",
            event_rule={"event_type": kind, "query": []},
            time_constraints=[],
        )
        before = self.shown(held)
        notifier = self.notifier()

        def send(event_type):
            event = {
                "event_type": event_type,
                "message_id": str(uuid.uuid4()),
                "generated": "2026-11-22T00:00:00",
                "traits": [["project_id", 1, self.projects[0]]],
            }
            notifier.sample({}, event_type, [event])

        send("nothing")
        time.sleep(2.0)
        timer = threading.Timer(1.0, send, (kind,))
        timer.start()
        self.addCleanup(timer.join)
        with mock.patch.object(self.scaling, "settle_s", 3.0):
            told = self.scaling.hold(self.holder, "an upgrade", LONG_S)
        found = self.shown(held)
        if found["state"] != "alarm":
            self.assertFalse(found["enabled"])
            self.skipTest("this Aodh keeps no copies: event_alarm_cache_ttl is 0")
        self.assertIn(held, self.named(told["enabled_meanwhile"]))
        self.assertIn(held, self.named(told["held"]))
        self.assertEqual(("alarm", False), (found["state"], found["enabled"]))
        self.assertIn(self.holder, found["description"])
        self.scaling.release(self.holder, LONG_S)
        found = self.shown(held)
        self.assertEqual(before["description"], found["description"])
        self.assertTrue(found["enabled"])
