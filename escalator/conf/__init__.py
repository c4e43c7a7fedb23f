"""One module per section; only ``cmd`` imports this room.

Each module has ``register_opts(conf)`` and ``list_opts()``.  There is no
global configuration object here: ``conf`` is handed in.
"""

from typing import Any

from oslo_config import cfg

from escalator.conf import (
    agent,
    api,
    bus,
    conductor,
    inspector,
    monitor,
    notifier,
    vim,
)

SECTIONS = (agent, api, bus, conductor, inspector, monitor, notifier, vim)


def register_opts(conf: cfg.ConfigOpts) -> None:
    """Register every option of Escalator's own on ``conf``."""
    for section in SECTIONS:
        section.register_opts(conf)


def list_opts() -> list[tuple[str, list[Any]]]:
    """Entry point ``oslo.config.opts`` for the sample generator."""
    return [pair for section in SECTIONS for pair in section.list_opts()]
