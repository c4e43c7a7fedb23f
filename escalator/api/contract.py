"""What a handler is given, what it gives back, and what a route is.

Handlers are plain functions ``Call -> Reply``; they know neither Flask nor
HTTP statuses of failures (they raise ``errors``).
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from oslo_config import cfg
from oslo_policy import policy

from escalator import errors
from escalator.api.refusals import Refusals
from escalator.context import RequestContext
from escalator.domain import events, webhook
from escalator.objects.campaign import Campaign
from escalator.objects.event import AlarmReported
from escalator.objects.host import Host
from escalator.objects.notice import NoticeRecord

Schema = Mapping[str, Any]

SERVICE_TYPE = "upgrade"
"""Type in the Keystone catalogue; also names the microversion header."""

REPORTS_PATH = "/v1/alarms/aodh/"
"""What follows it in a path is a credential: it is never logged."""

VERSIONS = ("1.0",)
"""Microversions served, oldest first."""


class Conductor(Protocol):
    """The orders the API gives (``bus.rpcapi.ConductorAPI``)."""

    def campaign_validate(
        self, ctxt: Any, document: str, params: dict[str, Any]
    ) -> dict[str, Any]: ...

    def campaign_plan(
        self,
        ctxt: Any,
        document: str,
        params: dict[str, Any],
        seed: int,
        what_if: dict[str, Any] | None,
    ) -> dict[str, Any]: ...

    def campaign_create(
        self, ctxt: Any, document: str, params: dict[str, Any], request_key: str
    ) -> Campaign: ...

    def campaign_act(
        self,
        ctxt: Any,
        campaign_id: str,
        action: str,
        arguments: dict[str, Any],
        request_key: str,
    ) -> Campaign: ...

    def campaign_explain(self, ctxt: Any, campaign_id: str) -> list[dict[str, Any]]: ...

    def host_act(
        self, ctxt: Any, name: str, action: str, arguments: dict[str, Any]
    ) -> Host: ...

    def alarm_report(self, ctxt: Any, report: AlarmReported) -> None: ...

    def alarm_revoke(self, ctxt: Any, alarm_id: str) -> None: ...

    def notice_resend(self, ctxt: Any, notice_id: str) -> NoticeRecord: ...


class Publisher(Protocol):
    """Publishes facts (``bus.events.EventPublisher``)."""

    def publish(self, event: events.Event) -> None: ...


@dataclasses.dataclass(frozen=True, slots=True)
class Parts:
    """What one API process is made of.

    :ivar networks: special networks that webhooks may point at all the same.
    :ivar resolve: host name -> addresses, empty if it has none.
    :ivar document: the OpenAPI description that is served.
    :ivar refusals: tells of refusals where a path is a credential.
    """

    conf: cfg.ConfigOpts
    conductor: Conductor
    publisher: Publisher
    enforcer: policy.Enforcer
    networks: tuple[webhook.Network, ...]
    resolve: Callable[[str], list[str]]
    document: dict[str, Any]
    refusals: Refusals


@dataclasses.dataclass(frozen=True, slots=True)
class Call:
    """One request, authenticated and judged against its schemas.

    :ivar root: absolute URL of the service, ends with a slash.
    :ivar url: absolute URL of the request, without its query.
    :ivar key: the client's Idempotency-Key, or empty.
    """

    ctxt: RequestContext
    parts: Parts
    root: str
    url: str
    path: dict[str, str]
    query: dict[str, Any]
    body: dict[str, Any]
    key: str

    def may(self, rule: str) -> bool:
        """Tell whether policy allows ``rule`` on what the caller owns."""
        target = {
            "project_id": self.ctxt.project_id,
            "user_id": self.ctxt.user_id,
        }
        return bool(self.parts.enforcer.authorize(rule, target, self.ctxt))

    def demand(self, rule: str) -> None:
        """Refuse the call unless policy allows ``rule``.

        :raises Forbidden: it does not.
        """
        if not self.may(rule):
            raise errors.Forbidden(action=rule)


@dataclasses.dataclass(frozen=True, slots=True)
class Reply:
    """A success; ``body`` is None for 204."""

    body: dict[str, Any] | None
    status: int = 200
    headers: dict[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True)
class Route:
    """One method on one path, everything about it in one place.

    :ivar path: Flask rule.
    :ivar rules: policy rules of which one must allow the caller; empty only
        if ``is_public``.  A handler may demand more.
    :ivar query: schema of the query; empty: no parameter is taken.
    :ivar status: of a success.
    :ivar takes_yaml: the body may be a bare campaign file.
    :ivar takes_key: the Idempotency-Key header has an effect.
    :ivar has_token: its path holds a credential of its own (``REPORTS_PATH``).
    :ivar max_body: bytes; None: what the operator allows everywhere.
    """

    method: str
    path: str
    handler: Callable[[Call], Reply]
    summary: str
    response: Schema | None
    rules: tuple[str, ...] = ()
    query: Schema = dataclasses.field(default_factory=dict)
    body: Schema | None = None
    status: int = 200
    is_public: bool = False
    takes_yaml: bool = False
    takes_key: bool = False
    has_token: bool = False
    max_body: int | None = None
