"""The driver ``openstack`` holds alarms of an Aodh that misbehaves (S-7)."""

import copy
import itertools
import json
import os
import re
import signal
import threading

from escalator import errors
from escalator.conf import vim as options
from escalator.drivers.action import scaling as actions
from escalator.drivers.vim.openstack import scaling
from tests.fixtures import aodh as aodhs
from tests.fixtures import orders
from tests.functional.vim import test_openstack
from tests.unit.drivers import contract_scaling
from tests.unit.drivers.contract_scaling import LONG_S, ONE, OTHER

HEAT = "heat:8004/v1/p1/stacks/web/5b0c/resources/up/signal"
SIGNED = (
    "http://heat:8000/v1/signal/arn%3Aopenstack%3Aheat%3A%3Ap1%3Astacks%2Fweb%2F5b0c"
    "%2Fresources%2Fup?Timestamp=2026-11-22T00%3A00%3A00Z&SignatureMethod=HmacSHA256"
)
SCALING = (
    f"http://{HEAT}",
    f"https://{HEAT}?x=1",
    f"trust+http://{HEAT}",
    f"TRUST+HTTPS://{HEAT}",
    SIGNED,
    SIGNED.replace("%3A", ":"),
    "http://senlin:8778/v1/webhooks/5b0c/trigger?V=1&count=2",
    "https://cloud.example/clustering/v1/webhooks/5b0c/trigger",
)
OTHERS = (
    "http://consumer:1234/failure",
    "http://consumer/v1/stacks/web/5b0c/resources/up/signals",
    f"http://consumer/?next=http://{HEAT}",
    "http://consumer/v1/webhooks/trigger",
    "log://",
    "trust+heat://5b0c",
    "zaqar://?topic=signal",
)


class Case(test_openstack.Case):
    def setUp(self):
        super().setUp()
        self.aodh = self.nova.aodh

    def made(self, **values):
        actions = values.pop("scaling_actions", tuple(options.SCALING_ACTIONS))
        choice = scaling.Choice(actions, values.pop("settle_s", 0.0))
        return super().made(choice=choice, **values)

    def hold(self, holder=ONE, reason="an upgrade"):
        return self.vim.scaling.hold(holder, reason, LONG_S)

    def release(self, holder=ONE):
        return self.vim.scaling.release(holder, LONG_S)

    def stored(self):
        return copy.deepcopy(self.aodh.alarms)

    def enabled(self):
        return {each["name"] for each in self.aodh.alarms.values() if each["enabled"]}


class ContractTest(contract_scaling.ScalingContract, Case):
    hold = contract_scaling.ScalingContract.hold
    release = contract_scaling.ScalingContract.release
    enabled = contract_scaling.ScalingContract.enabled

    def setUp(self):
        super().setUp()
        self.ids = {name: self.aodh.add(name) for name in self.ON}
        self.ids[self.OFF] = self.aodh.add(self.OFF, enabled=False)
        self.aodh.add("of a consumer", OTHERS[0])

    def make_scaling(self):
        return self.made().scaling

    def read_cloud(self):
        return self.stored()

    def is_enabled(self, name):
        return self.aodh.alarms[self.ids[name]]["enabled"]

    def set_enabled(self, name, is_enabled):
        self.aodh.alarms[self.ids[name]]["enabled"] = is_enabled

    def count_changes(self):
        return self.aodh.writes


class ChoiceTest(Case):
    def test_which_actions_scale(self):
        for number, url in enumerate((*SCALING, *OTHERS)):
            self.aodh.add(f"{number}", url)
        self.hold()
        left = {str(len(SCALING) + number) for number in range(len(OTHERS))}
        self.assertEqual(left, self.enabled())

    def test_an_action_of_whatever_state(self):
        for key in ("ok_actions", "insufficient_data_actions"):
            self.aodh.add(key, OTHERS[0], **{key: ["log://", SCALING[0]]})
        self.hold()
        self.assertEqual(set(), self.enabled())

    def test_what_the_configuration_says_instead(self):
        self.aodh.add("heat")
        self.aodh.add("own", "https://scaler.example/up")
        self.vim = self.made(scaling_actions=(r"^https://scaler\.example/",))
        self.hold()
        self.assertEqual({"heat"}, self.enabled())

    def test_alarms_of_all_projects_in_pages(self):
        self.aodh.page = 1000
        for number in range(2003):
            self.aodh.add(f"{number}", OTHERS[0], project_id=f"p{number % 7}")
        self.aodh.add("last", project_id="p9")
        told = self.hold()
        self.assertEqual(1, len(told["held"]))
        self.assertEqual(1, self.aodh.writes)
        figures = self.vim.figures()
        self.assertEqual(6, figures["list_alarms"]["count"])
        self.assertEqual(1, figures["update_alarm"]["count"])

    def test_an_alarm_that_is_changed_between_two_pages(self):
        """Aodh's own order would leave it out."""
        ids = [self.aodh.add(f"{number}") for number in range(1500)]
        answer = self.aodh.answer

        def touch(verb, path, query, body):
            found = answer(verb, path, query, body)
            for each in (ids[0], ids[-1]):
                self.aodh.alarms[each] = self.aodh.alarms.pop(each)
            return found

        self.aodh.answer = touch
        self.assertEqual(1500, len(self.vim.scaling.triggers()))

    def test_a_marker_that_is_deleted_may_be_tried_again(self):
        for number in range(1500):
            self.aodh.add(f"{number}")
        answer = self.aodh.answer

        def delete(verb, path, query, body):
            found = answer(verb, path, query, body)
            if found[0] == 200:
                del self.aodh.alarms[found[1][-1]["alarm_id"]]
            return found

        self.aodh.answer = delete
        with self.assertRaises(errors.ActionFailed) as caught:
            self.hold()
        self.assertEqual("transient", caught.exception.failure_class)

    def test_one_whose_actions_its_owner_changed_is_released(self):
        held = self.aodh.add("changed")
        self.hold()
        self.aodh.alarms[held]["alarm_actions"] = [OTHERS[0]]
        self.release()
        self.assertEqual({"changed"}, self.enabled())


class NoteTest(Case):
    def test_owners_read_who_and_why(self):
        held = self.aodh.add("web", description="CPU of the web tier")
        self.hold(reason="to 2.0, call noc")
        self.hold(OTHER, "more \U0001f680")
        self.assertEqual(
            f"CPU of the web tier [Escalator holds this alarm for {ONE}: to 2.0, call"
            f" noc] [Escalator holds this alarm for {OTHER}: more ?]",
            self.aodh.alarms[held]["description"],
        )

    def test_what_the_owner_writes_meanwhile_stays(self):
        held = self.aodh.add("web", description="[old] text: a]")
        self.hold()
        self.aodh.alarms[held]["description"] += " and more"
        self.aodh.alarms[held]["severity"] = "low"
        self.release()
        found = self.aodh.alarms[held]
        self.assertEqual("[old] text: a] and more", found["description"])
        self.assertEqual((True, "low"), (found["enabled"], found["severity"]))

    def test_an_owner_takes_his_alarm_back(self):
        """Without the note it is his: it stays disabled, as he left it."""
        held = self.aodh.add("web", description="text")
        self.hold()
        self.aodh.alarms[held]["description"] = "mine"
        told = self.release()
        self.assertEqual((set(), []), (self.enabled(), told["released"]))

    def test_one_that_is_deleted_meanwhile(self):
        """S-7: between the list and the write it is told, before that it is gone."""
        early, late, stays = map(self.aodh.add, ("early", "late", "stays"))
        self.hold()
        del self.aodh.alarms[early]
        self.aodh.before_put = lambda _: self.aodh.alarms.pop(late, None)
        told = self.release()
        self.assertEqual([f"late ({late})"], told["gone"])
        self.assertEqual([f"stays ({stays})"], told["released"])

    def test_a_description_that_is_full(self):
        self.aodh.add("full", description="x" * 65500)
        self.aodh.add("web")
        with self.assertRaisesRegex(errors.ActionFailed, "full .*no room left"):
            self.hold()
        self.assertEqual({"full"}, self.enabled())


class WholeTest(Case):
    """A PUT changes what it is meant to, and nothing else."""

    def filtered(self, query, **values):
        rule = {
            "metric": "cpu",
            "threshold": 80.0,
            "query": json.dumps(query),
            **values.pop("rule", {}),
        }
        values = {"type": aodhs.FILTERED, "event_rule": None, **values}
        return self.aodh.add("web", **{f"{aodhs.FILTERED}_rule": rule}, **values)

    def test_a_query_is_not_filtered_twice(self):
        """S-7: Aodh joins its filter whenever we write; the rule stays the same."""
        query = {"and": [{"=": {"server_group": "g"}}, {"=": {"ended_at": None}}]}
        for own in (aodhs.filtered(json.dumps(query), "p1"), None):
            plain = {"and": [{"=": {"created_by_project_id": "p1"}}, query]}
            self.filtered({}, rule={"query": own or json.dumps(plain)})
        first, second = self.aodh.alarms
        key = f"{aodhs.FILTERED}_rule"
        before = self.stored()
        self.hold()
        self.assertEqual(before[first][key], self.aodh.alarms[first][key])
        self.release()
        self.assertEqual(before[first], self.aodh.alarms[first])
        inner = json.loads(self.aodh.alarms[second][key]["query"])["and"][1]
        self.assertEqual(query, inner)

    def test_a_query_that_would_be_narrowed_is_refused(self):
        """S-7: better a hold that fails than an alarm that sees less afterwards."""
        own = {"=": {"created_by_project_id": "p1"}}
        for query in (
            {"=": {"a": 1}},
            {"and": [{"=": {"a": 1}}, {"=": {"b": 1}}]},
            {"and": [own, {"=": {"a": 1}}, {"=": {"b": 1}}]},
            {"and": [own]},
        ):
            self.filtered(query)
        self.aodh.add("other")
        before = self.stored()
        with self.assertRaisesRegex(errors.ActionFailed, "web .*Aodh would limit it"):
            self.hold()
        self.assertEqual({"web"}, self.enabled())
        self.release()
        self.assertEqual(before, self.aodh.alarms)

    def test_a_query_in_the_accounts_own_project_stays(self):
        self.filtered({"=": {"a": 1}}, project_id="p")
        before = self.stored()
        self.hold()
        self.assertEqual(set(), self.enabled())
        self.release()
        self.assertEqual(before, self.aodh.alarms)

    def test_trusts_are_kept(self):
        url = f"trust+http://5b0c:delete@{HEAT}"
        held = self.aodh.add("web", url, ok_actions=[url.replace("up", "down")])
        before = self.stored()
        self.hold()
        self.assertEqual([url], self.aodh.alarms[held]["alarm_actions"])
        self.release()
        self.assertEqual(before, self.aodh.alarms)


class RaceTest(Case):
    """Aodh has no compare-and-set."""

    def test_a_note_that_another_campaign_wrote_over(self):
        """S-7: it is written again by the look afterwards."""
        held = self.aodh.add("web")
        alarm = self.aodh.alarms[held]
        theirs = {
            **alarm,
            "enabled": False,
            "description": scaling.described(alarm["description"], {OTHER: "x"}),
        }
        seen = []

        def overwrite(_):
            if len(seen) == 1:
                self.aodh.alarms[held] = dict(theirs)
            seen.append(1)

        self.aodh.add("second")
        self.aodh.before_put = overwrite
        told = self.hold()
        self.assertEqual(2, len(told["held"]))
        found = scaling.trigger_of(self.aodh.alarms[held])
        self.assertEqual({ONE, OTHER}, set(found.holders))

    def test_a_release_that_another_hold_wrote_over(self):
        """S-7: nothing stays held for a campaign that is over."""
        before = {self.aodh.add("web"), self.aodh.add("second")}
        alarms = self.stored()
        self.hold()
        first = next(iter(self.aodh.alarms))
        stale = dict(self.aodh.alarms[first])
        marks = {ONE: "an upgrade", OTHER: "x"}
        stale["description"] = scaling.described(stale["description"], marks)
        seen = []

        def overwrite(_):
            if len(seen) == 1:
                self.aodh.alarms[first] = dict(stale)
            seen.append(1)

        self.aodh.before_put = overwrite
        self.release()
        self.aodh.before_put = lambda _: None
        self.release(OTHER)
        self.assertEqual(before, set(self.aodh.alarms))
        self.assertEqual(alarms, self.aodh.alarms)


class SettleTest(Case):
    """Aodh's evaluator stores what it read before we wrote, whole."""

    def test_an_old_copy_that_aodh_writes_back(self):
        """S-7: the alarm goes off once more, and enables itself thereby."""
        held, other = self.aodh.add("web"), self.aodh.add("other")
        old = {**self.aodh.alarms[held], "state": "alarm"}
        timer = threading.Timer(0.5, self.aodh.alarms.__setitem__, (held, old))
        self.vim = self.made(settle_s=1.5)

        def begin(alarm_id):
            if alarm_id == other and not timer.ident:
                timer.start()

        self.aodh.before_put = begin
        self.addCleanup(timer.join)
        told = self.hold()
        self.assertEqual([f"web ({held})"], told["enabled_meanwhile"])
        self.assertEqual(2, len(told["held"]))
        self.assertEqual(set(), self.enabled())
        self.assertEqual("alarm", self.aodh.alarms[held]["state"])
        self.release()
        self.assertEqual({"web", "other"}, self.enabled())
        self.assertEqual("of other", self.aodh.alarms[other]["description"])


class TroubleTest(Case):
    timeout_s = 1.0

    def setUp(self):
        super().setUp()
        self.aodh.add("web")

    def test_a_catalog_without_aodh(self):
        """It is a failure, unless the file says that there is none."""
        self.nova.aodh = None
        order = orders.make_order(action="scaling.hold", executor="vim", params={})
        action = actions.Hold({"vim": self.vim})
        with self.assertRaisesRegex(errors.ActionFailed, "no service of type alarming"):
            action.run(order)
        order.params["if_absent"] = "skip"
        self.assertEqual({"is_absent": True}, action.run(order))

    def test_a_wrong_address_is_no_cloud_without_aodh(self):
        self.nova.trouble["GET /v2/alarms"] = [404] * 9
        order = orders.make_order(
            action="scaling.hold", executor="vim", params={"if_absent": "skip"}
        )
        with self.assertRaisesRegex(errors.ActionFailed, "404"):
            actions.Hold({"vim": self.vim}).run(order)

    def test_an_error_is_outlived(self):
        self.nova.trouble["GET /v2/alarms"] = [503]
        self.nova.trouble["PUT /v2/alarms"] = [500]
        self.hold()
        self.assertEqual(set(), self.enabled())
        self.assertEqual(1, self.vim.figures()["update_alarm"]["failures"])

    def test_an_aodh_that_is_away_may_be_tried_again(self):
        for verb in ("GET", "PUT"):
            self.nova.trouble = {f"{verb} /v2/alarms": [503] * 9}
            with self.assertRaises(errors.VimUnavailable) as caught:
                self.hold()
            self.assertTrue(caught.exception.retryable)
        self.nova.trouble = {}
        self.assertEqual(1, len(self.hold()["held"]))

    def test_an_aodh_that_hangs(self):
        self.nova.trouble["PUT /v2/alarms"] = 3.0
        with self.assertRaisesRegex(errors.VimUnavailable, "update_alarm"):
            self.hold()

    def test_an_account_that_may_not_ask(self):
        self.nova.trouble["GET /v2/alarms"] = [403] * 9
        with self.assertRaisesRegex(errors.ActionFailed, "403") as caught:
            self.hold()
        self.assertEqual("permanent", caught.exception.failure_class)
        self.assertNotIn("token-", str(caught.exception))

    def test_refusals_are_named_and_all_others_are_held(self):
        for status in (400, 409):
            (refused,) = [k for k, e in self.aodh.alarms.items() if e["name"] == "web"]
            self.nova.trouble = {f"PUT /v2/alarms/{refused}": [status] * 9}
            self.aodh.add(f"other {status}")
            with self.assertRaisesRegex(errors.ActionFailed, f"web .*{status}"):
                self.hold()
            self.assertEqual({"web"}, self.enabled())
        self.nova.trouble = {}
        self.hold()
        self.assertEqual(set(), self.enabled())

    def test_no_token_is_kept_beyond_its_time(self):
        self.hold()
        self.nova.logins += 1
        self.release()
        self.assertEqual({"web"}, self.enabled())


class KillTest(Case):
    """S-7: kill -9 at every write; another process goes on, or takes it back."""

    ALARMS = 4

    def setUp(self):
        super().setUp()
        for number in range(self.ALARMS):
            self.aodh.add(f"web {number}", project_id=f"p{number}")
        self.aodh.add("off", enabled=False)
        self.before = self.stored()

    def killed(self, call, after):
        """Let a process of its own do ``call``; it dies when so many are written.

        True if it came so far.
        """
        pid = os.fork()
        if not pid:
            try:
                known = self.made().scaling
                write, left = known._alarms.write, itertools.count(after, -1)

                def write_and_die(alarm):
                    if next(left) <= 0:
                        os.kill(os.getpid(), signal.SIGKILL)
                    write(alarm)

                known._alarms.write = write_and_die
                call(known)
            finally:
                os._exit(0)
        status = os.waitpid(pid, 0)[1]
        return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL

    def test_wherever_a_hold_is_killed(self):
        for after in range(self.ALARMS):
            with self.subTest(after=after, then="goes on"):
                self.assertTrue(
                    self.killed(lambda each: each.hold(ONE, "x", LONG_S), after)
                )
                self.assertEqual(self.ALARMS - after, len(self.enabled()))
                self.assertEqual(self.ALARMS, len(self.hold()["held"]))
                self.assertEqual(set(), self.enabled())
                self.release()
                self.assertEqual(self.before, self.aodh.alarms)
            with self.subTest(after=after, then="is undone"):
                self.killed(lambda each: each.hold(ONE, "x", LONG_S), after)
                self.release()
                self.assertEqual(self.before, self.aodh.alarms)

    def test_wherever_a_release_is_killed(self):
        for after in range(self.ALARMS):
            self.hold()
            with self.subTest(after=after):
                self.assertTrue(self.killed(lambda e: e.release(ONE, LONG_S), after))
                self.assertEqual(after, len(self.enabled()))
                self.release()
                self.assertEqual(self.before, self.aodh.alarms)

    def test_flag_and_note_are_one_write(self):
        self.hold()
        puts = self.nova.asked("PUT", "^/v2/alarms/")
        self.assertEqual(self.ALARMS, len(puts))
        for body in puts:
            self.assertFalse(body["enabled"])
            self.assertTrue(re.search(r"\[Escalator holds .*\]$", body["description"]))
