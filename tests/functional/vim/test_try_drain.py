"""The driver ``openstack`` says what stands in a drain's way (V-3, O-0c)."""

import dataclasses
import re

from escalator import errors
from escalator.drivers.action import vim as actions
from escalator.drivers.vim.openstack import moving
from tests.fixtures import orders, placement
from tests.functional.vim import test_openstack

LARGE = placement.flavor("m1.large", 4, 8192)


class Case(test_openstack.Case):
    newest = "2.96"

    def setUp(self):
        super().setUp()
        self.placement = self.nova.placement
        self.vim.list_hosts()

    def asked(self):
        return [
            path for _, path, _ in self.nova.calls if "/allocation_candidates" in path
        ]

    def tried(self):
        """Return what stands in the way of draining c1; nothing but GET was sent."""
        self.vim._following.refresh()
        before = len(self.nova.calls)
        told = self.vim.try_drain("c1")
        self.assertLessEqual({call[0] for call in self.nova.calls[before:]}, {"GET"})
        return told

    def the_one(self):
        (told,) = self.tried()
        return told

    def only(self, *hosts):
        """Leave room on these hosts alone."""
        for name in set(self.nova.services) - {*hosts}:
            self.placement.rooms[name] = {"VCPU": 0, "MEMORY_MB": 0, "DISK_GB": 0}


class StateTest(Case):
    def test_states_that_no_method_moves(self):
        ids = {
            state: self.nova.add_server("c1", state=state)
            for state in ("active", "paused", "stopped", "error", "suspended")
        }
        told = self.tried()
        self.assertEqual(2, len(told))
        for state in ("error", "suspended"):
            (text,) = [each for each in told if ids[state] in each]
            self.assertIn(f"no way to move one that is {state}", text)

    def test_methods_of_the_configuration(self):
        cold = self.made(limits=moving.Limits(("cold",)))
        paused = self.nova.add_server("c1", state="paused")
        (told,) = cold.try_drain("c1")
        self.assertIn(f"{paused} (vm-0): no way to move one that is paused", told)
        self.assertEqual([], self.tried(), "live moves it")

    def test_one_that_is_busy(self):
        busy = self.nova.add_server("c1", **{"OS-EXT-STS:task_state": "rebuilding"})
        self.assertEqual(
            f"instance {busy} (vm-0): it is busy: rebuilding", self.the_one()
        )

    def test_a_lock_does_not_stop_an_administrator(self):
        self.nova.add_server("c1", locked=True)
        self.assertEqual([], self.tried())

    def test_an_empty_host_costs_placement_nothing(self):
        self.assertEqual([], self.tried())
        self.assertEqual([], self.asked())


class RoomTest(Case):
    def test_one_question_for_each_flavor(self):
        for _ in range(3):
            self.nova.add_server("c1")
            self.nova.add_server("c1", flavor=LARGE)
        self.assertEqual([], self.tried())
        self.assertEqual(2, len(self.asked()))
        figures = self.vim.calls.figures.read()
        self.assertEqual(2, figures["list_allocation_candidates"]["count"])

    def test_instances_come_in_pages(self):
        self.placement.rooms["c2"] = {"VCPU": 9999, "MEMORY_MB": 9**9, "DISK_GB": 9999}
        for _ in range(test_openstack.novas.PAGE + 1):
            self.nova.add_server("c1", flavor=placement.flavor(vcpus=0, disk=0))
        last = self.nova.add_server("c1", state="error")
        self.assertIn(last, self.the_one())

    def test_what_fits_nowhere_is_named_with_its_needs(self):
        self.nova.add_server("c1")
        large = self.nova.add_server("c1", flavor=LARGE)
        for name in ("c2", "c3"):
            self.placement.rooms[name] = {"VCPU": 3, "MEMORY_MB": 9999, "DISK_GB": 9}
        self.assertEqual(
            f"instance {large} (vm-1, m1.large: 4 VCPU, 8192 MEMORY_MB, 1 DISK_GB)"
            " fits on no other host: none has room for it",
            self.the_one(),
        )

    def test_the_host_itself_does_not_count(self):
        self.nova.add_server("c1")
        self.only("c1")
        self.assertIn("none has room", self.the_one())

    def test_hosts_out_of_service_do_not_count(self):
        self.nova.add_server("c1")
        for values in ({"forced_down": True}, {"state": "down"}):
            for name in ("c2", "c3"):
                self.nova.add_host(name, **values)
            self.assertIn("with room are disabled or down: c2, c3", self.the_one())
        for name in ("c2", "c3"):
            self.nova.add_host(name, status="disabled")
        self.assertIn("none has room for it", self.the_one())
        self.nova.add_host("c3")
        self.assertEqual([], self.tried())

    def test_all_of_them_together(self):
        """Each fits by itself; 5 of 20 do not beside the others."""
        ids = [self.nova.add_server("c1", flavor=LARGE) for _ in range(20)]
        self.placement.rooms["c2"] = {"VCPU": 28, "MEMORY_MB": 10**6, "DISK_GB": 99}
        self.placement.rooms["c3"] = {"VCPU": 32, "MEMORY_MB": 10**6, "DISK_GB": 99}
        told = self.the_one()
        self.assertIn("5 of 20 instances fit nowhere together with the others", told)
        self.assertIn("20 VCPU are missing", told)
        named = re.findall(r"[0-9a-f-]{36}", told)
        self.assertEqual((5, set()), (len(set(named)), set(named) - set(ids)))
        self.placement.rooms["c3"]["VCPU"] += 20
        self.assertEqual([], self.tried())

    def test_what_others_use_is_not_free(self):
        self.nova.add_server("c1", flavor=LARGE)
        self.only("c2")
        self.placement.rooms["c2"] = {"VCPU": 8, "MEMORY_MB": 99999, "DISK_GB": 99}
        for _ in range(2):
            self.assertEqual([], self.tried())
            self.nova.add_server("c2", flavor=LARGE)
        self.assertIn("none has room", self.the_one())

    def test_one_on_a_volume_needs_no_disk(self):
        values = {"flavor": placement.flavor(disk=500)}
        server = self.nova.add_server("c1", **values)
        self.assertIn("500 DISK_GB", self.the_one())
        self.nova.servers[server]["image"] = ""
        self.assertEqual([], self.tried())

    def test_shared_storage_is_not_needed_twice(self):
        """What the hosts share, the instances keep: it is full, and that is well."""
        self.placement.shared_gib = 10
        for _ in range(5):
            self.nova.add_server("c1")
        self.assertEqual([], self.tried())

    def test_traits_of_the_flavor(self):
        fast = placement.flavor(extra_specs={"trait:CUSTOM_FAST": "required"})
        self.nova.add_server("c1", flavor=fast)
        self.assertIn("none has room", self.the_one())
        self.placement.traits["c3"] = ["CUSTOM_FAST"]
        self.assertEqual([], self.tried())

    def test_what_a_child_provider_has(self):
        """A graphics card is a provider below that of its host."""
        specs = {"resources:VGPU": "1"}
        for _ in range(3):
            self.nova.add_server("c1", flavor=placement.flavor(extra_specs=specs))
        self.assertEqual(3, len(self.tried()))
        self.placement.children["c2"] = {"VGPU": 2}
        told = self.the_one()
        self.assertIn("1 of 3 instances fit nowhere together", told)
        self.assertIn("1 VGPU is missing", told)
        self.placement.children["c2"] = {"VGPU": 3}
        self.assertEqual([], self.tried())

    def test_the_zone_to_which_it_is_pinned(self):
        self.nova.add_host("c2", zone="az2")
        self.nova.add_host("c3", zone="az2")
        server = self.nova.add_server("c1")
        self.assertEqual([], self.tried(), "it is not pinned")
        self.nova.servers[server]["pinned_availability_zone"] = "az1"
        self.assertIn("pinned to az1, those with room are not: c2, c3", self.the_one())
        self.nova.add_host("c3")
        self.assertEqual([], self.tried())


class GroupTest(Case):
    def grouped(self, policy, *hosts, **rules):
        ids = [self.nova.add_server(host) for host in hosts]
        group = {"id": "g1", "policy": policy, "members": ids, "rules": rules}
        self.nova.groups[:] = [group]
        return ids

    def test_members_keep_apart(self):
        first, *_ = self.grouped("anti-affinity", "c1", "c2", "c3")
        told = self.the_one()
        self.assertIn(first, told)
        self.assertIn("group g1 has members on those with room: c2, c3", told)

    def test_an_older_nova_has_a_list_of_policies(self):
        first, *_ = self.grouped("anti-affinity", "c1", "c2", "c3")
        self.nova.groups[0]["policies"] = [self.nova.groups[0].pop("policy")]
        self.assertIn(first, self.the_one())

    def test_so_many_on_a_host(self):
        self.grouped("anti-affinity", "c1", "c1", "c2", "c3", max_server_per_host=2)
        self.assertEqual([], self.tried())
        self.grouped("anti-affinity", *["c1"] * 3, "c2", "c3", max_server_per_host=2)
        told = self.the_one()
        self.assertIn("1 of 5 instances fit nowhere together with the others", told)
        self.assertIn("no host has enough left for one of them, or", told)

    def test_a_wish_forbids_nothing(self):
        for policy in ("soft-anti-affinity", "soft-affinity"):
            for hosts in (("c1", "c2", "c3"), ("c1", "c1")):
                self.grouped(policy, *hosts)
                self.assertEqual([], self.tried())

    def test_nova_moves_no_member_of_an_affinity_group(self):
        self.grouped("affinity", "c1", "c1")
        told = self.tried()
        self.assertEqual(2, len(told))
        self.assertIn("group g1 keeps it on c1", told[0])


class TroubleTest(Case):
    timeout_s = 1.0

    def setUp(self):
        super().setUp()
        self.nova.add_server("c1")
        self.action = actions.Drain({"vim": self.vim})
        self.order = dataclasses.replace(
            orders.make_order(executor="vim", params={}), host="c1"
        )

    def trouble(self):
        """Return why it cannot be told: never a silent yes."""
        with self.assertRaises(errors.ActionFailed) as caught:
            self.action.dry_run(self.order)
        self.assertNotIn("token-", str(caught.exception))
        return str(caught.exception)

    def test_placement_that_is_away(self):
        self.nova.trouble["GET /allocation_candidates"] = [503] * 9
        self.assertIn("could not be told", self.trouble())
        self.assertIn("list_allocation_candidates", self.trouble())

    def test_one_error_is_outlived(self):
        self.nova.trouble["GET /allocation_candidates"] = [503]
        self.assertEqual([], self.action.dry_run(self.order))

    def test_placement_that_hangs(self):
        self.nova.trouble["GET /allocation_candidates"] = 3.0
        self.assertIn("could not be told", self.trouble())

    def test_a_catalog_without_placement(self):
        self.nova.placement = None
        self.assertIn("could not be told", self.trouble())

    def test_an_account_that_may_not_ask(self):
        self.nova.trouble["GET /allocation_candidates"] = [403] * 9
        self.assertIn("403", self.trouble())

    def test_an_old_placement(self):
        self.placement.newest = "1.32"
        self.assertIn("could not be told: Placement is older than 1.33", self.trouble())

    def test_a_flavor_that_placement_does_not_understand(self):
        odd = placement.flavor(extra_specs={"resources:CUSTOM_ODD": "1"})
        self.nova.add_server("c1", flavor=odd)
        self.assertIn("CUSTOM_ODD", self.trouble())

    def test_nova_that_is_away(self):
        self.nova.trouble["GET /servers/detail"] = [503] * 9
        self.assertIn("could not be told", self.trouble())


class OldNovaTest(Case):
    newest = "2.52"

    def test_an_old_nova(self):
        self.nova.add_server("c1")
        with self.assertRaisesRegex(errors.ActionFailed, "Nova is older than 2.53"):
            self.vim.try_drain("c1")
