"""The layers around the application, each taken to its edge."""

import pathlib
import tempfile
import unittest

import fixtures
from keystonemiddleware import fixture as token_fixture
from werkzeug import test

import tests  # noqa: F401
from escalator import errors
from escalator.api import app as api_app
from escalator.api import middleware
from escalator.objects import base
from tests.fixtures import api

VERSION = "OpenStack-API-Version"


class TestDiscovery(unittest.TestCase):
    def setUp(self) -> None:
        self.house = api.House()

    def test_the_root_lists_the_version(self) -> None:
        (version,) = self.house.get("/").json["versions"]
        self.assertEqual("CURRENT", version["status"])
        self.assertEqual("http://localhost/v1/", version["links"][0]["href"])
        for path in ("/v1", "/v1/"):
            self.assertEqual(version, self.house.get(path).json["version"])

    def test_every_route_is_described_with_its_schemas(self) -> None:
        for path, operations in self.house.client.DOCUMENT["paths"].items():
            for method, operation in operations.items():
                answer = operation["responses"]
                self.assertIn("default", answer, path)
                self.assertEqual(method == "post", "requestBody" in operation, path)

    def test_links_follow_the_proxy(self) -> None:
        self.house.conf.set_override(
            "enable_proxy_headers_parsing", True, group="oslo_middleware"
        )
        headers = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "api.example"}
        (version,) = self.house.get("/", headers=headers).json["versions"]
        self.assertEqual("https://api.example/v1/", version["links"][0]["href"])


class TestLayers(unittest.TestCase):
    def setUp(self) -> None:
        self.house = api.House()
        base.use_store(self.house.store)

    def refused(self, status: int, code: str, answer: object) -> None:
        self.assertEqual(status, answer.status_code, answer.text)
        (problem,) = answer.json["errors"]
        self.assertEqual((status, code), (problem["status"], problem["code"]))
        self.assertTrue(problem["remedy"])

    def test_microversions(self) -> None:
        for asked in ("1.0", "latest"):
            headers = {VERSION: f"upgrade {asked}"}
            answer = self.house.get("/v1/hosts", headers=headers)
            self.assertEqual("upgrade 1.0", answer.headers[VERSION])
            self.assertIn(VERSION.lower(), answer.headers["Vary"].lower())
        headers = {VERSION: "upgrade 1.7"}
        answer = self.house.get("/v1/hosts", headers=headers)
        self.refused(406, "escalator.not_acceptable", answer)
        self.assertIn("1.0", answer.json["errors"][0]["detail"])

    def test_unknown_path_method_and_id(self) -> None:
        self.refused(404, "escalator.not_found", self.house.get("/v2/hosts"))
        self.refused(404, "escalator.not_found", self.house.get("/v1/campaigns/1"))
        answer = self.house.client.call("PUT", "/v1/hosts")
        self.refused(405, "escalator.method_not_allowed", answer)
        self.assertIn("GET", answer.headers["Allow"])

    def test_a_large_body(self) -> None:
        large = b"x" * 200_000
        answer = self.house.client.call("POST", "/v1/campaigns", data=large)
        self.refused(413, "escalator.too_large", answer)

    def test_an_endless_body_that_hides_its_length(self) -> None:
        class Endless:
            taken = 0

            def tell(self) -> int:
                return 0

            def seek(self, offset: int, whence: int = 0) -> int:
                return 0

            def read(self, size: int = -1) -> bytes:
                assert size > 0, "all of it at once"
                self.taken += size
                return b"x" * size

        endless = Endless()
        answer = self.house.client.call(
            "POST",
            "/v1/campaigns",
            input_stream=endless,
            content_type="application/json",
            environ_overrides={"wsgi.input_terminated": True},
        )
        self.refused(413, "escalator.too_large", answer)
        self.assertLess(endless.taken, 300_000)

    def test_another_media_type(self) -> None:
        for kind in ("text/plain", "", "application/yaml"):
            answer = self.house.client.call(
                "POST", "/v1/subscriptions", data=b"{}", content_type=kind
            )
            self.refused(415, "escalator.unsupported_media_type", answer)

    def test_the_request_id_of_a_refusal_is_its_own(self) -> None:
        for _ in range(2):
            answer = self.house.get("/nowhere")
            told = answer.json["errors"][0]["request_id"]
            self.assertEqual(answer.headers["x-openstack-request-id"], told)

    def test_the_log_holds_no_query_and_no_header(self) -> None:
        with self.assertLogs("escalator.api", "INFO") as caught:
            self.house.get("/v1/hosts?marker=abc", headers={"X-Auth-Token": "s3cret"})
        self.assertIn("GET /v1/hosts -> 200", caught.output[-1])
        self.assertNotIn("abc", " ".join(caught.output))
        self.assertNotIn("s3cret", " ".join(caught.output))


class TestLastResort(unittest.TestCase):
    def test_a_layer_that_breaks_answers_json(self) -> None:
        def broken(environ: object, start_response: object) -> None:
            raise RuntimeError("inner detail")

        client = test.Client(middleware.JsonErrors(broken, ("/healthcheck",)))
        with self.assertLogs("escalator.api", "ERROR"):
            answer = client.get("/v1/hosts")
        self.assertEqual(500, answer.status_code)
        self.assertEqual("escalator.internal", answer.json["errors"][0]["code"])
        self.assertNotIn("inner detail", answer.text)


class TestHealthcheck(unittest.TestCase):
    def test_a_file_drains_the_server(self) -> None:
        """RU-8: a load balancer is sent away before the stop."""
        with tempfile.TemporaryDirectory() as folder:
            drain = pathlib.Path(folder, "drain")
            http = api.House(drain=str(drain)).client.http
            self.assertEqual(200, http.get("/healthcheck").status_code)
            drain.touch()
            answer = http.get("/healthcheck")
        self.assertEqual((503, b"DISABLED BY FILE"), (answer.status_code, answer.data))

    def test_without_a_file_it_lives(self) -> None:
        answer = api.House().client.http.get("/healthcheck")
        self.assertEqual(200, answer.status_code)


class TestConf(unittest.TestCase):
    def test_a_bad_option_stops_the_start_by_name(self) -> None:
        for option, value in (
            ("signing_key", None),
            ("signing_key", "short"),
            ("allowed_networks", ["10.0.0.0/99"]),
        ):
            conf = api.make_conf()
            conf.set_override(option, value, group="notifier")
            with self.assertRaisesRegex(errors.ConfigError, option):
                api_app.create_app(conf, None, None)


class TestKeystone(unittest.TestCase):
    """The real token check, with the library's own fake of Keystone."""

    def setUp(self) -> None:
        self.tokens = token_fixture.AuthTokenFixture()
        for fixture in (self.tokens, fixtures.FakeLogger()):
            fixture.setUp()
            self.addCleanup(fixture.cleanUp)
        self.house = api.House(
            auth_strategy="keystone", keystone="https://keystone.example/"
        )
        base.use_store(self.house.store)

    def headers(self, *roles: str, project: str = "red") -> dict[str, str]:
        token = self.tokens.add_token_data(
            token_id=f"{project}-{'-'.join(roles)}",
            project_id=project,
            role_list=list(roles),
            user_id="alice",
        )
        return {"X-Auth-Token": token or f"{project}-{'-'.join(roles)}"}

    def test_public_paths_need_no_token(self) -> None:
        for path in ("/", "/v1", "/v1/openapi.json"):
            self.assertEqual(200, self.house.get(path).status_code)
        self.assertEqual(200, self.house.client.http.get("/healthcheck").status_code)

    def test_without_a_valid_token(self) -> None:
        forged = {
            "X-Auth-Token": "unknown",
            "X-Identity-Status": "Confirmed",
            "X-Roles": "admin",
        }
        for headers in ({}, forged):
            answer = self.house.get("/v1/hosts", headers=headers)
            self.assertEqual(401, answer.status_code)
            code = answer.json["errors"][0]["code"]
            self.assertEqual("escalator.unauthenticated", code)
            self.assertIn("WWW-Authenticate", answer.headers)

    def test_roles(self) -> None:
        answer = self.house.get("/v1/hosts", headers=self.headers("reader"))
        self.assertEqual(403, answer.status_code)
        self.assertIn("escalator:hosts:list", answer.json["errors"][0]["detail"])
        answer = self.house.get("/v1/hosts", headers=self.headers("admin"))
        self.assertEqual(200, answer.status_code)

    def test_an_order_needs_more_than_a_look(self) -> None:
        body = {"campaign": {"document": "x"}}
        answer = self.house.post(
            "/v1/campaigns", body, headers=self.headers("member", "reader")
        )
        self.assertEqual(403, answer.status_code)
        self.assertEqual([], self.house.conductor.calls)

    def test_who_may_not_learns_nothing_of_the_body(self) -> None:
        answer = self.house.post("/v1/campaigns", [], headers=self.headers("reader"))
        self.assertEqual(403, answer.status_code)

    def test_a_project_sees_its_own_part_of_a_fault(self) -> None:
        """DR-7: nothing of another owner's instances, notices or the host."""
        row = self.house.store.add("fault", api.fault_row())
        path = f"/v1/faults/{row['id']}"
        answer = self.house.get(path, headers=self.headers("reader"))
        self.assertEqual(200, answer.status_code, answer.text)
        fault = answer.json["fault"]
        self.assertEqual(["red"], [i["project_id"] for i in fault["instances"]])
        self.assertEqual(["red"], [n["project_id"] for n in fault["notices"]])
        for hidden in ("compute-07", "missed", "blue", row["campaign_ids"][0]):
            self.assertNotIn(hidden, answer.text)
        others = self.headers("reader", project="green")
        self.assertEqual(404, self.house.get(path, headers=others).status_code)
        brief = self.house.get("/v1/faults", headers=self.headers("reader"))
        self.assertNotIn("compute-07", brief.text)
        self.assertEqual(1, brief.json["faults"][0]["instance_count"])

    def test_a_project_cannot_search_by_host(self) -> None:
        path = "/v1/faults?host=compute-07"
        answer = self.house.get(path, headers=self.headers("reader"))
        self.assertEqual(400, answer.status_code)
        source = {"parameter": "host"}
        self.assertEqual(source, answer.json["errors"][0]["source"])

    def test_a_project_keeps_its_own_subscriptions(self) -> None:
        mine, theirs = (
            self.headers("member", "reader"),
            self.headers("member", "reader", project="blue"),
        )
        body = {"subscription": {"url": "https://noc.example/"}}
        made = self.house.post("/v1/subscriptions", body, headers=mine)
        self.assertEqual("red", made.json["subscription"]["project_id"])
        path = f"/v1/subscriptions/{made.json['subscription']['id']}"
        call = self.house.client.call
        self.assertEqual(404, call("DELETE", path, headers=theirs).status_code)
        self.assertEqual(404, call("GET", path, headers=theirs).status_code)
        listed = call("GET", "/v1/subscriptions", headers=theirs).json
        self.assertEqual([], listed["subscriptions"])
        self.assertEqual(204, call("DELETE", path, headers=mine).status_code)

    def test_a_project_cannot_listen_to_others(self) -> None:
        for extra in ({"project_id": "blue"}, {"all_projects": True}):
            body = {"subscription": {"url": "https://noc.example/", **extra}}
            mine = self.headers("member", "reader")
            answer = self.house.post("/v1/subscriptions", body, headers=mine)
            self.assertEqual(403, answer.status_code, extra)
            admin = self.headers("admin", "member", "reader")
            answer = self.house.post("/v1/subscriptions", body, headers=admin)
            self.assertEqual(201, answer.status_code, extra)

    def test_the_uri_of_keystone_is_needed_at_the_start(self) -> None:
        with self.assertRaisesRegex(errors.ConfigError, "www_authenticate_uri"):
            api.House(auth_strategy="keystone")
