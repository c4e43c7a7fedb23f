"""``openstack upgrade campaign watch``"""

import argparse
import functools
import time
from collections.abc import Callable
from typing import Any

from osc_lib.command import command
from rich.console import Console
from rich.live import Live

from escalator.cli import picture, waiting
from escalator.cli.client import Client, Refused
from escalator.cli.plugin import client_of

INTERVAL_S = 0.5
_FRAME = 12
_LEAST_ROWS = 8


class Watch(command.Command):
    """Watch a campaign until it ends; exits with 1 unless it was committed"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("campaign", metavar="<campaign>", help="Its id")
        parser.add_argument(
            "--interval",
            type=float,
            default=INTERVAL_S,
            metavar="<seconds>",
            help="Time between two looks",
        )
        parser.add_argument(
            "--plain",
            action="store_true",
            help="Journal lines instead of a live view (also if there is no terminal)",
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        console = Console(file=self.app.stdout)
        watcher = Watcher(
            client_of(self.app),
            parsed_args.campaign,
            console,
            max(parsed_args.interval, 0.05),
        )
        if parsed_args.plain or not console.is_terminal:
            last = watcher.follow_plain()
        else:
            last = watcher.follow_live()
        watcher.sum_up(last)
        return 0 if last.campaign["state"] == "committed" else 1


class Watcher:
    """Looks at one campaign again and again."""

    def __init__(
        self,
        client: Client,
        campaign_id: str,
        console: Console,
        interval_s: float,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.client = client
        self.campaign_id = campaign_id
        self.console = console
        self.interval_s = interval_s
        self.sleep = sleep
        self._patience = waiting.Patience()

    def look(self) -> picture.Snapshot:
        """Return the campaign and its steps as they are now."""
        campaign = self.client.campaign(self.campaign_id)
        return picture.Snapshot(campaign, list(self.client.steps(self.campaign_id)))

    def follow_live(self) -> picture.Snapshot:
        """Redraw until the end; return the last snapshot."""
        last = self.look()
        with Live(console=self.console, auto_refresh=False, transient=True) as live:
            while True:
                rows = max(self.console.height - _FRAME, _LEAST_ROWS)
                live.update(picture.screen(last, rows), refresh=True)
                if _is_over(last):
                    return last
                self.sleep(self.interval_s)
                last = self._patience.ask(self.look, last)

    def follow_plain(self) -> picture.Snapshot:
        """Print the journal until the end; return the last snapshot."""
        last, seq = self.look(), 0
        while True:
            news = functools.partial(self._news, seq)
            for entry in self._patience.ask(news, []):
                self._say(picture.plain(entry))
                seq = entry["seq"]
            if _is_over(last):
                return last
            self.sleep(self.interval_s)
            last = self._patience.ask(self.look, last)

    def _news(self, after: int) -> list[dict[str, Any]]:
        return list(self.client.journal(self.campaign_id, after))

    def _say(self, text: str) -> None:
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def sum_up(self, last: picture.Snapshot) -> None:
        """Print how it ended."""
        try:
            hosts = list(self.client.hosts())
        except Refused:
            hosts = []
        quarantined = [host["name"] for host in hosts if host.get("is_quarantined")]
        self.console.print(picture.summary(last, quarantined))


def _is_over(snapshot: picture.Snapshot) -> bool:
    return snapshot.campaign["state"] in waiting.ENDED
