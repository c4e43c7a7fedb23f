"""``openstack upgrade notice`` against the application itself."""

import types
import uuid
from typing import Any

from osc_lib import exceptions

import tests  # noqa: F401
from escalator import errors
from escalator.cli import notice
from tests.fixtures import api
from tests.unit.cli import test_client


class TestNotice(test_client.ClientCase):
    def run_command(self, kind: Any, *words: str) -> tuple[Any, list[dict[str, Any]]]:
        """Return the command and its rows, as with ``-f json``."""
        app = types.SimpleNamespace(
            client_manager=types.SimpleNamespace(upgrade=self.client)
        )
        command = kind(app, None)
        args = command.get_parser("notice").parse_args(list(words))
        names, rows = command.take_action(args)
        return command, [dict(zip(names, row, strict=True)) for row in rows]

    def add(self, **changes: Any) -> str:
        row = self.house.store.add("notice", api.notice_row(**changes))
        return str(row["id"])

    def asked(self) -> list[str]:
        calls = self.house.conductor.calls
        return [call[1] for call in calls if call[0] == "notice_resend"]

    def test_dead_letters_are_listed(self) -> None:
        dead = self.add()
        self.add(state="delivered")
        _, rows = self.run_command(notice.List, "--state", "dead")
        found = [(row["id"], row["error"]) for row in rows]
        self.assertEqual([(dead, "answered 503")], found)

    def test_named_ones_are_sent_again(self) -> None:
        one, two = self.add(), self.add()
        command, rows = self.run_command(notice.Resend, one, two)
        self.assertEqual([one, two], self.asked())
        self.assertEqual(["resending"] * 2, [row["state"] for row in rows])
        self.assertEqual(0, command.exit_code)

    def test_those_of_a_fault_a_subscription_or_all(self) -> None:
        """Only dead ones; of more pages than one."""
        self.house.conf.set_override("max_limit", 1, group="api")
        fault = str(uuid.uuid4())
        hook = str(uuid.uuid4())
        both = self.add(fault_ids=[fault], subscription_id=hook)
        of_fault = self.add(fault_ids=[fault], subscription_id="aodh")
        other = self.add()
        self.add(fault_ids=[fault], subscription_id=hook, state="delivered")
        for words, wanted in (
            (("--fault", fault), [both, of_fault]),
            (("--subscription", hook), [both]),
            (("--fault", fault, "--subscription", "aodh"), [of_fault]),
            (("--all",), [both, of_fault, other]),
        ):
            with self.subTest(words):
                self.house.conductor.calls.clear()
                for row in self.house.store.rows["notice"][:3]:
                    row["state"] = "dead"
                self.run_command(notice.Resend, *words)
                self.assertEqual(wanted, self.asked())

    def test_it_must_be_said_which(self) -> None:
        for words in ((), (self.add(), "--all"), (self.add(), "--fault", "f")):
            with self.assertRaises(exceptions.CommandError) as caught:
                self.run_command(notice.Resend, *words)
            self.assertIn("--subscription", str(caught.exception))
        self.assertEqual([], self.asked())

    def test_a_refusal_stands_beside_its_notice_and_stops_no_other(self) -> None:
        fine, gone = self.add(), str(uuid.uuid4())
        command, rows = self.run_command(notice.Resend, gone, "a/b", fine)
        self.assertEqual([fine], self.asked())
        self.assertIn("not_found", rows[0]["refusal"])
        self.assertIn("is no id", rows[1]["refusal"])
        self.assertEqual("resending", rows[2]["state"])
        self.assertEqual(1, command.exit_code)

    def test_the_conductors_reason_is_told(self) -> None:
        one = self.add()
        self.house.conductor.failure = errors.Conflict("Subscription s is deleted.")
        command, rows = self.run_command(notice.Resend, one)
        self.assertIn("Subscription s is deleted.", rows[0]["refusal"])
        self.assertEqual(1, command.exit_code)

    def test_one_is_shown_with_its_times(self) -> None:
        one = self.add(fault_ids=[])
        row = self.client.notice(one)
        self.assertEqual(("dead", []), (row["state"], row["fault_ids"]))
        app = types.SimpleNamespace(
            client_manager=types.SimpleNamespace(upgrade=self.client)
        )
        command = notice.Show(app, None)
        names, cells = command.take_action(types.SimpleNamespace(notice=one))
        shown = dict(zip(names, cells, strict=True))
        self.assertEqual(one, shown["id"])
        self.assertIn("T6  00:01:40.312", shown["times"].human_readable())
