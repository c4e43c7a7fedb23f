"""``openstack upgrade service ...``"""

import argparse
from typing import Any

from osc_lib.command import command

from escalator.cli import columns
from escalator.cli.plugin import client_of

_NAMES = (
    "binary",
    "host",
    "instance",
    "state",
    "release",
    "service_version",
    "last_seen_at",
)


class List(command.Lister):
    """List Escalator's own processes"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument(
            "--long",
            action="store_true",
            help="also what each process measures: calls to the VIM, lateness",
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Any, Any]:
        rows = client_of(self.app).services()
        if not parsed_args.long:
            return _NAMES, ([row.get(name) for name in _NAMES] for row in rows)
        return (*_NAMES, "figures"), (
            [*map(row.get, _NAMES), columns.Figures(row.get("figures") or {})]
            for row in rows
        )
