"""``openstack upgrade host ...``"""

import argparse
from typing import Any

from osc_lib.command import command

from escalator.cli.columns import Structure
from escalator.cli.plugin import client_of


class List(command.Lister):
    """List hosts by name"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("--state", choices=["up", "down"], help="Only these")
        parser.add_argument("--long", action="store_true", help="More columns")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Any, Any]:
        names: tuple[str, ...] = (
            "name",
            "role",
            "rack",
            "state",
            "is_quarantined",
            "instances",
            "campaign_id",
        )
        if parsed_args.long:
            names += ("address", "quarantine_reason", "agent_seen_at", "facts")
        rows = client_of(self.app).hosts(state=parsed_args.state)
        return names, (
            [
                Structure(row.get(name)) if name == "facts" else row.get(name)
                for name in names
            ]
            for row in rows
        )
