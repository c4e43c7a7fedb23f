"""The lines of the pipe between probe loop and monitor."""

import os
import unittest

from escalator.monitor import probing, report

JUDGED = report.Judged(2.5, (report.Failure("a", 1.0, 3, 1, True, False),), ("b", "c"))


class ReportTest(unittest.TestCase):
    def test_a_judgement_survives_the_pipe(self) -> None:
        line = report.encode_judged(JUDGED)
        self.assertEqual(1, line.count(b"\n"))
        kind, body = report.decode(line)
        self.assertEqual("judged", kind)
        self.assertEqual(JUDGED, report.decode_judged(body))

    def test_anything_else_is_refused_as_such(self) -> None:
        for line in (b"", b"warning: x", b"[]", b'{"a":1,"b":2}'):
            with self.assertRaises(ValueError):
                report.decode(line)
        for body in (None, [1.0], [1.0, [["a"]], []]):
            with self.assertRaises(ValueError):
                report.decode_judged(body)


class PipeTest(unittest.TestCase):
    def setUp(self) -> None:
        self.reader, self.writer = os.pipe()
        self.addCleanup(os.close, self.reader)

    def test_a_slow_reader_never_blocks_the_loop_nor_loses_a_verdict(self) -> None:
        outlet = probing.PipeOutlet(self.writer)
        line = report.encode_judged(JUDGED)
        count = 2 * probing.PIPE_BYTES // len(line)
        for _ in range(count):
            outlet.judged(JUDGED)
        self.assertFalse(outlet.flush())
        outlet.ticked([0.1])
        read = b""
        while len(read) < count * len(line):
            read += os.read(self.reader, 1 << 20)
            outlet.flush()
        self.assertTrue(outlet.flush())
        self.assertEqual(line * count, read)
        os.close(self.writer)

    def test_the_newest_order_counts_and_the_end_is_told(self) -> None:
        inlet = probing.Inlet(self.reader)
        self.assertIsNone(inlet.read_order())
        os.write(self.writer, b'{"targets":{"a":"1"},"down":[]}\n{"targets":')
        os.write(self.writer, b'{"b":"2"},"down":["b"]}\n{"tar')
        order = inlet.read_order()
        assert order is not None
        self.assertEqual({"b": "2"}, order.targets)
        self.assertEqual({"b"}, order.down)
        self.assertIsNone(inlet.read_order())
        os.close(self.writer)
        with self.assertRaises(EOFError):
            inlet.read_order()
