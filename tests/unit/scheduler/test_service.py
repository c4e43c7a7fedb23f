import unittest
from types import SimpleNamespace
from typing import Any

from escalator import errors
from escalator.drivers.solver import greedy
from escalator.scheduler import service
from tests.unit.scheduler.test_booking import REQUEST


class _Server:
    def __init__(self, topic: str, name: str, endpoints: list[Any]) -> None:
        self.topic, self.name, self.endpoints = topic, name, endpoints
        self.calls: list[str] = []

    def start(self) -> None:
        self.calls.append("start")

    def stop(self) -> None:
        self.calls.append("stop")

    def wait(self, timeout_s: float) -> None:
        self.calls.append("wait")


class SchedulerServiceTest(unittest.TestCase):
    def setUp(self) -> None:
        self.servers: list[_Server] = []
        conf: Any = SimpleNamespace(bus=SimpleNamespace(instance="main"))
        self.service = service.SchedulerService(conf, greedy.Greedy(), self._serve)
        (self.server,) = self.servers

    def _serve(self, topic: str, name: str, endpoints: list[Any]) -> _Server:
        self.servers.append(_Server(topic, name, endpoints))
        return self.servers[-1]

    def test_it_serves_one_topic_from_start_to_end(self) -> None:
        self.service.start()
        self.service.stop()
        self.service.wait()
        self.assertEqual("scheduler", self.server.topic)
        self.assertEqual(["start", "stop", "wait"], self.server.calls)

    def test_it_answers(self) -> None:
        (endpoint,) = self.server.endpoints
        self.assertEqual("1.0", endpoint.target.version)
        self.assertEqual(3, len(endpoint.find_times(None, REQUEST)["bookings"]))
        with self.assertRaises(errors.InvalidInput):
            endpoint.find_times(None, {})
