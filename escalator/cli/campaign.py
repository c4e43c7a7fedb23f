"""``openstack upgrade campaign ...``"""

import argparse
import uuid
from collections.abc import Iterator
from typing import Any

from osc_lib import exceptions
from osc_lib.command import command

from escalator.cli import document, waiting
from escalator.cli.client import Refused, Row
from escalator.cli.columns import Progress, Structure
from escalator.cli.plugin import client_of

_ARGUMENTS = (
    "target",
    "rack",
    "procedure",
    "reason",
    "without",
    "gate",
    "revision",
)
"""Options of orders, by the names that the API gives them."""

_SHOWN = (
    "id",
    "name",
    "state",
    "state_reason",
    "params",
    "plan_rev",
    "progress",
    "gates",
    "windows",
    "window",
    "project_id",
    "user_id",
    "file_digest",
    "created_at",
    "started_at",
    "ended_at",
)
_CELLS = {
    "params": Structure,
    "progress": Progress,
    "gates": Structure,
    "windows": Structure,
    "window": Structure,
    "summary": Structure,
    "findings": Structure,
}


def show(row: Row, names: tuple[str, ...] = _SHOWN) -> tuple[Any, Any]:
    cells = [
        _CELLS[name](row.get(name)) if name in _CELLS else row.get(name)
        for name in names
    ]
    return names, cells


def _positive(text: str) -> float:
    value = float(text)
    if not value > 0.0:
        raise argparse.ArgumentTypeError("must be above 0")
    return value


class _Waiting(command.ShowOne):
    """Base of commands that can wait; exits 1 if the goal is missed."""

    exit_code = 0

    def run(self, parsed_args: argparse.Namespace) -> int:
        return super().run(parsed_args) or self.exit_code

    @staticmethod
    def add_wait_options(parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--wait",
            action="store_true",
            help="Wait until the goal is reached, or cannot be: then exit with 1",
        )
        parser.add_argument(
            "--timeout",
            type=_positive,
            default=0.0,
            metavar="<seconds>",
            help="Longest wait; default: without end",
        )
        parser.add_argument(
            "--interval",
            type=_positive,
            default=waiting.INTERVAL_S,
            metavar="<seconds>",
            help="Time between two looks",
        )

    def order(self, args: argparse.Namespace, campaign_id: str, action: str) -> Row:
        """Give the order, wait if asked to, and return the campaign."""
        client = client_of(self.app)
        arguments = {
            name: value
            for name in _ARGUMENTS
            if (value := getattr(args, name, None)) is not None
        }
        key = str(uuid.uuid4())
        row: Row = client.act(campaign_id, action, arguments, key)
        is_partial = bool({"target", "rack", "procedure"} & set(arguments))
        if args.wait and not is_partial:
            wait = waiting.Wait(action, args.interval, args.timeout)
            row = wait.follow(lambda: client.campaign(campaign_id), row)
            self.exit_code = wait.exit_code(row)
        return row


def add_file_options(parser: argparse.ArgumentParser) -> None:
    """Add the file and the values of its parameters."""
    parser.add_argument("file", metavar="<file>", help="Campaign file, or -")
    parser.add_argument(
        "--param",
        action="append",
        default=[],
        metavar="<name=value>",
        help="Value of a parameter that the file declares (repeat for more)",
    )


class Validate(command.ShowOne):
    """Judge a campaign file against rules and inventory; nothing is stored"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        add_file_options(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Any, Any]:
        text = document.read(parsed_args.file)
        params = document.read_params(parsed_args.param)
        try:
            judged = client_of(self.app).validate_campaign(text, params)
        except Refused as refused:
            raise document.complain(parsed_args.file, refused) from refused
        told = {"file": parsed_args.file, "verdict": "valid", **judged}
        return show(told, ("file", "verdict", "findings", "summary"))


class Create(_Waiting):
    """Submit a campaign file"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        add_file_options(parser)
        parser.add_argument("--start", action="store_true", help="Start it at once")
        parser.add_argument(
            "--idempotency-key",
            default="",
            metavar="<key>",
            help="Repeat a submission whose answer was lost: the same key gives "
            "the same campaign",
        )
        self.add_wait_options(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Any, Any]:
        text = document.read(parsed_args.file)
        params = document.read_params(parsed_args.param)
        key = parsed_args.idempotency_key or str(uuid.uuid4())
        try:
            client = client_of(self.app)
            row = client.create_campaign(text, params, key)
        except Refused as refused:
            raise document.complain(parsed_args.file, refused) from refused
        if parsed_args.start:
            row = self.order(parsed_args, row["id"], "start")
        return show(row)


class List(command.Lister):
    """List campaigns, newest first"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("--state", metavar="<state>", help="Only in this state")
        parser.add_argument("--limit", type=int, metavar="<n>", help="At most so many")
        parser.add_argument("--marker", metavar="<id>", help="Only after this one")
        parser.add_argument("--long", action="store_true", help="More columns")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Any, Any]:
        names: tuple[str, ...] = ("id", "name", "state", "state_reason", "created_at")
        if parsed_args.long:
            names += ("started_at", "ended_at", "project_id", "plan_rev")
        rows = client_of(self.app).campaigns(
            parsed_args.limit, state=parsed_args.state, marker=parsed_args.marker
        )
        return names, _cells(rows, names)


def _cells(rows: Iterator[Row], names: tuple[str, ...]) -> Iterator[list[Any]]:
    return ([row.get(name) for name in names] for row in rows)


class Show(command.ShowOne):
    """Show a campaign"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("campaign", metavar="<campaign>", help="Its id")
        parser.add_argument(
            "--document", action="store_true", help="Show the file as well"
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Any, Any]:
        row = client_of(self.app).campaign(parsed_args.campaign)
        return show(row, (*_SHOWN, "document") if parsed_args.document else _SHOWN)


class _Order(_Waiting):
    """Base of the orders."""

    ACTION = ""
    IS_PARTIAL = False

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("campaign", metavar="<campaign>", help="Its id")
        parser.add_argument("--reason", metavar="<text>", help="For the journal")
        if self.IS_PARTIAL:
            part = parser.add_mutually_exclusive_group()
            part.add_argument("--target", metavar="<host>", help="This host only")
            part.add_argument("--rack", metavar="<rack>", help="This rack only")
            part.add_argument(
                "--procedure", metavar="<procedure>", help="This procedure only"
            )
        self.add_wait_options(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Any, Any]:
        return show(self.order(parsed_args, parsed_args.campaign, self.ACTION))


class Start(_Order):
    """Start a campaign, or start again one that was rolled back"""

    ACTION = "start"


class Pause(_Order):
    """Open no more slots: of the campaign, a procedure, a rack or a host"""

    ACTION = "pause"
    IS_PARTIAL = True


class Resume(_Order):
    """Go on with what was paused or held"""

    ACTION = "resume"
    IS_PARTIAL = True


class Commit(_Order):
    """Commit what is done; it cannot be rolled back any more"""

    ACTION = "commit"


class Rollback(_Order):
    """Undo what was done, in reverse order of the journal"""

    ACTION = "rollback"

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--without",
            action="append",
            metavar="<host>",
            help="Do not count this host, which is down or quarantined, against the "
            "budgets: it carries nothing any more (repeat for more). May be given "
            "to a rollback that is under way and stuck",
        )
        return parser


class Cancel(_Order):
    """Give up a campaign of which no host is midway"""

    ACTION = "cancel"


class Approve(_Order):
    """Approve what a campaign waits for: the gate of a stage, or a plan revision"""

    ACTION = "approve"

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        which = parser.add_mutually_exclusive_group()
        which.add_argument(
            "--gate",
            metavar="<procedure/stage>",
            help="This gate; default: the only one that waits",
        )
        which.add_argument(
            "--revision",
            type=int,
            metavar="<n>",
            help="The plan revision, as campaign revisions lists it",
        )
        return parser


class Explain(command.Lister):
    """Say of everything that waits or failed why, and what to do about it"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("campaign", metavar="<campaign>", help="Its id")
        parser.add_argument(
            "part",
            nargs="?",
            metavar="<host|step>",
            help="Only of this host, or of the steps of this name or id, also if they"
            " do not wait, and of the campaign itself",
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Any, Any]:
        names = ("host", "procedure", "step", "state", "code", "reason", "remedy")
        client, part = client_of(self.app), parsed_args.part
        rows = list(client.explain(parsed_args.campaign))
        if part is not None:
            steps = list(client.steps(parsed_args.campaign))
            whole = [row for row in rows if not _place_of(row)]
            rows = [row for row in rows if part in (row["host"], row["step"])]
            rows += _standing(steps, part, {(r["host"], r["step"]) for r in rows})
            if not rows:
                raise exceptions.CommandError(
                    f"{part}: the campaign has no such host and no such step."
                )
            rows = [*whole, *rows]
        return names, _cells(iter(rows), names)


def _place_of(row: Row) -> str:
    """Return where something waits; "": the campaign itself does."""
    return str(row["host"] or row["procedure"] or row["step"])


def _standing(steps: list[Row], part: str, told: set[tuple[str, str]]) -> Iterator[Row]:
    """Yield the steps of a host, or of a name or id, that nothing was told of."""
    for step in steps:
        place = (step["host"], step["name"])
        if part in (step["id"], *place) and place not in told:
            yield {
                **dict.fromkeys(("code", "remedy"), ""),
                **{name: step[name] for name in ("host", "procedure", "state")},
                "step": step["name"],
                "reason": step["reason"] or step["state"],
            }
