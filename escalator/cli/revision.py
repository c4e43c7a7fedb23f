"""``openstack upgrade campaign revisions`` and ``set``."""

import argparse
import uuid
from typing import Any

import yaml
from osc_lib.command import command

from escalator.cli import campaign
from escalator.cli.client import Row
from escalator.cli.plugin import client_of


class Revisions(command.Lister):
    """List the revisions of a campaign's plan: who joined, who left, what changed"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("campaign", metavar="<campaign>", help="Its id")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Any, Any]:
        rows = client_of(self.app).revisions(parsed_args.campaign)
        names = ("rev", "hosts", "joined", "left", "changed", "author", "approval")
        return names, (_cells(row) for row in rows)


def _cells(row: Row) -> list[Any]:
    diff = row["diff"]
    # All hosts of a campaign join with its first revision: no news.
    joined = diff.get("joined", []) if row["rev"] > 1 else []
    approval = row["approved_by"] or row["awaits"]
    return [
        row["rev"],
        row["targets"],
        ", ".join(joined),
        ", ".join(diff.get("left", [])),
        "; ".join(diff.get("changed", [])),
        row["author"] or "(inventory)",
        f"by {approval}" if row["approved_by"] else approval and f"AWAITED: {approval}",
    ]


class Set(command.ShowOne):
    """Change limits and hosts of a campaign under way: a new plan revision"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("campaign", metavar="<campaign>", help="Its id")
        parser.add_argument("--reason", metavar="<text>", help="For the journal")
        for option, metavar, text in (
            ("parallel", "<procedure>=<n>", "Hosts at once, a number or percentage"),
            ("budget", "<id>=<n>", "Hosts out at once, a number or percentage"),
        ):
            parser.add_argument(
                f"--{option}",
                type=_limit,
                action="append",
                default=[],
                metavar=metavar,
                help=f"{text} (repeat for more)",
            )
        parser.add_argument(
            "--max-quarantined",
            type=_amount,
            metavar="<n>",
            help="Hosts that may be given up before the campaign stops, as a number or"
            " as a percentage of its hosts",
        )
        windows = parser.add_mutually_exclusive_group()
        windows.add_argument(
            "--window",
            type=_window,
            action="append",
            metavar="<start>/<end>",
            help="A change window in place of all present ones: two times with their"
            " offsets, or the mapping of a campaign file, as in '{days: [mon], from:"
            ' "23:00", to: "05:30", tz: Europe/Madrid}\' (repeat for more)',
        )
        windows.add_argument(
            "--no-window",
            action="store_const",
            const=[],
            dest="window",
            help="Take all change windows out: hosts may be begun at any time",
        )
        for option, metavar, text in (
            ("exclude", "<tag>", "Begin no more hosts with this tag"),
            ("skip", "<host>", "Leave out a host not begun, give up a failed one"),
            ("retry", "<host>", "Try a failed host again, take a skipped one back"),
        ):
            parser.add_argument(
                f"--{option}",
                action="append",
                default=[],
                metavar=metavar,
                help=f"{text} (repeat for more)",
            )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Any, Any]:
        given = {
            "parallel": dict(parsed_args.parallel),
            "budgets": dict(parsed_args.budget),
            "exclude": parsed_args.exclude,
            "skip": parsed_args.skip,
            "retry": parsed_args.retry,
        }
        wanted: Row = {name: value for name, value in given.items() if value}
        for name, value in (
            ("max_quarantined", parsed_args.max_quarantined),
            ("windows", parsed_args.window),
            ("reason", parsed_args.reason),
        ):
            if value is not None:
                wanted[name] = value
        row: Row = client_of(self.app).act(
            parsed_args.campaign, "change", wanted, str(uuid.uuid4())
        )
        return campaign.show(row)


def _window(text: str) -> Row:
    if text.lstrip().startswith("{"):
        try:
            body = yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506 - texts only
        except yaml.YAMLError as error:
            raise argparse.ArgumentTypeError(f"cannot be read: {error}") from error
        return dict(body)
    start, sign, end = text.partition("/")
    if not (start and sign and end):
        raise argparse.ArgumentTypeError(
            "write <start>/<end>, as in 2026-12-01T22:00+01:00/2026-12-02T05:00+01:00"
        )
    return {"start": start, "end": end}


def _limit(text: str) -> tuple[str, int | str]:
    name, sign, amount = text.partition("=")
    if not name or not sign or not amount:
        raise argparse.ArgumentTypeError("write <name>=<number or percentage>")
    return name, _amount(amount)


def _amount(text: str) -> int | str:
    return text if text.endswith("%") else int(text)
