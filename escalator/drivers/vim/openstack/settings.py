"""The options of ``[vim]`` that concern Nova and its neighbours."""

import dataclasses
import re
from typing import Any

from keystoneauth1 import exceptions as refusals
from keystoneauth1 import loading

from escalator import errors
from escalator.drivers import base
from escalator.drivers.vim.openstack import following, moving, scaling, session


@dataclasses.dataclass(frozen=True, slots=True)
class Options:
    """:ivar source: where news come from, and how often everything is read.

    :ivar resets_states: set the instances of a dead host to error.
    :ivar reset_delay_s: begin so long after the host's death.
    :ivar choice: which alarms scale.
    """

    source: following.Source = dataclasses.field(default_factory=following.Source)
    resets_states: bool = True
    resets_at_once: int = 4
    reset_delay_s: float = 1.0
    limits: moving.Limits = dataclasses.field(default_factory=moving.Limits)
    choice: scaling.Choice = dataclasses.field(default_factory=scaling.Choice)


def connect(conf: Any) -> session.Connect:
    """Return what connects to the cloud; nothing is sent yet.

    :raises ConfigError: names the option.
    """
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


def read(conf: Any, broker: base.Broker) -> Options:
    """Return the rest.

    :raises ConfigError: names the option.
    """
    section = conf.vim
    bus = section.notifications_url
    urls, ssl = broker(bus) if bus else ((), False)
    unknown = set(section.drain_methods) - {moving.LIVE, moving.COLD}
    if unknown:
        raise errors.ConfigError(
            group="vim",
            option="drain_methods",
            reason=f"{', '.join(sorted(unknown))}: known are live and cold",
        )
    for number, each in enumerate(section.scaling_actions, start=1):
        try:
            re.compile(each)
        except re.error as error:
            raise errors.ConfigError(
                group="vim",
                option="scaling_actions",
                reason=f"{each} (value {number}) is no expression: {error}",
            ) from error
    return Options(
        source=following.Source(
            urls,
            ssl,
            section.notifications_exchange,
            section.notifications_topic,
            section.snapshot_interval_s,
            section.whole_snapshot_interval_s,
        ),
        resets_states=section.reset_states,
        resets_at_once=section.reset_states_at_once,
        reset_delay_s=section.reset_states_delay_s,
        limits=moving.Limits(
            tuple(section.drain_methods),
            section.migrations_at_once,
            section.migration_timeout_s,
        ),
        choice=scaling.Choice(tuple(section.scaling_actions), section.scaling_settle_s),
    )
