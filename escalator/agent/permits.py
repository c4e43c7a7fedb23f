"""Section ``[agent]`` as what actions may do on this node."""

from typing import Any

from escalator import errors
from escalator.drivers import grants, supervisor
from escalator.drivers.action import command, database


def of(options: Any) -> grants.Grants:
    """Return what section ``[agent]`` lets actions do."""
    return grants.Grants(
        services=options.services,
        commands=options.allowed_commands,
        databases=options.database_profiles,
        reboot=tuple(options.reboot_command),
        boot_id=options.boot_id_path,
        templates=options.template_path,
        playbooks=options.playbook_path,
        writable=tuple(options.writable_paths),
    )


def check(options: Any) -> None:
    """Refuse files of declarations that would make a step fail later.

    :raises ConfigError: names the option.
    """
    for option, schema in (
        ("services", supervisor.SERVICE_SCHEMA),
        (command.KIND, command.ENTRY_SCHEMA),
        (database.KIND, database.PROFILE_SCHEMA),
    ):
        try:
            grants.check(getattr(options, option), option, schema)
        except errors.ActionFailed as error:
            raise errors.ConfigError(
                group="agent", option=option, reason=str(error)
            ) from error
