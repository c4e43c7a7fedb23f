"""What is predicted, held against the engine and a VIM with real limits (P-2)."""

import dataclasses
import os
import tempfile
import unittest

from escalator import errors
from escalator.conductor import foreseeing, inventory
from escalator.db import tokens
from escalator.domain import events, plan, relaxation, what_if
from escalator.drivers.vim import simulated
from tests.fixtures import engine as beds

ROOM, HOSTS = 3, 4
STEPS = (
    beds.step("cordon", "vim.disable_scheduling"),
    beds.step("drain", "vim.drain"),
    beds.step("install", "install", "restore"),
    beds.step("uncordon", "vim.enable_scheduling"),
)


class VimFleet(beds.FakeFleet):
    """Agents of which those of the VIM really move instances."""

    def __init__(self, vim):
        super().__init__(self.act)
        self.vim = vim

    def act(self, order, times):
        try:
            if order.action == "vim.drain":
                self.vim.drain(order.host)
            elif order.action.startswith("vim."):
                is_enabled = order.action == "vim.enable_scheduling"
                self.vim.set_scheduling(order.host, is_enabled, "")
        except errors.ActionFailed as error:
            return events.Outcome.FAILED.value, "permanent", str(error)
        return None


class Site:
    """A full cloud with some spare hosts; each host has a member of one group."""

    def __init__(self, folder, spare):
        hosts = [
            {"name": f"h{at}", "role": "compute", "rack": f"r{at}", "capacity": ROOM}
            for at in range(HOSTS)
        ]
        hosts += [
            {
                "name": f"s{at}",
                "role": "compute",
                "rack": f"s{at}",
                "capacity": ROOM,
                "tags": ["spare"],
            }
            for at in range(spare)
        ]
        instances = [
            {
                "id": f"{host}-{at}",
                "name": f"{host}-{at}",
                "project": f"p{at}",
                "host": f"h{host}",
                **({} if at else {"group": "g"}),
            }
            for host in range(HOSTS)
            for at in range(ROOM)
        ]
        source = {"hosts": hosts, "instances": instances}
        path = os.path.join(folder, f"vim-{spare}.sqlite")
        self.vim = simulated.Simulated(path, source)
        self.database = beds.database(
            "sqlite:///" + os.path.join(folder, f"e-{spare}.sqlite")
        )
        self.fleet = VimFleet(self.vim)
        self.bed = beds.EngineBed(self.database, self.fleet)
        inventory.Inventory(self.bed.engine, self.vim).sync()

    def setting(self, made):
        with self.database.begin() as connection:
            targets = tokens.read_targets(connection, None, 0.0)
            return foreseeing.read(connection, made, targets, 0.0, 0.0)

    def run(self, made):
        beds.start_campaign(self.bed, made)
        return self.bed.run_until(("committed", "rolled_back", "holding", "failed"))


def made_plan(parallel):
    """Return a campaign that leaves spare hosts alone."""
    computes = plan.Selector(
        "computes",
        (plan.Condition("role", ("compute",)),),
        (plan.Condition("tag", ("spare",)), plan.Condition("state", ("quarantined",))),
    )
    ladder = (plan.Rung("rollback", scope="campaign"),)
    made = beds.rolling_plan(
        parallel, steps=STEPS, ladder=ladder, selectors=(computes,)
    )
    (one,) = made.procedures
    return dataclasses.replace(
        made, procedures=(dataclasses.replace(one, budgets=("rack",)),)
    )


class SpareTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def site(self, spare):
        site = Site(self.folder, spare)
        self.addCleanup(site.database.dispose)
        with site.database.begin() as connection:
            beat = {"agent_seen_at": 4e9}
            connection.execute(beds.models.host.update().values(**beat))
        return site

    def test_exactly_as_many_spare_hosts_as_it_says(self):
        """P-2: with so many the campaign commits, with one fewer it rolls back."""
        made = made_plan(parallel=2)
        full = self.site(0)
        room = {"room.compute": ROOM}
        asked = what_if.change(full.setting(made), room)
        (found,) = relaxation.find(asked)
        self.assertEqual(["spare.compute"], list(found.changes))
        count = int(found.changes["spare.compute"])
        self.assertEqual(2, count, "two are out at once")
        for spare, outcome in ((count, "committed"), (count - 1, "rolled_back")):
            site = self.site(spare)
            setting = what_if.change(site.setting(made), room)
            foreseen = what_if.predict(setting, 1, runs=1)
            self.assertEqual(outcome, foreseen.median.outcome)
            self.assertEqual(outcome, site.run(made), spare)
        self.assertEqual("rolled_back", full.run(made))

    def test_who_is_moved(self):
        """The owners' migrations are counted as the VIM makes them."""
        made = made_plan(parallel=1)
        site = self.site(2)
        foreseen = what_if.predict(site.setting(made), 1, runs=5)
        moved = sum(each.moved for each in foreseen.owners().values())
        drained = []
        drain = site.vim.drain
        site.vim.drain = lambda host: drained.append(drain(host))
        self.assertEqual("committed", site.run(made))
        self.assertEqual(sum(len(each) for each in drained), moved)
