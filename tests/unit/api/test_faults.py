"""Faults, hosts and services by HTTP, on fakes."""

import unittest

import tests  # noqa: F401
from escalator.api.handlers import faults
from escalator.objects import base
from tests.fixtures import api


class TestFaults(unittest.TestCase):
    def setUp(self) -> None:
        self.house = api.House()
        base.use_store(self.house.store)
        self.row = self.house.store.add("fault", api.fault_row())

    def test_every_hop_is_told(self) -> None:
        """DR-9: the time of every hop can be asked for."""
        fault = self.house.get(f"/v1/faults/{self.row['id']}").json["fault"]
        self.assertEqual(
            [("T0", "T1", 300.0), ("T1", "T2", 1.0), ("T2", "T4", 7.0)],
            [(h["from"], h["to"], h["ms"]) for h in fault["hops"]][:3],
        )
        notice = fault["notices"][0]
        self.assertEqual("T9", notice["hops"][-1]["to"])
        self.assertEqual(20.0, notice["detected_to_taken_ms"])
        self.assertEqual(2, len(fault["instances"]))

    def test_a_fault_has_all_data_of_an_etsi_alarm(self) -> None:
        other = "5a6e46a0-6d3c-4c27-8f44-0d3a9cb7cbbb"
        self.row |= {"is_root_cause": False, "correlated_fault_ids": [other]}
        fault = self.house.get(f"/v1/faults/{self.row['id']}").json["fault"]
        expected = {
            "event_type": "equipmentAlarm",
            "probable_cause": "equipmentMalfunction",
            "severity": "critical",
            "is_root_cause": False,
            "correlated_fault_ids": [other],
            "observed_at": "1970-01-01T00:01:40.300000Z",
            "changed_at": "1970-01-01T00:01:40.310000Z",
            "cleared_at": None,
        }
        self.assertEqual(expected, {name: fault[name] for name in expected})

    def test_the_list_names_the_slowest_owner(self) -> None:
        self.row["notices"][1]["times"]["T9"] = 100.5
        fault = self.house.get("/v1/faults?state=raised").json["faults"][0]
        self.assertEqual(200.0, fault["slowest_ms"])
        self.assertEqual("compute-07", fault["host"])

    def test_an_untaken_notice_has_no_span(self) -> None:
        del self.row["notices"][0]["times"]["T9"]
        del self.row["notices"][1]["times"]
        fault = self.house.get(f"/v1/faults/{self.row['id']}").json["fault"]
        spans = [n["detected_to_taken_ms"] for n in fault["notices"]]
        self.assertEqual([None, None], spans)
        self.assertIsNone(self.house.get("/v1/faults").json["faults"][0]["slowest_ms"])

    def test_what_was_reached_after_the_notices_comes_last(self) -> None:
        """DR-9: as Nova's instance states, and a mark that was late."""
        times = {"T1": 1.0, "T2": 1.1, "T3": 3.0, "T4": 2.0, "T5": 1.2, "T6": 1.3}
        found = [(hop["from"], hop["to"], hop["ms"]) for hop in faults.hops(times)]
        self.assertEqual([("T6", "T4", 700.0), ("T4", "T3", 1000.0)], found[-2:])
        self.assertEqual(("T2", "T5"), found[1][:2])

    def test_hops_skip_what_is_unknown(self) -> None:
        self.assertEqual([], faults.hops({}))
        (hop,) = faults.hops({"T0": 1.0, "T9": 1.0005})
        self.assertEqual(("T0", "T9", 0.5), (hop["from"], hop["to"], hop["ms"]))


class TestHostsAndServices(unittest.TestCase):
    def setUp(self) -> None:
        self.house = api.House()
        base.use_store(self.house.store)

    def test_hosts_page_by_name(self) -> None:
        for name in ("a/1", "b 2", "c"):
            self.house.store.add("host", api.host_row(name))
        first = self.house.get("/v1/hosts?limit=1").json
        path = first["links"][0]["href"].removeprefix("http://localhost")
        second = self.house.get(path).json
        self.assertEqual(
            ["a/1", "b 2"], [page["hosts"][0]["name"] for page in (first, second)]
        )

    def test_a_host_is_quarantined_and_released(self) -> None:
        self.house.store.add("host", api.host_row("b 2"))
        for name, kept_out in (("quarantine", True), ("release", False)):
            body = {"action": {"name": name, "arguments": {"reason": "fan"}}}
            answer = self.house.client.call(
                "POST", "/v1/hosts/b%202/actions", json=body
            )
            self.assertEqual(200, answer.status_code, answer.json)
            self.assertEqual(kept_out, answer.json["host"]["is_quarantined"])
            shown = self.house.get("/v1/hosts/b%202").json["host"]
            self.assertEqual(kept_out, shown["is_quarantined"])
            self.assertEqual(
                ("host_act", "b 2", name, {"reason": "fan"}),
                self.house.conductor.calls[-1],
            )
        self.assertEqual(404, self.house.get("/v1/hosts/nobody").status_code)
        for bad in ({"name": "explode"}, {"name": "release", "arguments": {"x": 1}}):
            answer = self.house.client.call(
                "POST", "/v1/hosts/b%202/actions", json={"action": bad}
            )
            self.assertEqual(400, answer.status_code)

    def test_services(self) -> None:
        self.house.store.add("service", api.service_row())
        (service,) = self.house.get("/v1/services").json["services"]
        self.assertEqual("escalator-conductor", service["binary"])
        self.assertEqual(41.5, service["figures"]["nova.force_down"]["p99_ms"])
