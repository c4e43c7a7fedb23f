"""What every collector keeps to; inherit beside ``unittest.TestCase``."""

import json
import typing

from escalator.domain import collection
from escalator.drivers import base


class CollectorContract:
    """Tests of one collector."""

    def make_collector(self) -> base.Collector:
        """Return the collector under test, on a host that has something to tell."""
        raise NotImplementedError

    def make_empty(self) -> base.Collector | None:
        """Return it on a host that has nothing to tell; None: there is no such."""
        return None

    @property
    def check(self) -> typing.Any:
        return self

    def test_the_kind_is_known(self) -> None:
        self.check.assertIn(self.make_collector().kind, collection.TOLD)

    def test_it_tells_numbers_by_name(self) -> None:
        told = self.make_collector().collect(10.0)
        self.check.assertTrue(told)
        self.check.assertEqual(told, json.loads(json.dumps(told)))
        for name, value in told.items():
            self.check.assertRegex(name, "^[A-Za-z][A-Za-z0-9_.-]{0,63}$")
            self.check.assertIsInstance(value, int | float)
            self.check.assertGreaterEqual(value, 0)

    def test_names_stay_the_same(self) -> None:
        first, second = (self.make_collector().collect(10.0) for _ in range(2))
        self.check.assertEqual(set(first), set(second))

    def test_nothing_to_tell_is_no_failure(self) -> None:
        empty = self.make_empty()
        if empty is not None:
            self.check.assertEqual({}, empty.collect(10.0))
