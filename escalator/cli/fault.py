"""``openstack upgrade fault ...``"""

import argparse
from typing import Any

from osc_lib.command import command

from escalator.cli.columns import Hops, Notices, Structure, Times
from escalator.cli.plugin import client_of


class List(command.Lister):
    """List faults, newest first"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("--host", metavar="<host>", help="Only of this host")
        parser.add_argument("--state", choices=["raised", "cleared"], help="Only these")
        parser.add_argument("--limit", type=int, metavar="<n>", help="At most so many")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Any, Any]:
        names = (
            "id",
            "host",
            "fault_type",
            "severity",
            "probable_cause",
            "state",
            "instance_count",
            "notice_count",
            "slowest_ms",
            "raised_at",
        )
        rows = client_of(self.app).faults(
            parsed_args.limit, host=parsed_args.host, state=parsed_args.state
        )
        return names, ([row.get(name) for name in names] for row in rows)


class Show(command.ShowOne):
    """Show a fault with the time of every hop, T0 to T9 (DR-9)"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("fault", metavar="<fault>", help="Its id")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Any, Any]:
        row = client_of(self.app).fault(parsed_args.fault)
        plain = (
            "id",
            "host",
            "fault_type",
            "severity",
            "event_type",
            "probable_cause",
            "state",
            "is_marked_down",
            "is_root_cause",
            "raised_at",
            "observed_at",
            "changed_at",
            "cleared_at",
        )
        cells = {name: row.get(name) for name in plain}
        cells["instances"] = Structure([_instance(i) for i in row.get("instances", [])])
        cells["campaign_ids"] = Structure(row.get("campaign_ids", []))
        cells["correlated_fault_ids"] = Structure(row.get("correlated_fault_ids", []))
        cells["evidence"] = Structure(row.get("evidence", {}))
        cells["times"] = Times(row["times"])
        cells["hops"] = Hops(row["hops"])
        cells["notices"] = Notices(row["notices"])
        return list(cells), list(cells.values())


def _instance(instance: dict[str, Any]) -> str:
    return instance.get("name") or str(instance.get("id"))
