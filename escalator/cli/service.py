"""``openstack upgrade service ...``"""

import argparse
from typing import Any

from osc_lib.command import command

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

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Any, Any]:
        rows = client_of(self.app).services()
        return _NAMES, ([row.get(name) for name in _NAMES] for row in rows)
