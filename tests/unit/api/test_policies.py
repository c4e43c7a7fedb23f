"""Every rule against every kind of caller, written out."""

import re
import unittest

import tests  # noqa: F401
from escalator.api import policies
from escalator.api.contract import REPORTS_PATH
from escalator.api.policies.campaigns import ACTIONS
from escalator.api.routes import ROUTES
from escalator.context import RequestContext
from tests.fixtures import api

OWN = {"project_id": "red", "user_id": "alice"}

CALLERS = {
    "system_admin": {"roles": ["admin", "member", "reader"], "system_scope": "all"},
    "system_reader": {"roles": ["reader"], "system_scope": "all"},
    "project_admin": {"roles": ["admin", "member", "reader"], "project_id": "red"},
    "project_member": {"roles": ["member", "reader"], "project_id": "red"},
    "project_reader": {"roles": ["reader"], "project_id": "red"},
    "other_member": {"roles": ["member", "reader"], "project_id": "blue"},
    "domain_admin": {"roles": ["admin", "member", "reader"], "domain_id": "d"},
    "roleless": {"roles": [], "project_id": "red"},
}

ADMINS = {"system_admin", "project_admin"}
OVERSEERS = ADMINS | {"system_reader"}
READERS = OVERSEERS | {"project_member", "project_reader"}
MEMBERS = ADMINS | {"project_member"}

MATRIX = {
    **{f"campaigns:{verb}": ADMINS for verb in ("create", *ACTIONS)},
    **{
        f"campaigns:{verb}": OVERSEERS
        for verb in (
            *("validate", "plan", "list", "show", "steps", "journal", "explain"),
            "revisions",
        )
    },
    "campaigns:show_preflight": OVERSEERS,
    "hosts:list": OVERSEERS,
    "hosts:show": OVERSEERS,
    "hosts:quarantine": ADMINS,
    "hosts:release": ADMINS,
    "services:list": OVERSEERS,
    "faults:list": READERS,
    "faults:show": READERS,
    "faults:list_all": OVERSEERS,
    "faults:show_all": OVERSEERS,
    "notices:list": READERS,
    "notices:show": READERS,
    "notices:resend": MEMBERS,
    "notices:list_all": OVERSEERS,
    "notices:show_all": OVERSEERS,
    "notices:resend_all": ADMINS,
    "subscriptions:create": MEMBERS,
    "subscriptions:create_all": ADMINS,
    "subscriptions:list": READERS,
    "subscriptions:show": READERS,
    "subscriptions:delete": MEMBERS,
    "subscriptions:list_all": OVERSEERS,
    "subscriptions:show_all": OVERSEERS,
    "subscriptions:delete_all": ADMINS,
    "alarms:create": MEMBERS,
    "alarms:create_all": ADMINS,
    "alarms:list": READERS,
    "alarms:show": READERS,
    "alarms:delete": MEMBERS,
    "alarms:list_all": OVERSEERS,
    "alarms:show_all": OVERSEERS,
    "alarms:delete_all": ADMINS,
}


class TestMatrix(unittest.TestCase):
    def setUp(self) -> None:
        self.enforcer = policies.make_enforcer(api.make_conf())

    def test_every_rule_for_every_caller(self) -> None:
        for name, allowed in MATRIX.items():
            for caller, kwargs in CALLERS.items():
                context = RequestContext(user_id="alice", overwrite=False, **kwargs)
                with self.subTest(rule=name, caller=caller):
                    may = self.enforcer.authorize(f"escalator:{name}", OWN, context)
                    self.assertEqual(caller in allowed, may)

    def test_the_matrix_is_complete(self) -> None:
        named = {f"escalator:{name}" for name in MATRIX}
        self.assertEqual(named, {rule.name for rule in policies.list_rules()})

    def test_every_rule_has_scopes_and_an_operation_that_exists(self) -> None:
        served = {
            (route.method, re.sub(r"<(?:uuid:)?(\w+)>", r"{\1}", route.path))
            for route in ROUTES
        }
        for rule in policies.list_rules():
            self.assertEqual(["system", "project"], rule.scope_types)
            for operation in rule.operations:
                pair = (operation["method"], operation["path"])
                self.assertIn(pair, served, rule.name)

    def test_no_route_is_open_by_oversight(self) -> None:
        names = {rule.name for rule in policies.list_rules()}
        for route in ROUTES:
            self.assertNotEqual(route.is_public, bool(route.rules), route.path)
            self.assertLessEqual(set(route.rules), names)
        public = {route.path for route in ROUTES if route.is_public}
        by_token = {route.path for route in ROUTES if route.has_token}
        self.assertEqual({f"{REPORTS_PATH}<token>"}, by_token)
        self.assertEqual({"/", "/v1", "/v1/openapi.json"}, public - by_token)
