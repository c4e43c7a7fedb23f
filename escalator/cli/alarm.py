"""``openstack upgrade alarm ...``"""

import argparse
import shlex
from typing import Any

from osc_lib import exceptions
from osc_lib.command import command

from escalator.cli.client import Refused
from escalator.cli.columns import Observations
from escalator.cli.plugin import client_of

_BRIEF = (
    "id",
    "name",
    "host",
    "campaign_id",
    "reaction",
    "state",
    "reports",
    "reported_at",
    "revoked_at",
)
_WHOLE = (
    "id",
    "name",
    "project_id",
    "host",
    "campaign_id",
    "reaction",
    "fault_type",
    "severity",
    "aodh_alarm_id",
    "state",
    "fault_id",
    "reports",
    "repeats",
    "created_at",
    "reported_at",
    "revoked_at",
)
_SHOWN = 10
"""Observations."""


def _aodh_command(name: str, url: str, event_type: str) -> str:
    """Return the command that makes the alarm in Aodh."""
    actions = " ".join(
        f"--{state}-action {shlex.quote(url)}"
        for state in ("alarm", "ok", "insufficient-data")
    )
    return (
        f"openstack alarm create --name {shlex.quote(name)} --type event"
        f" --event-type {shlex.quote(event_type)} --repeat-actions true {actions}"
    )


class Create(command.ShowOne):
    """Make a token for an alarm of Aodh; it is shown this once"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("name", metavar="<name>", help="For people")
        bond = parser.add_mutually_exclusive_group()
        bond.add_argument(
            "--campaign", metavar="<campaign>", help="What it holds or rolls back"
        )
        bond.add_argument(
            "--host", metavar="<host>", help="Whose fault it is (admin only)"
        )
        parser.add_argument(
            "--reaction",
            choices=["observe", "hold", "rollback"],
            help="What happens to the campaign; hold unless given",
        )
        parser.add_argument(
            "--fault-type",
            choices=["alarm", "host.down"],
            help="What the host's fault is told as; host.down marks the host down",
        )
        parser.add_argument(
            "--severity",
            choices=["warning", "minor", "major", "critical"],
            help="Of the host's fault; as in Aodh unless given",
        )
        parser.add_argument(
            "--aodh-alarm",
            metavar="<alarm-id>",
            help="The only alarm of Aodh that may use it; the first one unless given",
        )
        parser.add_argument(
            "--event-type",
            metavar="<type>",
            default="EVENT_TYPE",
            help="What the shown command makes an alarm on",
        )
        parser.add_argument(
            "--project", metavar="<project-id>", help="For another project (admin only)"
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Any, Any]:
        given = {
            "name": parsed_args.name,
            "campaign_id": parsed_args.campaign,
            "host": parsed_args.host,
            "reaction": parsed_args.reaction,
            "fault_type": parsed_args.fault_type,
            "severity": parsed_args.severity,
            "aodh_alarm_id": parsed_args.aodh_alarm,
            "project_id": parsed_args.project,
        }
        row = client_of(self.app).create_alarm(
            **{name: value for name, value in given.items() if value is not None}
        )
        made = _aodh_command(row["name"], row["callback_url"], parsed_args.event_type)
        names = (*_WHOLE, "callback_url", "aodh_command")
        return names, [{**row, "aodh_command": made}.get(name) for name in names]


class List(command.Lister):
    """List alarms, revoked ones too"""

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Any, Any]:
        rows = client_of(self.app).alarms()
        return _BRIEF, ([row.get(name) for name in _BRIEF] for row in rows)


class Show(command.ShowOne):
    """Show an alarm and the latest observations"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("alarm", metavar="<alarm>", help="Its id")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Any, Any]:
        client = client_of(self.app)
        row = client.alarm(parsed_args.alarm)
        latest = list(client.alarm_observations(parsed_args.alarm, _SHOWN))
        cells = [row.get(name) for name in _WHOLE]
        return (*_WHOLE, "observations"), [*cells, Observations(latest)]


class Delete(command.Command):
    """Revoke alarms; what was observed stays"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("alarm", nargs="+", metavar="<alarm>", help="Its id")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        failed = []
        for alarm_id in parsed_args.alarm:
            try:
                client_of(self.app).delete_alarm(alarm_id)
            except Refused as refused:
                failed.append(f"{alarm_id}: {refused}")
        if failed:
            count = len(parsed_args.alarm)
            failed.append(f"{len(failed)} of {count} were not deleted.")
            raise exceptions.CommandError("\n".join(failed))
