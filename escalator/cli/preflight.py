"""``openstack upgrade campaign preflight``: the system held against the plan."""

import argparse
import time
import uuid
from typing import Any

from osc_lib.command import command

from escalator.cli.client import Row
from escalator.cli.columns import Structure
from escalator.cli.plugin import client_of

_KINDS = ("alarms", "statistics", "logs")
_SHOWN = ("verdict", "refusal", "made_at", "plan_rev", "findings", "remedies")
INTERVAL_S = 1.0


class Show(command.ShowOne):
    """Show the latest preflight report of a campaign; exit with 1 if it refuses"""

    exit_code = 0

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("campaign", metavar="<campaign>", help="Its id")
        return parser

    def run(self, parsed_args: argparse.Namespace) -> int:
        return super().run(parsed_args) or self.exit_code

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Any, Any]:
        report = self.report(parsed_args.campaign)
        self.exit_code = 0 if report["verdict"] == "passed" else 1
        cells = [report.get(name) for name in _SHOWN[:-2]]
        lists = [Structure(report.get(name, [])) for name in _SHOWN[-2:]]
        return _SHOWN, [*cells, *lists]

    def report(self, campaign_id: str) -> Row:
        """Return the latest report as it stands."""
        found: Row = client_of(self.app).preflight(campaign_id)
        return found


class Readings(command.Lister):
    """List what the latest preflight collected, beside what it was at the start"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("campaign", metavar="<campaign>", help="Its id")
        parser.add_argument("--host", metavar="<host>", help="Only those of one host")
        parser.add_argument(
            "--kind",
            metavar="<kind>",
            choices=_KINDS,
            help=f"Only those of one kind: {', '.join(_KINDS)}",
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Any, Any]:
        report = client_of(self.app).preflight(parsed_args.campaign)
        names = ("kind", "host", "name", "value", "baseline")
        return names, [
            [row[name] for name in names]
            for row in report.get("readings", [])
            if parsed_args.host in (None, row["host"])
            and parsed_args.kind in (None, row["kind"])
        ]


class Preflight(Show):
    """Look at everything that a campaign needs, and show what was found"""

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Any, Any]:
        key = str(uuid.uuid4())
        client_of(self.app).act(parsed_args.campaign, "preflight", {}, key)
        return super().take_action(parsed_args)

    def report(self, campaign_id: str) -> Row:
        """Return the report once every agent has answered, or was given up."""
        while (found := super().report(campaign_id))["verdict"] == "waits":
            time.sleep(INTERVAL_S)
        return found
