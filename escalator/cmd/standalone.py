"""escalator-standalone: every service in one process, for a first look.

Transport ``kombu+memory://``, SQLite, a simulated VIM and simulated agents.
Never a place to measure a latency.
"""

import argparse
import logging
import os
import pathlib
import secrets
import signal
import sys
import tempfile
import threading
from typing import Any, NoReturn

from escalator.bus import transport
from escalator.cmd import (
    agent,
    api,
    conductor,
    config,
    demo,
    inspector,
    monitor,
    notifier,
    parts,
)
from escalator.cmd import vim as vims
from escalator.db import session
from escalator.drivers import fleet
from escalator.drivers.vim import simulated

LOG = logging.getLogger(__name__)

ETC = pathlib.Path("etc/escalator")


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="escalator-standalone", description=__doc__.splitlines()[0]
    )
    parser.add_argument(
        "--inventory",
        default=str(ETC / "simulated-inventory.yaml"),
        help="hosts and instances of the simulated cloud",
    )
    parser.add_argument(
        "--state", help="directory that is kept; default: a temporary one"
    )
    parser.add_argument("--port", type=int, default=0, help="of the API; 0: a free one")
    parser.add_argument(
        "--demo", metavar="CAMPAIGN", help="run this campaign, report, and end"
    )
    parser.add_argument(
        "--no-fault", action="store_true", help="let no host die during the demo"
    )
    parser.add_argument("--report", default="demo-report.json", metavar="FILE")
    parser.add_argument("--log", help="file for the log; default: in the directory")
    return parser.parse_args(arguments)


def _write_conf(chosen: argparse.Namespace, folder: str) -> str:
    """Write the configuration of a first look."""
    log_file = chosen.log or os.path.join(folder, "escalator.log")
    text = f"""
[DEFAULT]
transport_url = kombu+memory://
log_file = {log_file}
[database]
connection = sqlite:///{folder}/escalator.sqlite
[api]
auth_strategy = noauth
bind_port = {chosen.port}
[bus]
quorum_queues = false
[vim]
driver = simulated
simulated_path = {folder}/vim.sqlite
simulated_inventory = {os.path.abspath(chosen.inventory)}
[agent]
action_namespace = escalator.action.simulated
checkpoint_namespace = escalator.checkpoint.simulated
state_path = {folder}/agents
heartbeat_interval_s = 0.5
watched_packages = demo-service
[conductor]
tick_s = 0.2
inventory_interval_s = 0.5
[inspector]
realtime = false
[monitor]
probes = simulated
realtime = false
inventory_interval_s = 0.5
[notifier]
realtime = false
signing_key = {secrets.token_hex(32)}
allowed_networks = 127.0.0.0/8
subscriptions_interval_s = 0.5
"""
    path = os.path.join(folder, "escalator.conf")
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(path, 0o600)
    return path


def _agents(conf: Any, hosts: list[str], folder: str) -> list[parts.Running]:
    """Return one agent a host, and one with access to the VIM."""
    vim = vims.make(conf)
    made = []
    for host in [*hosts, "vim-agent"]:
        conf.set_override("state_path", os.path.join(folder, "agents", host), "agent")
        capability = "vim" if host == "vim-agent" else "node"
        conf.set_override("capabilities", [capability], "agent")
        made.append(
            agent.build(
                conf,
                is_remote=False,
                host=host,
                vim=vim if capability == "vim" else None,
            )
        )
    conf.clear_override("state_path", "agent")
    conf.clear_override("capabilities", "agent")
    return made


def _simulate(hosts: list[str]) -> None:
    """Give the simulated hosts a package and believable speeds."""
    simulated = fleet.fleet()
    for host in hosts:
        simulated.set_packages(host, {"demo-service": "1.0"})
    simulated.set_latency("package.install", 0.8, 1.6)
    simulated.set_latency("package.restore", 0.6, 1.2)
    simulated.set_latency(fleet.ANY, 0.1, 0.4)


def build(conf: Any, folder: str) -> tuple[parts.Running, list[str], Any]:
    """Return everything in one process, the hosts' names, and the API part."""
    transport.prepare(conf, "escalator-standalone", "0")
    database = session.Database(conf.database)
    database.create_all()
    core = conductor.build(conf, database=database)
    hosts = [host.name for host in vims.make(conf).list_hosts()]
    _simulate(hosts)
    rest = api.build(conf, is_remote=False)
    others = [
        inspector.build(conf, is_remote=False),
        notifier.build(conf, is_remote=False),
        rest,
        *_agents(conf, hosts, folder),
        monitor.build(conf, is_remote=False, in_process=True),
    ]
    return parts.Running(core, *others), hosts, rest.parts[1]


def _run(chosen: argparse.Namespace, folder: str) -> int:
    conf = config.load(
        "escalator-standalone",
        ["--config-file", _write_conf(chosen, folder)],
        has_database=True,
    )
    running, hosts, served = build(conf, folder)
    running.start()
    try:
        if chosen.demo:
            return demo.run(
                served.url,
                chosen.demo,
                chosen.report,
                has_fault=not chosen.no_fault,
                vim=simulated.Simulated(conf.vim.simulated_path),
            )
        print(f"Escalator serves {len(hosts)} simulated hosts at {served.url}")
        print(
            "openstack --os-auth-type none --os-endpoint "
            f"{served.url} upgrade host list"
        )
        _wait_for_signal()
        return 0
    finally:
        running.stop()


def _wait_for_signal() -> None:
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    ended.wait()


def _main() -> int:
    chosen = _parse(sys.argv[1:])
    for path in (chosen.inventory, chosen.demo):
        if path and not os.path.exists(path):
            raise FileNotFoundError(f"{path} does not exist")
    if chosen.state:
        os.makedirs(chosen.state, exist_ok=True)
        return _run(chosen, os.path.abspath(chosen.state))
    with tempfile.TemporaryDirectory(prefix="escalator-") as folder:
        return _run(chosen, folder)


def main() -> NoReturn:
    """Run the program."""
    try:
        config.guarded("escalator-standalone", _main)
    except OSError as error:
        config.stop("escalator-standalone", error)
