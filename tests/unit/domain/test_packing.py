"""Packing by what is free: who finds no room beside the others (V-3)."""

import unittest
from typing import Any

from escalator.domain import packing

CPU = "VCPU"


def ways(need: int, *hosts: str) -> list[packing.Way]:
    return [packing.Way(host, {(host, CPU): need}) for host in hosts]


def piece(id: str, need: int, *hosts: str, **more: Any) -> packing.Piece:
    return packing.Piece(id, {CPU: need}, ways(need, *hosts), **more)


def free(**cpus: int) -> dict[packing.Cell, float]:
    return {(host, CPU): float(amount) for host, amount in cpus.items()}


class PackingTest(unittest.TestCase):
    def test_all_fit(self) -> None:
        pieces = [piece(f"i{n}", 2, "a", "b") for n in range(4)]
        self.assertIsNone(packing.pack(pieces, free(a=4, b=4), {}))
        self.assertIsNone(packing.pack([], {}, {}))

    def test_what_is_missing(self) -> None:
        pieces = [piece(f"i{n}", 4, "a", "b") for n in range(5)]
        found = packing.pack(pieces, free(a=8, b=5), {})
        assert found is not None
        self.assertEqual(2, len(found.left))
        self.assertEqual({CPU: 7.0}, found.missing)

    def test_in_pieces_nothing_is_missing_and_yet_one_is_left(self) -> None:
        pieces = [piece("i", 4, "a", "b")]
        found = packing.pack(pieces, free(a=3, b=3), {})
        self.assertEqual(packing.Shortage(("i",), {}), found)

    def test_who_has_one_choice_goes_first(self) -> None:
        """The order of the instances does not matter."""
        pieces = [piece("any", 2, "a", "b"), piece("only", 2, "b")]
        self.assertIsNone(packing.pack(pieces, free(a=2, b=2), {}))
        self.assertIsNone(packing.pack(pieces[::-1], free(a=2, b=2), {}))

    def test_the_large_go_before_the_small(self) -> None:
        pieces = [piece(f"a{n}", 2, "a", "b") for n in range(2)]
        pieces += [piece(f"z{n}", 3, "a", "b") for n in range(2)]
        self.assertIsNone(packing.pack(pieces, free(a=5, b=5), {}))

    def test_every_class_counts(self) -> None:
        cells = {("a", CPU): 8.0, ("a", "MEMORY_MB"): 1024.0}
        needs = {("a", CPU): 1.0, ("a", "MEMORY_MB"): 768.0}
        size = {CPU: 1.0, "MEMORY_MB": 768.0}
        pieces = [packing.Piece(i, size, [packing.Way("a", needs)]) for i in "xy"]
        found = packing.pack(pieces, cells, {})
        assert found is not None
        self.assertEqual({"MEMORY_MB": 512.0}, found.missing)

    def test_members_of_a_group_keep_apart(self) -> None:
        pieces = [piece(f"i{n}", 1, "a", "b", group="g", limit=2) for n in range(3)]
        room = free(a=9, b=9)
        self.assertIsNone(packing.pack(pieces, room, {("g", "a"): 1}))
        found = packing.pack(pieces, room, {("g", "a"): 2})
        assert found is not None
        self.assertEqual((1, {}), (len(found.left), found.missing))

    def test_nothing_is_changed_that_was_handed_in(self) -> None:
        room, members = free(a=4), {("g", "a"): 0}
        packing.pack([piece("i", 2, "a", group="g")], room, members)
        self.assertEqual((free(a=4), {("g", "a"): 0}), (room, members))
