"""The other monitors: how this one knows them, asks them and answers them."""

import dataclasses
import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from escalator.bus import server
from escalator.domain import events
from escalator.monitor import detection, doubt, members

Look = Callable[[Any, str, list[str]], Mapping[str, bool]]
"""``bus.rpcapi.MonitorAPI.look``."""


@dataclasses.dataclass(frozen=True, slots=True)
class Company:
    """The members, this monitor included, and how to ask one of them."""

    members: members.Members
    look: Look


class Endpoint:
    """What the other monitors ask.  Version history: 1.0 look."""

    target = server.endpoint_target("1.0")

    def __init__(self, see: Callable[[Iterable[str]], Mapping[str, bool]]) -> None:
        self._see = see

    def look(self, ctxt: Any, hosts: list[str]) -> dict[str, bool]:
        """Return whether each host watched here is found dead, or lost a link."""
        return doubt.look(self._see, hosts)


def make(
    options: Any, name: str, send: Callable[[events.AgentBeat], bool], look: Look
) -> Company:
    """Return the company of the monitor ``name``.

    :param options: section ``[monitor]``.
    """
    interval_s, timeout_s = options.member_interval_s, options.member_timeout_s
    return Company(members.Members(name, send, interval_s, timeout_s), look)


def make_doubt(
    company: Company | None,
    detector: detection.Detection,
    context: Any,
    is_trusting: bool,
) -> doubt.Doubt:
    """Return whom a monitor with this company believes in a storm."""
    if company is None:
        return doubt.Doubt(
            detector, socket.gethostname(), tuple, lambda *_: {}, is_trusting
        )
    known, look = company.members, company.look

    def ask(name: str, hosts: Sequence[str]) -> Mapping[str, bool]:
        return look(context, name, list(hosts))

    return doubt.Doubt(detector, known.name, known.others, ask, is_trusting)
