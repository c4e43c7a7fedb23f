"""What ``openstack`` asks of a plugin: names, versions, client, option."""

import argparse
from typing import Any

from openstack import service_description
from osc_lib import utils

from escalator.cli.client import SERVICE_TYPE, Client

DEFAULT_API_VERSION = "1"
API_VERSION_OPTION = "os_upgrade_api_version"
API_NAME = "upgrade"
API_VERSIONS = ("1", "1.0")


def make_client(instance: Any) -> Client:
    """Return the client; with a version like 1.0 that one is asked for."""
    connection = instance.sdk_connection
    if not hasattr(type(connection), "upgrade"):
        connection.add_service(
            service_description.ServiceDescription(
                SERVICE_TYPE, supported_versions={"1": Client}
            )
        )
    client: Client = connection.upgrade
    version = instance._api_version[API_NAME]
    if "." in version:
        client.default_microversion = version
    return client


def build_option_parser(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Add the global option."""
    parser.add_argument(
        "--os-upgrade-api-version",
        metavar="<upgrade-api-version>",
        default=utils.env("OS_UPGRADE_API_VERSION"),
        help=f"Escalator API version, default={DEFAULT_API_VERSION}: negotiated "
        "(Env: OS_UPGRADE_API_VERSION)",
    )
    return parser


def client_of(app: Any) -> Client:
    """Return the client of a command's application."""
    client: Client = app.client_manager.upgrade
    return client
