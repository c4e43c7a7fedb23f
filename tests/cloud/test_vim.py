"""The driver ``openstack`` on a real Nova (DR-2, DR-5, DR-10, O-0c, O-0d, O-4)."""

import copy
import os
import time

from escalator import errors
from escalator.bus import transport
from escalator.cmd.doctor import scene, servers
from escalator.drivers.vim.openstack import (
    driver,
    following,
    moving,
    session,
    settings,
    states,
)
from tests.cloud import base
from tests.fixtures import bus

LIMIT_S = 30.0


class Old:
    """A compute adapter that keeps to an older microversion, as Nova had it then.

    :param compute: a ``session.Compute`` to the real one.
    """

    newest = (2, 52)

    def __init__(self, compute):
        self._compute = compute
        self.placement = compute.placement
        self.alarming = compute.alarming

    def get_endpoint_data(self):
        found = copy.copy(self._compute.get_endpoint_data())
        found.max_microversion = self.newest
        return found

    def request(self, url, method, **kwargs):
        asked = tuple(map(int, kwargs["microversion"].split(".")))
        if asked > self.newest:
            raise AssertionError(f"{method} {url} with {asked}")
        return self._compute.request(url, method, **kwargs)


class TestOpenstack(base.CloudTestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        source = following.Source(
            tuple(transport.kombu_urls(bus.make_conf(), cls.transport_url())),
            interval_s=3600.0,
        )
        options = settings.Options(
            source, reset_delay_s=0.0, limits=moving.Limits(("live",), 2, 120.0)
        )
        compute = session.Compute(session.by_cloud(os.environ["OS_CLOUD"]), 10.0)
        cls.vim = driver.Openstack(compute, 10.0, options)
        cls.addClassCleanup(cls.vim.stop)
        cls.host = sorted(each.name for each in cls.vim.list_hosts())[0]
        cls.scene = scene.Scene(
            cls.connection,
            scene.Wanted(
                2,
                1,
                base.setting("image", "cirros"),
                base.setting("flavor", "m1.tiny"),
                base.setting("network", "none"),
                cls.host,
            ),
        )
        cls.addClassCleanup(cls.scene.clear)
        cls.scene.set_up()
        cls.owner = cls.scene.owners[0]

    def setUp(self):
        self.addCleanup(self.vim.mark_down, [self.host], False)
        self.addCleanup(self.vim.set_scheduling, self.host, True, "")

    def eventually(self, check):
        end = time.monotonic() + LIMIT_S
        while not check():
            self.assertLess(time.monotonic(), end, self.vim.list_instances())
            time.sleep(0.1)

    def places(self):
        """Return instance id -> host, of ours, as the driver has it in memory."""
        found = {each.id: each.host for each in self.vim.list_instances()}
        return {i: found[i] for i in self.owner.instance_ids if i in found}

    def statuses(self):
        return {
            self.connection.compute.get_server(i).status
            for i in self.owner.instance_ids
        }

    def test_a_boot_is_heard_without_a_snapshot(self):
        """The map is kept live by notifications: no snapshot in an hour."""
        self.eventually(lambda: len(self.places()) == 2)
        self.assertEqual({self.host}, set(self.places().values()))
        groups = {each.project_id for each in self.vim.list_instances()}
        self.assertIn(self.owner.project.id, groups)

    def test_a_snapshot_reads_what_changed(self):
        """DR-5: no notifications; a mark and a delete are changes to Nova."""
        self.eventually(lambda: len(self.places()) == 2)
        marked, left = self.owner.instance_ids
        gone = self.scene._servers.create(self.owner.project.id, "gone", self.host)
        self.scene._servers.await_active(gone)
        compute = session.Compute(session.by_cloud(os.environ["OS_CLOUD"]), 10.0)
        source = following.Source(interval_s=3600.0)
        vim = driver.Openstack(compute, 10.0, settings.Options(source))
        self.addCleanup(vim.stop)
        self.assertLessEqual(
            {marked, left, gone}, {each.id for each in vim.list_instances()}
        )
        time.sleep(2.0)
        since = time.time()
        time.sleep(1.0)
        nova = self.connection.compute
        nova.set_server_metadata(marked, **{states.MARK: "active"})
        self.addCleanup(nova.delete_server_metadata, marked, [states.MARK])
        servers.delete(self.connection, [gone])
        changed, ended = vim._following._reader.changed_servers(since)
        marks = {each.id: each.state_before for each in changed}
        self.assertEqual("active", marks.get(marked))
        self.assertNotIn(left, marks)
        self.assertIn(gone, ended)
        vim._following.refresh_changes()
        listed = {each.id for each in vim.list_instances()}
        self.assertEqual({marked, left}, {marked, left, gone} & listed)

    def test_a_dry_run_of_a_drain(self):
        """V-3: with room elsewhere nothing is in the way; with none all are named.

        Nothing has changed afterwards.
        """
        self.eventually(lambda: len(self.places()) == 2)
        first = next(iter(set(self.places().values())))
        others = [
            each.name
            for each in self.vim.list_hosts()
            if each.name != first and each.is_enabled
        ]
        if not others:
            self.skipTest("the cloud has one host")
        there = {e.id for e in self.vim.list_instances() if e.host == first}
        before = self.seen(there)
        self.assertEqual([], self.vim.try_drain(first))
        for name in others:
            self.addCleanup(self.vim.set_scheduling, name, True, "")
            self.vim.set_scheduling(name, False, "dry run")
        told = "\n".join(self.vim.try_drain(first))
        self.assertEqual([], [each for each in there if each not in told], told)
        self.assertIn("fits on no other host", told)
        for name in others:
            self.vim.set_scheduling(name, True, "")
        # nova-compute takes its trait back a moment after it is enabled.
        self.eventually(lambda: self.vim.try_drain(first) == [])
        self.assertEqual(before, self.seen(there))
        figures = self.vim.calls.figures.read()["list_allocation_candidates"]
        self.assertGreaterEqual(figures["count"], 2)
        self.assertEqual(0, figures["failures"])

    def seen(self, instance_ids):
        """Return what Nova itself says of instances, and of what is under way."""
        return {
            each: (server.compute_host, server.status, server.task_state)
            for each in instance_ids
            for server in [self.connection.compute.get_server(each)]
        }

    def test_a_dry_run_with_one_that_cannot_be_moved(self):
        """V-3: its state stands in the way, and it is named."""
        self.eventually(lambda: len(self.places()) == 2)
        first = next(iter(set(self.places().values())))
        broken = self.owner.instance_ids[0]
        reset = self.connection.compute.reset_server_state
        self.addCleanup(reset, broken, "active")
        reset(broken, "error")
        told = "\n".join(self.vim.try_drain(first))
        self.assertIn(f"instance {broken}", told)
        self.assertIn("no way to move one that is error", told)

    def test_down_and_back(self):
        self.eventually(lambda: len(self.places()) == 2)
        instance_id = self.owner.instance_ids[0]
        self.vim.mark_down([self.host], True)
        self.assertEqual("DOWN", self.owner.host_status(instance_id))
        self.eventually(lambda: self.statuses() == {"ERROR"})
        with self.assertRaisesRegex(errors.ActionFailed, "is down"):
            self.vim.drain(self.host)
        self.vim.mark_down([self.host], False)
        self.assertEqual("UP", self.owner.host_status(instance_id))
        self.eventually(lambda: self.statuses() == {"ACTIVE"})

    def test_disabled_with_a_reason(self):
        self.vim.set_scheduling(self.host, False, "campaign 42")
        (service,) = self.connection.compute.services(
            binary="nova-compute", host=self.host
        )
        self.assertEqual(
            ("disabled", "campaign 42"), (service.status, service.disabled_reason)
        )
        found = {each.name: each.is_enabled for each in self.vim.list_hosts()}
        self.assertFalse(found[self.host])

    def test_drained_live_and_cold(self):
        self.eventually(lambda: len(self.places()) == 2)
        first = next(iter(set(self.places().values())))
        stopped = self.owner.instance_ids[0]
        self.connection.compute.stop_server(stopped)
        self.eventually(
            lambda: self.connection.compute.get_server(stopped).status == "SHUTOFF"
        )
        self.vim.set_scheduling(first, False, "drain")
        self.addCleanup(self.vim.set_scheduling, first, True, "")
        moved = self.vim.drain(first)
        self.assertEqual(self.places(), moved)
        self.assertNotIn(first, moved.values())
        self.assertEqual({}, self.vim.drain(first), "once more changes nothing")
        self.connection.compute.start_server(stopped)
        self.eventually(lambda: self.statuses() == {"ACTIVE"})

    def test_below_2_53_services_are_named_by_host(self):
        """The microversion is negotiated: the real Nova is asked in the old way."""
        compute = session.Compute(session.by_cloud(os.environ["OS_CLOUD"]), 10.0)
        options = settings.Options(following.Source(), reset_delay_s=0.0)
        vim = driver.Openstack(Old(compute), 10.0, options)
        self.addCleanup(vim.stop)
        names = [each.name for each in self.vim.list_hosts()]
        self.assertEqual(names, [each.name for each in vim.list_hosts()])
        groups = {each.id: each.server_group for each in self.vim.list_instances()}
        self.assertEqual(
            groups, {each.id: each.server_group for each in vim.list_instances()}
        )
        instance_id = self.owner.instance_ids[0]
        vim.mark_down([self.host], True)
        self.assertEqual("DOWN", self.owner.host_status(instance_id))
        self.eventually(lambda: self.statuses() == {"ERROR"})
        vim.mark_down([self.host], False)
        self.assertEqual("UP", self.owner.host_status(instance_id))
        self.eventually(lambda: self.statuses() == {"ACTIVE"})
        vim.set_scheduling(self.host, False, "campaign 42")
        (service,) = self.connection.compute.services(
            binary="nova-compute", host=self.host
        )
        self.assertEqual(
            ("disabled", "campaign 42"), (service.status, service.disabled_reason)
        )
        vim.set_scheduling(self.host, True, "")

    def test_a_host_that_nova_does_not_know(self):
        with self.assertRaises(errors.NotFound):
            self.vim.mark_down(["nowhere", self.host], True)
        (service,) = self.connection.compute.services(
            binary="nova-compute", host=self.host
        )
        self.assertTrue(service.is_forced_down, "the others are marked")
