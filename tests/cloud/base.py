"""What the tests on a real cloud share.

Like tempest they run against whatever cloud the environment names:

- ``OS_CLOUD``: a cloud of clouds.yaml, with an administrator's credentials;
- ``ESCALATOR_CLOUD_TRANSPORT_URL``: that cloud's message bus, for what is sent
  to Aodh or heard from Nova directly;
- ``ESCALATOR_CLOUD_IMAGE``, ``_FLAVOR``, ``_NETWORK``: what to boot.
"""

import os
import unittest
import uuid

import openstack


class CloudTestCase(unittest.TestCase):
    """Skips, saying so, where there is no cloud.

    :cvar connection: an administrator's ``openstack.connection.Connection``.
    """

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        name = os.environ.get("OS_CLOUD")
        if not name:
            raise unittest.SkipTest("OS_CLOUD names no cloud to test against")
        cls.connection = openstack.connect(cloud=name)
        cls.addClassCleanup(cls.connection.close)

    @classmethod
    def transport_url(cls):
        """Return the URL of the cloud's bus."""
        url = os.environ.get("ESCALATOR_CLOUD_TRANSPORT_URL")
        if not url:
            raise unittest.SkipTest("ESCALATOR_CLOUD_TRANSPORT_URL names no bus")
        return url


def setting(name: str, default: str) -> str:
    """Return ``ESCALATOR_CLOUD_<NAME>``."""
    return os.environ.get(f"ESCALATOR_CLOUD_{name.upper()}", default)


def unique(prefix: str) -> str:
    """Return a name that nobody else in the cloud has."""
    return f"{prefix}-{uuid.uuid4().hex[:8]}"
