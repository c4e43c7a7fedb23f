"""The driver ``openstack`` against a Nova that misbehaves (DR-2, DR-5, DR-10)."""

import threading
import time
import unittest
from unittest import mock

from escalator import errors
from escalator.drivers.vim.openstack import driver, following, settings, states
from escalator.inspector import marking
from tests.fixtures import nova as novas
from tests.unit.drivers import contract_vim


class Case(unittest.TestCase):
    newest = "2.90"
    timeout_s = 2.0

    def setUp(self):
        self.nova = novas.Nova(self.newest)
        self.addCleanup(self.nova.stop)
        for name in ("c1", "c2", "c3"):
            self.nova.add_host(name)
        self.vim = self.made()

    def made(self, **options):
        source = following.Source(
            interval_s=options.pop("snapshot_interval_s", 3600.0),
            whole_interval_s=options.pop("whole_snapshot_interval_s", 3600.0),
        )
        values = {"source": source, "reset_delay_s": 0.0, **options}
        vim = driver.Openstack(
            self.nova.compute(self.timeout_s),
            self.timeout_s,
            settings.Options(**values),
        )
        self.addCleanup(vim.stop)
        return vim

    def eventually(self, check):
        end = time.monotonic() + 10
        while not check():
            self.assertLess(time.monotonic(), end)
            time.sleep(0.01)

    def state(self, instance_id):
        return self.nova.servers[instance_id]["OS-EXT-STS:vm_state"]


class ContractTest(contract_vim.VimContract, Case):
    FULL = "c1"

    def setUp(self):
        super().setUp()
        for _ in range(2):
            self.nova.add_server("c1")

    def make_vim(self):
        return self.vim


class InventoryTest(Case):
    def test_thousands_of_instances_in_pages(self):
        ids = {self.nova.add_server(f"c{1 + n % 3}", f"p{n % 7}") for n in range(3500)}
        listed = self.vim.list_instances()
        self.assertEqual(ids, {each.id for each in listed})
        self.assertGreaterEqual(len(self.nova.asked("GET", "^/servers/detail")), 4)

    def test_facts_for_budgets(self):
        first, second = self.nova.add_server("c1"), self.nova.add_server("c2")
        third = self.nova.add_server("c3")
        self.nova.groups += [
            {"id": "g1", "policy": "anti-affinity", "members": [first, second]},
            {"id": "g2", "policy": "affinity", "members": [third]},
        ]
        self.nova.aggregates.append(
            {"name": "ssd", "hosts": ["c1"], "metadata": {"rack": "r7"}}
        )
        groups = {each.id: each.server_group for each in self.vim.list_instances()}
        self.assertEqual({first: "g1", second: "g1", third: ""}, groups)
        host = self.vim.list_hosts()[0]
        self.assertEqual(("c1", "r7", ("ssd",)), (host.name, host.rack, host.tags))
        self.assertEqual(("az1", "192.0.2.1"), (host.availability_zone, host.address))
        self.assertEqual({"vcpus": 16, "vcpus_used": 4}, host.facts)

    def test_asking_for_changes_asks_nova_nothing(self):
        number = self.vim.read_changes()
        before = len(self.nova.calls)
        for _ in range(100):
            self.assertEqual(number, self.vim.read_changes())
        self.assertLessEqual(len(self.nova.calls), before + 8, "a snapshot at most")

    def test_a_nova_that_is_away_is_not_an_empty_one(self):
        self.nova.trouble["GET /servers"] = [503] * 30
        with self.assertRaises(errors.VimUnavailable):
            self.vim.list_instances()


class ChangesTest(Case):
    """DR-5: a snapshot costs Nova what has changed, not what there is."""

    def setUp(self):
        super().setUp()
        self.ids = [self.nova.add_server(f"c{1 + n % 3}") for n in range(2500)]
        self.nova.grow_older(3600.0)
        self.vim.list_hosts()
        self.nova.calls.clear()

    def known(self, vim=None):
        return {each.id: each.host for each in (vim or self.vim).list_instances()}

    def test_only_what_changed_is_read(self):
        moved, gone, deleted = self.ids[:3]
        self.nova.servers[moved]["OS-EXT-SRV-ATTR:host"] = "c3"
        del self.nova.servers[gone]
        self.nova.servers[deleted]["OS-EXT-STS:vm_state"] = "soft-delete"
        new = self.nova.add_server("c2")
        self.vim._following.refresh_changes()
        found = self.known()
        self.assertEqual(2499, len(found))
        self.assertEqual(("c3", "c2"), (found[moved], found[new]))
        self.assertFalse({gone, deleted} & set(found))
        pages = self.nova.asked("GET", r"^/servers/detail.*changes-since")
        self.assertLessEqual(len(pages), 2)
        self.assertEqual(pages, self.nova.asked("GET", "^/servers/detail"))

    def test_what_changed_while_the_one_before_was_read_is_not_missed(self):
        """Nova's clock may be behind, and its transactions take time."""
        self.nova.servers[self.ids[0]]["OS-EXT-SRV-ATTR:host"] = "c3"
        self.nova.grow_older(following.OVERLAP_S - 5.0)
        self.vim._following.refresh_changes()
        self.assertEqual("c3", self.known()[self.ids[0]])

    def test_marks_are_changes(self):
        """DR-10: one who takes over knows what the one before put to error."""
        self.nova.servers[self.ids[0]]["metadata"][states.MARK] = "active"
        self.vim._following.refresh_changes()
        known = {each.id: each.state_before for each in self.vim._model.servers()}
        self.assertEqual("active", known[self.ids[0]])

    def test_what_nova_shows_no_change_of_comes_with_everything(self):
        vim = self.made(snapshot_interval_s=0.05, whole_snapshot_interval_s=1.5)
        vim.list_hosts()
        self.nova.archive(self.ids[0])
        time.sleep(0.3)
        self.assertEqual(2500, len(self.known(vim)))
        self.eventually(lambda: len(self.known(vim)) == 2499)

    def test_after_a_failure_nothing_is_missed(self):
        self.nova.servers[self.ids[0]]["OS-EXT-SRV-ATTR:host"] = "c3"
        self.nova.trouble["GET /os-server-groups"] = [503] * 30
        with self.assertRaises(errors.VimUnavailable):
            self.vim._following.refresh_changes()
        self.nova.trouble.clear()
        self.nova.grow_older(following.OVERLAP_S - 5.0)
        self.vim._following.refresh_changes()
        self.assertEqual("c3", self.known()[self.ids[0]])


class MarkingTest(Case):
    def test_by_service_id(self):
        self.vim.mark_down(["c1", "c2"], True)
        self.assertTrue(self.nova.services["c1"]["forced_down"])
        self.assertEqual(2, len(self.nova.asked("PUT", "^/os-services/[0-9a-f-]{36}")))

    def test_a_known_host_costs_one_call(self):
        self.vim.list_hosts()
        before = len(self.nova.calls)
        self.vim.mark_down(["c1"], True)
        made = [call[0] for call in self.nova.calls[before:] if call[0] != "GET"]
        self.assertEqual(["PUT"], made)

    def test_an_unknown_host_spoils_no_other(self):
        with self.assertRaises(errors.NotFound):
            self.vim.mark_down(["nowhere", "c2"], True)
        self.assertTrue(self.nova.services["c2"]["forced_down"])

    def test_instances_follow_and_come_back(self):
        ids = [self.nova.add_server("c1") for _ in range(20)]
        stopped = self.nova.add_server("c1", state="stopped")
        broken = self.nova.add_server("c1", state="error")
        self.vim.list_hosts()
        self.vim.mark_down(["c1"], True)
        self.eventually(lambda: {self.state(i) for i in ids} == {"error"})
        self.assertEqual("stopped", self.state(stopped))
        self.eventually(
            lambda: (
                all(s.state == "error" for s in self.vim._model.servers("c1"))
                or self.state(stopped) == "stopped"
            )
        )
        self.vim.mark_down(["c1"], False)
        self.eventually(lambda: {self.state(i) for i in ids} == {"active"})
        self.assertEqual("error", self.state(broken), "not of our making")
        self.eventually(
            lambda: not any(s["metadata"] for s in self.nova.servers.values())
        )

    def test_what_moved_meanwhile_is_left_alone(self):
        moved = self.nova.add_server("c1")
        self.vim.list_hosts()
        self.vim.mark_down(["c1"], True)
        self.eventually(lambda: self.state(moved) == "error")
        self.nova.servers[moved]["OS-EXT-SRV-ATTR:host"] = "c2"
        self.vim._following.refresh()
        self.vim.mark_down(["c1"], False)
        time.sleep(0.2)
        self.assertEqual("error", self.state(moved))

    def test_one_that_was_evacuated_while_it_waited_is_left_alone(self):
        instance_id = self.nova.add_server("c1")
        vim = self.made(reset_delay_s=1.5)
        vim.list_hosts()
        vim.mark_down(["c1"], True)
        self.nova.servers[instance_id]["OS-EXT-SRV-ATTR:host"] = "c2"
        vim._following.refresh()
        time.sleep(2.0)
        self.assertEqual("active", self.state(instance_id))
        self.assertEqual({}, self.nova.servers[instance_id]["metadata"])

    def test_one_who_takes_over_restores_too(self):
        """The mark stands in Nova, not in the memory of who died."""
        instance_id = self.nova.add_server("c1")
        self.vim.list_hosts()
        self.vim.mark_down(["c1"], True)
        self.eventually(lambda: self.state(instance_id) == "error")
        other = self.made()
        other.list_hosts()
        other.mark_down(["c1"], False)
        self.eventually(lambda: self.state(instance_id) == "active")

    def test_one_who_takes_over_goes_on(self):
        """Killed after the first of many: a snapshot shows what is left."""
        done, left = self.nova.add_server("c1"), self.nova.add_server("c1")
        self.nova.services["c1"]["forced_down"] = True
        self.nova.servers[done]["metadata"][states.MARK] = "active"
        self.nova.servers[done]["OS-EXT-STS:vm_state"] = "error"
        onlooker = self.made(snapshot_interval_s=0.05)
        onlooker.read_changes()
        time.sleep(0.5)
        self.assertEqual("active", self.state(left), "not whose affair it is")
        vim = self.made(snapshot_interval_s=0.1)
        vim.begin_marking(lambda host: None)
        vim.read_changes()
        self.eventually(lambda: self.state(left) == "error")

    def test_it_tells_when_the_last_instance_is_set(self):
        """DR-9: T3 follows the notice, and is kept all the same."""
        ids = [self.nova.add_server("c1") for _ in range(5)]
        told = []
        vim = self.made()
        vim.begin_marking(lambda host: told.append((host, *map(self.state, ids))))
        vim.list_hosts()
        vim.mark_down(["c1"], True)
        self.eventually(lambda: told)
        vim.mark_down(["c2"], True)
        self.eventually(lambda: len(told) == 2)
        self.assertEqual(("c1", *["error"] * 5), told[0])
        self.assertEqual("c2", told[1][0], "it has no instances")

    def test_it_tells_nothing_of_states_that_are_not_set(self):
        failing, other = (self.nova.add_server("c1") for _ in "ab")
        told = []
        vim = self.made(reset_delay_s=0.3, snapshot_interval_s=0.1)
        vim.begin_marking(told.append)
        vim.list_hosts()
        with self.subTest("undone before it was begun"):
            vim.mark_down(["c1"], True)
            vim.mark_down(["c1"], False)
            time.sleep(0.6)
            self.assertEqual([], told)
        with self.subTest("Nova refuses one: told when it does not any more"):
            self.nova.trouble[f"POST /servers/{failing}"] = [409] * 50
            self.enterContext(mock.patch.object(states, "_ATTEMPTS", 2))
            with self.assertLogs(states.LOG, "WARNING") as log:
                vim.mark_down(["c1"], True)
                self.eventually(lambda: "was not set" in str(log.output))
            self.eventually(lambda: self.state(other) == "error")
            self.assertEqual([], told)
            self.nova.trouble.clear()
            self.eventually(lambda: told)
            self.assertEqual("error", self.state(failing))

    def test_snapshots_in_between_change_nothing_twice(self):
        ids = [self.nova.add_server("c1") for _ in range(12)]
        vim = self.made(snapshot_interval_s=0.02)
        vim.begin_marking(lambda host: None)
        vim.list_hosts()
        vim.mark_down(["c1"], True)
        self.eventually(lambda: {self.state(i) for i in ids} == {"error"})
        time.sleep(0.2)
        vim.mark_down(["c1"], False)
        self.eventually(lambda: not any(self.nova.servers[i]["metadata"] for i in ids))
        time.sleep(0.2)
        for verb in ("PUT", "DELETE"):
            self.assertEqual(12, len(self.nova.asked(verb, r"/metadata/")), verb)
        self.assertEqual(24, len(self.nova.asked("POST", r"/action$")))

    def test_the_next_host_that_dies_goes_first(self):
        """DR-5: what is left to do for the first one waits for the second."""
        for _ in range(30):
            self.nova.add_server("c1")
        vim = self.made(reset_delay_s=0.5, resets_at_once=2)
        vim.list_hosts()
        vim.mark_down(["c1"], True)
        self.eventually(lambda: self.nova.asked("POST", r"/action$"))
        vim.mark_down(["c2"], True)
        time.sleep(0.1)
        begun = len(self.nova.asked("POST", r"/action$"))
        time.sleep(0.2)
        self.assertEqual(begun, len(self.nova.asked("POST", r"/action$")))
        self.assertLess(begun, 30)
        self.eventually(lambda: len(self.nova.asked("POST", r"/action$")) == 30)

    def test_no_undo_before_evacuated_instances_are_cleaned_up(self):
        self.vim.mark_down(["c1"], True)
        self.nova.migrations.append({"source_compute": "c1", "status": "done"})
        self.vim.mark_down(["c2"], True)
        with self.assertRaisesRegex(errors.ActionFailed, "nova-compute has to start"):
            self.vim.mark_down(["c1", "c2"], False)
        self.assertTrue(self.nova.services["c1"]["forced_down"])
        self.assertFalse(self.nova.services["c2"]["forced_down"], "held up by c1")
        self.nova.migrations[0]["status"] = "completed"
        self.vim.mark_down(["c1"], False)
        self.assertFalse(self.nova.services["c1"]["forced_down"])

    def test_a_host_that_is_back_at_once(self):
        """What is under way is undone, what is only planned is not begun."""
        ids = [self.nova.add_server("c1") for _ in range(12)]
        for delay_s, pause_s in ((0.0, 0.03), (0.3, 0.0)):
            vim = self.made(reset_delay_s=delay_s)
            vim.list_hosts()
            vim.mark_down(["c1"], True)
            time.sleep(pause_s)
            vim.mark_down(["c1"], False)
            time.sleep(0.6)
            self.eventually(lambda: {self.state(i) for i in ids} == {"active"})
            marks = [self.nova.servers[i]["metadata"] for i in ids]
            self.assertEqual([{}] * 12, marks)

    def test_states_may_be_left_alone(self):
        instance_id = self.nova.add_server("c1")
        vim = self.made(resets_states=False)
        vim.list_hosts()
        vim.mark_down(["c1"], True)
        time.sleep(0.2)
        self.assertEqual("active", self.state(instance_id))


class TroubleTest(Case):
    def test_errors_of_nova_are_repeated(self):
        self.vim.list_hosts()
        self.nova.trouble["PUT /os-services"] = [500, 503]
        self.vim.mark_down(["c1"], True)
        self.assertTrue(self.nova.services["c1"]["forced_down"])

    def test_a_conflict_is_repeated_off_the_critical_path(self):
        instance_id = self.nova.add_server("c1")
        self.vim.list_hosts()
        self.nova.trouble[f"POST /servers/{instance_id}"] = [409, 409]
        self.vim.mark_down(["c1"], True)
        self.eventually(lambda: self.state(instance_id) == "error")

    def test_an_instance_in_error_is_not_marked_again(self):
        """Nova has carried out the reset and did not say so."""
        instance_id = self.nova.add_server("c1")
        self.vim.list_hosts()
        self.nova.trouble[f"POST /servers/{instance_id}"] = [409]
        self.vim.mark_down(["c1"], True)
        self.eventually(lambda: self.nova.asked("POST", f"{instance_id}/action"))
        self.nova.servers[instance_id]["OS-EXT-STS:vm_state"] = "error"
        again = f"{instance_id}/action"
        self.eventually(lambda: len(self.nova.asked("POST", again)) == 2)
        marks = self.nova.asked("PUT", f"{instance_id}/metadata")
        self.assertEqual(1, len(marks))

    def test_a_token_that_expires_in_mid_storm(self):
        ids = [self.nova.add_server("c1") for _ in range(30)]
        self.vim.list_hosts()
        self.vim.mark_down(["c1"], True)
        for _ in range(3):
            time.sleep(0.02)
            self.nova.logins += 1  # Every token given so far is void.
        self.eventually(lambda: {self.state(i) for i in ids} == {"error"})

    def test_keystone_is_away(self):
        self.nova.trouble["login"] = [503] * 20
        with self.assertRaises(errors.VimUnavailable):
            self.vim.mark_down(["c1"], True)

    def test_a_refusal_is_told_with_its_reason(self):
        self.vim.list_hosts()
        self.nova.trouble["PUT /os-services"] = [403]
        with self.assertRaisesRegex(errors.ActionFailed, "force_down"):
            self.vim.mark_down(["c1"], True)

    def test_figures(self):
        self.vim.list_hosts()
        self.nova.trouble["PUT /os-services"] = [500]
        self.vim.mark_down(["c1"], True)
        known = self.vim.figures()["force_down"]
        self.assertEqual((2, 1), (known["count"], known["failures"]))
        self.assertGreater(known["p99_ms"], 0)


class SlowNovaTest(Case):
    timeout_s = 1.0

    def test_a_nova_that_hangs_delays_no_notice_and_is_asked_on(self):
        """DR-2: after the deadline the notice says that nothing is confirmed."""
        self.vim.list_hosts()
        self.nova.trouble["PUT /os-services"] = 5.0
        marks = marking.Marking(self.vim, timeout_s=0.2)
        self.addCleanup(marks.stop)
        began = time.monotonic()
        self.assertEqual(frozenset(), marks.mark(["c1"], True))
        self.assertLess(time.monotonic() - began, 1.0)
        settled = threading.Event()
        marks.when_settled(["c1"], settled.set)
        self.nova.trouble.clear()
        self.assertTrue(settled.wait(20))
        self.assertTrue(self.nova.services["c1"]["forced_down"])

    def test_a_keystone_that_hangs_when_the_token_expires(self):
        self.vim.list_hosts()
        self.nova.trouble["login"] = 5.0
        self.nova.logins += 1
        marks = marking.Marking(self.vim, timeout_s=0.1)
        self.addCleanup(marks.stop)
        began = time.monotonic()
        self.assertEqual(frozenset(), marks.mark(["c1"], True))
        self.assertLess(time.monotonic() - began, 0.8)
        self.nova.trouble.clear()
        self.eventually(lambda: self.nova.services["c1"]["forced_down"])


class StartTest(Case):
    def test_a_nova_that_cannot_be_discovered_is_not_taken_for_an_old_one(self):
        self.nova.trouble["versions"] = [503] * 50
        with self.assertRaises(errors.VimUnavailable):
            self.vim.list_hosts()
        self.nova.trouble.clear()
        self.eventually(self.supports_ids)

    def supports_ids(self):
        try:
            return self.vim.calls.supports("2.90")
        except errors.VimUnavailable:
            return False


class DrainTest(Case):
    def test_an_unknown_host_is_not_taken_for_an_empty_one(self):
        with self.assertRaises(errors.NotFound):
            self.vim.drain("nowhere")

    def test_an_instance_that_is_deleted_meanwhile_fails_nothing(self):
        instance_id = self.nova.add_server("c1")
        self.nova.trouble[f"POST /servers/{instance_id}"] = [404]
        self.assertEqual({}, self.vim.drain("c1"))


class OldNovaTest(Case):
    newest = "2.52"

    def test_by_host_below_2_53(self):
        self.vim.mark_down(["c1"], True)
        (body,) = self.nova.asked("PUT", "^/os-services/force-down")
        self.assertEqual("c1", body["host"])
        self.assertTrue(self.nova.services["c1"]["forced_down"])
