"""Devstack's plugin, run against a small library that records what it asks for."""

import configparser
import pathlib
import subprocess
import sys
import tempfile
import unittest

from keystoneauth1 import loading

from escalator import conf
from escalator.cmd.doctor import files
from escalator.domain import doctor

ROOT = pathlib.Path(__file__).parents[3]
SCRIPTS = ("plugin.sh", "settings", "lib/escalator")

_LIBRARY = r"""
set -eu
DEST=$1/dest DATA_DIR=$1/data ESCALATOR_CONF_DIR=$1/etc ESCALATOR_DIR=$2
ESCALATOR_BIN_DIR=$1/bin ENABLED_SERVICES= STACK_USER=stack
RABBIT_USERID=rabbit RABBIT_PASSWORD=secret RABBIT_HOST=192.0.2.1
SERVICE_LISTEN_ADDRESS=0.0.0.0 SERVICE_HOST=192.0.2.1 SERVICE_PROTOCOL=http
SERVICE_TIMEOUT=60 REGION_NAME=RegionOne ENABLE_DEBUG_LOG_LEVEL=True
KEYSTONE_SERVICE_URI=http://192.0.2.1/identity
record() { echo "$*" >> "$LOG"; }
LOG=$1/log
for name in define_plugin echo_summary git_clone setup_develop pip_install \
    configure_keystone_authtoken_middleware setup_logging create_service_user \
    get_or_create_service get_or_create_endpoint recreate_database run_process \
    wait_for_service stop_process rabbitmqctl; do
  eval "$name() { record $name \"\$@\"; }"
done
SERVICE_PASSWORD=secret SERVICE_DOMAIN_NAME=Default SERVICE_PROJECT_NAME=service
NOVA_CONF_DIR=$1/nova NOVA_CONF=$1/nova/nova.conf AODH_CONF=$1/aodh.conf
CEILOMETER_CONF_DIR=$1/ceilometer
ENABLED_SERVICES=n-api,aodh-api,ceilometer-anotification
mkdir "$NOVA_CONF_DIR" "$CEILOMETER_CONF_DIR"
printf 'sinks:\n    - publishers:\n          - notifier://\n' \
    > "$CEILOMETER_CONF_DIR/event_pipeline.yaml"
enable_service() { for s in "$@"; do ENABLED_SERVICES+=${ENABLED_SERVICES:+,}$s; done; }
is_service_enabled() { [[ ,$ENABLED_SERVICES, == *,$1,* ]]; }
get_python_exec_prefix() { echo /usr/local/bin; }
ipv6_unquote() { echo "$1"; }
generate_hex_string() { printf '%0*d\n' $(($1 * 2)) 7; }
database_connection_url() { echo "mysql+pymysql://root:secret@127.0.0.1/$1"; }
hostname() { echo stacked; }
iniset() { record iniset "$(basename "$1")" "$2" "$3" "$4"; }
sudo() { case $1 in install) mkdir -p "${@: -1}" ;; *) record sudo "$@" ;; esac; }
mkdir -p "$ESCALATOR_BIN_DIR"
printf '#!/bin/sh\necho escalator-db-manage "$@" >> %s\n' "$LOG" \
    > "$ESCALATOR_BIN_DIR/escalator-db-manage"
chmod +x "$ESCALATOR_BIN_DIR/escalator-db-manage"
source "$ESCALATOR_DIR/devstack/settings"
configure="stack post-config"
for phase in "stack install" "$configure" "$configure" "stack extra" unstack clean
do
  record "== $phase"
  set -- $phase
  source "$ESCALATOR_DIR/devstack/plugin.sh"
done
"""


class TestPlugin(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        done = subprocess.run(
            ["bash", "-c", _LIBRARY, "stack.sh", folder.name, ROOT],
            capture_output=True,
            text=True,
        )
        self.assertEqual(0, done.returncode, done.stderr)
        self.place = pathlib.Path(folder.name)
        self.log = (self.place / "log").read_text().splitlines()

    def asked(self, *words):
        prefix = " ".join(words)
        return [line for line in self.log if line.startswith(prefix)]

    def test_every_service_is_run_and_stopped(self):
        run = {line.split()[1] for line in self.asked("run_process")}
        stopped = {line.split()[1] for line in self.asked("stop_process")}
        self.assertEqual(run, stopped)
        parser = configparser.ConfigParser(delimiters="=")
        parser.read(ROOT / "setup.cfg")
        installed = {
            line.split("=")[0].strip()
            for line in parser["options.entry_points"]["console_scripts"].split("\n")
            if line
        }
        programs = {line.split()[2] for line in self.asked("run_process")}
        self.assertLessEqual({pathlib.Path(each).name for each in programs}, installed)
        services = {name for name in installed if f"{name}" in run}
        self.assertEqual(7, len(services))

    def test_every_option_exists(self):
        known = {
            (group, option.name) for group, opts in conf.list_opts() for option in opts
        }
        groups = {group for group, _ in known}
        plugin = loading.get_auth_plugin_conf_options("password")
        known |= {("vim", option.dest) for option in plugin}
        set_here = {tuple(line.split()[2:4]) for line in self.asked("iniset")}
        mine = {pair for pair in set_here if pair[0] in groups}
        self.assertGreater(len(mine), 5)
        self.assertEqual(set(), mine - known)

    def test_the_neighbours_pass_the_doctor_check(self):
        """Issue 3, part 8: set up as ``escalator-status doctor check`` wants it."""
        found = []
        for name, judge in (
            ("nova.conf", lambda options: doctor.nova(options, True)),
            ("aodh.conf", doctor.aodh),
        ):
            lines = [line.split(maxsplit=4)[2:] for line in self.asked("iniset", name)]
            options = {f"{a}.{b}".lower(): text for a, b, text in lines}
            self.assertTrue(options, name)
            found += judge(options)
        pipeline = self.place / "ceilometer" / "event_pipeline.yaml"
        found += doctor.pipeline(files.mapping_of(pipeline), True)
        policy = self.place / "nova" / "policy.yaml"
        found += doctor.nova_policy(files.mapping_of(policy))
        self.assertEqual([], found)
        self.assertEqual(1, len(policy.read_text().splitlines()))
        self.assertEqual(1, pipeline.read_text().count("alarm.all"))

    def test_style(self):
        paths = [str(ROOT / "devstack" / name) for name in SCRIPTS]
        done = subprocess.run(
            [sys.executable, "-m", "bashate.bashate", "--max-line-length=100", *paths],
            capture_output=True,
            text=True,
        )
        self.assertEqual("", done.stdout)
        self.assertEqual(0, done.returncode, done.stderr)

    def test_secrets_go_where_they_belong(self):
        """Hosts get escalator.conf; database and signing key are not in it."""
        places = {
            tuple(line.split()[2:4]): line.split()[1]
            for line in self.log[1:]
            if line.startswith("iniset")
        }
        self.assertEqual("database.conf", places["database", "connection"])
        self.assertEqual("secret.conf", places["notifier", "signing_key"])
        self.assertEqual("secret.conf", places["notifier", "aodh_transport_url"])
        self.assertEqual("vim.conf", places["vim", "password"])
        self.assertEqual("vim.conf", places["vim", "notifications_url"])
        for line in self.asked("run_process"):
            is_conductor = "escalator-conductor" in line
            self.assertEqual(is_conductor, "database.conf" in line, line)
            has_vim = ("-conductor ", "-inspector ", "-vim-agent ")
            self.assertEqual(any(h in line for h in has_vim), "/vim.conf" in line, line)
            is_told = "escalator-api" in line or "escalator-notifier" in line
            self.assertEqual(is_told, "secret.conf" in line, line)

    def test_the_schema_comes_before_the_services(self):
        schema = self.log.index(self.asked("escalator-db-manage")[0])
        self.assertTrue(self.log[schema].endswith("upgrade"))
        first = self.log.index(self.asked("run_process")[0])
        self.assertLess(schema, first)
        self.assertIn("escalator-conductor", self.log[first])
