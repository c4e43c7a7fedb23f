"""A flavor in Placement's words (V-3)."""

import unittest
import urllib.parse
from typing import Any

from escalator import errors
from escalator.drivers.vim.openstack import demand
from tests.fixtures import placement


def asked(image: Any = None, **flavor: Any) -> dict[str, str]:
    """Return the query for an instance of such a flavor."""
    row = {"flavor": placement.flavor(**flavor), "image": image or {"id": "tiny"}}
    query = demand.of_server(row).query
    return dict(urllib.parse.parse_qsl(query, strict_parsing=True))


def specs(**changes: str) -> dict[str, str]:
    return asked(extra_specs={k.replace("__", ":"): v for k, v in changes.items()})


class DemandTest(unittest.TestCase):
    def test_the_flavors_own_fields(self) -> None:
        found = asked(vcpus=4, ram=8192, disk=20, ephemeral=10, swap=1025)
        self.assertEqual(
            {
                "resources": "DISK_GB:32,MEMORY_MB:8192,VCPU:4",
                "required": "!COMPUTE_STATUS_DISABLED",
            },
            found,
        )

    def test_one_on_a_volume_needs_no_disk(self) -> None:
        row = {"flavor": placement.flavor(disk=20), "image": ""}
        self.assertEqual({"VCPU": 1, "MEMORY_MB": 512}, demand.of_server(row).size)

    def test_old_servers_tell_swap_as_text(self) -> None:
        self.assertIn("DISK_GB:1,", asked(swap="")["resources"])

    def test_extra_specs_override_and_add(self) -> None:
        found = specs(resources__VCPU="0", resources__CUSTOM_GPU="2")
        self.assertEqual("CUSTOM_GPU:2,DISK_GB:1,MEMORY_MB:512", found["resources"])
        self.assertIn("PCPU:1", specs(hw__cpu_policy="dedicated")["resources"])
        found = specs(resources__PCPU="1", hw__cpu_policy="dedicated")
        self.assertNotIn("VCPU", found["resources"])

    def test_traits(self) -> None:
        found = specs(trait__HW_A="required", trait__HW_B="forbidden")
        self.assertEqual("HW_A,!HW_B,!COMPUTE_STATUS_DISABLED", found["required"])

    def test_groups_of_their_own(self) -> None:
        found = specs(
            resources1__VGPU="1", trait1__CUSTOM_A="required", group_policy="isolate"
        )
        self.assertEqual("VGPU:1", found["resources1"])
        self.assertEqual("CUSTOM_A", found["required1"])
        self.assertEqual("isolate", found["group_policy"])

    def test_no_trait_without_resources(self) -> None:
        """Placement refuses one."""
        found = specs(
            resources__VCPU="0",
            resources__MEMORY_MB="0",
            resources__DISK_GB="0",
            resources_A__CUSTOM_NODE="1",
            trait_B__CUSTOM_A="required",
        )
        self.assertEqual({"resources_A": "CUSTOM_NODE:1"}, found)

    def test_what_cannot_be_told_is_said(self) -> None:
        for name, value in (("hw__cpu_policy", "mixed"), ("resources__VCPU", "x")):
            with self.assertRaisesRegex(errors.ActionFailed, "could not be told"):
                specs(**{name: value})

    def test_in_words(self) -> None:
        row = {"flavor": placement.flavor("m1.large", 4, 8192), "image": {}}
        told = demand.of_server(row).told()
        self.assertEqual("m1.large: 4 VCPU, 8192 MEMORY_MB", told)
