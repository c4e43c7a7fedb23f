"""RPC within one process, and its parts."""

import threading
import time
import unittest
from typing import Any

from escalator import context, errors
from escalator.bus import deadline, refusal, rpcapi, server, transport
from escalator.objects import base, host, order
from tests.fixtures import bus as helpers

CTXT = context.RequestContext(user_id="u1", auth_token="secret")


class Conductor:
    target = server.endpoint_target("1.0")

    def campaign_explain(self, ctxt: Any, campaign_id: str) -> list[dict[str, Any]]:
        if campaign_id == "none":
            raise errors.NotFound(kind="campaign", id=campaign_id)
        return [{"host": "h1", "token": ctxt.auth_token}]

    def _private(self, ctxt: Any) -> None:
        raise AssertionError("not for RPC")


class Indirect:
    target = server.endpoint_target("1.0", "objects")

    def __init__(self) -> None:
        self.asked: list[Any] = []

    def object_class_action_versions(
        self,
        ctxt: Any,
        objname: str,
        objmethod: str,
        object_versions: dict[str, str],
        args: list[Any],
        kwargs: dict[str, Any],
    ) -> Any:
        self.asked.append((objname, objmethod, object_versions, kwargs))
        return host.HostList(objects=[host.Host(name="h1")])


class Agent:
    target = server.endpoint_target("1.0")

    def __init__(self) -> None:
        self.probes: list[Any] = []

    def probe_step(self, ctxt: Any, probe: order.StepProbe) -> None:
        self.probes.append(probe.to_domain())


class Embedded(unittest.TestCase):
    """Several servers in one process, as in the standalone program."""

    def setUp(self) -> None:
        self.conf = helpers.make_conf(call_timeout_s=5.0)
        self.addCleanup(transport.release, self.conf)
        self.indirect, self.agent = Indirect(), Agent()
        servers = [
            server.RpcServer(self.conf, "conductor", "c", [Conductor(), self.indirect]),
            server.RpcServer(self.conf, "agent", "h1", [self.agent]),
        ]
        for made in servers:
            self.assertTrue(made.start())
        for made in servers:
            self.addCleanup(made.wait, 10.0)
        for made in servers:
            self.addCleanup(made.stop)

    def test_calls_orders_and_objects_cross(self) -> None:
        """One test: stopping servers takes a second each time."""
        api = rpcapi.ConductorAPI(self.conf)
        self.assertEqual(
            [{"host": "h1", "token": None}], api.campaign_explain(CTXT, "c1")
        )
        with self.assertRaises(errors.NotFound) as caught:
            api.campaign_explain(CTXT, "none")
        self.assertEqual("No campaign none exists.", str(caught.exception))
        self.assertEqual("none", caught.exception.fields["id"])
        with self.assertRaises(errors.VersionMismatch):
            api._client.call(CTXT, "1.0", "_private")
        self.check_objects()
        self.check_orders()

    def check_objects(self) -> None:
        store = base.EscalatorObject.store, base.EscalatorObject.indirection_api
        base.use_indirection(rpcapi.Indirection(self.conf))
        try:
            hosts = host.HostList.get_page(CTXT, state="up")
        finally:
            base.EscalatorObject.store, base.EscalatorObject.indirection_api = store
        self.assertEqual("h1", hosts.objects[0].name)
        self.assertEqual(
            (
                "HostList",
                "get_page",
                {"HostList": "1.0", "Host": "1.0"},
                {"state": "up"},
            ),
            self.indirect.asked[0],
        )

    def check_orders(self) -> None:
        uuid = "6f9619ff-8b86-4011-b42d-00c04fc964ff"
        probe = order.StepProbe(
            step_id=uuid,
            campaign_id=uuid,
            host="h1",
            executor="node",
            attempt=1,
            fence=2,
        )
        agents = rpcapi.AgentAPI(self.conf)
        agents.probe_step(CTXT, "h1", probe)
        self.assertTrue(helpers.eventually(lambda: self.agent.probes))
        self.assertEqual([probe.to_domain()], self.agent.probes)
        with self.assertRaises(errors.NobodyListens):
            agents.probe_step(CTXT, "h2", probe)


class Refusals(unittest.TestCase):
    def test_every_error_is_rebuilt_with_all_it_carries(self) -> None:
        kept = (
            errors.NotFound(kind="host", id="h1"),
            errors.InvalidInput(kind="file", summary="s", findings=({"rule": "R"},)),
            errors.ActionFailed(
                action="a", reason="r", failure_class="transient", result={"n": 1}
            ),
            errors.Conflict("said so"),
        )
        for error in kept:
            made = refusal.decode(refusal.encode(error))
            self.assertIs(type(error), type(made))
            self.assertEqual(vars(error), vars(made))
            self.assertEqual(str(error), str(made))

    def test_an_unknown_code_becomes_the_root_error(self) -> None:
        made = refusal.decode('{"code": "os.system", "message": "m", "own": {"x": 1}}')
        self.assertIs(errors.EscalatorError, type(made))
        self.assertFalse(hasattr(made, "x"))

    def test_codes_are_unique(self) -> None:
        kinds = [
            kind
            for kind in vars(errors).values()
            if isinstance(kind, type) and issubclass(kind, errors.EscalatorError)
        ]
        self.assertEqual(len(kinds), len({kind.code for kind in kinds}))


class Deadlines(unittest.TestCase):
    def test_the_caller_leaves_in_time_and_stuck_calls_are_bounded(self) -> None:
        others = set(threading.enumerate())
        runner = deadline.Runner(most=2)
        release = threading.Event()
        began = time.monotonic()
        for _ in range(4):
            with self.assertRaises(errors.BusUnavailable):
                runner.run(lambda: release.wait(10.0), 0.02)
        self.assertLess(time.monotonic() - began, 1.0)
        fresh = set(threading.enumerate()) - others
        stuck = [each for each in fresh if each.name.startswith("bus-call")]
        self.assertNotEqual([], stuck)
        self.assertLessEqual(len(stuck), 4)
        release.set()
        self.assertEqual(7, runner.run(lambda: 7, 5.0))

    def test_what_the_call_raises_is_raised(self) -> None:
        with self.assertRaises(ZeroDivisionError):
            deadline.Runner().run(lambda: 1 // 0, 5.0)
