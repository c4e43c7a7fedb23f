"""``openstack upgrade notice ...``"""

import argparse
from collections.abc import Iterable
from typing import Any

from osc_lib import exceptions
from osc_lib.command import command

from escalator.cli.client import Client
from escalator.cli.columns import Structure, Times
from escalator.cli.plugin import client_of

_BRIEF = (
    "id",
    "project_id",
    "subscription_id",
    "state",
    "attempts",
    "error",
    "settled_at",
)
_STATES = ("delivered", "dead", "resending")


class List(command.Lister):
    """List notices, the last settled first"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument(
            "--state",
            choices=_STATES,
            help="Only these; dead: no attempt delivered it",
        )
        parser.add_argument("--fault", metavar="<fault>", help="Only of this fault")
        parser.add_argument(
            "--subscription",
            metavar="<subscription>",
            help="Only of this one; aodh: those to Aodh's alarms",
        )
        parser.add_argument("--limit", type=int, metavar="<n>", help="At most so many")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Any, Any]:
        rows = client_of(self.app).notices(
            parsed_args.limit,
            state=parsed_args.state,
            fault_id=parsed_args.fault,
            subscription_id=parsed_args.subscription,
        )
        return _BRIEF, ([row.get(name) for name in _BRIEF] for row in rows)


class Show(command.ShowOne):
    """Show what became of a notice"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("notice", metavar="<notice>", help="Its id")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Any, Any]:
        row = client_of(self.app).notice(parsed_args.notice)
        cells = {name: row.get(name) for name in (*_BRIEF, "cause_id")}
        cells["fault_ids"] = Structure(row.get("fault_ids", []))
        cells["times"] = Times(row.get("times", {}))
        return list(cells), list(cells.values())


class Resend(command.Lister):
    """Send dead letters again, with the same notice ids; exit with 1 if one is refused

    How it ends is seen in "notice list": delivered, or dead once more.
    """

    exit_code = 0

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("notice", nargs="*", metavar="<notice>", help="Its id")
        parser.add_argument(
            "--fault", metavar="<fault>", help="All dead letters of this fault"
        )
        parser.add_argument(
            "--subscription",
            metavar="<subscription>",
            help="All dead letters of this one; aodh: those to Aodh's alarms",
        )
        parser.add_argument(
            "--all", action="store_true", help="All dead letters that you may see"
        )
        return parser

    def run(self, parsed_args: argparse.Namespace) -> int:
        return super().run(parsed_args) or self.exit_code

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Any, Any]:
        client = client_of(self.app)
        names = ("id", "project_id", "subscription_id", "state", "refusal")
        rows = [self._resend(client, each) for each in _chosen(client, parsed_args)]
        return names, [[row.get(name, "") for name in names] for row in rows]

    def _resend(self, client: Client, notice_id: str) -> dict[str, Any]:
        try:
            return client.resend_notice(notice_id)
        except exceptions.CommandError as error:
            self.exit_code = 1
            return {"id": notice_id, "refusal": str(error)}


def _chosen(client: Client, parsed_args: argparse.Namespace) -> Iterable[str]:
    """Return ids: those that were named, or of all dead letters of a kind.

    :raises CommandError: both are given, or neither.
    """
    by_kind = parsed_args.all or parsed_args.fault or parsed_args.subscription
    if bool(parsed_args.notice) == bool(by_kind):
        raise exceptions.CommandError(
            "Either name notices, or say which dead letters are meant: --fault,"
            " --subscription, --all."
        )
    if parsed_args.notice:
        return list(parsed_args.notice)
    rows = client.notices(
        state="dead",
        fault_id=parsed_args.fault,
        subscription_id=parsed_args.subscription,
    )
    return [str(row["id"]) for row in rows]
