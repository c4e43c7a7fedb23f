"""What makes Doctor fail on a cloud, and the remedy.  Pure.

Each function judges values that somebody else has read: options as
``{"section.option": "text"}`` (only those that are set), alarms as Aodh's API
gives them.  Source: issue 3, part 6; the facts were measured on Aodh 21 to 23
and Nova 32.
"""

import dataclasses
import enum
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

Options = Mapping[str, str]

SENDING_DRIVERS = frozenset({"messaging", "messagingv2"})
HOST_STATUS_RULE = "os_compute_api:servers:show:host_status"
ALARM_TOPIC = "notifier://?topic=alarm.all"
EXECUTOR_THREADS = 64
"""oslo.messaging's default ``executor_thread_pool_size``."""

POOL_DEFAULT = 5
CACHE_DEFAULT_S = 60


_MANY_WAITING = 1000
_TRUE = ("true", "1", "yes", "on")
_RABBIT = "oslo_messaging_rabbit"
_QUORUM_LIMITS = (
    "rabbit_quorum_delivery_limit",
    "rabbit_quorum_max_memory_length",
    "rabbit_quorum_max_memory_bytes",
)


class Grade(enum.IntEnum):
    """How bad it is; also the exit status of the whole check."""

    OK = 0
    WARNING = 1
    FAILURE = 2


@dataclasses.dataclass(frozen=True, slots=True)
class Finding:
    """One result.

    :ivar part: whose it is: ``nova``, ``ceilometer``, ``aodh``, ``alarms``...
    :ivar remedy: empty if nothing is wrong.
    """

    part: str
    grade: Grade
    text: str
    remedy: str = ""


def nova(options: Options, leaves_instances_to_nova: bool) -> Iterator[Finding]:
    """Judge nova.conf.

    :param leaves_instances_to_nova: our sink sends no event per instance; Nova
        and Ceilometer do.
    """
    needed = Grade.FAILURE if leaves_instances_to_nova else Grade.WARNING
    driver = options.get("oslo_messaging_notifications.driver", "")
    if not SENDING_DRIVERS & set(_items(driver)):
        yield Finding(
            "nova",
            Grade.FAILURE,
            "Nova sends no notifications: the map of instances is as old as the last"
            " snapshot",
            "nova.conf: [oslo_messaging_notifications] driver = messagingv2",
        )
    if options.get("notifications.notification_format", "unversioned") not in (
        "both",
        "versioned",
    ):
        yield Finding(
            "nova",
            Grade.WARNING,
            "Nova sends no versioned notifications: the map of instances is as old as"
            " the last snapshot",
            "nova.conf: [notifications] notification_format = both",
        )
    if not options.get("notifications.notify_on_state_change"):
        yield Finding(
            "nova",
            needed,
            "Nova tells nobody that an instance went to error",
            "nova.conf: [notifications] notify_on_state_change = vm_state",
        )


def nova_policy(policy: Mapping[str, Any]) -> Iterator[Finding]:
    """Judge Nova's policy file: may an owner read ``host_status``? (DR-2)"""
    rule = str(policy.get(HOST_STATUS_RULE, ""))
    if not rule or "admin" in rule and "project" not in rule:
        yield Finding(
            "nova",
            Grade.FAILURE,
            "Owners may not read host_status: they cannot see that their host is down",
            f'policy.yaml of Nova: "{HOST_STATUS_RULE}": '
            '"rule:project_reader_or_admin"',
        )


def ceilometer(options: Options, leaves_instances_to_nova: bool) -> Iterator[Finding]:
    """Judge ceilometer.conf."""
    if leaves_instances_to_nova:
        yield from _batches("ceilometer", options, "notification")


def pipeline(content: Mapping[str, Any], needed: bool) -> Iterator[Finding]:
    """Judge Ceilometer's event_pipeline.yaml."""
    publishers = [
        str(publisher)
        for sink in _mappings(content.get("sinks"))
        for publisher in sink.get("publishers") or ()
    ]
    if not any(_is_alarm_topic(each) for each in publishers):
        yield Finding(
            "ceilometer",
            Grade.FAILURE if needed else Grade.WARNING,
            "Ceilometer gives no events to Aodh: alarms see only what Escalator sends",
            f"event_pipeline.yaml: add the publisher {ALARM_TOPIC} to a sink",
        )


def aodh(options: Options) -> Iterator[Finding]:
    """Judge aodh.conf."""
    yield from _batches("aodh", options, "listener")
    yield from _batches("aodh", options, "notifier")
    cache_s = _number(options, "default.event_alarm_cache_ttl", CACHE_DEFAULT_S)
    if cache_s > 0:
        yield Finding(
            "aodh",
            Grade.WARNING,
            f"An alarm made or reset less than {cache_s:g} s ago does not fire",
            "aodh.conf: [DEFAULT] event_alarm_cache_ttl = 0, or tell owners to wait",
        )
    pool = _number(options, "database.max_pool_size", POOL_DEFAULT)
    threads = _number(options, "default.executor_thread_pool_size", EXECUTOR_THREADS)
    if pool < threads:
        yield Finding(
            "aodh",
            Grade.WARNING,
            f"{threads:g} threads share {pool:g} database connections: 50 alarms at"
            " once take more than a second",
            f"aodh.conf: [database] max_pool_size = {threads:g}",
        )
    if _is_chatty(options):
        yield Finding(
            "aodh",
            Grade.WARNING,
            "Aodh writes a log line for every alarm that does not match an event",
            "aodh.conf: [DEFAULT] default_log_levels = aodh=WARNING",
        )


def alarms(found: Iterable[Mapping[str, Any]]) -> Iterator[Finding]:
    """Judge event alarms of every project."""
    for alarm in found:
        if alarm.get("type") != "event" or not alarm.get("enabled", True):
            continue
        name = f"alarm {alarm.get('alarm_id')} of project {alarm.get('project_id')}"
        query = (alarm.get("event_rule") or {}).get("query") or ()
        yield from _conditions(name, query)
        if alarm.get("state") == "alarm" and not alarm.get("repeat_actions"):
            yield Finding(
                "alarms",
                Grade.WARNING,
                f"{name} has fired and stays silent",
                "Set its state to ok, or make it with repeat_actions",
            )


def arguments(aodh: Options, ceilometer: Options) -> Iterator[Finding]:
    """Judge whether both declare the queue between them alike.

    The broker refuses the second declaration if it differs from the first: events
    are then lost, or the listener hears nothing.
    """
    ours, theirs = _declared(aodh), _declared(ceilometer)
    differing = [name for name, text in ours.items() if text != theirs[name]]
    if differing:
        yield Finding(
            "bus",
            Grade.FAILURE,
            "Aodh and Ceilometer declare the queue of alarms with different "
            + ", ".join(differing),
            "Set [oslo_messaging_rabbit] alike in aodh.conf and ceilometer.conf, and"
            " delete the queue once",
        )


def queue(name: str, known: tuple[int, int] | None) -> Iterator[Finding]:
    """Judge Aodh's queue.

    :param known: messages that wait, and consumers; None: there is no such queue.
    """
    if known is None or not known[1]:
        yield Finding(
            "bus",
            Grade.FAILURE,
            f"Nobody reads the queue {name}: no event alarm fires",
            "Start aodh-listener, and let [notifier] aodh_transport_url and aodh_topic"
            " be its own",
        )
    elif known[0] > _MANY_WAITING:
        yield Finding(
            "bus",
            Grade.WARNING,
            f"{known[0]} events wait in the queue {name}",
            "aodh-listener does not keep up: see its log and its settings",
        )


def worst(findings: Iterable[Finding]) -> Grade:
    """Return the exit status."""
    return max((each.grade for each in findings), default=Grade.OK)


def _conditions(name: str, query: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    for condition in query:
        field = str(condition.get("field", ""))
        if condition.get("type") == "boolean":
            yield Finding(
                "alarms",
                Grade.FAILURE,
                f"{name} compares {field} as boolean: this silences every event alarm"
                " of its project",
                "Compare as string: true or false",
            )
        if not field.startswith("traits."):
            yield Finding(
                "alarms",
                Grade.WARNING,
                f"{name} compares {field}, which never matches",
                "Only fields that begin with traits. are compared",
            )


def _batches(part: str, options: Options, section: str) -> Iterator[Finding]:
    size = _number(options, f"{section}.batch_size", 1)
    timeout_s = _number(options, f"{section}.batch_timeout", 0)
    if size > 1 and not timeout_s:
        yield Finding(
            part,
            Grade.FAILURE,
            f"[{section}] batch_size = {size:g} without batch_timeout: an event waits"
            " for ever until the batch is full",
            f"{part}.conf: [{section}] batch_size = 1",
        )
    elif size > 1:
        yield Finding(
            part,
            Grade.FAILURE if timeout_s >= 1 else Grade.WARNING,
            f"[{section}] waits up to {timeout_s:g} s for a full batch",
            f"{part}.conf: [{section}] batch_size = 1",
        )


def _declared(options: Options) -> dict[str, bool | float]:
    """Return what oslo.messaging declares a queue of notifications with.

    By the names of the options; those that have no effect count as unset: a quorum
    queue is durable anyway, and its limits say nothing of another queue.  The
    ``rabbit_transient_`` options and streams are for queues that nobody shares.
    Source: ``_get_queue_arguments`` and ``notify_send`` of oslo.messaging 18.3.
    """
    is_quorum = _is_on(options, "rabbit_quorum_queue")
    is_durable = _is_on(options, "amqp_durable_queues")
    return {
        "rabbit_quorum_queue": is_quorum,
        "amqp_durable_queues": is_durable and not is_quorum,
        "amqp_auto_delete": _is_on(options, "amqp_auto_delete"),
        "rabbit_ha_queues": _is_on(options, "rabbit_ha_queues"),
        **{
            name: _number(options, f"{_RABBIT}.{name}", 0) if is_quorum else 0
            for name in _QUORUM_LIMITS
        },
    }


def _is_on(options: Options, name: str) -> bool:
    return options.get(f"{_RABBIT}.{name}", "").strip().lower() in _TRUE


def _is_chatty(options: Options) -> bool:
    levels = dict(
        each.split("=", 1)
        for each in _items(options.get("default.default_log_levels", ""))
        if "=" in each
    )
    is_debug = options.get("default.debug", "").lower() in _TRUE
    quiet = levels.get("aodh", levels.get("aodh.evaluator", "")).upper()
    return is_debug or quiet not in ("WARNING", "WARN", "ERROR", "CRITICAL")


def _is_alarm_topic(publisher: str) -> bool:
    scheme, _, rest = publisher.partition("://")
    return scheme == "notifier" and "topic=alarm.all" in rest.split("?")[-1].split("&")


def _mappings(found: Any) -> list[Mapping[str, Any]]:
    """Return the mappings of a list; whatever else a file holds is none."""
    listed = found if isinstance(found, list) else []
    return [each for each in listed if isinstance(each, Mapping)]


def _items(text: str) -> list[str]:
    return [each.strip() for each in text.split(",") if each.strip()]


def _number(options: Options, name: str, default: float) -> float:
    try:
        return float(options[name])
    except (KeyError, ValueError):
        return default
