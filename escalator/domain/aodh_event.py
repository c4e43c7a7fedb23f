"""Facts in the words that Aodh's event alarms understand.  Pure.

Every project that a fact concerns gets first one event for each fault,
``escalator.host.down`` or ``.cleared``, with all its instances; then, as Nova
would have Ceilometer tell it, one ``compute.instance.update`` for each instance.
Its state is ``error`` and afterwards ``active``: an alarm on ``error`` is not
fired again by the end.  A campaign's owner gets ``escalator.campaign.<to_state>``.
Source: DR-6, DR-7, DR-10; ETSI GS NFV-IFA 005 for the data of a fault.

A trait is ``[name, 1, text]`` always: Aodh drops a whole message if the value of
one trait does not fit its type.  Instants are ISO 8601, UTC.
"""

import datetime
import itertools
import json
import math
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from escalator.domain import events, notice, x733

CHANNEL = "aodh"
"""Stands in ``subscription_id``: the alarm is the subscription, and Aodh's."""

MOST_AT_ONCE = 10
"""Events in one message: more would wait for each other in one of Aodh's threads."""

LEAST_MESSAGES = 8
"""So many at least for a fact, if it has so many events: each is evaluated in a thread
of Aodh's.  A project's are never in one message with another's."""

INSTANCE_UPDATE = "compute.instance.update"
CANARY = "escalator.canary"
CANARY_PROJECT = "escalator-canary"
_TEXT = 1


def notices(
    event: notice.Told, with_instances: bool = True
) -> tuple[notice.Notice, ...]:
    """Return the messages that ``event`` causes, none across projects (DR-7).

    Alarms are told of every fault that the monitor confirms, at once, so that
    what further probes find is no news to them.  The ids are the same for every
    repeat of the fact.

    :param with_instances: False leaves the instances' events to Nova.
    """
    if isinstance(event, events.ImpactCorroborated):
        return ()
    if isinstance(event, events.CampaignChanged):
        return tuple(_messages(event, event.project_id, (), [_campaign(event)], 1))
    found: list[tuple[str, tuple[str, ...], list[dict[str, Any]]]] = []
    related = x733.correlate_told(event)
    for project_id, faults in _by_project(event.impacts).items():
        ids = tuple(impact.fault.id for impact, _ in faults)
        told = [_host_event(event, project_id, related, *found) for found in faults]
        if with_instances:
            for impact, mine in faults:
                told += _instance_events(event, project_id, impact, mine)
        found.append((project_id, ids, told))
    size = _size(sum(len(told) for _, _, told in found))
    return tuple(
        message
        for project_id, ids, told in found
        for message in _messages(event, project_id, ids, told, size)
    )


def canary(now: float) -> dict[str, Any]:
    """Return the body of a message that nobody has an alarm on."""
    return {
        "events": [_event(str(uuid.uuid4()), CANARY, now, CANARY_PROJECT, {})],
        "event_id": str(uuid.uuid4()),
    }


def encode(message_id: str, body: dict[str, Any], now: float) -> bytes:
    """Return what oslo.messaging's ``Notifier.sample`` would have sent.

    :raises KeyError: the body is none of this module's.
    """
    message = {
        "message_id": message_id,
        "_unique_id": uuid.uuid5(uuid.UUID(message_id), str(now)).hex,
        "publisher_id": "escalator.notifier",
        "event_type": body["events"][0]["event_type"],
        "priority": "SAMPLE",
        "payload": body["events"],
        "timestamp": str(_instant(now)),
    }
    letter = {"oslo.version": "2.0", "oslo.message": json.dumps(message)}
    return json.dumps(letter).encode()


def revive(letter: events.ResendRequested) -> notice.Notice | None:
    """Return the notice whose message a dead letter is.

    :returns: None if it is another sink's.
    :raises ValueError: the message is no JSON.
    :raises KeyError: it is none of :func:`encode`.
    """
    if letter.subscription_id != CHANNEL:
        return None
    message = json.loads(json.loads(letter.body)["oslo.message"])
    body = {"event_id": letter.cause_id, "events": message["payload"]}
    return notice.revived(letter, "", body)


_Mine = tuple[events.Impact, list[events.AffectedInstance]]


def _by_project(impacts: Iterable[events.Impact]) -> dict[str, list[_Mine]]:
    found: dict[str, list[_Mine]] = {}
    for impact in impacts:
        mine: dict[str, list[events.AffectedInstance]] = {}
        for instance in impact.instances:
            mine.setdefault(instance.project_id, []).append(instance)
        for project_id, instances in mine.items():
            found.setdefault(project_id, []).append((impact, instances))
    return found


def _messages(
    event: notice.Told,
    project_id: str,
    fault_ids: tuple[str, ...],
    told: Sequence[dict[str, Any]],
    size: int,
) -> Iterator[notice.Notice]:
    for at, part in enumerate(_parts(told, size)):
        yield notice.Notice(
            id=_id(event, CHANNEL, project_id, str(at)),
            cause_id=event.event_id,
            subscription_id=CHANNEL,
            project_id=project_id,
            url="",
            fault_ids=fault_ids,
            body={"event_id": event.event_id, "events": part},
            times={},
        )


def _size(count: int) -> int:
    """Return how many of a fact's events go into one message."""
    return min(MOST_AT_ONCE, math.ceil(count / LEAST_MESSAGES))


def _parts(told: Sequence[dict[str, Any]], size: int) -> Iterator[list[dict[str, Any]]]:
    rest = iter(told)
    while part := list(itertools.islice(rest, size)):
        yield part


def _host_event(
    event: events.HostMarkedDown | events.HostMarkedUp,
    project_id: str,
    related: Mapping[str, x733.Correlation],
    impact: events.Impact,
    mine: Sequence[events.AffectedInstance],
) -> dict[str, Any]:
    fault = impact.fault
    is_over = isinstance(event, events.HostMarkedUp)
    correlation = related[fault.id]
    cleared_at = event.cleared_at if isinstance(event, events.HostMarkedUp) else None
    changed_at = cleared_at or _latest(impact.times)
    traits = {
        **_common(impact, project_id),
        "instance_ids": ",".join(each.id for each in mine),
        "instance_count": len(mine),
        "state": "cleared" if is_over else "raised",
        "event_type": x733.event_type(fault.fault_type),
        "probable_cause": x733.probable_cause(fault.fault_type),
        "perceived_severity": "cleared" if is_over else fault.severity,
        "is_root_cause": correlation.is_root_cause,
        "correlated_fault_ids": ",".join(correlation.ids),
        "raised_at": _instant_text(fault.times.get("T0")),
        "observed_at": _instant_text(fault.times.get("T1")),
        "detected_at": _instant_text(fault.times.get("T1")),
        "changed_at": _instant_text(changed_at),
        "cleared_at": _instant_text(cleared_at),
    }
    kind = "escalator.host.cleared" if is_over else "escalator.host.down"
    message_id = _id(event, "host", project_id, fault.id)
    return _event(message_id, kind, changed_at, project_id, traits)


def _instance_events(
    event: events.HostMarkedDown | events.HostMarkedUp,
    project_id: str,
    impact: events.Impact,
    mine: Sequence[events.AffectedInstance],
) -> Iterator[dict[str, Any]]:
    """Yield one event each; what they have in common is written once."""
    state = {"state": "error"}
    if isinstance(event, events.HostMarkedUp):
        state = {"state": "active", "old_state": "error"}
    common = {**_common(impact, project_id), **state}
    head = _event("", INSTANCE_UPDATE, _latest(impact.times), project_id, common)
    for each in mine:
        own = {
            "instance_id": each.id,
            "resource_id": each.id,
            "display_name": each.name,
        }
        yield {
            **head,
            "message_id": _id(event, "instance", impact.fault.id, each.id),
            "traits": [*head["traits"], *_traits(own)],
        }


def _common(impact: events.Impact, project_id: str) -> dict[str, Any]:
    fault = impact.fault
    return {
        "fault_id": fault.id,
        "fault_type": fault.fault_type,
        "severity": fault.severity,
        "host_ref": notice.host_ref(fault.host, project_id),
        "is_marked_down": impact.is_marked_down,
    }


def _campaign(event: events.CampaignChanged) -> dict[str, Any]:
    refs = (notice.host_ref(host, event.project_id) for host in event.hosts)
    traits = {
        "campaign_id": event.campaign_id,
        "resource_id": event.campaign_id,
        "name": event.name,
        "from_state": event.from_state,
        "state": event.to_state,
        "reason": event.reason,
        "severity": event.severity,
        "host_refs": ",".join(refs),
        "occurred_at": _instant_text(event.occurred_at),
    }
    message_id = _id(event, "campaign", event.campaign_id, event.to_state)
    kind = f"escalator.campaign.{event.to_state}"
    return _event(message_id, kind, event.occurred_at, event.project_id, traits)


def _event(
    message_id: str,
    kind: str,
    generated: float | None,
    project_id: str,
    traits: dict[str, Any],
) -> dict[str, Any]:
    every = {"project_id": project_id, "tenant_id": project_id, **traits}
    return {
        "message_id": message_id,
        "event_type": kind,
        "generated": _instant(generated or 0.0).isoformat(),
        "traits": _traits(every),
    }


def _traits(values: Mapping[str, Any]) -> list[list[Any]]:
    return [[name, _TEXT, _text(value)] for name, value in values.items()]


def _text(value: object) -> str:
    """Return any value as text that every database can keep."""
    if isinstance(value, bool):
        return "true" if value else "false"
    found = "" if value is None else str(value)
    return found.encode(errors="replace").decode().replace("\0", "?")


def _latest(times: dict[str, float]) -> float | None:
    return max(times.values(), default=None)


def _instant(seconds: float) -> datetime.datetime:
    """Return Aodh's instants: UTC, and not marked as such."""
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).replace(tzinfo=None)


def _instant_text(seconds: float | None) -> str:
    return "" if seconds is None else _instant(seconds).isoformat()


def _id(event: notice.Told, *parts: str) -> str:
    return str(uuid.uuid5(uuid.UUID(event.event_id), ":".join(parts)))
