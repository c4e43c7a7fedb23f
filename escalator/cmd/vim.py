"""The VIM driver of ``[vim]``, made from its options."""

import functools
from typing import Any

from escalator.bus import transport
from escalator.drivers import base, loader


def make(conf: Any) -> base.Vim:
    """Return the driver; call it after a fork.

    :raises ConfigError: names the option.
    """
    kind: type[base.Vim] = loader.load_class("escalator.vim", conf.vim.driver)
    return kind.from_conf(conf, functools.partial(_broker, conf))


def check(conf: Any) -> None:
    """Find what would stop a service.

    :raises ConfigError: names the option.
    """
    kind: type[base.Vim] = loader.load_class("escalator.vim", conf.vim.driver)
    kind.check_conf(conf, functools.partial(_broker, conf))


def _broker(conf: Any, url: str) -> tuple[tuple[str, ...], Any]:
    return tuple(transport.kombu_urls(conf, url)), transport.ssl_options(conf, url)
