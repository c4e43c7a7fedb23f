"""``openstack upgrade subscription ...``"""

import argparse
from typing import Any

from osc_lib import exceptions
from osc_lib.command import command

from escalator.cli.client import Refused
from escalator.cli.columns import Structure
from escalator.cli.plugin import client_of

_NAMES = (
    "id",
    "name",
    "url",
    "fault_types",
    "min_severity",
    "min_probes",
    "project_id",
    "all_projects",
    "created_at",
)


def _cells(row: dict[str, Any], names: tuple[str, ...]) -> list[Any]:
    return [
        Structure(row.get(name)) if name == "fault_types" else row.get(name)
        for name in names
    ]


class Create(command.ShowOne):
    """Subscribe a webhook; its secret is shown this once"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("--url", required=True, metavar="<url>", help="Where to")
        parser.add_argument("--name", metavar="<name>", help="For people")
        parser.add_argument(
            "--fault-type",
            action="append",
            metavar="<type>",
            help="Only faults of this type, e.g. host.down (repeat for more)",
        )
        parser.add_argument(
            "--min-severity",
            choices=["warning", "minor", "major", "critical"],
            help="Nothing milder than this",
        )
        parser.add_argument(
            "--min-probes",
            type=int,
            metavar="<count>",
            help="Only when so many kinds of probes find a host or a link down (1)",
        )
        owner = parser.add_mutually_exclusive_group()
        owner.add_argument(
            "--project", metavar="<project-id>", help="For another project (admin only)"
        )
        owner.add_argument(
            "--all-projects",
            action="store_true",
            default=None,
            help="Hear of every project's instances and of empty hosts (admin only)",
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Any, Any]:
        given = {
            "url": parsed_args.url,
            "name": parsed_args.name,
            "fault_types": parsed_args.fault_type,
            "min_severity": parsed_args.min_severity,
            "min_probes": parsed_args.min_probes,
            "project_id": parsed_args.project,
            "all_projects": parsed_args.all_projects,
        }
        row = client_of(self.app).create_subscription(
            **{name: value for name, value in given.items() if value is not None}
        )
        names = (*_NAMES, "secret")
        return names, _cells(row, names)


class List(command.Lister):
    """List webhooks"""

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Any, Any]:
        rows = client_of(self.app).subscriptions()
        return _NAMES, (_cells(row, _NAMES) for row in rows)


class Delete(command.Command):
    """Unsubscribe webhooks"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument(
            "subscription", nargs="+", metavar="<subscription>", help="Its id"
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        failed = []
        for subscription_id in parsed_args.subscription:
            try:
                client = client_of(self.app)
                client.delete_subscription(subscription_id)
            except Refused as refused:
                failed.append(f"{subscription_id}: {refused}")
        if failed:
            count = len(parsed_args.subscription)
            failed.append(f"{len(failed)} of {count} were not deleted.")
            raise exceptions.CommandError("\n".join(failed))
