"""Which subscription hears what, and in which words.

Pure.  One notice per (event, subscription), however many hosts and instances
the event is about: that is what keeps a mass fault below the second.
Source: DR-4, DR-7, DR-9, DR-10.

The body of every notice has ``event``, ``event_id`` (the cause), ``notice_id``
(the same on every repeat: drop repeats by it), ``subscription_id``,
``project_id`` and ``sent_at``.  Times are seconds since the epoch, UTC.

``host.down`` (with ``corroborated_at`` if further probes had to agree first) and
``host.up`` (with ``cleared_at``) have ``faults``, each with
``fault_id``, ``host_ref``, ``fault_type``, ``severity``, ``event_type`` and
``probable_cause`` (X.733), ``state`` (raised or cleared), ``is_marked_down``
(False: the VIM was too slow, DR-2), ``instances`` (``id``, ``name``; for
administrators ``project_id``) and ``times``, the checkpoints T0 to T5 of
``domain.events.HOPS``.

``campaign.changed`` has ``campaign``: ``campaign_id``, ``name``,
``from_state``, ``to_state``, ``reason``, ``severity``, ``host_refs`` and
``occurred_at``.

``host_ref`` is the host's name for administrators, :func:`host_ref` for
everybody else.
"""

import dataclasses
import enum
import hashlib
import json
import uuid
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from escalator.domain import events, impact, x733

_RANKS: Mapping[str, int] = {str(item): item.rank for item in events.Severity}
_WORST = max(_RANKS.values())

MOST_PROBES = 8
"""No subscription may ask that more kinds of probes agree."""

_OfHosts = events.HostMarkedDown | events.HostMarkedUp | events.ImpactCorroborated
Told = _OfHosts | events.CampaignChanged


class State(enum.StrEnum):
    """What became of a notice.

    Dead: no attempt delivered it.  Resending: dead, and asked for once more.
    """

    DELIVERED = "delivered"
    DEAD = "dead"
    RESENDING = "resending"


@dataclasses.dataclass(frozen=True, slots=True)
class Notice:
    """One message to one subscriber.

    :ivar id: derived from cause and subscription: the same on every repeat.
    :ivar body: JSON object, sent as it is.
    """

    id: str
    cause_id: str
    subscription_id: str
    project_id: str
    url: str
    fault_ids: tuple[str, ...]
    body: dict[str, Any]
    times: dict[str, float]


@dataclasses.dataclass(frozen=True, slots=True)
class Subscriber:
    """A subscription, as far as telling goes.

    :ivar fault_types: empty means every type.
    :ivar min_rank: rank of the mildest severity that is told.
    :ivar min_probes: so many kinds of probes must find a host or a link down;
        all of them, where fewer watch the host: who asks for more is not forgotten.
    """

    id: str
    project_id: str
    url: str
    fault_types: frozenset[str]
    min_rank: int
    is_admin: bool
    min_probes: int = 1

    def wants(self, fault: events.Fault, before: int = 0) -> bool:
        """Apply the subscription's own filter (DR-4).

        A severity that this version does not know counts as the worst:
        better one notice too many.

        :param before: so many probes found it when it was told of last.
        """
        needed = 1
        if fault.fault_type in impact.TAKES_HOST_DOWN:
            needed = min(self.min_probes, fault.probes_watching)
        is_type = not self.fault_types or fault.fault_type in self.fault_types
        is_grave = _RANKS.get(fault.severity, _WORST) >= self.min_rank
        return is_type and is_grave and before < needed <= fault.probes


class Directory:
    """All subscribers, to be asked by project.  Never changed once made."""

    def __init__(self, subscribers: Iterable[Subscriber] = ()) -> None:
        self._by_project: dict[str, list[Subscriber]] = {}
        self._admins: list[Subscriber] = []
        for item in subscribers:
            if item.is_admin:
                self._admins.append(item)
            self._by_project.setdefault(item.project_id, []).append(item)

    @property
    def admins(self) -> Iterable[Subscriber]:
        return self._admins

    def owners(self, project_id: str) -> Iterable[Subscriber]:
        """Return the project's subscribers, administrators among them."""
        return self._by_project.get(project_id, ())


def subscriber(
    id: str,
    project_id: str,
    url: str,
    fault_types: Iterable[str],
    min_severity: str,
    is_admin: bool,
    min_probes: int = 1,
) -> Subscriber:
    """Build a subscriber from a subscription's fields."""
    return Subscriber(
        id=id,
        project_id=project_id,
        url=url,
        fault_types=frozenset(fault_types),
        min_rank=_RANKS.get(min_severity, 0),
        is_admin=is_admin,
        min_probes=min_probes,
    )


def notices(event: Told, directory: Directory, now: float) -> tuple[Notice, ...]:
    """Return who is told what because of ``event``.

    :param now: epoch seconds, the body's ``sent_at``.
    """
    if isinstance(event, events.CampaignChanged):
        return tuple(_campaign_notices(event, directory, now))
    return tuple(_host_notices(event, directory, now))


def revive(letter: events.ResendRequested, directory: Directory) -> Notice | None:
    """Return the notice that a dead letter was, for its subscription as it is now.

    :returns: None if there is no such subscription.
    :raises ValueError: its body is no JSON.
    """
    for owner in directory.owners(letter.project_id):
        if owner.id == letter.subscription_id:
            body: dict[str, Any] = json.loads(letter.body)
            return revived(letter, owner.url, body)
    return None


def revived(letter: events.ResendRequested, url: str, body: dict[str, Any]) -> Notice:
    """Return a notice with the ids of a dead letter: whoever took it knows it again."""
    return Notice(
        id=letter.notice_id,
        cause_id=letter.cause_id,
        subscription_id=letter.subscription_id,
        project_id=letter.project_id,
        url=url,
        fault_ids=letter.fault_ids,
        body=body,
        times={},
    )


def has_subscription(subscription_id: str) -> bool:
    """Tell whether a notice is one subscription's, or of a sink that asks nobody.

    Such a sink has its own name in the id's place, as ``domain.aodh_event.CHANNEL``.
    """
    try:
        uuid.UUID(subscription_id)
    except ValueError:
        return False
    return True


def host_ref(host: str, project_id: str) -> str:
    """Return the name by which a tenant may know a host (never its own).

    The formula is Nova's ``hostId``: an owner can compare it with what
    ``openstack server show`` says.
    """
    return hashlib.sha224((project_id + host).encode()).hexdigest()


def _host_notices(
    event: _OfHosts, directory: Directory, now: float
) -> Iterator[Notice]:
    head: dict[str, Any] = {"event": "host.down", "sent_at": now}
    state, before = "raised", {}
    if isinstance(event, events.ImpactCorroborated):
        head["corroborated_at"] = event.corroborated_at
        before = event.before
    if isinstance(event, events.HostMarkedUp):
        head = {"event": "host.up", "sent_at": now, "cleared_at": event.cleared_at}
        state = "cleared"
    related = x733.correlate_told(event)
    for owner, found in _sort_out(event.impacts, directory, before):
        faults = [_fault_body(i, mine, state, owner, related) for i, mine in found]
        ids = tuple(each.fault.id for each, _ in found)
        yield _notice(event.event_id, owner, ids, {**head, "faults": faults})


_Part = tuple[events.Impact, tuple[events.AffectedInstance, ...]]


def _sort_out(
    impacts: Iterable[events.Impact], directory: Directory, before: Mapping[str, int]
) -> Iterable[tuple[Subscriber, list[_Part]]]:
    """Group impacts by subscriber, each with the instances it may see (DR-7).

    :param before: fault id -> how many probes had been told of so far.
    """
    found: dict[str, tuple[Subscriber, list[_Part]]] = {}

    def add(item: Subscriber, part: _Part) -> None:
        fault = part[0].fault
        if item.wants(fault, before.get(fault.id, 0)):
            found.setdefault(item.id, (item, []))[1].append(part)

    for each in impacts:
        for admin in directory.admins:
            add(admin, (each, each.instances))
        by_project: dict[str, list[events.AffectedInstance]] = {}
        for instance in each.instances:
            by_project.setdefault(instance.project_id, []).append(instance)
        for project_id, mine in by_project.items():
            for owner in directory.owners(project_id):
                if not owner.is_admin:
                    add(owner, (each, tuple(mine)))
    return found.values()


def _fault_body(
    found: events.Impact,
    instances: Iterable[events.AffectedInstance],
    state: str,
    owner: Subscriber,
    related: Mapping[str, x733.Correlation],
) -> dict[str, Any]:
    fault = found.fault
    return {
        "fault_id": fault.id,
        "host_ref": _ref(fault.host, owner),
        "fault_type": fault.fault_type,
        "severity": fault.severity,
        "event_type": x733.event_type(fault.fault_type),
        "probable_cause": x733.probable_cause(fault.fault_type),
        "state": state,
        "is_root_cause": related[fault.id].is_root_cause,
        "correlated_fault_ids": list(related[fault.id].ids),
        "is_marked_down": found.is_marked_down,
        "instances": [_instance_body(item, owner) for item in instances],
        "times": found.times,
    }


def _instance_body(item: events.AffectedInstance, owner: Subscriber) -> dict[str, Any]:
    body = {"id": item.id, "name": item.name}
    return {**body, "project_id": item.project_id} if owner.is_admin else body


def _campaign_notices(
    event: events.CampaignChanged, directory: Directory, now: float
) -> Iterator[Notice]:
    for owner in directory.owners(event.project_id):
        campaign = {
            "campaign_id": event.campaign_id,
            "name": event.name,
            "from_state": event.from_state,
            "to_state": event.to_state,
            "reason": event.reason,
            "severity": event.severity,
            "host_refs": [_ref(host, owner) for host in event.hosts],
            "occurred_at": event.occurred_at,
        }
        head = {"event": "campaign.changed", "sent_at": now, "campaign": campaign}
        yield _notice(event.event_id, owner, (), head)


def _ref(host: str, owner: Subscriber) -> str:
    return host if owner.is_admin else host_ref(host, owner.project_id)


def _notice(
    event_id: str,
    owner: Subscriber,
    fault_ids: tuple[str, ...],
    content: dict[str, Any],
) -> Notice:
    notice_id = str(uuid.uuid5(uuid.UUID(event_id), owner.id))
    head = {
        "event_id": event_id,
        "notice_id": notice_id,
        "subscription_id": owner.id,
        "project_id": owner.project_id,
    }
    return Notice(
        id=notice_id,
        cause_id=event_id,
        subscription_id=owner.id,
        project_id=owner.project_id,
        url=owner.url,
        fault_ids=fault_ids,
        body={**head, **content},
        times={},
    )
