"""Selection by what agents and operators' files tell (E-4, O-0e)."""

import dataclasses
import time

import sqlalchemy as sa

from escalator.conductor import inventory
from escalator.db import facts, models, tokens
from escalator.domain import events, plan
from escalator.drivers import base
from tests.fixtures import engine as beds
from tests.functional.conductor import test_engine

LAST = plan.Order("facts.ha.active", is_last=True)


class Vim:
    """A VIM that lists hosts and instances, and nothing else."""

    def __init__(self, hosts, instances):
        self.hosts, self.instances = hosts, instances

    def read_changes(self):
        return 1

    def list_hosts(self):
        return self.hosts

    def list_instances(self):
        return self.instances


def choosing(parallel, **choice):
    """Return a plan without budgets whose hosts are chosen otherwise."""
    made = beds.rolling_plan(parallel, budgets=())
    (chosen_by,) = made.selectors
    return dataclasses.replace(
        made,
        selectors=(dataclasses.replace(chosen_by, **choice),),
        procedures=(dataclasses.replace(made.procedures[0], budgets=()),),
    )


def of_instances(target):
    return target.projects, target.server_groups


class TestFacts(test_engine.Case):
    hosts = 3

    def beat(self, host, active):
        told = events.AgentBeat(
            host=host,
            agent=f"agent-{host}",
            capabilities=("node",),
            facts={"ha": {"active": active}},
            sent_at=time.time(),
            interval_s=1.0,
        )
        with self.database.begin() as connection:
            facts.note_beats(connection, [told], 4e9)

    def targets(self):
        with self.database.begin() as connection:
            found = tokens.read_targets(connection, None, 0.0)
        return {each.name: each for each in found}

    def test_what_is_listed_joins_what_agents_tell(self):
        vim = Vim(
            [
                dataclasses.replace(HOST, name=name, facts={"ha": {"cluster": "db"}})
                for name in self.names
            ],
            [
                base.VimInstance("i", "i", "red", self.names[0], "active"),
                base.VimInstance("j", "j", "red", self.names[0], "active", "g1"),
                base.VimInstance("k", "k", "blue", self.names[0], "active", "g2"),
            ],
        )
        bed = self.bed()
        stock = inventory.Inventory(
            bed.engine, vim, list, lambda each: [(f"project {each.project_id}", 1)]
        )
        stock.sync()
        self.beat(self.names[0], active=True)
        first, second, _ = (self.targets()[name] for name in self.names)
        joined = {"active": True, "cluster": "db"}
        self.assertEqual({"ha": joined, "vim": {"is_enabled": True}}, first.facts)
        owners = (("project blue", 1), ("project red", 1))
        self.assertEqual(owners, first.declared)
        self.assertEqual((), second.declared)
        self.assertEqual((("blue", "red"), ("g1", "g2")), of_instances(first))
        self.assertEqual(((), ()), of_instances(second))

    def test_the_active_is_last_though_it_moves_midway(self):
        """O-0e: selection is late, and so is the order."""
        for name in self.names:
            self.beat(name, active=name == self.names[0])

        def program(order, times):
            if order.action == "install" and order.host == self.names[1]:
                self.beat(self.names[0], active=False)
                self.beat(self.names[2], active=True)
            return None

        bed = self.bed(program)
        beds.start_campaign(bed, choosing(1, order_by=(LAST,)))
        self.assertEqual("committed", bed.run_until(["committed", "holding"]))
        installed = [host for host, _, action in bed.fleet.log if action == "install"]
        self.assertEqual([self.names[1], self.names[0], self.names[2]], installed)

    def carry(self, owners):
        """Let the hosts, in this order, carry an instance of these projects."""
        with self.database.begin() as connection:
            for name, owner in zip(self.names, owners, strict=True):
                connection.execute(
                    sa.update(models.host)
                    .where(models.host.c.name == name)
                    .values(residents=[[owner, "", 1]] if owner else [])
                )

    def test_hosts_are_chosen_by_whose_instances_they_carry(self):
        """E-4, P-4a: by the instances of now; what is begun stays."""
        self.carry(["red", "red", "blue"])

        def program(order, times):
            if order.action == "install" and order.host == self.names[0]:
                self.carry(["", "blue", "red"])
            return None

        bed = self.bed(program)
        red = plan.Condition("project", ("red",))
        beds.start_campaign(bed, choosing(1, match=(red,)))
        self.assertEqual("committed", bed.run_until(["committed", "holding"]))
        installed = [host for host, _, action in bed.fleet.log if action == "install"]
        self.assertEqual([self.names[0], self.names[2]], installed)

    def test_the_active_does_not_overtake_a_standby_that_is_held_up(self):
        self.beat(self.names[0], active=True)
        with self.database.begin() as connection:
            connection.execute(
                sa.update(models.host)
                .where(models.host.c.name == self.names[1])
                .values(agent_seen_at=0.0)
            )
        bed = self.bed()
        beds.start_campaign(bed, choosing(3, order_by=(LAST,)))
        for _ in range(30):
            bed.step()
        begun = [row["host"] for row in bed.rows(models.slot)]
        self.assertEqual([self.names[2]], begun)


HOST = base.VimHost("", "", "compute", "r1", "az1", True, False)
