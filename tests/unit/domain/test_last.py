"""The active member of a cluster goes last (O-0e, E-4)."""

import dataclasses
import unittest

from escalator.domain import plan, selector, simulation
from escalator.domain.last import Queue
from tests.fixtures import engine as beds

CONTROL = plan.Selector(
    "control",
    (plan.Condition("role", ("controller",)),),
    order_by=(plan.Order("facts.ha.active", is_last=True),),
)


def member(name, active=None, cluster="", **more):
    facts = {} if active is None else {"ha": {"active": active}}
    if cluster:
        facts["cluster"] = cluster
    return plan.Target(name, role="controller", facts=facts, **more)


class QueueTest(unittest.TestCase):
    def test_who_is_known_to_be_active_is_last(self):
        hosts = [member("a", True), member("b", False), member("c")]
        found = [each.name for each in selector.select(CONTROL, hosts)]
        self.assertEqual(["b", "c", "a"], found)

    def test_the_active_waits_for_the_others_and_says_so(self):
        hosts = [member("a", True), member("b", False), member("c")]
        queue = Queue(CONTROL, hosts, {"b"})
        self.assertEqual(
            "waits: it is the last of its cluster, before it: c",
            queue.reason(hosts[0]),
        )
        self.assertEqual("", queue.reason(hosts[2]))
        queue.settle(hosts[2])
        self.assertEqual("", queue.reason(hosts[0]))

    def test_each_cluster_for_itself(self):
        hosts = [
            member("a", True, "one"),
            member("b", False, "two"),
            member("c", True, "two"),
        ]
        queue = Queue(CONTROL, hosts, ())
        self.assertEqual("", queue.reason(hosts[0]))
        self.assertTrue(queue.reason(hosts[2]))

    def test_two_that_both_call_themselves_active_do_not_wait_for_each_other(self):
        hosts = [member("a", True), member("b", True)]
        queue = Queue(CONTROL, hosts, ())
        self.assertEqual(["", ""], [queue.reason(each) for each in hosts])

    def test_without_the_wish_nobody_waits(self):
        hosts = [member("a", True), member("b", False)]
        usual = dataclasses.replace(CONTROL, order_by=(plan.Order("rack"),))
        self.assertEqual("", Queue(usual, hosts, ()).reason(hosts[0]))


class SimulationTest(unittest.TestCase):
    def played(self, *hosts):
        made = beds.rolling_plan(9, budgets=())
        procedure = dataclasses.replace(
            made.procedures[0], selector="control", budgets=()
        )
        made = dataclasses.replace(made, selectors=(CONTROL,), procedures=(procedure,))
        return simulation.simulate(made, hosts, lambda p, t: 10.0)

    def test_it_waits_although_there_is_room(self):
        found = self.played(member("a", True), member("b", False), member("c", False))
        starts = {each.host: each.start_s for each in found.visits}
        self.assertEqual({"b": 0.0, "c": 0.0, "a": 10.0}, starts)

    def test_it_waits_for_ever_for_one_that_is_down(self):
        found = self.played(member("a", True), member("b", False, is_up=False))
        self.assertIn("before it: b", found.stuck["a"])


class FactsTest(unittest.TestCase):
    def test_every_place_that_an_operator_thinks_in(self):
        facts = {"chassis": "c1", "cell": "x", "cluster": "db", "site": "north"}
        target = plan.Target("h", rack="r1", availability_zone="az1", facts=facts)
        for fact, value in {**facts, "rack": "r1", "availability_zone": "az1"}.items():
            here = plan.Selector("s", (plan.Condition(fact, (value,)),))
            self.assertEqual([target], selector.select(here, [target]), fact)
            other = plan.Selector("s", (plan.Condition(fact, ("other",)),))
            self.assertEqual([], selector.select(other, [target]), fact)
