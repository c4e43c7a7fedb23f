"""Every route of the service: the one table."""

from escalator.api.contract import Route
from escalator.api.handlers import (
    campaigns,
    faults,
    hosts,
    root,
    services,
    subscriptions,
)
from escalator.api.policies.campaigns import ACTIONS
from escalator.api.schemas import campaigns as campaign_schemas
from escalator.api.schemas import faults as fault_schemas
from escalator.api.schemas import hosts as host_schemas
from escalator.api.schemas import root as root_schemas
from escalator.api.schemas import services as service_schemas
from escalator.api.schemas import subscriptions as subscription_schemas

_CAMPAIGN = "/v1/campaigns/<uuid:campaign_id>"
_HOST = "/v1/hosts/<name>"
_SUBSCRIPTION = "/v1/subscriptions/<uuid:subscription_id>"


def _can(*verbs: str) -> tuple[str, ...]:
    return tuple(f"escalator:{verb}" for verb in verbs)


ROUTES: tuple[Route, ...] = (
    Route(
        "GET",
        "/",
        root.list_versions,
        "List the versions of this API.",
        root_schemas.VERSIONS,
        is_public=True,
    ),
    Route(
        "GET",
        "/v1",
        root.show_version,
        "Show version 1.",
        root_schemas.ONE_VERSION,
        is_public=True,
    ),
    Route(
        "GET",
        "/v1/openapi.json",
        root.show_openapi,
        "Show this description.",
        root_schemas.OPENAPI,
        is_public=True,
    ),
    Route(
        "POST",
        "/v1/campaigns",
        campaigns.create,
        "Submit a campaign file.",
        campaign_schemas.CAMPAIGN,
        rules=_can("campaigns:create"),
        body=campaign_schemas.SUBMISSION,
        status=201,
        takes_yaml=True,
        takes_key=True,
    ),
    Route(
        "POST",
        "/v1/campaigns/validate",
        campaigns.validate,
        "Judge a campaign file; nothing is stored.",
        campaign_schemas.VALIDATION,
        rules=_can("campaigns:validate"),
        body=campaign_schemas.SUBMISSION,
        takes_yaml=True,
    ),
    Route(
        "POST",
        "/v1/campaigns/plan",
        campaigns.plan,
        "Say what a campaign file would do; nothing is stored.",
        campaign_schemas.PLAN,
        rules=_can("campaigns:plan"),
        query=campaign_schemas.PLAN_QUERY,
        body=campaign_schemas.SUBMISSION,
        takes_yaml=True,
    ),
    Route(
        "GET",
        "/v1/campaigns",
        campaigns.list_page,
        "List campaigns, newest first.",
        campaign_schemas.CAMPAIGNS,
        rules=_can("campaigns:list"),
        query=campaign_schemas.LIST_QUERY,
    ),
    Route(
        "GET",
        _CAMPAIGN,
        campaigns.show,
        "Show a campaign.",
        campaign_schemas.CAMPAIGN,
        rules=_can("campaigns:show"),
    ),
    Route(
        "GET",
        f"{_CAMPAIGN}/steps",
        campaigns.steps,
        "List the steps of a campaign.",
        campaign_schemas.STEPS,
        rules=_can("campaigns:steps"),
        query=campaign_schemas.STEPS_QUERY,
    ),
    Route(
        "GET",
        f"{_CAMPAIGN}/journal",
        campaigns.journal,
        "Read the journal of a campaign.",
        campaign_schemas.JOURNAL,
        rules=_can("campaigns:journal"),
        query=campaign_schemas.JOURNAL_QUERY,
    ),
    Route(
        "GET",
        f"{_CAMPAIGN}/explain",
        campaigns.explain,
        "Say why steps wait.",
        campaign_schemas.WAITS,
        rules=_can("campaigns:explain"),
    ),
    Route(
        "POST",
        f"{_CAMPAIGN}/actions",
        campaigns.act,
        "Give a campaign an order; it is carried out in the background.",
        campaign_schemas.CAMPAIGN,
        rules=_can(*(f"campaigns:{action}" for action in ACTIONS)),
        body=campaign_schemas.ACTION,
        status=202,
        takes_key=True,
    ),
    Route(
        "GET",
        "/v1/hosts",
        hosts.list_page,
        "List hosts by name.",
        host_schemas.HOSTS,
        rules=_can("hosts:list"),
        query=host_schemas.LIST_QUERY,
    ),
    Route(
        "GET",
        _HOST,
        hosts.show,
        "Show a host.",
        host_schemas.ONE,
        rules=_can("hosts:show"),
    ),
    Route(
        "POST",
        f"{_HOST}/actions",
        hosts.act,
        "Quarantine or release a host.",
        host_schemas.ONE,
        rules=_can("hosts:quarantine", "hosts:release"),
        body=host_schemas.ACTION,
    ),
    Route(
        "GET",
        "/v1/faults",
        faults.list_page,
        "List faults, newest first.",
        fault_schemas.FAULTS,
        rules=_can("faults:list"),
        query=fault_schemas.LIST_QUERY,
    ),
    Route(
        "GET",
        "/v1/faults/<uuid:fault_id>",
        faults.show,
        "Show a fault with the time of every hop.",
        fault_schemas.FAULT,
        rules=_can("faults:show"),
    ),
    Route(
        "POST",
        "/v1/subscriptions",
        subscriptions.create,
        "Subscribe a webhook.",
        subscription_schemas.CREATED,
        rules=_can("subscriptions:create", "subscriptions:create_all"),
        body=subscription_schemas.REQUEST,
        status=201,
    ),
    Route(
        "GET",
        "/v1/subscriptions",
        subscriptions.list_page,
        "List webhooks.",
        subscription_schemas.SUBSCRIPTIONS,
        rules=_can("subscriptions:list"),
        query=subscription_schemas.LIST_QUERY,
    ),
    Route(
        "GET",
        _SUBSCRIPTION,
        subscriptions.show,
        "Show a webhook.",
        subscription_schemas.SUBSCRIPTION,
        rules=_can("subscriptions:show"),
    ),
    Route(
        "DELETE",
        _SUBSCRIPTION,
        subscriptions.delete,
        "Unsubscribe a webhook.",
        None,
        rules=_can("subscriptions:delete"),
        status=204,
    ),
    Route(
        "GET",
        "/v1/services",
        services.list_all,
        "List Escalator's own processes.",
        service_schemas.SERVICES,
        rules=_can("services:list"),
    ),
)
