"""Nothing a client sends brings the service down (issue 2, Bad input)."""

import json
import re
import unittest
from typing import Any

import hypothesis
from hypothesis import strategies as st

import tests  # noqa: F401
from escalator.api import intake
from escalator.api.routes import ROUTES
from escalator.objects import base
from tests.fixtures import api

ID = "5a6e46a0-6d3c-4c27-8f44-0d3a9cb7cbbb"
POSTS = [
    re.sub(r"<uuid:\w+>", ID, route.path) for route in ROUTES if route.method == "POST"
]
LISTS = [
    re.sub(r"<uuid:\w+>", ID, route.path)
    for route in ROUTES
    if route.query and route.method == "GET"
]
WORDS = ["campaign", "subscription", "action", "document", "params", "url", "name"]
KEYS = st.one_of(st.sampled_from([*WORDS, "arguments", "limit"]), st.text(max_size=8))
VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(max_size=12),
        st.sampled_from(["start", "https://noc.example/", "http://127.0.0.1/"]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(KEYS, inner, max_size=4)
    ),
    max_leaves=12,
)
MODEST = hypothesis.settings(
    max_examples=60,
    deadline=None,
    database=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)


class BadInputCase(unittest.TestCase):
    def setUp(self) -> None:
        self.house = api.House()
        base.use_store(self.house.store)

    def refused(self, answer: Any) -> list[dict[str, Any]]:
        self.assertEqual(400, answer.status_code, answer.text)
        problems: list[dict[str, Any]] = answer.json["errors"]
        for problem in problems:
            self.assertTrue(problem["source"] and problem["rule"] and problem["remedy"])
        return problems

    def raw(self, body: bytes, path: str = "/v1/campaigns") -> Any:
        return self.house.client.call(
            "POST", path, data=body, content_type="application/json"
        )


class TestAnything(BadInputCase):
    @MODEST
    @hypothesis.given(st.sampled_from(POSTS), VALUES)
    def test_any_json_gets_an_answer(self, path: str, body: Any) -> None:
        answer = self.raw(json.dumps(body).encode(), path)
        self.assertIn(answer.status_code, (200, 201, 202, 400, 404), answer.text)

    @MODEST
    @hypothesis.given(st.sampled_from(POSTS), st.binary(max_size=64))
    def test_any_bytes_get_an_answer(self, path: str, body: bytes) -> None:
        self.refused(self.raw(body, path))

    @MODEST
    @hypothesis.given(
        st.sampled_from(LISTS),
        st.dictionaries(
            st.one_of(
                st.sampled_from(["limit", "marker", "after", "state"]), st.text()
            ),
            st.one_of(st.integers().map(str), st.text()),
            min_size=1,
            max_size=3,
        ),
    )
    def test_any_query_gets_an_answer(self, path: str, query: dict[str, str]) -> None:
        answer = self.house.client.call("GET", path, query_string=query)
        self.assertIn(answer.status_code, (200, 400, 404), answer.text)


class TestPlaces(BadInputCase):
    def test_each_violation_has_its_place(self) -> None:
        body = {"campaign": {"document": 7, "parms": {}, "a/b": 1}, "x": 1}
        problems = self.refused(self.raw(json.dumps(body).encode()))
        places = {problem["source"]["pointer"]: problem["rule"] for problem in problems}
        self.assertEqual(
            {
                "/x": "schema.additionalProperties",
                "/campaign/parms": "schema.additionalProperties",
                "/campaign/a~1b": "schema.additionalProperties",
                "/campaign/document": "schema.type",
            },
            places,
        )

    def test_a_missing_member_is_named(self) -> None:
        (problem,) = self.refused(self.raw(b'{"campaign": {}}'))
        self.assertEqual("/campaign", problem["source"]["pointer"])
        self.assertIn("document", problem["detail"])

    def test_what_json_allows_but_nobody_can_store(self) -> None:
        deep = b'{"campaign":{"document":' + b"[" * 90 + b"]" * 90 + b"}}"
        abyss = b'{"a":' * 40_000
        cases = {
            b'{"campaign": {"document": "x"}, "campaign": {}}': "body.json",
            b'{"campaign": {"document": "\\u0000"}}': "body.text",
            b'{"campaign": {"document": "\\ud800"}}': "body.text",
            b'{"campaign": {"document": {"\\ud800": 1}}}': "body.text",
            b'{"campaign": {"document": "x", "params": {"n": NaN}}}': "body.json",
            b'{"campaign": {"document": "x", "params": {"n": 1e999}}}': "body.json",
            b'{"campaign": {"document": "x", "params": {"n": ' + b"9" * 50 + b"}}}": (
                "body.json"
            ),
            b'{"campaign": {"document": "\xff"}}': "body.encoding",
            b"": "body.json",
            b"[]": "body.json",
            deep: "body.depth",
            abyss[:100_000]: "body.depth",
        }
        for body, rule in cases.items():
            with self.subTest(body=body[:60]):
                (problem,) = self.refused(self.raw(body))
                self.assertEqual(rule, problem["rule"])
        self.assertEqual([], self.house.conductor.calls)

    def test_the_deepest_body_still_passes(self) -> None:
        inner: Any = 1
        for _ in range(intake.MAX_DEPTH - 4):
            inner = [inner]
        body = {"campaign": {"document": "x", "params": {"p": inner}}}
        self.assertEqual(201, self.raw(json.dumps(body).encode()).status_code)
        body["campaign"]["params"]["p"] = [inner]
        self.refused(self.raw(json.dumps(body).encode()))

    def test_queries(self) -> None:
        for query, parameter in (
            ("limit=0", "limit"),
            ("limit=ten", "limit"),
            ("limit=%D9%A1", "limit"),
            ("limit=" + "9" * 5000, "limit"),
            ("limit=1&limit=2", "limit"),
            ("marker=x", "marker"),
            ("state=tired", "state"),
            ("colour=red", "colour"),
            ("state=%00", "state"),
        ):
            with self.subTest(query=query[:40]):
                answer = self.house.get(f"/v1/campaigns?{query}")
                (problem,) = self.refused(answer)
                self.assertEqual({"parameter": parameter}, problem["source"])

    def test_a_route_without_query_takes_none(self) -> None:
        self.refused(self.house.get(f"/v1/campaigns/{ID}?x=1"))
