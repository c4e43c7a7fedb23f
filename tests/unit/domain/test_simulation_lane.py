"""Who waits, and who is tried again: compared with trying everybody (E-0)."""

import unittest

from hypothesis import given
from hypothesis import strategies as st

from escalator.domain import simulation_lane

CAPACITY = 10.0
MOVES = st.lists(st.one_of(st.none(), st.integers(0, 9)), max_size=60)


class Played:
    """Keys with room; every target stands under two and needs some of each."""

    def __init__(self, targets):
        self.targets = targets
        self.free = {("k", str(key)): CAPACITY for key in range(3)}
        self.begun = []

    def wanted(self, at):
        first, second, need = self.targets[at]
        return [(("k", str(key)), need) for key in dict.fromkeys((first, second))]

    def lack(self, at):
        short = (w for w in self.wanted(at) if self.free[w[0]] < w[1])
        return next(short, None)

    def begin(self, at):
        for key, need in self.wanted(at):
            self.free[key] -= need
        self.begun.append(at)

    def end(self, at):
        for key, need in self.wanted(at):
            self.free[key] += need
        return [key for key, _ in self.wanted(at)]


class WaitingRoomTest(unittest.TestCase):
    @given(
        st.lists(
            st.tuples(
                st.integers(0, 2), st.integers(0, 2), st.sampled_from((2.0, 5.0))
            ),
            max_size=20,
        ),
        MOVES,
    )
    def test_the_same_begin_in_the_same_order_as_if_all_were_tried(
        self, targets, moves
    ):
        quick, slow = Played(targets), Played(targets)
        room = simulation_lane.WaitingRoom(len(targets))
        left = list(range(len(targets)))
        out = []
        for move in (None, *moves):
            if move is not None and out:
                done = out.pop(move % len(out))
                for key in quick.end(done):
                    room.recall(key)
                slow.end(done)
            while (found := room.next()) is not None:
                at, before = found
                if lack := quick.lack(at):
                    room.refuse(at, before, *lack, "waits")
                else:
                    quick.begin(at)
                    room.admit(at, before)
                    out.append(at)
            for at in list(left):
                if not slow.lack(at):
                    slow.begin(at)
                    left.remove(at)
            self.assertEqual(slow.begun, quick.begun)
            self.assertEqual(set(left), set(room.reasons()))

    def test_a_key_that_refuses_one_is_not_asked_for_all(self):
        count, asked = 1000, 0
        room = simulation_lane.WaitingRoom(count)
        while (found := room.next()) is not None:
            room.refuse(*found, ("k", "all"), 1.0, "waits")
        for _ in range(10):
            room.recall(("k", "all"))
            while (found := room.next()) is not None:
                asked += 1
                room.refuse(*found, ("k", "all"), 1.0, "waits")
        self.assertEqual(10, asked)
