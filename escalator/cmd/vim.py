"""The VIM driver of ``[vim]``, made from its options."""

from typing import Any

from keystoneauth1 import exceptions as refusals
from keystoneauth1 import loading

from escalator import errors
from escalator.bus import transport
from escalator.drivers import base, loader
from escalator.drivers.vim.openstack import driver, following, moving, session

OPENSTACK = "openstack"


def make(conf: Any) -> base.Vim:
    """Return the driver; call it after a fork.

    :raises ConfigError: names the option.
    """
    kind = loader.load_class("escalator.vim", conf.vim.driver)
    if conf.vim.driver != OPENSTACK:
        made: base.Vim = kind(conf.vim.simulated_path, conf.vim.simulated_inventory)
        return made
    openstack: base.Vim = kind(
        session.Compute(_connect(conf), conf.vim.timeout_s),
        conf.vim.timeout_s,
        _options(conf),
    )
    return openstack


def check(conf: Any) -> None:
    """Find what would stop a service.

    :raises ConfigError: names the option.
    """
    loader.load_class("escalator.vim", conf.vim.driver)
    if conf.vim.driver == OPENSTACK:
        _connect(conf)
        _options(conf)


def _connect(conf: Any) -> session.Connect:
    if conf.vim.cloud:
        return session.by_cloud(conf.vim.cloud)
    try:
        auth = loading.load_auth_from_conf_options(conf, "vim")
        made = loading.load_session_from_conf_options(conf, "vim", auth=auth)
    except refusals.ClientException as error:
        raise errors.ConfigError(
            group="vim", option="auth_type", reason=str(error)
        ) from error
    if auth is None:
        raise errors.ConfigError(
            group="vim",
            option="auth_type",
            reason="neither it nor cloud is set; use v3applicationcredential",
        )
    return session.by_session(made, conf.vim.region_name, conf.vim.interface)


def _options(conf: Any) -> driver.Options:
    section = conf.vim
    bus = section.notifications_url
    urls = tuple(transport.kombu_urls(conf, bus)) if bus else ()
    unknown = set(section.drain_methods) - {moving.LIVE, moving.COLD}
    if unknown:
        raise errors.ConfigError(
            group="vim",
            option="drain_methods",
            reason=f"{', '.join(sorted(unknown))}: known are live and cold",
        )
    return driver.Options(
        source=following.Source(
            urls,
            transport.ssl_options(conf, bus) if bus else False,
            section.notifications_exchange,
            section.notifications_topic,
            section.snapshot_interval_s,
        ),
        resets_states=section.reset_states,
        resets_at_once=section.reset_states_at_once,
        reset_delay_s=section.reset_states_delay_s,
        limits=moving.Limits(
            tuple(section.drain_methods),
            section.migrations_at_once,
            section.migration_timeout_s,
        ),
    )
