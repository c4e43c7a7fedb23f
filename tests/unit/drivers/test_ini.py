"""One option of a configuration file, as oslo.config reads it."""

import os
import tempfile
import unittest

from hypothesis import given
from hypothesis import strategies as st
from oslo_config import cfg

from escalator.drivers import ini

LINES = st.lists(
    st.sampled_from(
        [
            "[pins]",
            "[other]",
            "compute = 1",
            "compute: 2",
            "compute=",
            "  more",
            "# compute = 9",
            "computer = 3",
            "",
        ]
    )
)


def without(text: str) -> list[str]:
    """Return all lines but those that set the option; empty sections go."""
    bare = ini.write(text, "pins", "compute", [])
    return [line for line in bare.splitlines() if line.strip()]


def as_read(text: str) -> str | None:
    """Return what oslo.config makes of it."""
    conf = cfg.ConfigOpts()
    conf.register_opts([cfg.StrOpt("compute")], group="pins")
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "a.conf")
        with open(path, "w", encoding="utf-8") as target:
            target.write(text)
        conf([], default_config_files=[path])
        found: str | None = conf.pins.compute
    return found


class IniTest(unittest.TestCase):
    @given(LINES)
    def test_what_is_written_is_read_and_all_else_stays(self, lines: list[str]) -> None:
        text = "".join(f"{line}\n" for line in ["[DEFAULT]", *lines])
        fresh = ini.write(text, "pins", "compute", ["compute = 6.0"])
        self.assertEqual("6.0", ini.value_of(ini.read(fresh, "pins", "compute")), fresh)
        kept = [line for line in without(fresh) if line != "[pins]"]
        self.assertEqual([each for each in without(text) if each != "[pins]"], kept)

    @given(LINES)
    def test_the_way_back(self, lines: list[str]) -> None:
        text = "".join(f"{line}\n" for line in ["[DEFAULT]", *lines])
        before = ini.read(text, "pins", "compute")
        is_there = ini.has_section(text, "pins")
        fresh = ini.write(text, "pins", "compute", ["compute = 6.0"])
        back = ini.write(fresh, "pins", "compute", before, is_there)
        self.assertEqual(before, ini.read(back, "pins", "compute"))
        self.assertEqual(without(text), without(back))

    def test_oslo_config_reads_the_same(self) -> None:
        for text in (
            "[pins]\ncompute = 1\n",
            "[pins]\ncompute=1\ncompute : 2\n",
            "[other]\ncompute = 1\n[pins]\n# compute = 3\ncomputer = 4\n",
            "[pins]\ncompute = a\n[other]\nx = 1\n[pins]\ncompute = b\n",
        ):
            found = ini.value_of(ini.read(text, "pins", "compute"))
            self.assertEqual(as_read(text), found, text)
            fresh = ini.write(text, "pins", "compute", ["compute = 6.0"])
            self.assertEqual("6.0", as_read(fresh), fresh)
