"""O-0a: one campaign file, Escalator alone or combined with an installer."""

import collections
import os
import pathlib

import tests.functional.actions.test_playbook as playbooks
from escalator import errors
from escalator.agent import deeds, jobs, kept
from escalator.conductor import planning
from escalator.db import models
from escalator.domain import reading
from escalator.drivers import grants, loader
from tests.fixtures import campaigns, debian
from tests.fixtures import engine as beds
from tests.functional.conductor import test_planning, test_restore

FILE = (campaigns.SAMPLES / "either-installer.yaml").read_text()
HOSTS = 3

PLAYS = {
    "install": "cp {place}/version {place}/before; echo {{{{ version }}}} > "
    "{place}/version; echo run >> {place}/runs",
    "restore": "test ! -e {place}/before || cp {place}/before {place}/version",
    "check": "grep -qxF {{{{ version }}}} {place}/version",
}
"""What the installer does on one host, whose root is a directory."""

PLAY = """
- hosts: all
  gather_facts: false
  tasks:
    - name: {name}
      ansible.builtin.shell: "{words}"
"""


class HostsFleet(test_restore.AgentFleet):
    """Agents with the real plugins: apt on nodes in memory, a real ansible-runner.

    :ivar orders: in the order in which they were carried out.
    """

    def __init__(self, folder):
        beds.FakeFleet.__init__(self, self.act)
        self.folder = pathlib.Path(folder)
        self.actions = loader.load_classes("escalator.action")
        self.checkpoints = loader.load_classes("escalator.checkpoint")
        self.nodes = collections.defaultdict(debian.FakeNode)
        self.workers, self.results, self.orders = {}, {}, []

    @property
    def worker(self):
        return self.of(self.orders[-1])

    def of(self, order):
        """Return what carries out an order: apt on the node, or programs of ours."""
        key = (order.host, order.action.startswith("playbook."))
        if key not in self.workers:
            self.workers[key] = deeds.Deeds(
                self.actions, self.checkpoints, self.resources(*key)
            )
        return self.workers[key]

    def resources(self, host, is_program):
        place = self.place(host)
        return {
            "jobs": jobs.Jobs(str(place / "jobs")) if is_program else self.nodes[host],
            "keep": kept.Kept(str(place / "kept")),
            "grants": grants.Grants(playbooks=str(place / "playbooks")),
            "apt_sources": str(place / "apt.list"),
        }

    def place(self, host):
        """Return the root of a host, made when it is first asked for."""
        place = self.folder / host
        if not place.exists():
            (place / "playbooks").mkdir(parents=True)
            (place / "version").write_text("1.0\n")
            for name, words in PLAYS.items():
                text = PLAY.format(name=name, words=words.format(place=place))
                (place / "playbooks" / f"{name}.yml").write_text(text)
        return place

    def versions(self, installer, hosts):
        """Return what is installed on each host, as the installer itself sees it."""
        if installer == "packages":
            return {h: self.nodes[h].versions()["demo-service"] for h in hosts}
        return {h: (self.place(h) / "version").read_text().strip() for h in hosts}


class InstallersTest(test_planning.Case):
    def setUp(self):
        super().setUp()
        self.assertEqual("", playbooks.missing())
        beds.add_hosts(self.database, HOSTS)
        facts = {
            name: reading.ActionFacts(
                kind.executor,
                kind.is_mutating,
                kind.params_schema,
                idempotence=kind.idempotence,
                undo=kind.undo,
            )
            for name, kind in loader.load_classes("escalator.action").items()
        }
        catalogue = {**campaigns.CATALOGUE, **facts}
        self.plans = planning.Planning(self.bed.engine, catalogue)
        self.hosts = [f"h{number:03d}" for number in range(HOSTS)]

    def play(self, installer, *wanted):
        """Run the campaign by an installer until it is in one of these states."""
        folder = os.path.join(self.folder, installer)
        self.bed.fleet = self.fleet = HostsFleet(folder)
        campaign_id = self.create(FILE, installer=installer)
        self.act(campaign_id, "start")
        self.settle(campaign_id, *wanted)
        return campaign_id

    def story(self, campaign_id):
        """Return (host, state) of every turn of a slot, in the journal's order."""
        return [
            (row["host"], row["to_state"])
            for row in self.bed.rows(models.journal)
            if row["object_type"] == "slot" and row["campaign_id"] == campaign_id
        ]

    def test_up_and_back_by_either(self):
        """The same turns in the same order, and each host as it was at the end."""
        stories = []
        for installer in ("packages", "playbooks"):
            with self.subTest(installer):
                campaign_id = self.play(installer, "completed")
                up = self.fleet.versions(installer, self.hosts)
                self.assertEqual(dict.fromkeys(self.hosts, "2.0"), up)
                self.act(campaign_id, "rollback", reason="there and back")
                self.settle(campaign_id, "rolled_back")
                back = self.fleet.versions(installer, self.hosts)
                self.assertEqual(dict.fromkeys(self.hosts, "1.0"), back)
                stories.append(self.story(campaign_id))
        self.assertEqual(*stories)
        self.assertEqual(HOSTS, len({host for host, _ in stories[0]}))
        runs = [self.fleet.place(h) / "runs" for h in self.hosts]
        self.assertEqual([1] * HOSTS, [len(r.read_text().split()) for r in runs])

    def test_a_failure_of_either_rolls_back(self):
        for installer in ("packages", "playbooks"):
            with self.subTest(installer):
                fleet = HostsFleet(os.path.join(self.folder, installer))
                if installer == "packages":
                    fleet.nodes["h001"].available.discard(("demo-service", "2.0"))
                else:
                    broken = fleet.place("h001") / "playbooks" / "install.yml"
                    broken.write_text(PLAY.format(name="fail", words="exit 3"))
                self.bed.fleet = fleet
                campaign_id = self.create(FILE, installer=installer)
                self.act(campaign_id, "start")
                self.settle(campaign_id, "rolled_back")
                self.assertEqual(
                    dict.fromkeys(self.hosts, "1.0"),
                    fleet.versions(installer, self.hosts),
                )

    def test_an_installer_that_is_none_is_refused(self):
        with self.assertRaisesRegex(errors.InvalidInput, "no sub-plan magic"):
            self.create(FILE, installer="magic")
