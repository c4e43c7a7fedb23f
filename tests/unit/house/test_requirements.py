"""Requirements have tests, and the page of both is as the tree is."""

import ast
import functools
import io
import pathlib
import tempfile
import unittest

import subunit
import testtools

from tests import count
from tests import requirements as table

LISTED = table.read_list(table.LIST.read_text("utf-8"))
KNOWN = [each.id for each in LISTED]


@functools.cache
def collected():
    return table.collect(KNOWN)


SOURCE = '''
"""All of it (DR-7)."""

class TestOne:
    """P-4b: budgets."""

    def test_a(self):
        """P-4c, R-2."""

    def _assert(self):
        """DR-1 to DR-3, P-1a, SHA-256."""
'''


class TestTable(unittest.TestCase):
    def test_every_requirement_that_is_built_has_a_test(self):
        owed = {each.id for each in LISTED if each.owed}
        self.assertEqual(
            owed,
            table.unproved(LISTED, collected()),
            "named by a test now: run python -m tests.requirements; else write a test",
        )

    def test_the_page_is_fresh(self):
        page = table.PAGE.read_text("utf-8")
        self.assertEqual(
            table.render(LISTED, collected(), {}),
            table.without_results(page),
            "stale: run python -m tests.requirements",
        )

    def test_ids_are_listed_once(self):
        self.assertEqual(len(set(KNOWN)), len(KNOWN))


class TestCollector(unittest.TestCase):
    def quotes(self):
        return set(table.quotes_in("m", ast.parse(SOURCE), KNOWN))

    def test_who_names_what(self):
        found = {(quote.id, quote.test) for quote in self.quotes()}
        own = {("P-4c", "m.TestOne.test_a"), ("R-2", "m.TestOne.test_a")}
        shared = {(each, "m.TestOne") for each in ("P-4b", "P-1", "DR-1", "DR-2")}
        whole = {("DR-7", "m"), ("DR-3", "m.TestOne")}
        self.assertEqual(own | shared | whole, found)

    def test_what_nobody_names_is_missed(self):
        left = [q for q in self.quotes() if q.id != "R-2"]
        listed = [
            table.Requirement("R-2", "4", "owed", ""),
            table.Requirement("B-1", "", "", ""),
        ]
        self.assertEqual(set(), table.unproved(listed, self.quotes()))
        self.assertEqual({"R-2"}, table.unproved(listed, left))

    def test_a_mark_goes_once_a_test_names_it(self):
        listed = [
            table.Requirement("R-2", "4", "owed", "a, b"),
            table.Requirement("V-1", "4", "owed", ""),
        ]
        found = table.settled(listed, self.quotes())
        self.assertEqual(["", "owed"], [each.owed for each in found])
        self.assertEqual(found, table.read_list(table.write_list(found)))

    def test_results_count_tests_below_the_place(self):
        results = {
            "m.TestOne.test_a": "passed",
            "m.TestOne.test_b": "failed",
            "m.TestOneMore.test_a": "passed",
        }
        quotes = [table.Quote("P-4b", "m", "m.TestOne")]
        self.assertEqual("1 failed, 1 passed", table.result_of(quotes, results))
        self.assertEqual(table.NOT_RUN, table.result_of([], results))

    def test_results_do_not_make_a_page_stale(self):
        listed = [table.Requirement("P-4b", "4", "", "Order")]
        quotes = [table.Quote("P-4b", "m", "m.TestOne")]
        bare = table.render(listed, quotes, {})
        page = table.render(listed, quotes, {"m.TestOne.a": "failed"})
        self.assertNotEqual(bare, page)
        self.assertEqual(bare, table.without_results(page))

    def test_the_last_run_is_read_as_stestr_keeps_it(self):
        stream = io.BytesIO()
        client = subunit.TestProtocolClient(stream)
        ends = {"addSuccess": "passed", "addFailure": "failed", "addSkip": "skipped"}
        for outcome in ends:
            testtools.PlaceHolder(outcome, outcome=outcome).run(client)
        with tempfile.NamedTemporaryFile() as kept:
            pathlib.Path(kept.name).write_bytes(stream.getvalue())
            self.assertEqual(ends, count.read_run(pathlib.Path(kept.name)))
