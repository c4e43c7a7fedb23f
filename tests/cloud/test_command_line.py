"""The ``openstack`` command, Keystone's tokens and catalog, and Escalator's API."""

import json
import os
import pathlib
import secrets
import subprocess
import sys
import tempfile
import unittest

from tests import sources
from tests.cloud import base
from tests.fixtures import cloud_bed

OPENSTACK = pathlib.Path(sys.prefix, "bin", "openstack")
CAMPAIGN = sources.ROOT / "etc/escalator/campaigns/rolling-packages.yaml"
LIMIT_S = 60


@unittest.skipIf(os.geteuid() != 0, "nodes are network namespaces: that needs root")
class CommandLineTest(base.CloudTestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        settings = cloud_bed.settings_for_aodh("direct", cls.transport_url())
        cls.bed = cloud_bed.CloudBed(cls.connection, settings).start()
        cls.addClassCleanup(cls.bed.stop)

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def run_command(self, *words, **account):
        """Run it as the administrator of OS_CLOUD, or with another account's OS_*."""
        env = {**os.environ, "PYTHONWARNINGS": "ignore"}
        if account:
            env = {k: v for k, v in env.items() if not k.startswith("OS_")}
        return subprocess.run(
            [str(OPENSTACK), "upgrade", *words],
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            cwd=self.folder,
            env={**env, **account},
        )

    def json_of(self, *words, **account):
        done = self.run_command(*words, "-f", "json", **account)
        self.assertEqual(0, done.returncode, f"{done.stderr}\n{self.bed.logs()}")
        return json.loads(done.stdout)

    def owner(self):
        """Create a project with a member; return its id and the member's OS_*."""
        identity = self.connection.identity
        name, password = base.unique("escalator-owner"), secrets.token_urlsafe(16)
        project = identity.create_project(name=name, domain_id="default")
        self.addCleanup(identity.delete_project, project)
        user = identity.create_user(name=name, password=password, domain_id="default")
        self.addCleanup(identity.delete_user, user)
        for role_name in ("member", "reader"):
            role = identity.find_role(role_name)
            identity.assign_project_role_to_user(project, user, role)
        return project.id, {
            "OS_AUTH_URL": str(self.connection.config.auth["auth_url"]),
            "OS_IDENTITY_API_VERSION": "3",
            "OS_REGION_NAME": self.connection.config.region_name,
            "OS_USERNAME": name,
            "OS_PASSWORD": password,
            "OS_PROJECT_NAME": name,
            "OS_USER_DOMAIN_ID": "default",
            "OS_PROJECT_DOMAIN_ID": "default",
        }

    def test_an_operator_makes_and_cancels_a_campaign(self):
        """A-2: the endpoint comes from the catalog, the right from the token."""
        hosts = {row["name"] for row in self.json_of("host", "list")}
        self.assertEqual(set(self.bed.nodes), hosts)
        made = self.json_of("campaign", "create", str(CAMPAIGN))
        self.assertEqual("validated", made["state"])
        listed = [row["id"] for row in self.json_of("campaign", "list")]
        self.assertIn(made["id"], listed)
        ended = self.json_of("campaign", "cancel", made["id"], "--wait")
        self.assertEqual("cancelled", ended["state"])

    def test_an_owner_subscribes_and_sees_no_host(self):
        """DR-7: a project's member has its own subscriptions, and no more."""
        project_id, account = self.owner()
        words = ("subscription", "create", "--url", "https://198.51.100.7/told")
        made = self.json_of(*words, **account)
        self.assertEqual(project_id, made["project_id"])
        (listed,) = self.json_of("subscription", "list", **account)
        self.assertEqual(made["id"], listed["id"])
        refused = self.run_command("host", "list", **account)
        self.assertEqual(1, refused.returncode, refused.stdout)
        self.assertIn("escalator:hosts:list", refused.stderr)

    def test_nobody_gets_in_without_keystone(self):
        _, account = self.owner()
        refused = self.run_command("host", "list", **{**account, "OS_PASSWORD": "x"})
        self.assertNotEqual(0, refused.returncode)
        self.assertEqual("", refused.stdout)
        alone = {"OS_AUTH_TYPE": "none", "OS_ENDPOINT": self.bed.endpoint}
        refused = self.run_command("host", "list", **alone)
        self.assertEqual(1, refused.returncode)
        self.assertIn("escalator.unauthenticated", refused.stderr)
