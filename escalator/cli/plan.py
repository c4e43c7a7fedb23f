"""``openstack upgrade campaign plan``: apart, for it draws with matplotlib."""

import argparse
from typing import Any

from osc_lib.command import command

from escalator.cli import campaign, document, timeline, what_if
from escalator.cli.client import Refused
from escalator.cli.columns import Structure, Visits
from escalator.cli.plugin import client_of


class Plan(command.ShowOne):
    """Say what a campaign file would do: order, times, who is out when"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        campaign.add_file_options(parser)
        parser.add_argument(
            "--seed",
            type=int,
            default=0,
            metavar="<n>",
            help="Of the sampled durations: the same seed, the same plan",
        )
        parser.add_argument(
            "--picture",
            metavar="<file>",
            help="Draw who is out when: a file that ends in .svg or .png",
        )
        parser.add_argument(
            "--what-if",
            metavar="<key=value>",
            action="append",
            help="Simulate the campaign with something otherwise, failures and "
            "recovery included, and compare; may be repeated: parallel.PROCEDURE, "
            "budget.ID, spare.KIND, room.KIND, down.HOST, deaths, fail.STEP, slow, "
            "recovery. --picture then draws when the runs end",
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Any, Any]:
        picture = parsed_args.picture and timeline.check(parsed_args.picture)
        text = document.read(parsed_args.file)
        params = document.read_params(parsed_args.param)
        asked = parsed_args.what_if
        if asked is not None:
            asked = document.read_params(asked, "--what-if")
        try:
            client = client_of(self.app)
            plan = client.plan_campaign(text, params, parsed_args.seed, asked)
        except Refused as refused:
            raise document.complain(parsed_args.file, refused) from refused
        if picture:
            (timeline if asked is None else what_if).draw(plan, picture)
        cells = {
            "digest": plan["digest"],
            "procedures": Structure(plan["summary"]["procedures"]),
            "shared_visits": Structure(plan["summary"].get("shared_visits", [])),
            "visits": Visits(plan["visits"]),
            "gates": Structure(plan.get("gates", [])),
            "most_out": plan["most_out"],
            "closed": Structure(plan.get("closed", [])),
            "left": plan.get("left", 0),
            "end_s": Structure(plan["end_s"]),
            "stuck": Structure(plan["stuck"]),
            "findings": Structure(plan["findings"]),
        }
        if asked is not None:
            cells |= what_if.cells(plan["what_if"])
        return list(cells), list(cells.values())
