"""From options to what the parts need; bad options stop the service."""

from typing import Any

from oslo_config import cfg

from escalator import errors
from escalator.domain import webhook
from escalator.drivers.sink import aodh, lane


def signing_key(conf: cfg.ConfigOpts) -> str:
    """Return the key that webhook secrets are derived from.

    :raises ConfigError: it is missing or too short to be a secret.
    """
    key: str = conf.notifier.signing_key or ""
    if len(key) < webhook.SIGNING_KEY_MIN_CHARS:
        least = webhook.SIGNING_KEY_MIN_CHARS
        raise _refusal("signing_key", f"at least {least} characters are needed")
    return key


def allowed_networks(conf: cfg.ConfigOpts) -> tuple[webhook.Network, ...]:
    """Return the special networks that webhooks may point at.

    :raises ConfigError: one of them is no CIDR network.
    """
    try:
        return webhook.parse_networks(conf.notifier.allowed_networks)
    except ValueError as error:
        raise _refusal("allowed_networks", str(error)) from error


def webhook_options(conf: cfg.ConfigOpts) -> dict[str, Any]:
    """Return the keywords of ``drivers.sink.webhook.Webhook``.

    :raises ConfigError: an option that a webhook needs is missing or wrong.
    """
    options = conf.notifier
    patience = lane.Patience(
        timeout_s=options.timeout_s,
        attempts=options.attempts,
        backoff_s=options.backoff_s,
        backoff_max_s=options.backoff_max_s,
        connections=options.connections_per_consumer,
    )
    return {
        "signing_key": signing_key(conf),
        "patience": patience,
        "allowed": allowed_networks(conf),
        "ca_file": options.ca_file,
    }


def aodh_options(conf: cfg.ConfigOpts) -> dict[str, Any]:
    """Return the keywords of ``drivers.sink.aodh.Aodh``, the publisher apart."""
    options = conf.notifier
    threads: int = options.aodh_connections
    patience = aodh.Patience(
        retry_s=options.aodh_retry_s,
        backoff_s=options.backoff_s,
        backoff_max_s=options.backoff_max_s,
        waiting_limit=max(conf.bus.prefetch // (2 * threads), 1),
    )
    return {
        "patience": patience,
        "threads": threads,
        "canary_s": options.aodh_canary_s,
        "with_instances": options.aodh_instance_events == "direct",
    }


def check(conf: cfg.ConfigOpts) -> None:
    """Find what would stop the notifier.

    :raises ConfigError: no sink, or an option that one needs is wrong.
    """
    if not conf.notifier.sinks:
        raise _refusal("sinks", "at least one is needed")
    if "webhook" in conf.notifier.sinks:
        webhook_options(conf)


def _refusal(option: str, reason: str) -> errors.ConfigError:
    return errors.ConfigError(group="notifier", option=option, reason=reason)
