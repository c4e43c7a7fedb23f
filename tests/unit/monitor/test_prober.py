"""The law of detection of each probe."""

import unittest
from typing import Any

from oslo_config import cfg

from escalator import conf as sections
from escalator import errors
from escalator.domain import fault
from escalator.monitor import prober


def laws(**options: Any) -> dict[str, fault.Law]:
    conf = cfg.ConfigOpts()
    sections.register_opts(conf)
    conf([], default_config_files=[], default_config_dirs=[])
    for name, value in options.items():
        conf.set_override(name, value, "monitor")
    return dict(zip(conf.monitor.probes, prober.read_laws(conf), strict=True))


class LawTest(unittest.TestCase):
    def test_the_defaults_are_those_of_the_domain(self) -> None:
        self.assertEqual({"icmp": fault.Law()}, laws())

    def test_bird_has_counted_the_misses_of_bfd(self) -> None:
        found = laws(probes=["icmp", "bfd", "tcp"], misses=4)
        misses = {probe: law.misses for probe, law in found.items()}
        self.assertEqual({"icmp": 4, "bfd": 1, "tcp": 4}, misses)

    def test_the_first_one_sets_the_pace(self) -> None:
        found = laws(probes=["bfd", "icmp"], interval_s=0.2, other_interval_s=0.7)
        self.assertEqual(0.2, found["bfd"].interval_s)
        self.assertEqual(0.7, found["icmp"].interval_s)

    def test_beats_are_not_awaited_faster_than_agents_beat(self) -> None:
        found = laws(probes=["icmp", "heartbeat"], other_interval_s=0.05)
        self.assertEqual(1.0, found["heartbeat"].interval_s)

    def test_a_probe_that_is_not_installed_is_told(self) -> None:
        with self.assertRaises(errors.NoSuchDriver):
            laws(probes=["telepathy"])
