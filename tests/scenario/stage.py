"""Six real nodes, a repository, private servers and all services: one scenario."""

import concurrent.futures
import contextlib
import datetime
import pathlib
import time
from collections.abc import Callable
from typing import Any, TypeVar

import yaml

from tests.fixtures import (
    consumer,
    hub,
    mariadb,
    nodes,
    packages,
    rabbit,
    repository,
    services,
)
from tests.scenario import http_probe

T = TypeVar("T")

RESTING = frozenset(
    {"completed", "committed", "rolled_back", "failed", "holding", "validated"}
)

PROJECTS = ("red", "green", "blue")
COMPUTES = 6
CAMPAIGN = pathlib.Path(__file__).with_name("demo-service.yaml")
SPARE = "compute-7"
"""A seventh node in no campaign: its faults must not be lost either."""

_DPKG = ["dpkg-query", "-Wf", "${Version}\n", packages.NAME, packages.COMMON]
TROUBLE = (AssertionError, OSError)
"""What a call may raise while the service behind it is being killed."""


def rack_of(name: str) -> str:
    """Return the rack: the first two nodes in the first, and so on."""
    return f"rack-{(int(name.rpartition('-')[2]) + 1) // 2}"


def pair_of(name: str) -> str:
    """Return the redundancy group: 1 and 2, 3 and 4; the others stand alone.

    A dead node uses up its group's budget: a partner that was upgraded could
    rightly not be undone until it lives again.
    """
    number = int(name.rpartition("-")[2])
    return f"pair-{(number + 1) // 2 if number <= 4 else number}"


def inventory(bed_nodes: list[nodes.Node], has_server_groups: bool) -> str:
    """Return the simulated VIM's content: every project on every node."""
    hosts, instances = [], []
    for node in bed_nodes:
        is_spare = node.name == SPARE
        hosts.append(
            {
                "name": node.name,
                "address": node.address,
                "role": "storage" if is_spare else "compute",
                "rack": rack_of(node.name),
                "availability_zone": "az1",
                "groups": [] if is_spare else [pair_of(node.name)],
            }
        )
        for project in PROJECTS:
            instance = {
                "id": f"{project}-{node.name}",
                "name": f"{project}-{node.name}",
                "project": project,
                "host": node.name,
            }
            if has_server_groups and project == "red" and not is_spare:
                instance["group"] = f"red-{rack_of(node.name)}"
            instances.append(instance)
    return yaml.safe_dump({"hosts": hosts, "instances": instances}, sort_keys=False)


class Stage:
    """Everything that one scenario needs.

    :param has_spare: a seventh node, with role ``storage``.
    :param has_server_groups: the red instances of a rack exclude each other.
    """

    def __init__(
        self,
        has_spare: bool = False,
        has_server_groups: bool = True,
        bed: nodes.Bed | None = None,
    ) -> None:
        self.has_server_groups = has_server_groups
        self.bed = bed or nodes.Bed(COMPUTES + has_spare)
        self.undo = contextlib.ExitStack()
        self.computes = [node for node in self.bed.nodes if node.name != SPARE]
        self.times: dict[str, float] = {}
        self.logs = ""

    def up(self, version: str, release: str) -> "Stage":
        """Build it, with ``version`` installed and ``release`` in every source."""
        with contextlib.ExitStack() as undo:
            started = time.monotonic()
            self.bed.up()
            undo.callback(self.bed.down)
            self._note("bed", started)
            self._servers(undo)
            self._note("servers", started)
            self._each(lambda node: self._install(node, version, release))
            self._note("packages", started)
            self._services(undo)
            self._note("services", started)
            self.undo = undo.pop_all()
        return self

    def down(self) -> None:
        """Take it all down; idempotent."""
        self.undo.close()

    def _keep_logs(self) -> None:
        self.logs = self.services.logs()

    def _note(self, what: str, started: float) -> None:
        self.times[what] = round(time.monotonic() - started, 2)

    def _servers(self, undo: contextlib.ExitStack) -> None:
        place = self.bed.hub
        self.rabbit = rabbit.Rabbit(netns=place.netns, address=place.address)
        self.mariadb = mariadb.MariaDB(netns=place.netns, address=place.address)
        self.repository = repository.Repository(self.bed)
        parts = (self.rabbit, self.mariadb, self.repository)
        for part in parts:
            undo.callback(part.stop)
        with concurrent.futures.ThreadPoolExecutor() as pool:
            for future in [pool.submit(part.start) for part in parts]:
                future.result()

    def _services(self, undo: contextlib.ExitStack) -> None:
        self.services = services.Services(
            self.bed,
            self.rabbit.url,
            self.mariadb.url,
            self._inventory(),
            self._node_options,
        )
        undo.callback(self.services.stop)
        undo.callback(self._keep_logs)
        self.services.start()
        self.api = self.services.api
        wait_for("every agent is heard", self._is_every_agent_heard)

    def _inventory(self) -> str:
        return inventory(self.bed.nodes, self.has_server_groups)

    def _node_options(self, name: str) -> str:
        """Return further lines of the ``[agent]`` of a node."""
        return ""

    def _is_every_agent_heard(self) -> bool:
        hosts = self.api.pages("/v1/hosts", "hosts")
        return len([h for h in hosts if h["agent_seen_at"]]) == len(self.bed.nodes)

    def _each(self, work: Callable[[nodes.Node], T]) -> dict[str, T]:
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            return dict(
                zip(
                    [node.name for node in self.bed.nodes],
                    pool.map(work, self.bed.nodes),
                    strict=True,
                )
            )

    def _install(self, node: nodes.Node, version: str, release: str) -> None:
        self.repository.enrol(node, release)
        node.run(["apt-get", "update"], check=True)
        wanted = [f"{name}={version}" for name in (packages.NAME, packages.COMMON)]
        node.run(["apt-get", "install", "-y", *wanted], check=True)

    def versions(self) -> dict[str, list[str]]:
        """Return node -> installed versions of the service and its dependency."""
        return self._each(lambda node: node.run(_DPKG, check=True).stdout.split())

    def runs(self, name: str) -> list[str]:
        """Return what the maintainer script wrote: version, verb, previous."""
        argv = ["cut", "-d", " ", "-f", "1-3", packages.RUNS]
        return self.bed.node(name).run(argv, check=True).stdout.splitlines()

    def probe(self) -> http_probe.HttpProbe:
        """Start asking every node ten times a second."""
        return self.probe_of({node.name: node.address for node in self.computes})

    def probe_of(self, targets: dict[str, str]) -> http_probe.HttpProbe:
        """Start asking these addresses, by name, ten times a second."""
        probe = http_probe.HttpProbe(self.bed.hub, self.bed.dir, targets)
        self.undo.callback(probe.stop)
        return probe

    def owner(self, project: str) -> consumer.ConsumerProcess:
        """Start a consumer for ``project`` and subscribe it."""
        record = self.bed.dir / f"consumer-{project}.jsonl"
        with self.bed.hub.entered():
            made = consumer.ConsumerProcess(record, host=hub.ADDRESS)
        self.undo.callback(made.stop)
        wanted = {
            "name": project,
            "project_id": project,
            "url": f"http://{hub.ADDRESS}:{made.port}/{project}",
        }
        self.api.call("POST", "/v1/subscriptions", {"subscription": wanted})
        return made

    def begin(
        self, version: str, release: str, change: Callable[[Any], object] | None = None
    ) -> str:
        """Create and start a campaign to ``version``; return its id.

        :param change: changes the usual campaign file in place.
        """
        document = yaml.safe_load(CAMPAIGN.read_text())
        if change is not None:
            change(document)
        params = {"version": version, "repository": self.repository.url(release)}
        return self._start(document, params)

    def begin_file(self, path: pathlib.Path, params: dict[str, str]) -> str:
        """Create and start the campaign of a file; return its id."""
        return self._start(path.read_text(), params)

    def _start(self, document: Any, params: dict[str, str]) -> str:
        given = {"document": document, "params": params}
        made = self.api.call("POST", "/v1/campaigns", {"campaign": given})["campaign"]
        self.order(str(made["id"]), "start")
        return str(made["id"])

    def order(self, campaign_id: str, name: str) -> None:
        """Give a campaign an order, as an operator does."""
        action = {"action": {"name": name}}
        self.api.call("POST", f"/v1/campaigns/{campaign_id}/actions", action)

    def wait_end(
        self,
        campaign_id: str,
        limit_s: float,
        resting: frozenset[str] = RESTING,
    ) -> dict[str, Any]:
        """Wait until the campaign rests; return it."""
        path = f"/v1/campaigns/{campaign_id}"
        found: dict[str, Any] = {}

        def is_resting() -> bool:
            with contextlib.suppress(*TROUBLE):
                found.update(self.api.get(path)["campaign"])
            return found.get("state") in resting

        try:
            wait_for("the campaign rests", is_resting, limit_s)
        except AssertionError as error:
            waits = self.api.get(f"{path}/explain")["waits"]
            raise AssertionError(f"{error}; {found.get('state')}; {waits}") from error
        return found

    def steps(self, campaign_id: str) -> list[dict[str, Any]]:
        """Return every step, in the order they were made."""
        path = f"/v1/campaigns/{campaign_id}/steps?limit=500"
        return self.api.pages(path, "steps")

    def journal(self, campaign_id: str) -> list[dict[str, Any]]:
        """Return the whole journal, oldest first."""
        path = f"/v1/campaigns/{campaign_id}/journal?limit=500"
        return self.api.pages(path, "journal")

    def patient_steps(self, campaign_id: str) -> list[dict[str, Any]]:
        """Return every step; none while nobody can tell."""
        try:
            return self.steps(campaign_id)
        except TROUBLE:
            return []

    def steps_done(self, campaign_id: str) -> int:
        """Return how many steps are done; 0 while nobody can tell."""
        states = [step["state"] for step in self.patient_steps(campaign_id)]
        return states.count("done")

    def faults(self, host: str) -> list[dict[str, Any]]:
        """Return the faults of a host that took it down, oldest first."""
        found = self.api.pages(f"/v1/faults?host={host}", "faults")
        down = [fault for fault in found if fault["fault_type"] == "host.down"]
        return sorted(down, key=lambda fault: str(fault["raised_at"]))


def wait_for(what: str, condition: Callable[[], bool], limit_s: float = 30.0) -> None:
    """Wait until ``condition`` holds.

    :raises AssertionError: it did not in time.
    """
    deadline = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {limit_s} s")
        time.sleep(0.05)


def epoch(text: str) -> float:
    """Return the API's time as seconds since the epoch."""
    when = datetime.datetime.fromisoformat(text)
    return when.replace(tzinfo=when.tzinfo or datetime.UTC).timestamp()
