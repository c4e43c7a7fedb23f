"""Webhooks of projects (DR-4, DR-7)."""

import urllib.parse
import uuid
from typing import Any

from oslo_log import log

from escalator import errors
from escalator.api import intake, paging
from escalator.api.contract import Call, Reply
from escalator.domain import events, webhook
from escalator.objects.subscription import Subscription, SubscriptionList

LOG = log.getLogger(__name__)


def create(call: Call) -> Reply:
    """Subscribe; the secret that signs the notices is shown this once."""
    given = call.body["subscription"]
    is_admin = given.get("all_projects", False)
    owner = _owner_of_new(call, given, is_admin)
    _check_url(call, given["url"])
    made = Subscription(
        context=call.ctxt,
        id=str(uuid.uuid4()),
        project_id=owner,
        user_id=call.ctxt.user_id or "",
        name=given.get("name", ""),
        url=given["url"],
        fault_types=given.get("fault_types", []),
        min_severity=given.get("min_severity", events.Severity.WARNING.value),
        min_probes=given.get("min_probes", 1),
        is_admin=is_admin,
    )
    made.create()
    _tell(call, made.id)
    secret = webhook.secret_for(call.parts.conf.notifier.signing_key, made.id)
    return Reply(
        {"subscription": {**_view(made), "secret": secret}},
        headers={"Location": f"{call.root}v1/subscriptions/{made.id}"},
    )


def list_page(call: Call) -> Reply:
    """List subscriptions by id."""
    rows = SubscriptionList.get_page(
        call.ctxt,
        project_id=_owner(call, "escalator:subscriptions:list_all"),
        limit=paging.limit_of(call) + 1,
        marker=call.query.get("marker"),
    )
    return Reply(paging.page(call, "subscriptions", list(rows), _view))


def show(call: Call) -> Reply:
    """Show one subscription."""
    found = _get(call, "escalator:subscriptions:show_all")
    return Reply({"subscription": _view(found)})


def delete(call: Call) -> Reply:
    """Unsubscribe."""
    found = _get(call, "escalator:subscriptions:delete_all")
    found.destroy()
    _tell(call, found.id)
    return Reply(None)


def _owner(call: Call, rule: str) -> str | None:
    """Return None for who may reach every project's, else the caller's."""
    return None if call.may(rule) else call.ctxt.project_id or ""


def _owner_of_new(call: Call, given: dict[str, Any], is_admin: bool) -> str:
    owner: str = given.get("project_id") or call.ctxt.project_id or ""
    if is_admin or owner != (call.ctxt.project_id or ""):
        call.demand("escalator:subscriptions:create_all")
    if not owner and not is_admin:
        intake.refuse(
            "subscription.owner",
            "The token belongs to no project.",
            "Give project_id, or all_projects.",
            pointer="/subscription",
        )
    return owner


def _get(call: Call, rule: str) -> Subscription:
    return Subscription.get_by_id(
        call.ctxt, call.path["subscription_id"], project_id=_owner(call, rule)
    )


def _check_url(call: Call, url: str) -> None:
    """Refuse what must not be called; the notifier judges again as it connects.

    :raises InvalidInput: with the place in the body.
    """
    allowed = call.parts.networks
    try:
        webhook.check_url(url, allowed)
        host = urllib.parse.urlsplit(url).hostname or ""
        for address in call.parts.resolve(host):
            webhook.check_address(address, allowed)
    except errors.UnsafeUrl as error:
        finding: dict[str, object] = {
            "rule": error.code,
            "pointer": "/subscription/url",
            "detail": str(error),
            "remedy": "Give an http(s) URL that leads to your own network.",
        }
        raise errors.InvalidInput(str(error), findings=(finding,)) from error


def _tell(call: Call, subscription_id: str) -> None:
    """Tell the notifiers; without a broker they see it at their next reading."""
    event = events.SubscriptionsChanged(
        event_id=str(uuid.uuid4()), subscription_ids=(subscription_id,)
    )
    try:
        call.parts.publisher.publish(event)
    except errors.BusUnavailable as error:
        LOG.warning("Subscription %s is told late: %s", subscription_id, error)


def _view(subscription: Subscription) -> dict[str, Any]:
    values = subscription.to_dict()
    values["all_projects"] = values.pop("is_admin", False)
    return values
