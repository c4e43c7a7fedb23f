"""A real database, and a tool that changes it as ``nova-manage`` does."""

import dataclasses
import sqlite3
import sys
from typing import Any

from escalator.domain import commands
from escalator.drivers import base
from escalator.drivers.action import database
from tests.fixtures import action_bed
from tests.unit.drivers import contract_action

TOOL = """
import sqlite3, sys
path, verb = sys.argv[1:3]
db = sqlite3.connect(path)
names = [row[1] for row in db.execute("PRAGMA table_info(server)")]
if verb == "is-expanded":
    sys.exit("flavor_id" not in names)
if verb == "is-contracted":
    sys.exit("flavor" in names)
if verb == "is-shrunk":
    sys.exit("flavor_id" in names)
if verb == "left":
    sys.exit("flavor_id" in names and bool(db.execute(
        "SELECT count(*) FROM server WHERE flavor_id IS NULL").fetchone()[0]))
with db:
    db.execute("INSERT INTO call VALUES (?)", [verb])
if verb == "expand":
    db.execute("ALTER TABLE server ADD COLUMN flavor_id INTEGER")
if verb == "contract":
    db.execute("ALTER TABLE server DROP COLUMN flavor")
if verb == "shrink":
    db.execute("ALTER TABLE server DROP COLUMN flavor_id")
if verb == "migrate":
    if db.execute("SELECT count(*) FROM server WHERE flavor = 'odd'").fetchone()[0]:
        print("0 rows matched, cannot migrate 'odd'")
        sys.exit(int(sys.argv[4]) if len(sys.argv) > 4 else 2)
    with db:
        moved = db.execute(
            "UPDATE server SET flavor_id = 1 WHERE id IN (SELECT id FROM server"
            " WHERE flavor_id IS NULL LIMIT ?)", [int(sys.argv[3])]).rowcount
    print(f"{moved} rows matched")
    sys.exit(1 if moved else 0)
"""


class Bench(action_bed.ActionBed):
    ROWS = 25

    def setUp(self) -> None:
        super().setUp()
        self.tool = self.write("tool.py", TOOL)
        self.db = self.path("nova.sqlite")
        self.query("CREATE TABLE server (id INTEGER, flavor TEXT)")
        self.query("CREATE TABLE call (verb TEXT)")
        for number in range(self.ROWS):
            self.query("INSERT INTO server VALUES (?, 'small')", number)
        self.profile = {
            "expand": {"argv": self.argv("expand"), "check": self.argv("is-expanded")},
            "migrate": {
                "argv": self.argv("migrate", "{batch}"),
                "check": self.argv("left"),
                "exit_codes": {"done": [0], "more": [1]},
                "rows": r"(\d+) rows matched",
                "batch": 10,
            },
            "contract": {
                "argv": self.argv("contract"),
                "check": self.argv("is-contracted"),
            },
            "shrink": {"argv": self.argv("shrink"), "check": self.argv("is-shrunk")},
            "verify": {"argv": self.argv("left")},
        }
        self.give()
        self.order = self.with_params(profile="nova")

    def give(self, **changes: Any) -> None:
        profile = {**self.profile, **changes}
        self.grant(databases=self.declare("profiles.yaml", {"nova": profile}))

    def argv(self, *arguments: str) -> list[str]:
        return [sys.executable, "-S", self.tool, self.db, *arguments]

    def query(self, text: str, *values: Any) -> list[Any]:
        connection = sqlite3.connect(self.db)
        try:
            with connection:
                return connection.execute(text, values).fetchall()
        finally:
            connection.close()

    def count_changes(self) -> int:
        return len(self.query("SELECT * FROM call"))

    def do(self, kind: type[Any], step_id: str = "another") -> dict[str, Any]:
        order = dataclasses.replace(self.order, step_id=step_id)
        found: dict[str, Any] = kind(self.resources).run(order)
        return found

    def make_hopeless_order(self) -> commands.RunStep | None:
        order = self.with_params(profile="unknown")
        return dataclasses.replace(order, step_id="hopeless")


class TestExpand(Bench, contract_action.ActionContract):
    def make_action(self) -> base.Action:
        return database.Expand(self.resources)

    def test_another_step_finds_it_done(self) -> None:
        self.assertTrue(self.do(database.Expand)["is_changed"])
        self.assertFalse(self.make_action().run(self.order)["is_changed"])
        self.assertEqual(1, self.count_changes())


class TestMigrate(Bench, contract_action.ActionContract):
    def setUp(self) -> None:
        super().setUp()
        self.query("ALTER TABLE server ADD COLUMN flavor_id INTEGER")

    def make_action(self) -> base.Action:
        return database.Migrate(self.resources)

    def test_batches_until_nothing_is_left(self) -> None:
        result = self.make_action().run(self.order)
        self.assertEqual((4, 25), (result["batches"], result["rows"]))
        told = [(each["done"], each["rows"]) for each in self.told]
        self.assertEqual([(1, 10), (2, 20), (3, 25), (4, 25)], told)

    def test_a_restarted_agent_goes_on_after_the_last_batch(self) -> None:
        order = dataclasses.replace(self.order, timeout_s=60.0)

        class Killed(Exception):
            pass

        def die(step_id: str, progress: dict[str, Any]) -> None:
            if progress["done"] == 2:
                raise Killed

        dying = database.Migrate({**self.resources, "progress": die})
        with self.assertRaises(Killed):
            dying.run(order)
        self.assertEqual(2, self.count_changes())
        result = self.make_action().run(order)
        self.assertEqual((4, 25), (result["batches"], result["rows"]))
        self.assertEqual(4, self.count_changes())

    def test_rows_that_fail_are_permanent(self) -> None:
        self.query("UPDATE server SET flavor = 'odd' WHERE id = 3")
        error = self.refused(self.make_action(), self.order)
        self.assertEqual("permanent", error.failure_class)
        self.assertIn("odd", str(error))

    def test_a_lock_is_transient_if_the_profile_says_so(self) -> None:
        self.query("UPDATE server SET flavor = 'odd' WHERE id = 3")
        codes = {"more": [1], "transient": [2]}
        self.give(migrate={**self.profile["migrate"], "exit_codes": codes})
        error = self.refused(self.make_action(), self.order)
        self.assertEqual("transient", error.failure_class)

    def test_a_migration_that_moves_nothing_is_given_up(self) -> None:
        self.query("UPDATE server SET flavor = 'odd' WHERE id = 3")
        argv = self.argv("migrate", "{batch}", "1")
        self.give(migrate={**self.profile["migrate"], "argv": argv})
        error = self.refused(self.make_action(), self.order)
        self.assertEqual("permanent", error.failure_class)
        self.assertIn("no row", str(error))
        self.assertEqual(3, self.count_changes())

    def test_the_step_may_choose_the_batch(self) -> None:
        order = self.with_params(profile="nova", batch=100)
        self.assertEqual(2, self.make_action().run(order)["batches"])


class TestContract(Bench, contract_action.ActionContract):
    def setUp(self) -> None:
        super().setUp()
        self.query("ALTER TABLE server ADD COLUMN flavor_id INTEGER DEFAULT 1")

    def make_action(self) -> base.Action:
        return database.Contract(self.resources)

    def test_refused_while_rows_are_left(self) -> None:
        self.query("UPDATE server SET flavor_id = NULL WHERE id = 3")
        error = self.refused(self.make_action(), self.order)
        self.assertEqual("permanent", error.failure_class)
        self.assertIn("not migrated", str(error))
        self.assertEqual(0, self.count_changes())

    def test_the_whole_way(self) -> None:
        self.do(database.Migrate, "migrate")
        self.do(database.Contract, "contract")
        columns = [row[1] for row in self.query("PRAGMA table_info(server)")]
        self.assertEqual(["id", "flavor_id"], columns)

    def test_what_the_profile_lacks_is_refused(self) -> None:
        self.grant(databases=self.declare("other.yaml", {"nova": {}}))
        self.assertIn("no contract", str(self.refused(self.make_action(), self.order)))


class TestShrink(Bench, contract_action.ActionContract):
    """O-3, R-2: until it is contracted a schema can become what it was."""

    def setUp(self) -> None:
        super().setUp()
        self.query("ALTER TABLE server ADD COLUMN flavor_id INTEGER")

    def make_action(self) -> base.Action:
        return database.Shrink(self.resources)

    def columns(self) -> list[str]:
        return [row[1] for row in self.query("PRAGMA table_info(server)")]

    def test_the_schema_is_as_before(self) -> None:
        self.do(database.Migrate, "migrate")
        self.assertTrue(self.make_action().run(self.order)["is_changed"])
        self.assertEqual(["id", "flavor"], self.columns())
        rows = self.query("SELECT count(*) FROM server WHERE flavor = 'small'")
        self.assertEqual([(self.ROWS,)], rows)

    def test_refused_once_contracted(self) -> None:
        self.do(database.Migrate, "migrate")
        self.do(database.Contract, "contract")
        error = self.refused(self.make_action(), self.order)
        self.assertEqual("permanent", error.failure_class)
        self.assertIn("contracted", str(error))
        self.assertEqual(["id", "flavor_id"], self.columns())

    def test_what_a_profile_cannot_tell_is_tried(self) -> None:
        """Without a check of contract the program itself has to refuse."""
        self.give(contract={"argv": self.argv("contract")})
        self.make_action().run(self.order)
        self.assertEqual(["id", "flavor"], self.columns())


class TestVerify(Bench, contract_action.ActionContract):
    def make_action(self) -> base.Action:
        return database.Verify(self.resources)

    def test_what_the_service_says_is_the_verdict(self) -> None:
        self.query("ALTER TABLE server ADD COLUMN flavor_id INTEGER")
        error = self.refused(self.make_action(), self.order)
        self.assertEqual("verification", error.failure_class)
