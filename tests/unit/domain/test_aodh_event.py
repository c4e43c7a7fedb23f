"""What Aodh is told."""

import dataclasses
import json
import unittest
import uuid
from typing import Any

import hypothesis
from hypothesis import strategies as st

from escalator.domain import aodh_event, events, notice

TIMES = {"T0": 1.0, "T1": 2.0, "T4": 3.0}


def impact(host: str = "node", *owned: str, **fault: Any) -> events.Impact:
    """Return the impact of a host that has one instance of each of ``owned``."""
    values = {"fault_type": "host.down", "severity": "critical", **fault}
    made = events.Fault(id=str(uuid.uuid4()), host=host, times=dict(TIMES), **values)
    instances = tuple(
        events.AffectedInstance(f"{host}-{at}", project_id, "name")
        for at, project_id in enumerate(owned)
    )
    return events.Impact(made, instances, True, dict(TIMES))


def down(*impacts: events.Impact) -> events.HostMarkedDown:
    return events.HostMarkedDown(str(uuid.uuid4()), impacts)


def told(found: tuple[notice.Notice, ...]) -> list[dict[str, Any]]:
    return [each for item in found for each in item.body["events"]]


def traits(event: dict[str, Any]) -> dict[str, str]:
    return {name: value for name, _, value in event["traits"]}


class HostTest(unittest.TestCase):
    def test_the_host_comes_first_with_all_data_of_an_etsi_alarm(self) -> None:
        found = impact("node", "red", "blue", "red")
        red = aodh_event.notices(down(found))[0]
        first = red.body["events"][0]
        self.assertEqual("escalator.host.down", first["event_type"])
        self.assertEqual("1970-01-01T00:00:03", first["generated"])
        expected = {
            "project_id": "red",
            "tenant_id": "red",
            "fault_id": found.fault.id,
            "fault_type": "host.down",
            "host_ref": notice.host_ref("node", "red"),
            "instance_ids": "node-0,node-2",
            "instance_count": "2",
            "is_marked_down": "true",
            "state": "raised",
            "severity": "critical",
            "perceived_severity": "critical",
            "event_type": "equipmentAlarm",
            "probable_cause": "equipmentMalfunction",
            "is_root_cause": "true",
            "correlated_fault_ids": "",
            "raised_at": "1970-01-01T00:00:01",
            "observed_at": "1970-01-01T00:00:02",
            "detected_at": "1970-01-01T00:00:02",
            "changed_at": "1970-01-01T00:00:03",
            "cleared_at": "",
        }
        self.assertEqual(expected, traits(first))

    def test_a_fault_that_was_told_before_is_related(self) -> None:
        """DR-6: the dead host explains the link that was told of first."""
        link = impact("node", "red", fault_type="link.down").fault
        found = impact("node", "red")
        event = dataclasses.replace(down(found), others=(link,))
        first = traits(aodh_event.notices(event)[0].body["events"][0])
        self.assertEqual(link.id, first["correlated_fault_ids"])
        self.assertEqual("true", first["is_root_cause"])
        later = dataclasses.replace(
            down(impact("node", "red", fault_type="link.down")), others=(found.fault,)
        )
        second = traits(aodh_event.notices(later)[0].body["events"][0])
        self.assertEqual(found.fault.id, second["correlated_fault_ids"])
        self.assertEqual("false", second["is_root_cause"])

    def test_instances_are_told_as_nova_and_ceilometer_would(self) -> None:
        """DR-6: the query of Doctor's alarm matches."""
        host, instance = told(aodh_event.notices(down(impact("node", "red"))))
        self.assertEqual("compute.instance.update", instance["event_type"])
        found = traits(instance)
        self.assertEqual(
            ("error", "node-0", "node-0", "red", "red"),
            tuple(
                found[name]
                for name in (
                    "state",
                    "instance_id",
                    "resource_id",
                    "tenant_id",
                    "project_id",
                )
            ),
        )
        self.assertEqual(traits(host)["fault_id"], found["fault_id"])

    def test_the_end_fires_no_error_alarm(self) -> None:
        """DR-10."""
        event = events.HostMarkedUp(str(uuid.uuid4()), (impact("node", "red"),), 9.0)
        host, instance = told(aodh_event.notices(event))
        self.assertEqual("escalator.host.cleared", host["event_type"])
        found = traits(host)
        self.assertEqual(
            ("cleared", "cleared", "1970-01-01T00:00:09", "1970-01-01T00:00:09"),
            (
                found["state"],
                found["perceived_severity"],
                found["cleared_at"],
                found["changed_at"],
            ),
        )
        self.assertEqual("active", traits(instance)["state"])
        self.assertEqual("error", traits(instance)["old_state"])

    def test_instances_may_be_left_to_nova(self) -> None:
        found = told(aodh_event.notices(down(impact("node", "red")), False))
        self.assertEqual(["escalator.host.down"], [e["event_type"] for e in found])

    def test_what_further_probes_find_is_no_news_to_an_alarm(self) -> None:
        """DR-4: it was told at once; how many must agree is the operator's policy."""
        found = impact("node", "red")
        event = events.ImpactCorroborated(
            str(uuid.uuid4()), (found,), {found.fault.id: 1}, 9.0
        )
        self.assertEqual((), aodh_event.notices(event))

    def test_a_repeat_has_the_same_ids(self) -> None:
        event = down(impact("node", "red", "blue"), impact("other", "red"))
        self.assertEqual(aodh_event.notices(event), aodh_event.notices(event))

    @hypothesis.given(
        st.lists(
            st.lists(st.sampled_from(["red", "blue", "green"]), max_size=40), max_size=4
        )
    )
    def test_small_messages_and_no_word_of_other_projects(
        self, hosts: list[list[str]]
    ) -> None:
        """DR-7: every instance is told once, to its owner alone."""
        event = down(*(impact(f"h{at}", *owned) for at, owned in enumerate(hosts)))
        owner = {
            each.id: each.project_id
            for item in event.impacts
            for each in item.instances
        }
        heard = []
        found = aodh_event.notices(event)
        for item in found:
            self.assertLessEqual(len(item.body["events"]), 10)
            for each in item.body["events"]:
                mine = traits(each)
                self.assertEqual(item.project_id, mine["project_id"])
                if "instance_id" in mine:
                    heard.append(mine["instance_id"])
                for id in filter(None, mine.get("instance_ids", "").split(",")):
                    self.assertEqual(item.project_id, owner[id])
        for id in heard:
            self.assertEqual(1, heard.count(id))
        self.assertEqual(set(owner), set(heard))
        self.assertEqual(len(found), len({item.id for item in found}))


class CampaignTest(unittest.TestCase):
    def test_only_the_campaigns_owner_hears(self) -> None:
        event = events.CampaignChanged(
            str(uuid.uuid4()), "c", "n", "red", "running", "paused", "why", ("a",), 5.0
        )
        (item,) = aodh_event.notices(event)
        (only,) = item.body["events"]
        found = traits(only)
        self.assertEqual("escalator.campaign.paused", only["event_type"])
        self.assertEqual(("red", "red"), (item.project_id, found["project_id"]))
        self.assertEqual("info", found["severity"])
        self.assertEqual(notice.host_ref("a", "red"), found["host_refs"])


class BadInputTest(unittest.TestCase):
    @hypothesis.given(st.text(), st.text())
    def test_any_text_makes_a_message_that_can_be_read(
        self, name: str, severity: str
    ) -> None:
        item = events.AffectedInstance("i", "red", name)
        found = events.Impact(
            events.Fault("f", name, severity, severity, {}), (item,), False, {}
        )
        for made in aodh_event.notices(down(found)):
            letter = json.loads(aodh_event.encode(made.id, made.body, 1.0))
            message = json.loads(letter["oslo.message"])
            self.assertEqual("SAMPLE", message["priority"])
            for each in message["payload"]:
                for _, kind, value in each["traits"]:
                    self.assertEqual((1, str), (kind, type(value)))
                    value.encode()

    def test_no_time_at_all_is_no_error(self) -> None:
        bare = events.Fault("f", "h", "host.down", "critical", {})
        mine = (events.AffectedInstance("i", "red"),)
        item, *_ = aodh_event.notices(down(events.Impact(bare, mine, True, {})))
        self.assertEqual("", traits(item.body["events"][0])["raised_at"])

    def test_a_few_messages_that_are_about_equal(self) -> None:
        """Each is evaluated in one thread of Aodh, event after event."""
        for instances, sizes in ((0, [1]), (1, [1, 1]), (10, [2] * 5 + [1])):
            found = aodh_event.notices(down(impact("h", *["red"] * instances)))
            self.assertEqual(
                sizes[: len(found)], [len(e.body["events"]) for e in found]
            )
        found = aodh_event.notices(down(impact("h", *["red"] * 200)))
        self.assertEqual(10, max(len(each.body["events"]) for each in found))

    def test_the_more_owners_the_fewer_messages_of_each(self) -> None:
        """Aodh works on those of different owners at once as well."""
        many = [f"owner{at % 10}" for at in range(50)]
        found = aodh_event.notices(down(impact("h", *many)))
        self.assertEqual([6] * 10, [len(each.body["events"]) for each in found])
        self.assertEqual(10, len({each.project_id for each in found}))
        found = aodh_event.notices(down(impact("h", "red", "blue")))
        self.assertEqual([1] * 4, [len(each.body["events"]) for each in found])


class ReviveTest(unittest.TestCase):
    """A dead letter is the message that Aodh did not get (DR-6)."""

    def letter(self, item: notice.Notice, **changes: Any) -> events.ResendRequested:
        values: dict[str, Any] = {
            "event_id": str(uuid.uuid4()),
            "notice_id": item.id,
            "cause_id": item.cause_id,
            "fault_ids": item.fault_ids,
            "subscription_id": item.subscription_id,
            "project_id": item.project_id,
            "body": aodh_event.encode(item.id, item.body, 1.0).decode(),
        }
        return events.ResendRequested(**{**values, **changes})

    def test_every_message_can_be_sent_again(self) -> None:
        found = aodh_event.notices(down(impact("node", *["red", "blue"] * 20)))
        for item in found:
            self.assertEqual(item, aodh_event.revive(self.letter(item)))

    def test_a_webhooks_letter_is_not_aodhs(self) -> None:
        (item, *_) = aodh_event.notices(down(impact("node", "red")))
        letter = self.letter(item, subscription_id=str(uuid.uuid4()), body="{}")
        self.assertIsNone(aodh_event.revive(letter))

    def test_a_body_of_anything_else_is_refused(self) -> None:
        (item, *_) = aodh_event.notices(down(impact("node", "red")))
        for body, refusal in (("{", ValueError), ("{}", KeyError)):
            with self.assertRaises(refusal):
                aodh_event.revive(self.letter(item, body=body))
