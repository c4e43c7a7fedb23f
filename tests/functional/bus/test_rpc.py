"""Calls and orders over a real broker: bounded in time, none lost on a stop."""

import threading
import time
import unittest
import uuid
from typing import Any

from oslo_config import cfg

from escalator import context, errors
from escalator.bus import rpc, rpcapi, server, transport
from escalator.objects import order
from tests.fixtures import bus as helpers
from tests.fixtures import rabbit, relay
from tests.functional.bus import test_events


class Conductor:
    """An endpoint that answers with what it was asked."""

    target = server.endpoint_target("1.0")

    def __init__(self) -> None:
        self.answered = 0

    def campaign_validate(
        self, ctxt: context.RequestContext, document: str, params: dict[str, Any]
    ) -> dict[str, Any]:
        if document == "refuse":
            raise errors.InvalidInput(
                kind="campaign", summary="bad", findings=({"rule": "R1", "line": 3},)
            )
        if document == "bug":
            raise KeyError("a bug")
        time.sleep(float(params.get("sleep_s", 0)))
        self.answered += 1
        return {
            "findings": [],
            "summary": {
                "document": document,
                "user": ctxt.user_id,
                "token": ctxt.auth_token,
                "campaign": ctxt.campaign_id,
            },
        }


class Agent:
    target = server.endpoint_target("1.0")

    def __init__(self) -> None:
        self.orders: list[Any] = []

    def run_step(self, ctxt: Any, order: order.StepOrder) -> None:
        self.orders.append(order.to_domain())


CTXT = context.RequestContext(user_id="u1", auth_token="secret", campaign_id="c1")


def step(executor: str = "node") -> order.StepOrder:
    """Return a new order."""
    made = order.StepOrder(
        step_id=str(uuid.uuid4()), campaign_id=str(uuid.uuid4()), host="h1",
        executor=executor, kind="action", intent="run", action="package.install",
        params={"packages": {"demo": "2.0"}}, attempt=1, fence=3,
        idempotence="natural", is_resumed=False, timeout_s=1.0, deadline_at=2.0,
        undo={}, rerun=0,
    )  # fmt: skip
    return made


class RpcTest(unittest.TestCase):
    def setUp(self) -> None:
        self.broker = rabbit.shared()
        self.conf = helpers.make_conf(self.broker.url, call_timeout_s=2.0)
        self.addCleanup(transport.release, self.conf)

    def serve(
        self, topic: str, name: str, endpoint: Any, conf: cfg.ConfigOpts | None = None
    ) -> server.RpcServer:
        made = server.RpcServer(conf or self.conf, topic, name, [endpoint])
        self.assertTrue(made.start())
        self.addCleanup(made.wait, 10.0)
        self.addCleanup(made.stop)
        return made

    def took(self, error: type[Exception], call: Any) -> float:
        began = time.monotonic()
        with self.assertRaises(error):
            call()
        return time.monotonic() - began


class Calls(RpcTest):
    def test_context_crosses_without_its_token(self) -> None:
        self.serve("conductor", "c1", Conductor())
        answer = rpcapi.ConductorAPI(self.conf).campaign_validate(CTXT, "doc", {})
        self.assertEqual(
            {"document": "doc", "user": "u1", "token": None, "campaign": "c1"},
            answer["summary"],
        )

    def test_a_refusal_arrives_with_its_findings(self) -> None:
        self.serve("conductor", "c1", Conductor())
        with self.assertRaises(errors.InvalidInput) as caught:
            rpcapi.ConductorAPI(self.conf).campaign_validate(CTXT, "refuse", {})
        self.assertEqual(({"rule": "R1", "line": 3},), caught.exception.findings)
        self.assertEqual("The campaign was refused: bad", str(caught.exception))

    def test_a_bug_arrives_without_its_traceback(self) -> None:
        self.serve("conductor", "c1", Conductor())
        with self.assertRaises(errors.RemoteFailure) as caught:
            rpcapi.ConductorAPI(self.conf).campaign_validate(CTXT, "bug", {})
        self.assertIn("KeyError", str(caught.exception))
        self.assertNotIn("Traceback", str(caught.exception))

    def test_a_slow_server_costs_no_more_than_the_deadline(self) -> None:
        self.serve("conductor", "c1", Conductor())
        api = rpcapi.ConductorAPI(self.conf)
        took = self.took(
            errors.CallTimeout,
            lambda: api.campaign_validate(CTXT, "x", {"sleep_s": 4}),
        )
        self.assertLess(took, 2.5)

    def test_nobody_there_is_told_at_once(self) -> None:
        api = rpcapi.ConductorAPI(self.conf)
        for _ in range(3):
            took = self.took(
                errors.NobodyListens, lambda: api.campaign_validate(CTXT, "x", {})
            )
        self.assertLess(took, 0.5)

    def test_the_deadline_holds_while_the_broker_hangs_or_is_away(self) -> None:
        """Stock calls block for as long as the broker is away."""
        self.serve("conductor", "c1", Conductor())
        api = rpcapi.ConductorAPI(self.conf)
        agents = rpcapi.AgentAPI(self.conf)
        api.campaign_validate(CTXT, "x", {})
        time.sleep(2.0)
        self.broker.pause()
        self.addCleanup(self.broker.resume)

        def ask() -> None:
            api.campaign_validate(CTXT, "x", {})

        def order_step() -> None:
            agents.run_step(CTXT, "h1", step())

        unanswered = (errors.BusUnavailable, errors.CallTimeout)
        for call in (ask, order_step, ask):
            self.assertLess(self.took(unanswered, call), 3.0)  # type: ignore[arg-type]
        self.broker.resume()
        self.assertTrue(helpers.eventually(lambda: self.is_answered(api), 15.0))
        self.broker.kill9()
        for call in (ask, order_step, ask):
            self.assertLess(self.took(unanswered, call), 3.0)  # type: ignore[arg-type]
        self.broker.restart()
        back = time.monotonic()
        self.assertTrue(helpers.eventually(lambda: self.is_answered(api), 15.0))
        print(f"\ncalls are answered {time.monotonic() - back:.1f} s after the restart")

    def is_answered(self, api: rpcapi.ConductorAPI) -> bool:
        try:
            api.campaign_validate(CTXT, "x", {})
        except errors.EscalatorError:
            return False
        return True

    def test_an_unknown_version_or_method_is_refused_and_survived(self) -> None:
        """RU-1: a mismatch never ends a server."""
        self.serve("conductor", "c1", Conductor())
        newer = rpc.Client(self.conf, "conductor", "1.9")
        for version, method in (("1.9", "campaign_validate"), ("1.0", "no_such")):
            with self.assertRaises(errors.VersionMismatch):
                newer.call(CTXT, version, method)
        with self.assertRaises(errors.RemoteFailure):
            newer.call(CTXT, "1.0", "campaign_validate", surprise=1)
        self.assertTrue(self.is_answered(rpcapi.ConductorAPI(self.conf)))

    def test_a_cap_stops_a_newer_call_before_it_is_sent(self) -> None:
        capped = rpc.Client(self.conf, "conductor", "1.9", version_cap="1.0")
        self.assertFalse(capped.can_send_version("1.9"))
        with self.assertRaises(errors.VersionMismatch):
            capped.call(CTXT, "1.9", "campaign_validate")

    def test_a_malformed_request_is_survived(self) -> None:
        """Bad input is counted, kept and survived."""
        self.serve("conductor", "c1", Conductor())
        where = rpc.target(self.conf, "conductor")
        envelope = '{"oslo.version": "2.0", "oslo.message": %s}'
        bodies = (
            "",
            "{not json",
            "[]",
            envelope % '"no json within"',
            envelope % '"{}"',
            envelope % '"{\\"method\\": \\"campaign_validate\\", \\"args\\": 7}"',
            envelope % '"{\\"method\\": 5, \\"version\\": \\"x\\"}"',
        )
        with test_events.raw_channel(self.conf) as channel:
            for body in bodies:
                channel.basic_publish(
                    channel.prepare_message(
                        body.encode(), content_type="application/json"
                    ),
                    exchange=where.exchange,
                    routing_key=where.topic,
                )
        self.assertTrue(self.is_answered(rpcapi.ConductorAPI(self.conf)))

    def test_a_graceful_stop_under_load_loses_no_call(self) -> None:
        """RU-8: two servers restarted in turn while eight callers call."""
        confs = [
            helpers.make_conf(self.broker.url, call_timeout_s=10.0) for _ in range(3)
        ]
        for conf in confs:
            conf.set_override("prefix", self.conf.bus.prefix, "bus")
            self.addCleanup(transport.release, conf)
        servers = [
            self.serve("conductor", f"c{n}", Conductor(), confs[n]) for n in range(2)
        ]
        api = rpcapi.ConductorAPI(confs[2])
        lost: list[Exception] = []
        slowest = [0.0]
        answered = [0] * 8
        over = threading.Event()

        def ask(number: int) -> None:
            while not over.is_set():
                began = time.monotonic()
                try:
                    api.campaign_validate(CTXT, "x", {"sleep_s": 0.01})
                    answered[number] += 1
                except errors.EscalatorError as error:
                    lost.append(error)
                slowest[0] = max(slowest[0], time.monotonic() - began)

        callers = [threading.Thread(target=ask, args=(n,)) for n in range(8)]
        for caller in callers:
            caller.start()
        for number in (0, 1):
            time.sleep(0.5)
            servers[number].stop()
            self.assertTrue(servers[number].wait(20.0))
            time.sleep(0.2)
            servers[number] = self.serve(
                "conductor", f"c{number}", Conductor(), confs[number]
            )
        time.sleep(0.5)
        over.set()
        for caller in callers:
            caller.join()
        print(f"\n{sum(answered)} calls, slowest {slowest[0]:.2f} s, lost {lost}")
        self.assertEqual([], lost)


class Orders(RpcTest):
    def test_orders_reach_their_host_and_vim_orders_any_vim_agent(self) -> None:
        nodes = {name: Agent() for name in ("h1", "vim")}
        for name, agent in nodes.items():
            self.serve("agent", name, agent)
        vim = Agent()
        self.serve("agent.vim", "h9", vim)
        api = rpcapi.AgentAPI(self.conf)
        to_node, to_vim = step(), step("vim")
        api.run_step(CTXT, "h1", to_node)
        api.run_step(CTXT, "h1", to_vim)
        self.assertTrue(helpers.eventually(lambda: nodes["h1"].orders and vim.orders))
        self.assertEqual([to_node.to_domain()], nodes["h1"].orders)
        self.assertEqual([to_vim.to_domain()], vim.orders)
        self.assertEqual([], nodes["vim"].orders)

    def test_an_order_to_nobody_is_told(self) -> None:
        """Each is, and none is told for another, however late its confirm is.

        The library reads no further than the return; the confirm behind it
        would be taken for that of the next order on the same connection.
        """
        agent = Agent()
        self.serve("agent", "h1", agent)
        api = rpcapi.AgentAPI(self.behind(relay.with_late_confirms(0.05)))
        orders = [step() for _ in range(10)]
        for known in orders:
            for _ in range(2):
                with self.assertRaises(errors.NobodyListens):
                    api.run_step(CTXT, "nowhere", step())
            api.run_step(CTXT, "h1", known)
        sent = [known.to_domain() for known in orders]
        self.assertTrue(helpers.eventually(lambda: len(agent.orders) == len(sent)))
        self.assertEqual(sent, agent.orders)

    def behind(self, answers: relay.Pieces) -> cfg.ConfigOpts:
        """Return how to reach the same broker by way of a relay."""
        between = relay.Relay((self.broker.address, self.broker.port), answers=answers)
        self.addCleanup(between.stop)
        url = self.broker.url.replace(f":{self.broker.port}/", f":{between.port}/")
        made = helpers.make_conf(url, call_timeout_s=2.0)
        made.set_override("prefix", self.conf.bus.prefix, "bus")
        self.addCleanup(transport.release, made)
        return made

    def test_a_server_starts_before_its_broker(self) -> None:
        self.broker.kill9()
        self.conf.set_override("call_timeout_s", 0.5, "bus")
        agent = Agent()
        made = server.RpcServer(self.conf, "agent", "h1", [agent])
        self.assertFalse(made.start())
        self.broker.restart()
        self.conf.set_override("call_timeout_s", 5.0, "bus")
        api = rpcapi.AgentAPI(self.conf)
        deadline = time.monotonic() + 15.0
        while not agent.orders and time.monotonic() < deadline:
            try:
                api.run_step(CTXT, "h1", step())
            except errors.EscalatorError:
                time.sleep(0.1)
            time.sleep(0.05)
        self.assertTrue(agent.orders)
        made.stop()
        self.assertTrue(made.wait(10.0))
