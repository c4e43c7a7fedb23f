"""What Nova's versioned notifications say; the payloads are as Nova sends them."""

import json
import unittest

from escalator.drivers.vim.openstack import feed, model
from tests.fixtures import notifications

AT = "2026-11-21 10:00:00.500000"
AT_EPOCH = 1795255200.5
STAYS = (
    "instance.create.end",
    "instance.live_migration_post_dest.end",
    "instance.pause.end",
    "instance.power_off.end",
    "instance.power_on.end",
    "instance.reboot.end",
    "instance.rebuild.end",
    "instance.rescue.end",
    "instance.resize_confirm.end",
    "instance.resize_finish.end",
    "instance.resize_revert.end",
    "instance.restore.end",
    "instance.resume.end",
    "instance.shelve.end",
    "instance.suspend.end",
    "instance.unpause.end",
    "instance.unrescue.end",
    "instance.unshelve.end",
    "instance.update",
)
LEAVES = (
    "instance.delete.end",
    "instance.shelve_offload.end",
    "instance.soft_delete.end",
)


def message(kind, data, timestamp=AT):
    return notifications.make(kind, data, timestamp)


def instance(kind, **data):
    return feed.read(message(kind, {**notifications.INSTANCE, **data}))


class InstanceTest(unittest.TestCase):
    def test_the_fixed_moment(self):
        self.assertEqual(AT_EPOCH, instance("instance.update").sent_at)

    def test_it_is_on_a_host(self):
        for kind in STAYS:
            with self.subTest(kind):
                found = instance(kind, host="c2", state="stopped")
                wanted = model.Server("i1", "vm-1", "p1", "c2", "stopped")
                self.assertEqual(model.News("i1", wanted, AT_EPOCH), found)

    def test_it_is_gone(self):
        for kind in LEAVES:
            with self.subTest(kind):
                found = instance(kind)
                self.assertEqual(model.News("i1", None, AT_EPOCH), found)

    def test_it_is_on_no_host_any_more(self):
        """Not scheduled yet, shelved, or the last update of one deleted."""
        for data in ({"host": None}, {"state": "deleted"}):
            with self.subTest(data):
                self.assertIsNone(instance("instance.update", **data).server)

    def test_other_events_concern_nobody(self):
        for kind in ("instance.create.start", "keypair.create.end", "invented"):
            with self.subTest(kind):
                self.assertIsNone(instance(kind))


class ServiceTest(unittest.TestCase):
    def read(self, **data):
        return feed.read(message("service.update", {**notifications.SERVICE, **data}))

    def test_of_a_host(self):
        for data, is_enabled, is_down in (
            ({}, True, False),
            ({"forced_down": True}, True, True),
            ({"disabled": True}, False, False),
        ):
            with self.subTest(data):
                values = {"is_enabled": is_enabled, "is_forced_down": is_down}
                wanted = model.HostNews("c1", values, AT_EPOCH)
                self.assertEqual(wanted, self.read(**data))

    def test_of_a_controller(self):
        self.assertIsNone(self.read(binary="nova-scheduler"))


class EnvelopeTest(unittest.TestCase):
    def test_with_and_without(self):
        """messagingv2 and messaging; as text where nobody said it is JSON."""
        plain = message("instance.update", notifications.INSTANCE)
        wrapped = {"oslo.version": "2.0", "oslo.message": json.dumps(plain)}
        for body in (plain, wrapped, json.dumps(plain), json.dumps(wrapped).encode()):
            with self.subTest(type(body)):
                self.assertEqual("i1", feed.read(body).instance_id)

    def test_what_is_none_of_nova_s_is_refused(self):
        strange = [
            None,
            5,
            [],
            {},
            "no JSON",
            b"\xff\xfe",
            {"oslo.message": "{"},
            {"oslo.message": 5},
            {"oslo.message": "null"},
            {"event_type": "instance.update"},
            {"event_type": "instance.update", "payload": None},
            message("instance.update", None),
            message("instance.update", {}),
            message("instance.update", {"uuid": "i1", "tenant_id": "p1"}),
            message("instance.update", notifications.INSTANCE, timestamp="yesterday"),
            message("instance.update", notifications.INSTANCE, timestamp=5),
            message("service.update", {"binary": "nova-compute"}),
            message("service.update", ["nova-compute"]),
            message("service.update", notifications.SERVICE, timestamp="yesterday"),
        ]
        for body in strange:
            with self.subTest(body):
                self.assertRaises((KeyError, TypeError, ValueError), feed.read, body)
