"""The agent's journal (architecture section 3, rule 3)."""

import os
import random
import tempfile
import threading
import unittest
from typing import Any

from escalator.agent import journal


class JournalTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, "journal")

    def open(self, **kwargs: Any) -> journal.Journal:
        made = journal.Journal(self.path, **kwargs)
        self.addCleanup(made.close)
        return made

    def write(self, count: int) -> bytes:
        first = self.open()
        for number in range(count):
            first.append({"n": number})
        first.close()
        with open(self.path, "rb") as source:
            return source.read()

    def test_records_come_back_in_order(self) -> None:
        self.write(3)
        self.assertEqual([{"n": 0}, {"n": 1}, {"n": 2}], self.open().read())

    def test_a_torn_tail_of_any_length_is_cut(self) -> None:
        content = self.write(3)
        start = content.rindex(b"\n", 0, -1) + 1
        for end in range(start, len(content)):
            with open(self.path, "wb") as target:
                target.write(content[:end])
            again = self.open()
            self.assertEqual([{"n": 0}, {"n": 1}], again.read(), end)
            again.append({"n": 9})
            self.assertEqual([{"n": 0}, {"n": 1}, {"n": 9}], self.open().read())

    def test_garbage_after_a_power_cut_is_cut(self) -> None:
        self.write(2)
        with open(self.path, "ab") as target:
            target.write(b"\0" * 100 + b"\n" + random.Random(1).randbytes(300))
        again = self.open()
        self.assertEqual([{"n": 0}, {"n": 1}], again.read())
        self.assertEqual(0, again.damaged)

    def test_damage_in_the_middle_costs_one_record_only(self) -> None:
        content = bytearray(self.write(3))
        content[content.index(b"\n") + 12] ^= 1
        with open(self.path, "wb") as target:
            target.write(content)
        again = self.open()
        self.assertEqual([{"n": 0}, {"n": 2}], again.read())
        self.assertEqual(1, again.damaged)

    def test_append_returns_only_after_write_and_fsync(self) -> None:
        sizes: list[int] = []
        made = self.open(fsync=lambda fd: sizes.append(os.fstat(fd).st_size))
        sizes.clear()
        made.append({"n": 1})
        self.assertEqual([os.path.getsize(self.path)], sizes)
        self.assertGreater(sizes[0], 0)

    def test_waiting_appends_share_an_fsync(self) -> None:
        first_is_in, go_on = threading.Event(), threading.Event()
        calls: list[int] = []

        def fsync(fd: int) -> None:
            calls.append(fd)
            first_is_in.set()
            go_on.wait(10)

        go_on.set()
        made = self.open(fsync=fsync)
        go_on.clear()
        first_is_in.clear()
        calls.clear()
        threads = [
            threading.Thread(target=made.append, args=({"n": number},))
            for number in range(9)
        ]
        threads[0].start()
        first_is_in.wait(10)
        for thread in threads[1:]:
            thread.start()
        while len(made._next.lines) < 8:
            pass
        go_on.set()
        for thread in threads:
            thread.join(10)
        self.assertEqual(2, len(calls))
        self.assertEqual(9, len(self.open().read()))

    def test_after_a_failed_fsync_nothing_is_promised(self) -> None:
        is_bad = False

        def fsync(fd: int) -> None:
            if is_bad:
                raise OSError(5, "Input/output error")

        made = self.open(fsync=fsync)
        is_bad = True
        with self.assertRaises(OSError):
            made.append({"n": 1})
        is_bad = False
        with self.assertRaises(OSError):
            made.append({"n": 2})

    def test_rewrite_replaces_everything(self) -> None:
        self.write(3)
        made = self.open()
        made.read()
        made.rewrite([{"n": 7}])
        made.append({"n": 8})
        self.assertEqual([{"n": 7}, {"n": 8}], self.open().read())

    def test_the_directory_is_synced_after_the_rename(self) -> None:
        kinds: list[str] = []

        def fsync(fd: int) -> None:
            kinds.append("file" if os.path.isfile(f"/proc/self/fd/{fd}") else "dir")

        made = self.open(fsync=fsync)
        kinds.clear()
        made.rewrite([])
        self.assertEqual(["file", "dir"], kinds)

    def test_a_soon_record_comes_with_the_next_append_or_the_close(self) -> None:
        made = self.open()
        made.append_soon({"n": 1})
        self.assertEqual([], self.open().read())
        made.append({"n": 2})
        made.append_soon({"n": 3})
        made.close()
        self.assertEqual([{"n": 1}, {"n": 2}, {"n": 3}], self.open().read())
