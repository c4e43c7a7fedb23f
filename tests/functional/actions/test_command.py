"""Commands of the node's list, as real programs."""

import dataclasses
import os
import signal
import sys
import threading
import time
from typing import Any

from escalator.domain import commands
from escalator.drivers import base
from escalator.drivers.action import command
from tests.fixtures import action_bed
from tests.unit.drivers import contract_action

APPEND = "import sys; open(sys.argv[1], 'a').write(sys.argv[2] + '\\n')"
SAYS = "import sys; sys.exit(sys.argv[2] not in open(sys.argv[1]).read().split()[-1:])"


class Bench(action_bed.ActionBed):
    def setUp(self) -> None:
        super().setUp()
        log = self.write("log", "nothing\n")
        python = [sys.executable, "-S", "-c"]
        word = {"word": {"type": "string", "pattern": "^[a-z-]+$"}}
        note = {"argv": [*python, APPEND, log, "{word}"], "arguments": word}
        self.entries: dict[str, dict[str, Any]] = {
            "note": {**note, "idempotence": "keyed", "undo": "forget"},
            "note-once": {**note, "idempotence": "never"},
            "ensure": {
                **note,
                "idempotence": "probe",
                "check": [*python, SAYS, log, "{word}"],
                "undo": "forget",
            },
            "forget": {
                "argv": [*python, APPEND, log, "nothing"],
                "arguments": word,
                "idempotence": "natural",
            },
            "busy": {
                "argv": ["/bin/sh", "-c", "echo locked; exit 75"],
                "idempotence": "natural",
                "exit_codes": {"done": [0], "transient": [75]},
            },
            "slow": {"argv": ["/bin/sleep", "30"], "idempotence": "natural"},
            "limited": {
                "argv": ["/bin/sleep", "30"],
                "idempotence": "natural",
                "timeout": 0.3,
            },
        }
        self.grant(commands=self.declare("commands.yaml", self.entries))
        self.order = self.called("note")

    def called(self, name: str, word: str | None = "hello") -> commands.RunStep:
        arguments = {} if word is None else {"word": word}
        return self.with_params(command=name, arguments=arguments)

    def make_action(self) -> base.Action:
        return command.Run(self.resources)

    def make_undo(self) -> base.Action | None:
        return command.Undo(self.resources)

    def make_hopeless_order(self) -> commands.RunStep | None:
        return dataclasses.replace(self.called("busy", None), step_id="hopeless")

    def words(self) -> list[str]:
        return self.read("log").split()

    def count_changes(self) -> int:
        return len(self.words())

    def read_target(self) -> Any:
        return self.words()[-1]


class TestKeyed(Bench, contract_action.ActionContract):
    def test_another_step_runs_it_again(self) -> None:
        for step_id in ("one", "two"):
            self.make_action().run(dataclasses.replace(self.order, step_id=step_id))
        self.assertEqual(["nothing", "hello", "hello"], self.words())


class TestProbe(Bench, contract_action.ActionContract):
    def setUp(self) -> None:
        super().setUp()
        self.order = self.called("ensure")

    def test_what_is_so_already_is_left_alone_also_by_the_undo(self) -> None:
        self.write("log", "hello\n")
        result = self.make_action().run(self.order)
        self.assertFalse(result["is_changed"])
        command.Undo(self.resources).run(self.make_undo_order(result))
        self.assertEqual(["hello"], self.words())


class TestLimits(Bench):
    def test_only_what_is_listed_runs(self) -> None:
        error = self.refused(self.make_action(), self.called("rm"))
        self.assertIn("allowed_commands", str(error))
        self.grant(commands="")
        self.assertIn("none", str(self.refused(self.make_action(), self.order)))

    def test_values_are_as_declared(self) -> None:
        for arguments in (
            {},
            {"word": 1},
            {"word": "$(id)"},
            {"word": "--help"},
            {"word": "a", "more": "b"},
        ):
            order = self.with_params(command="note", arguments=arguments)
            self.assertEqual(
                "permanent", self.refused(self.make_action(), order).failure_class
            )
        self.assertEqual(["nothing"], self.words())

    def test_a_value_never_becomes_two_arguments(self) -> None:
        entry = {"arguments": {"x": {"type": "string"}}}
        filled = command.fill("n", entry, ["a", "--x={x}", "{x}{x}"], {"x": "b c;d"})
        self.assertEqual(["a", "--x=b c;d", "b c;db c;d"], filled)

    def test_never_is_never(self) -> None:
        order = self.called("note-once")
        self.make_action().run(order)
        os.unlink(self.path("kept", order.record, "done"))
        again = dataclasses.replace(order, attempt=2, is_resumed=True)
        self.assertIn("never", str(self.refused(self.make_action(), again)))
        self.assertEqual(["nothing", "hello"], self.words())

    def test_exit_codes_choose_the_class(self) -> None:
        error = self.refused(self.make_action(), self.called("busy", None))
        self.assertEqual("transient", error.failure_class)
        self.assertIn("locked", str(error))

    def test_its_own_timeout(self) -> None:
        error = self.refused(self.make_action(), self.called("limited", None))
        self.assertEqual("timeout", error.failure_class)

    def test_a_program_that_was_killed_is_a_failure(self) -> None:
        found: list[Any] = []
        order = self.called("slow", None)
        thread = threading.Thread(
            target=lambda: found.append(self.refused(self.make_action(), order))
        )
        thread.start()
        place = self.path("jobs", order.step_id, "1-command", "program")
        self.wait_for(lambda: os.path.exists(place), "the program")
        time.sleep(0.1)
        pid = int(self.read(place).split(":")[1].split(",")[0])
        os.kill(pid, signal.SIGKILL)
        thread.join(10)
        self.assertIn("-9", str(found[0]))

    def test_a_list_that_is_wrong_is_told(self) -> None:
        self.declare("commands.yaml", {"note": {"argv": "rm -rf /"}})
        self.assertIn("note", str(self.refused(self.make_action(), self.order)))
        self.write("commands.yaml", "- a\n")
        self.assertIn("mapping", str(self.refused(self.make_action(), self.order)))

    def test_no_undo_is_declared(self) -> None:
        order = dataclasses.replace(self.called("note-once"), undo={"result": {}})
        error = self.refused(command.Undo(self.resources), order)
        self.assertIn("no undo", str(error))
