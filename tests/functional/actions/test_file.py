"""Files rendered and put back, on a real file system."""

import dataclasses
import hashlib
import os
import stat
import typing

from escalator.domain import commands
from escalator.drivers import base
from escalator.drivers.action import file
from tests.fixtures import action_bed
from tests.unit.drivers import contract_action


class TestRender(action_bed.ActionBed, contract_action.ActionContract):
    SECRET = "opensesame"

    def setUp(self) -> None:
        super().setUp()
        os.mkdir(self.path("templates"))
        self.write("templates/web.conf.j2", "port = {{ port }}\nkey = {{ key }}\n")
        self.grant(templates=self.path("templates"))
        self.target = self.write("etc/web.conf", "port = 80\n")
        os.chmod(self.target, 0o640)
        self.first = os.stat(self.target).st_ino
        self.order = self.ordered()

    def ordered(self, **params: typing.Any) -> commands.RunStep:
        known = {
            "path": self.target,
            "template": "web.conf.j2",
            "values": {"port": 81, "key": self.SECRET},
            "secret": True,
        }
        return self.with_params(
            **{k: v for k, v in {**known, **params}.items() if v is not None}
        )

    def make_action(self) -> base.Action:
        return file.Render(self.resources)

    def make_undo(self) -> base.Action | None:
        return file.Restore(self.resources)

    def make_hopeless_order(self) -> commands.RunStep | None:
        content = "{{ [key] + 1 }} {{ key.x.y }}"
        return self.ordered(template=None, content=content)

    def count_changes(self) -> int:
        """Every change makes another inode."""
        now = os.stat(self.target).st_ino
        if now != self.first:
            self.first, self.changes = now, getattr(self, "changes", 0) + 1
        return getattr(self, "changes", 0)

    def read_target(self) -> typing.Any:
        found = os.stat(self.target)
        mode = stat.S_IMODE(found.st_mode)
        return self.read("etc/web.conf"), mode, found.st_uid, found.st_gid

    def test_mode_and_owner_stay_unless_told(self) -> None:
        self.make_action().run(self.ordered(mode="0600"))
        self.assertEqual("port = 81\nkey = opensesame\n", self.read("etc/web.conf"))
        self.assertEqual(0o600, self.read_target()[1])
        self.make_action().run(dataclasses.replace(self.ordered(), step_id="other"))
        self.assertEqual(0o600, self.read_target()[1])

    def test_nothing_else_is_left_in_the_directory(self) -> None:
        self.make_action().run(self.order)
        self.assertEqual(["web.conf"], os.listdir(self.path("etc")))

    def test_a_new_file_is_removed_by_the_undo(self) -> None:
        target = self.path("etc", "new.conf")
        result = self.make_action().run(self.ordered(path=target, secret=None))
        self.assertEqual({"is_present": False}, result["previous"])
        order = dataclasses.replace(
            self.make_undo_order(result), params=self.ordered(path=target).params
        )
        file.Restore(self.resources).run(order)
        self.assertFalse(os.path.exists(target))

    def test_another_digest_is_refused_before_the_file_is_touched(self) -> None:
        """P-3: of what would be written, template and values together."""
        digest = hashlib.sha256(b"port = 81\nkey = opensesame\n").hexdigest()
        error = self.refused(self.make_action(), self.ordered(sha256="0" * 64))
        self.assertEqual("permanent", error.failure_class)
        self.assertIn(digest, str(error))
        self.assertEqual(0, self.count_changes())
        order = dataclasses.replace(self.ordered(sha256=digest), step_id="other")
        self.make_action().run(order)
        self.assertEqual(1, self.count_changes())

    def test_what_is_not_secret_comes_back_from_the_result_alone(self) -> None:
        result = self.make_action().run(self.ordered(secret=None))
        order = self.make_undo_order(result)
        order.undo["record"] = "unknown-here"
        file.Restore(self.resources).run(order)
        self.assertEqual("port = 80\n", self.read("etc/web.conf"))

    def test_what_is_secret_stays_on_the_node(self) -> None:
        result = self.make_action().run(self.order)
        self.assertEqual({"path", "sha256", "previous"}, set(result))
        self.assertIsNone(result["previous"])
        order = self.make_undo_order(result)
        order.undo["record"] = "another-node"
        error = self.refused(file.Restore(self.resources), order)
        self.assertIn("no earlier state", str(error))

    def test_a_second_attempt_remembers_the_first_content(self) -> None:
        self.make_action().run(self.ordered(secret=None))
        again = dataclasses.replace(self.ordered(secret=None), attempt=2)
        result = self.make_action().run(again)
        file.Restore(self.resources).run(self.make_undo_order(result))
        self.assertEqual("port = 80\n", self.read("etc/web.conf"))

    def test_elsewhere_nothing_is_written(self) -> None:
        os.symlink("/etc", self.path("etc", "out"))
        for path in ("/etc/web.conf", self.path("etc", "..", "x"), "out/x"):
            path = os.path.join(self.path("etc"), path)
            error = self.refused(self.make_action(), self.ordered(path=path))
            self.assertIn("writable_paths", str(error))

    def test_a_template_reaches_nothing_but_its_values(self) -> None:
        for text in (
            "{{ ''.__class__.__mro__ }}{{ ''.__class__.__mro__[1].__subclasses__() }}",
            "{{ cycler.__init__.__globals__.os.environ }}",
            "{% include '/etc/passwd' %}",
            "{% include '../etc/web.conf' %}",
        ):
            order = self.ordered(template=None, content=text)
            error = self.refused(self.make_action(), order)
            self.assertEqual("permanent", error.failure_class)
            self.assertEqual("port = 80\n", self.read("etc/web.conf"))

    def test_a_value_that_is_missing_is_told_by_name(self) -> None:
        error = self.refused(self.make_action(), self.ordered(values={"port": 1}))
        self.assertIn("key", str(error))
