"""The notifier's sinks, each with what it needs."""

import functools
from collections.abc import Callable
from typing import Any

from escalator.bus import samples, transport
from escalator.drivers import base, loader
from escalator.notifier import settings

NAMESPACE = "escalator.sink"


def make(conf: Any) -> list[base.Sink]:
    """Return the sinks of ``[notifier] sinks``, each once.

    Another one than our own is made without arguments.

    :raises NoSuchDriver: one of them is not installed.
    :raises ConfigError: an option of one is wrong.
    """
    options: dict[str, Callable[[], dict[str, Any]]] = {
        "webhook": lambda: settings.webhook_options(conf),
        "aodh": lambda: {
            "publisher": aodh_publisher(conf),
            **settings.aodh_options(conf),
        },
    }
    return [
        loader.load_class(NAMESPACE, name)(**options.get(name, dict)())
        for name in dict.fromkeys(conf.notifier.sinks)
    ]


def aodh_publisher(conf: Any) -> Callable[[], samples.SamplePublisher]:
    """Return what makes a connection to Aodh's broker."""
    return functools.partial(
        samples.SamplePublisher,
        conf,
        conf.notifier.aodh_transport_url or None,
        f"{conf.notifier.aodh_topic}.sample",
        conf.notifier.aodh_timeout_s,
    )


def check(conf: Any) -> None:
    """Find what would stop the notifier, before anything is forked.

    :raises ConfigError: names the option.
    :raises NoSuchDriver: a sink is not installed.
    """
    settings.check(conf)
    for name in conf.notifier.sinks:
        loader.load_class(NAMESPACE, name)
    transport.kombu_urls(conf, conf.notifier.aodh_transport_url or None)
