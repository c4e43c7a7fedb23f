"""Sites with controllers behind virtual addresses, computes and a database."""

import contextlib
import dataclasses
import pathlib
import sys
from collections.abc import Sequence
from typing import Any

import yaml

from tests.fixtures import nodes
from tests.scenario import database_client, demo_schema
from tests.scenario.stage import PROJECTS, Stage, wait_for

CAMPAIGN = pathlib.Path(__file__).with_name("site.yaml")
CONTRACT = pathlib.Path(__file__).with_name("site-contract.yaml")
PREFIX = "10.77.200."
TRACK = "/etc/keepalived/handover"
PROFILES = "/etc/escalator/databases.yaml"
URL_FILE = "/etc/demo-service/database.url"
DATABASE = "store-1"
DATABASE_SITE = "store"
"""The database alone, as the file's parameter ``site`` names it."""
SCHEMA_PROGRAM = nodes.SOURCE_TREE / "tests/scenario/demo_schema.py"
SEEDED = 300
"""Servers that are older than the campaign."""

_KEEPALIVED = """\
global_defs {{
  vrrp_version 3
  router_id {name}
  script_user root
}}
track_file handover {{
  file "{track}"
  weight -50
}}
vrrp_instance api {{
  state BACKUP
  interface eth0
  virtual_router_id {router}
  priority {priority}
  advert_int 0.3
  virtual_ipaddress {{ {address}/32 dev eth0 }}
  track_file {{ handover weight -50 }}
}}
"""


@dataclasses.dataclass(frozen=True)
class Cluster:
    """Controllers of one virtual address.

    The first has it while all is well; a single one has it without keepalived.
    """

    name: str
    size: int
    router: int

    @property
    def address(self) -> str:
        return f"{PREFIX}{self.router}"

    @property
    def controllers(self) -> list[str]:
        return [f"{self.name}-{number}" for number in range(1, self.size + 1)]


class Site(Stage):
    """:param computes: belong to the first cluster, two in each rack.

    :param has_database: one more node, whose agent is given the demo service's
        database program.
    """

    def __init__(
        self, clusters: Sequence[Cluster], computes: int = 0, has_database: bool = False
    ) -> None:
        self.clusters = tuple(clusters)
        self.cluster_of = {
            name: cluster for cluster in clusters for name in cluster.controllers
        }
        self.compute_names = [f"compute-{at}" for at in range(1, computes + 1)]
        names = [*self.cluster_of, *self.compute_names]
        if has_database:
            names.append(DATABASE)
        super().__init__(bed=nodes.Bed(len(names), names))

    def up(self, version: str, release: str) -> "Site":
        super().up(version, release)
        with self.undo.pop_all() as undo:
            wait_for("everybody knows who is active", self._is_settled)
            self.undo = undo.pop_all()
        return self

    def rack_of(self, name: str) -> str:
        """Return the rack: two computes in each; a controller has its own."""
        if name not in self.compute_names:
            return f"rack-{name}"
        return f"rack-{(self.compute_names.index(name)) // 2}"

    def holders(self, cluster: Cluster) -> list[str]:
        """Return the controllers that have the virtual address now."""
        return [name for name in cluster.controllers if self._has(name, cluster)]

    def facts(self) -> dict[str, Any]:
        """Return controller -> whether it says that it has the address."""
        return {
            host["name"]: host["facts"].get("virtual_address", {}).get("api")
            for host in self.api.pages("/v1/hosts", "hosts")
            if host["name"] in self.cluster_of
        }

    def begin_site(self, site: str, address: str, smoothness: str = "smooth") -> str:
        """Create and start the campaign of the file for a site; return its id."""
        params = {
            "version": "2.0",
            "repository": self.repository.url("s2"),
            "site": site,
            "address": address,
            "smoothness": smoothness,
        }
        return self.begin_file(CAMPAIGN, params)

    def client(self, kind: str) -> database_client.Client:
        """Start a client of the demo service's database."""
        url = self.mariadb.url_of("demo")
        made = database_client.Client(self.bed.hub, self.bed.dir, url, kind)
        self.undo.callback(made.stop)
        return made

    def ask_database(self, statement: str) -> list[tuple[object, ...]]:
        return self.mariadb.query("USE demo", statement)

    def schema(self) -> list[str]:
        """Return the demo service's schema as text."""
        with self.bed.hub.entered():
            connection = demo_schema.connect(self.mariadb.url_of("demo"))
        with contextlib.closing(connection):
            return demo_schema.picture(connection)

    def _has(self, name: str, cluster: Cluster) -> bool:
        shown = self.bed.node(name).run(["ip", "-brief", "addr"], check=True).stdout
        return f"{cluster.address}/" in shown

    def _is_settled(self) -> bool:
        first = {cluster.controllers[0] for cluster in self.clusters}
        return self.facts() == {name: name in first for name in self.cluster_of}

    def _inventory(self) -> str:
        hosts = [
            {
                "name": node.name,
                "address": node.address,
                "role": self._role_of(node.name),
                "rack": self.rack_of(node.name),
                "availability_zone": "az1",
                "tags": self._tags_of(node.name),
                "facts": self._facts_of(node.name),
            }
            for node in self.bed.nodes
        ]
        instances = [
            {
                "id": f"{project}-{name}",
                "name": f"{project}-{name}",
                "project": project,
                "host": name,
            }
            for name in self.compute_names
            for project in PROJECTS
        ]
        return yaml.safe_dump({"hosts": hosts, "instances": instances})

    def _tags_of(self, name: str) -> list[str]:
        """Return the sites of a node; the database is one by itself as well."""
        own = self.cluster_of.get(name, self.clusters[0]).name
        return [own, DATABASE_SITE] if name == DATABASE else [own]

    def _facts_of(self, name: str) -> dict[str, str]:
        """Controllers stand in for those of their own cluster only."""
        cluster = self.cluster_of.get(name)
        return {"cluster": cluster.name} if cluster else {}

    def _role_of(self, name: str) -> str:
        if name in self.compute_names:
            return "compute"
        return "controller" if name in self.cluster_of else "database"

    def _node_options(self, name: str) -> str:
        if name == DATABASE:
            return f"database_profiles = {PROFILES}\n"
        if name not in self.cluster_of:
            return ""
        address = self.cluster_of[name].address
        return f"virtual_addresses = api:{address}\nwritable_paths = /etc/keepalived\n"

    def _install(self, node: nodes.Node, version: str, release: str) -> None:
        super()._install(node, version, release)
        if node.name == DATABASE:
            self._make_database(node)
        elif node.name in self.cluster_of:
            self._give_address(node, self.cluster_of[node.name])

    def _give_address(self, node: nodes.Node, cluster: Cluster) -> None:
        if cluster.size == 1:
            argv = ["ip", "addr", "add", f"{cluster.address}/32", "dev", "eth0"]
            node.run(argv, check=True)
            return
        text = _KEEPALIVED.format(
            name=node.name,
            track=TRACK,
            router=cluster.router,
            priority=100 - 10 * cluster.controllers.index(node.name),
            address=cluster.address,
        )
        node.write(TRACK, "0\n")
        node.write("/etc/keepalived/keepalived.conf", text)
        argv = ["keepalived", "--dont-fork", "--vrrp", "--log-console"]
        argv += ["--pid=/run/keepalived.pid", "--vrrp_pid=/run/keepalived_vrrp.pid"]
        node.spawn(argv, self.bed.dir / f"keepalived-{node.name}.log")

    def _make_database(self, node: nodes.Node) -> None:
        url = self.mariadb.create_database("demo")
        rows = ", ".join(f"('seed-{at:05d}', 'small')" for at in range(SEEDED))
        self.ask_database(demo_schema.CREATE)
        self.ask_database(f"INSERT INTO server (name, flavor) VALUES {rows}")
        node.write(URL_FILE, url)
        node.write(PROFILES, yaml.safe_dump({"demo": profile()}))


def profile() -> dict[str, Any]:
    """Return what the operator of the database's node declares."""

    def argv(*verb: str) -> list[str]:
        return [sys.executable, str(SCHEMA_PROGRAM), URL_FILE, *verb]

    phases = {
        verb: {"argv": argv(verb), "check": argv(check)}
        for verb, check in (
            ("expand", "is-expanded"),
            ("contract", "is-contracted"),
            ("shrink", "is-shrunk"),
        )
    }
    migrate = {
        "argv": argv("migrate", "{batch}"),
        "check": argv("verify"),
        "exit_codes": {"done": [0], "more": [1]},
        "rows": r"(\d+) rows moved",
    }
    return {**phases, "migrate": migrate, "verify": {"argv": argv("verify")}}
