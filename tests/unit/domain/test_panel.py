"""From targets to hosts: k of n probes, all or some of the interfaces."""

import unittest

from hypothesis import given
from hypothesis import strategies as st

from escalator.domain import events, panel, target

DOWN, LINK = events.FaultType.HOST_DOWN, events.FaultType.LINK_DOWN
NICS = [target.name(host, nic) for host in "ab" for nic in ("eth1", "eth2")]
PROBES = ("icmp", "tcp", "bfd")


class PanelTest(unittest.TestCase):
    def setUp(self) -> None:
        self.panel = panel.Panel(["icmp"])
        self.panel.watch([*NICS, "c"])

    def lose(self, name: str, t0: float = 1.0, probe: str = "icmp") -> None:
        self.panel.lose(probe, name, panel.Loss(t0, {"misses": 3}))

    def test_one_dead_interface_is_a_lost_link_of_its_host_alone(self) -> None:
        self.lose("a%eth1")
        found = self.panel.judge("a")
        self.assertEqual(LINK, found.kind)
        wanted = {"misses": 3, "nics": ["eth1"], "nics_alive": ["eth2"]}
        self.assertEqual(wanted, found.evidence)
        self.assertEqual(panel.FINE, self.panel.judge("b"))

    def test_all_dead_interfaces_are_a_dead_host_since_the_last_one(self) -> None:
        self.lose("a%eth2", 2.0)
        self.lose("a%eth1", 1.0)
        found = self.panel.judge("a")
        self.assertEqual((DOWN, 2.0), (found.kind, found.t0))
        self.panel.find("icmp", "a%eth2")
        self.assertEqual(LINK, self.panel.judge("a").kind)

    def test_a_host_of_one_address_names_no_interface(self) -> None:
        self.lose("c")
        self.assertEqual({"misses": 3}, self.panel.judge("c").evidence)

    def test_what_an_earlier_monitor_found_is_believed(self) -> None:
        times, nics = {"T0": 5.0}, {"nics": ["eth2"]}
        self.panel.assume(events.Fault("1", "a", LINK, "major", times, nics))
        self.panel.assume(events.Fault("2", "b", DOWN, "critical", times))
        self.assertEqual({"a%eth2", "b%eth1", "b%eth2"}, self.panel.lost("icmp"))
        self.assertEqual(LINK, self.panel.judge("a").kind)
        self.assertEqual(DOWN, self.panel.judge("b").kind)

    def test_who_is_no_longer_watched_is_forgotten(self) -> None:
        self.lose("a%eth1")
        self.panel.watch(["b%eth1"])
        self.panel.watch(NICS)
        self.assertEqual(panel.FINE, self.panel.judge("a"))

    def test_those_agree_who_find_every_lost_interface(self) -> None:
        """DR-4: one probe's dead link and another's make no two who agree."""
        self.panel = panel.Panel(PROBES)
        self.panel.watch(["a%eth1", "a%eth2"])
        self.lose("a%eth1")
        self.lose("a%eth1", probe="bfd")
        agreed = self.panel.judge("a").evidence
        self.assertEqual(["bfd", "icmp"], agreed["probes"])
        self.assertEqual(len(PROBES), agreed["probes_watching"])
        self.lose("a%eth2", probe="bfd")
        found = self.panel.judge("a")
        self.assertEqual((DOWN, ["bfd"]), (found.kind, found.evidence["probes"]))
        self.lose("a%eth2")
        self.assertEqual(["bfd", "icmp"], self.panel.judge("a").evidence["probes"])

    def test_only_the_probes_that_an_earlier_monitor_named_have_agreed(self) -> None:
        """DR-4: a take-over corroborates nothing by itself."""
        for needed, named, wanted in (
            (1, ["tcp"], ["tcp"]),
            (1, ["bfd", "tcp"], ["bfd", "tcp"]),
            (1, None, ["icmp"]),
            (2, ["bfd"], ["bfd", "icmp"]),
            (1, ["gone"], ["icmp"]),
        ):
            with self.subTest(needed=needed, named=named):
                evidence = {"probes": named} if named else {}
                self.panel = panel.Panel(PROBES, needed)
                self.panel.watch(NICS)
                fault = events.Fault("1", "a", DOWN, "critical", {}, evidence)
                self.panel.assume(fault)
                found = self.panel.judge("a")
                self.assertEqual((DOWN, wanted), (found.kind, found.evidence["probes"]))

    @given(
        st.integers(1, 3),
        st.sets(st.tuples(st.sampled_from(PROBES), st.sampled_from(NICS))),
    )
    def test_so_many_probes_must_agree_on_each_target(
        self, needed: int, lost: set[tuple[str, str]]
    ) -> None:
        jury = panel.Panel(PROBES, needed)
        jury.watch(NICS)
        for probe, name in sorted(lost):
            jury.lose(probe, name, panel.Loss(1.0))
        for host in "ab":
            mine = [name for name in NICS if target.host_of(name) == host]
            dead = [n for n in mine if sum(x == n for _, x in lost) >= needed]
            wanted = DOWN if len(dead) == 2 else LINK if dead else None
            self.assertEqual(wanted, jury.judge(host).kind)
