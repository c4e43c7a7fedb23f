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


class Show(command.ShowOne):
    """Show a host"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("host", metavar="<host>", help="Its name")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Any, Any]:
        return _show(client_of(self.app).host(parsed_args.host))


class _Order(command.ShowOne):
    """Base of the orders to a host."""

    ACTION = ""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("host", metavar="<host>", help="Its name")
        parser.add_argument("--reason", metavar="<text>", help="Kept with the host")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Any, Any]:
        arguments = {"reason": parsed_args.reason} if parsed_args.reason else {}
        client = client_of(self.app)
        return _show(client.act_on_host(parsed_args.host, self.ACTION, arguments))


class Quarantine(_Order):
    """Keep a host out of all campaigns"""

    ACTION = "quarantine"


class Release(_Order):
    """Let a quarantined host take part in campaigns again"""

    ACTION = "release"


def _show(row: dict[str, Any]) -> tuple[Any, Any]:
    names = tuple(row)
    cells = [Structure(row[n]) if n in _STRUCTURES else row[n] for n in names]
    return names, cells


_STRUCTURES = ("facts", "tags", "groups", "nics")
