"""Whether two checkpoints are equal, and where not."""

import unittest
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from escalator.domain import rehearsal

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=2), inner, max_size=3)
    ),
    max_leaves=8,
)
CONTENT = st.dictionaries(st.text(max_size=2), JSON, max_size=4)


class DifferencesTest(unittest.TestCase):
    def test_the_place_is_told(self) -> None:
        before = {"packages": {"a": "1.0", "b": "1.0"}, "holds": []}
        now = {"packages": {"a": "2.0", "c": "1.0"}, "holds": []}
        self.assertEqual(
            "packages.a: '1.0' is '2.0'; packages.b: '1.0' is gone;"
            " packages.c: '1.0' was not there",
            rehearsal.differences(before, now),
        )

    def test_many_are_counted(self) -> None:
        before = {str(at): "x" * 100 for at in range(9)}
        told = rehearsal.differences(before, {})
        self.assertTrue(told.endswith("and 4 more"), told)
        self.assertLess(len(told), 600)

    def test_nothing_to_compare_with_is_no_equality(self) -> None:
        self.assertTrue(rehearsal.differences(None, {}))

    @given(CONTENT, CONTENT)
    def test_empty_only_if_equal(
        self, one: dict[str, Any], two: dict[str, Any]
    ) -> None:
        self.assertEqual("", rehearsal.differences(one, dict(one)))
        self.assertEqual(one == two, not rehearsal.differences(one, two))


class OrderTest(unittest.TestCase):
    def test_from_due_to_passed(self) -> None:
        """A slot that has nothing to do with a rehearsal stays without one."""
        told = [str(rehearsal.following(each)) for each in rehearsal.Rehearsal]
        self.assertEqual(["", "ready", "ready", "undoing", "passed", "passed"], told)
