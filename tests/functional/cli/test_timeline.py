"""The picture of a plan."""

import pathlib
import tempfile
import unittest
import xml.dom.minidom

from osc_lib import exceptions

from escalator.cli import timeline
from tests.fixtures import api


class TimelineTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def test_only_what_it_can_draw(self) -> None:
        with self.assertRaisesRegex(exceptions.CommandError, "svg"):
            timeline.check("plan.pdf")

    def test_svg(self) -> None:
        paths = [self.folder / name for name in ("one.svg", "two.svg")]
        for path in paths:
            timeline.draw(api.PLAN, path)
        text = paths[0].read_text()
        self.assertEqual(
            "svg", xml.dom.minidom.parseString(text).documentElement.tagName
        )
        self.assertEqual(text, paths[1].read_text(), "the same plan, the same picture")

    def test_png_of_many_hosts(self) -> None:
        visits = [
            {"host": f"h{n}", "procedure": "p", "start_s": n, "end_s": n + 9.0}
            for n in range(500)
        ]
        path = self.folder / "many.png"
        timeline.draw({**api.PLAN, "visits": visits}, path)
        self.assertTrue(path.read_bytes().startswith(b"\x89PNG"))

    def test_nobody_goes_out(self) -> None:
        path = self.folder / "none.svg"
        timeline.draw({**api.PLAN, "visits": []}, path)
        self.assertTrue(path.exists())

    def test_what_is_closed_is_grey(self) -> None:
        """CM-1: in each half of the picture; nothing of it without windows."""
        closed = [{"start_s": 0.0, "end_s": 60.0}]
        for more, count in (({"closed": closed}, 2), ({"closed": []}, 0), ({}, 0)):
            path = self.folder / "closed.svg"
            timeline.draw({**api.PLAN, **more}, path)
            drawn = path.read_text()
            self.assertEqual(count, drawn.count("fill: #ebebeb"))
            self.assertEqual(bool(count), "grey: closed" in drawn)
