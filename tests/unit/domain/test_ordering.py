import itertools
import unittest

from hypothesis import given
from hypothesis import strategies as st

from escalator.domain import ordering
from escalator.domain.plan import Procedure


def _procedure(name: str, level: int = 0, after: tuple[str, ...] = ()) -> Procedure:
    return Procedure(name, level, after, "s", "rolling", 1, (), (), ())


def _next(procedures: list[Procedure], *done: str) -> list[str]:
    return [each.id for each in ordering.next_procedures(procedures, done)]


class NextProceduresTest(unittest.TestCase):
    def test_levels_and_edges(self) -> None:
        """P-4b: equal levels side by side, higher ones later, edges within."""
        procedures = [
            _procedure("late", 20),
            _procedure("a", 10),
            _procedure("b", 10),
            _procedure("c", 10, after=("a",)),
        ]
        self.assertEqual(["a", "b"], _next(procedures))
        self.assertEqual(["b", "c"], _next(procedures, "a"))
        self.assertEqual(["c"], _next(procedures, "a", "b"))
        self.assertEqual(["late"], _next(procedures, "a", "b", "c"))
        self.assertEqual([], _next(procedures, "a", "b", "c", "late"))

    @given(st.data())
    def test_no_procedure_precedes_a_dependency(self, data: st.DataObject) -> None:
        """P-1d: random graphs run to their end, each after what it needs."""
        count = data.draw(st.integers(1, 12))
        procedures: list[Procedure] = []
        level = 0
        for number in range(count):
            level += data.draw(st.integers(0, 1))
            earlier = [each.id for each in procedures]
            after = data.draw(st.sets(st.sampled_from(earlier))) if earlier else set()
            procedures.append(_procedure(f"p{number}", level, tuple(sorted(after))))
        shuffled = data.draw(st.permutations(procedures))
        done: list[str] = []
        while len(done) < count:
            ready = ordering.next_procedures(shuffled, done)
            self.assertTrue(ready, "the run is stuck")
            chosen = data.draw(st.sampled_from(ready))
            self.assertLessEqual(set(chosen.after), set(done))
            lower = {each.id for each in procedures if each.level < chosen.level}
            self.assertLessEqual(lower, set(done))
            done.append(chosen.id)
        in_order = ordering.in_order(shuffled)
        self.assertEqual(sorted(done), sorted(each.id for each in in_order))
        for at, each in enumerate(in_order):
            earlier = [one.id for one in in_order[:at]]
            self.assertLessEqual(set(each.after), set(earlier))
            self.assertFalse([one for one in in_order[at:] if one.level < each.level])


class FindCycleTest(unittest.TestCase):
    def test_a_cycle_is_told_whole(self) -> None:
        """P-1a: the cycle itself is printed."""
        edges = {"x": ["a"], "a": ["b"], "b": ["c"], "c": ["a"], "d": []}
        cycle = ordering.find_cycle(edges)
        assert cycle is not None
        self.assertEqual(("a", "b", "c", "a"), cycle)

    def test_itself(self) -> None:
        self.assertEqual(("a", "a"), ordering.find_cycle({"a": ["a"]}))

    def test_diamonds_and_unknown_nodes_are_no_cycle(self) -> None:
        edges = {"a": ["b", "c"], "b": ["d"], "c": ["d", "?"], "d": []}
        self.assertIsNone(ordering.find_cycle(edges))

    def test_a_long_chain_is_no_danger(self) -> None:
        edges = {str(n): [str(n + 1)] for n in range(20_000)}
        self.assertIsNone(ordering.find_cycle(edges))
        edges["20000"] = ["0"]
        cycle = ordering.find_cycle(edges)
        assert cycle is not None
        self.assertEqual(20_002, len(cycle))

    @given(st.dictionaries(st.integers(0, 6), st.sets(st.integers(0, 6))))
    def test_agrees_with_stripping_leaves(self, numbers: dict[int, set[int]]) -> None:
        edges = {str(k): [str(each) for each in v] for k, v in numbers.items()}
        cycle = ordering.find_cycle(edges)
        left = {key: set(values) & set(edges) for key, values in edges.items()}
        while leaves := [key for key, values in left.items() if not values]:
            left = {k: v - set(leaves) for k, v in left.items() if k not in leaves}
        self.assertEqual(bool(left), cycle is not None)
        for one, other in itertools.pairwise(cycle or ()):
            self.assertIn(other, edges[one])


class ParallelLimitTest(unittest.TestCase):
    def test_percent_is_rounded_down_to_at_least_one(self) -> None:
        share = Procedure("p", 0, (), "s", "rolling", 1, (), (), (), 25.0)
        found = [ordering.parallel_limit(share, n) for n in (0, 3, 4, 11, 12)]
        self.assertEqual([1, 1, 1, 2, 3], found)
        self.assertEqual(1, ordering.parallel_limit(_procedure("p"), 100))


class EarlierTest(unittest.TestCase):
    @given(st.data())
    def test_all_that_a_node_comes_after(self, data: st.DataObject) -> None:
        """Step by step until nothing is added: of any graph, circles included."""
        nodes = [f"n{number}" for number in range(data.draw(st.integers(1, 7)))]
        some = st.lists(st.sampled_from([*nodes, "unknown"]), max_size=3)
        edges = {node: data.draw(some) for node in nodes}
        wanted = {node: set(after) & set(nodes) for node, after in edges.items()}
        for _ in nodes:
            for node in nodes:
                for other in set(wanted[node]):
                    wanted[node] |= wanted[other]
        self.assertEqual(wanted, ordering.earlier(edges))
