"""The map of Nova: snapshots are the truth, notifications run ahead (DR-5)."""

import time
import unittest

from escalator.drivers import base
from escalator.drivers.vim.openstack import model

LONG_AGO_S = 10 * model.SKEW_S


def server(host="c1", state="active", instance_id="i1", state_before=""):
    return model.Server(instance_id, "vm", "p1", host, state, state_before)


def host(name):
    return base.VimHost(name, "", "compute", "", "", True, False)


def news(known, sent_at, instance_id="i1"):
    return model.News(instance_id, known, sent_at)


class Case(unittest.TestCase):
    def setUp(self):
        self.model = model.Model()
        self.began_at = time.time() - LONG_AGO_S
        self.snapshot(self.began_at)

    def snapshot(self, began_at, *servers):
        self.model.take_snapshot([host("c1"), host("c2")], servers, {}, began_at)

    def hear(self, known, sent_at=None, instance_id="i1"):
        """Return by how much the number of changes grew."""
        before = self.model.changes
        at = time.time() if sent_at is None else sent_at
        self.model.hear(news(known, at, instance_id))
        return self.model.changes - before

    def place(self):
        """Return where the instance is and its state, None if it is nowhere."""
        known = self.model.find("i1")
        return known and (known.host, known.state)


class HearTest(Case):
    def test_create(self):
        self.assertEqual(1, self.hear(server()))
        (known,) = self.model.instances()
        self.assertEqual(
            ("i1", "p1", "c1", "active"),
            (known.id, known.project_id, known.host, known.state),
        )

    def test_update(self):
        self.hear(server())
        self.assertEqual(1, self.hear(server(state="stopped")))
        self.assertEqual(("c1", "stopped"), self.place())

    def test_migration(self):
        self.hear(server())
        self.assertEqual(1, self.hear(server("c2")))
        self.assertEqual([], self.model.servers("c1"))
        self.assertEqual(["i1"], [each.id for each in self.model.servers("c2")])

    def test_delete(self):
        self.hear(server())
        self.assertEqual(1, self.hear(None))
        self.assertIsNone(self.place())
        self.assertEqual([], self.model.instances())

    def test_what_is_known_already_is_no_change(self):
        self.hear(server())
        self.assertEqual(0, self.hear(server()))
        self.assertEqual(0, self.hear(None, instance_id="unknown"))

    def test_an_instance_of_a_host_that_is_not_known_is_no_answer(self):
        self.hear(server("elsewhere"))
        self.assertEqual([], self.model.instances())

    def test_what_we_noted_of_an_instance_stays(self):
        """Notifications do not carry the mark; an undo needs it (DR-10)."""
        self.snapshot(self.began_at, server(state="error", state_before="active"))
        self.hear(server("c2", "error"))
        self.assertEqual("active", self.model.find("i1").state_before)


class OrderTest(Case):
    def test_an_older_one_changes_nothing(self):
        now = time.time()
        self.hear(server("c2"), now)
        self.assertEqual(0, self.hear(server("c1"), now - 0.1))
        self.assertEqual(("c2", "active"), self.place())

    def test_an_update_that_comes_after_the_delete_brings_nothing_back(self):
        now = time.time()
        self.hear(server(), now - 0.2)
        self.hear(None, now)
        self.assertEqual(0, self.hear(server(), now - 0.1))
        self.assertIsNone(self.place())

    def test_instances_do_not_hold_each_other_up(self):
        now = time.time()
        self.hear(server(), now)
        other = server(instance_id="i2")
        self.assertEqual(1, self.hear(other, now - 0.1, "i2"))

    def test_one_older_than_the_snapshot_changes_nothing(self):
        sent_at = self.began_at - LONG_AGO_S
        self.assertEqual(0, self.hear(server(), sent_at))
        self.assertIsNone(self.place())

    def test_clocks_may_be_apart_a_little(self):
        self.assertEqual(1, self.hear(server(), self.began_at - model.SKEW_S / 2))


class SnapshotTest(Case):
    def test_what_is_heard_while_it_is_read_lies_on_top(self):
        began_at = time.time()
        self.hear(server("c2"))
        self.snapshot(began_at, server("c1"))
        self.assertEqual(("c2", "active"), self.place())

    def test_a_delete_that_is_heard_while_it_is_read_too(self):
        began_at = time.time()
        self.hear(None)
        self.snapshot(began_at, server())
        self.assertIsNone(self.place())

    def test_it_repairs_what_was_heard_before(self):
        self.hear(server("c2"))
        self.snapshot(time.time() + 0.001, server("c1"))
        self.assertEqual(("c1", "active"), self.place())

    def test_one_long_on_its_way_does_not_lie_on_top(self):
        """It was heard while the snapshot was read, and is older than that."""
        began_at = time.time()
        self.hear(server("c2"), began_at - model.SKEW_S - 0.1)
        self.snapshot(began_at, server("c1"))
        self.assertEqual(("c1", "active"), self.place())

    def test_a_deleted_one_is_not_brought_back_by_what_was_overtaken(self):
        """The snapshot lies between the two: the order is remembered."""
        now = time.time()
        self.hear(server(), now - 0.3)
        self.hear(None, now - 0.1)
        self.snapshot(time.time() + 0.001)
        self.assertEqual(0, self.hear(server(), now - 0.2))
        self.assertIsNone(self.place())

    def test_what_the_snapshot_has_seen_is_forgotten_in_the_end(self):
        for number in range(100):
            self.hear(None, instance_id=f"i{number}")
        self.snapshot(time.time() + LONG_AGO_S)
        self.assertEqual({}, self.model._heard)

    def test_the_same_again_is_no_change(self):
        self.snapshot(self.began_at, server())
        before = self.model.changes
        self.snapshot(time.time(), server())
        self.assertEqual(before, self.model.changes)


class HostTest(Case):
    """``service.update``, as ``feed`` hands it on."""

    def down(self):
        return {each.name: each.is_forced_down for each in self.model.hosts()}

    def test_forced_down_and_disabled(self):
        before = self.model.changes
        self.model.change_host("c1", is_enabled=False, is_forced_down=True)
        self.assertEqual({"c1": True, "c2": False}, self.down())
        self.assertFalse(self.model.hosts()[0].is_enabled)
        self.assertEqual(before + 1, self.model.changes)

    def test_what_is_known_already_is_no_change(self):
        before = self.model.changes
        self.model.change_host("c1", is_enabled=True, is_forced_down=False)
        self.assertEqual(before, self.model.changes)

    def hear_host(self, is_down, sent_at, name="c1"):
        values = {"is_enabled": True, "is_forced_down": is_down}
        self.model.hear_host(model.HostNews(name, values, sent_at))

    def test_the_latest_notification_counts_not_the_last_to_come(self):
        now = time.time()
        self.hear_host(True, now)
        self.hear_host(False, now - 0.1)
        self.hear_host(True, now - 0.2, "c2")
        self.assertEqual({"c1": True, "c2": True}, self.down())
        self.hear_host(False, now + 0.1)
        self.assertFalse(self.down()["c1"])

    def test_one_older_than_the_snapshot_changes_nothing(self):
        self.hear_host(True, self.began_at - LONG_AGO_S)
        self.assertFalse(self.down()["c1"])
        self.hear_host(True, self.began_at - model.SKEW_S / 2)
        self.assertTrue(self.down()["c1"], "clocks may be apart a little")

    def test_an_unknown_host_is_none_of_the_map_s(self):
        self.model.change_host("c9", is_forced_down=True)
        self.assertEqual({"c1": False, "c2": False}, self.down())

    def test_what_is_heard_while_a_snapshot_is_read_lies_on_top(self):
        began_at = time.time()
        self.model.change_host("c1", is_forced_down=True)
        self.snapshot(began_at)
        self.assertTrue(self.down()["c1"])
        self.snapshot(time.time() + 0.001)
        self.assertFalse(self.down()["c1"], "the next one knows better")
