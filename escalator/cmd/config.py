"""Options, logging and the checks that every program makes at its start."""

import logging
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from oslo_config import cfg
from oslo_db import options as db_options
from oslo_log import log

from escalator import conf as options
from escalator import errors
from escalator.bus import transport
from escalator.objects import version_book

LOG = logging.getLogger(__name__)

CONF = cfg.CONF
"""oslo.messaging's RPC clients insist on the global one."""


def load(binary: str, arguments: Sequence[str], has_database: bool = False) -> Any:
    """Read files and arguments and return the configuration.

    Stops the program with a message that names the option if one is wrong.
    """
    options.register_opts(CONF)
    log.register_options(CONF)
    CONF.set_default("default_log_levels", _quiet(log.get_default_log_levels()))
    if has_database:
        db_options.set_defaults(CONF)
    transport.set_defaults()
    try:
        CONF(
            list(arguments),
            project="escalator",
            prog=binary,
            version=version_book.RELEASE,
        )
        log.setup(CONF, "escalator")
        _check_values()
    except (cfg.Error, errors.EscalatorError, ValueError) as error:
        stop(binary, error)
    return CONF


def _quiet(levels: list[str]) -> list[str]:
    return [*levels, "amqp=WARNING", "kombu=WARNING", "aiohttp=WARNING"]


def _check_values() -> None:
    """Read every value once: a wrong one is found now, not in mid-campaign."""
    for group, opts in options.list_opts():
        for opt in opts:
            try:
                getattr(CONF[group], opt.dest)
            except (cfg.Error, ValueError) as error:
                raise errors.ConfigError(
                    group=group, option=opt.name, reason=str(error)
                ) from error


def stop(binary: str, error: Exception) -> NoReturn:
    """End the program with one line on standard error and status 1."""
    sys.stderr.write(f"{binary}: {error}\n")
    sys.exit(1)


def guarded(binary: str, main: Callable[[], int]) -> NoReturn:
    """Run a program; an error of our own becomes one line and status 1."""
    try:
        sys.exit(main())
    except errors.EscalatorError as error:
        stop(binary, error)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        os._exit(141)
