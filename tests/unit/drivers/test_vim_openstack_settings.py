"""The options of ``[vim]`` that are refused, and those that hold by themselves."""

import os
import tempfile
import unittest

from oslo_config import cfg

from escalator import errors
from escalator.conf import vim
from escalator.drivers.vim.openstack import settings


def read(text: str) -> settings.Options:
    """Return what a file with this section means."""
    conf = cfg.ConfigOpts()
    vim.register_opts(conf)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "escalator.conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"[vim]\n{text}\n")
        conf(["--config-file", path], project="escalator")
        return settings.read(conf, lambda url: ((), False))


class ScalingTest(unittest.TestCase):
    def test_heat_and_senlin_if_nothing_is_said(self) -> None:
        self.assertEqual(tuple(vim.SCALING_ACTIONS), read("").choice.actions)
        self.assertEqual(70.0, read("").choice.settle_s)

    def test_several_in_place_of_them(self) -> None:
        """As the guide shows it: nothing in them is taken for anything else."""
        wanted = (r"/resources/[^/]+/signal", r"^trust\+heat:", r"%3A, (a|b)$")
        text = "\n".join(f"scaling_actions = {each}" for each in wanted)
        text += "\nscaling_settle_s = 0"
        self.assertEqual(wanted, read(text).choice.actions)
        self.assertEqual(0.0, read(text).choice.settle_s)

    def test_one_that_is_no_expression_is_named(self) -> None:
        with self.assertRaises(errors.ConfigError) as caught:
            read("scaling_actions = a\nscaling_actions = (b")
        told = str(caught.exception)
        self.assertIn("[vim]/scaling_actions: (b (value 2) is no expression", told)
        self.assertIn("position 0", told)
