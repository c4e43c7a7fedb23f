"""Which subscription hears what (DR-4, DR-7, DR-10)."""

import dataclasses
import json
import unittest
import uuid
from typing import Any

from escalator.domain import events, notice

EVENT_ID = str(uuid.UUID(int=1))
TIMES = {"T0": 1.0, "T1": 1.3, "T5": 1.31}


def subscriber(id: str = "s1", **changes: Any) -> notice.Subscriber:
    values: dict[str, Any] = {
        "project_id": "red",
        "url": "http://consumer/",
        "fault_types": (),
        "min_severity": "warning",
        "is_admin": False,
    }
    return notice.subscriber(id=id, **{**values, **changes})


def impact(host: str = "node-1", *instances: str, **changes: Any) -> events.Impact:
    """Build an impact; an instance is written ``project/id``."""
    values: dict[str, Any] = {"fault_type": "host.down", "severity": "critical"}
    fault = events.Fault(id=f"fault-{host}", host=host, times={}, **values | changes)
    owned = tuple(
        events.AffectedInstance(id=text.split("/")[1], project_id=text.split("/")[0])
        for text in instances
    )
    return events.Impact(fault, owned, is_marked_down=True, times=TIMES)


def tell(
    impacts: list[events.Impact], *subscribers: notice.Subscriber
) -> dict[str, notice.Notice]:
    event = events.HostMarkedDown(EVENT_ID, tuple(impacts))
    told = notice.notices(event, notice.Directory(subscribers), 2.0)
    return {item.subscription_id: item for item in told}


def instance_ids(item: notice.Notice) -> list[str]:
    return [i["id"] for fault in item.body["faults"] for i in fault["instances"]]


class AlarmOwnerTest(unittest.TestCase):
    """DR-7: nobody hears of another project's instances."""

    def setUp(self) -> None:
        self.told = tell(
            [impact("node-1", "red/r1", "blue/b1"), impact("node-2", "blue/b2")],
            subscriber("red", project_id="red"),
            subscriber("blue", project_id="blue"),
            subscriber("green", project_id="green"),
        )

    def test_each_hears_of_its_own_only(self) -> None:
        self.assertEqual({"red", "blue"}, set(self.told))
        self.assertEqual(["r1"], instance_ids(self.told["red"]))
        self.assertEqual(["b1", "b2"], instance_ids(self.told["blue"]))
        self.assertEqual(("fault-node-1",), self.told["red"].fault_ids)

    def test_no_trace_of_others_or_of_the_host_in_the_body(self) -> None:
        text = json.dumps(self.told["red"].body)
        for word in ("blue", "b1", "node-1", "node-2"):
            self.assertNotIn(word, text.replace("fault-node-1", ""))

    def test_host_ref_is_what_nova_shows_that_owner(self) -> None:
        refs = {
            name: self.told[name].body["faults"][0]["host_ref"]
            for name in ("red", "blue")
        }
        self.assertEqual(notice.host_ref("node-1", "red"), refs["red"])
        self.assertNotEqual(refs["red"], refs["blue"])
        self.assertEqual(56, len(refs["red"]))

    def test_host_without_instances_concerns_no_tenant(self) -> None:
        self.assertEqual({}, tell([impact("node-1")], subscriber()))


class AdministratorTest(unittest.TestCase):
    def test_hears_of_hosts_by_name_and_of_all_instances_once(self) -> None:
        told = tell(
            [impact("node-1", "red/r1", "blue/b1"), impact("node-2")],
            subscriber("admin", project_id="red", is_admin=True),
        )
        faults = told["admin"].body["faults"]
        self.assertEqual(["node-1", "node-2"], [f["host_ref"] for f in faults])
        self.assertEqual(["r1", "b1"], instance_ids(told["admin"]))
        self.assertEqual("blue", faults[0]["instances"][1]["project_id"])


class FilterTest(unittest.TestCase):
    """DR-4: the consumer says which faults it watches."""

    def test_fault_types(self) -> None:
        link = subscriber("link", fault_types=["link.down", "service.failed"])
        every = subscriber("every")
        self.assertEqual({"every"}, set(tell([impact("n", "red/1")], link, every)))
        down = impact("n", "red/1", fault_type="link.down")
        self.assertEqual({"every", "link"}, set(tell([down], link, every)))

    def test_severity(self) -> None:
        major = subscriber("major", min_severity="major")
        for severity, is_told in (
            ("warning", False),
            ("minor", False),
            ("major", True),
            ("critical", True),
            ("from a newer release", True),
        ):
            with self.subTest(severity):
                told = tell([impact("n", "red/1", severity=severity)], major)
                self.assertEqual(is_told, bool(told))

    def test_a_filter_applies_to_each_fault_of_a_batch(self) -> None:
        batch = [
            impact("n1", "red/1", severity="minor"),
            impact("n2", "red/2", severity="critical"),
        ]
        told = tell(batch, subscriber("s", min_severity="major"))
        self.assertEqual(["2"], instance_ids(told["s"]))

    def test_administrators_filter_too(self) -> None:
        admin = subscriber(is_admin=True, fault_types=["link.down"])
        self.assertEqual({}, tell([impact("n", "red/1")], admin))


def agreed(*probes: str, watching: int = 3, **changes: Any) -> events.Impact:
    """Build an impact on which these probes agree, of so many."""
    found = impact("n", "red/1", **changes)
    evidence = {"probes": list(probes), "probes_watching": watching} if probes else {}
    return dataclasses.replace(
        found, fault=dataclasses.replace(found.fault, evidence=evidence)
    )


class ProbesTest(unittest.TestCase):
    """DR-4: k of n for each subscription."""

    def setUp(self) -> None:
        self.subscribers = [
            subscriber(f"k{count}", min_probes=count) for count in (1, 2, 3)
        ]

    def grown(self, found: events.Impact, before: int) -> dict[str, notice.Notice]:
        event = events.ImpactCorroborated(
            EVENT_ID, (found,), {found.fault.id: before}, 7.5
        )
        told = notice.notices(event, notice.Directory(self.subscribers), 8.0)
        return {item.subscription_id: item for item in told}

    def test_a_beginning_is_told_to_those_whose_number_is_reached(self) -> None:
        for probes, wanted in (
            (("icmp",), {"k1"}),
            (("icmp", "tcp"), {"k1", "k2"}),
            (("bfd", "icmp", "tcp"), {"k1", "k2", "k3"}),
        ):
            for kind in ("host.down", "link.down"):
                with self.subTest(kind, probes=probes):
                    told = tell([agreed(*probes, fault_type=kind)], *self.subscribers)
                    self.assertEqual(wanted, set(told))

    def test_who_asks_for_more_than_there_are_is_not_forgotten(self) -> None:
        """All that watch the host are enough; of one, and of an alarm, that one."""
        everybody = {"k1", "k2", "k3"}
        for found, wanted in (
            (agreed("icmp", "tcp", watching=2), everybody),
            (agreed("icmp", watching=2), {"k1"}),
            (agreed(), everybody),
        ):
            with self.subTest(found.fault.evidence):
                self.assertEqual(wanted, set(tell([found], *self.subscribers)))
        grown = agreed("icmp", "tcp", watching=2)
        self.assertEqual({"k2", "k3"}, set(self.grown(grown, 1)))
        self.assertEqual(set(), set(self.grown(grown, 2)))

    def test_faults_that_no_probe_finds_pass(self) -> None:
        for kind in ("agent.silent", "alarm", "monitor.isolated", "from a newer one"):
            with self.subTest(kind):
                told = tell([agreed(fault_type=kind)], *self.subscribers)
                self.assertEqual({"k1", "k2", "k3"}, set(told))

    def test_further_probes_are_told_to_those_who_waited_for_them(self) -> None:
        two, three = agreed("icmp", "tcp"), agreed("bfd", "icmp", "tcp")
        self.assertEqual({"k2"}, set(self.grown(two, 1)))
        self.assertEqual({"k3"}, set(self.grown(three, 2)))
        self.assertEqual({"k2", "k3"}, set(self.grown(three, 1)))
        self.assertEqual(set(), set(self.grown(two, 2)))

    def test_the_late_notice_is_the_notice_of_the_same_fault(self) -> None:
        """Its times are the fault's own; the wait that was asked for is beside."""
        late = self.grown(agreed("icmp", "tcp"), 1)["k2"].body
        soon = tell([agreed("icmp")], *self.subscribers)["k1"].body
        self.assertEqual("host.down", late["event"])
        self.assertEqual(soon["faults"], late["faults"])
        self.assertEqual(7.5, late["corroborated_at"])
        self.assertNotIn("corroborated_at", soon)

    def test_other_filters_hold_for_the_late_notice(self) -> None:
        """DR-7 too."""
        self.subscribers = [
            subscriber("link", min_probes=2, fault_types=["link.down"]),
            subscriber("blue", min_probes=2, project_id="blue"),
            subscriber("admin", min_probes=2, project_id="", is_admin=True),
        ]
        self.assertEqual({"admin"}, set(self.grown(agreed("icmp", "tcp"), 1)))

    def test_an_end_is_told_to_those_who_heard_of_the_beginning(self) -> None:
        """DR-10."""
        event = events.HostMarkedUp(EVENT_ID, (agreed("icmp", "tcp"),), 9.0)
        told = notice.notices(event, notice.Directory(self.subscribers), 9.1)
        self.assertEqual({"k1", "k2"}, {item.subscription_id for item in told})


class BatchTest(unittest.TestCase):
    def test_one_notice_per_subscription_however_many_hosts(self) -> None:
        batch = [impact(f"n{i}", f"red/{i}", f"blue/{i}") for i in range(500)]
        told = tell(batch, subscriber("a"), subscriber("b", project_id="blue"))
        self.assertEqual({"a", "b"}, set(told))
        self.assertEqual(500, len(told["a"].body["faults"]))

    def test_ids_are_the_same_on_every_repeat(self) -> None:
        one, two = (tell([impact("n", "red/1")], subscriber("s")) for _ in "ab")
        self.assertEqual(one["s"].id, two["s"].id)
        both = tell([impact("n", "red/1")], subscriber("s"), subscriber("t"))
        self.assertNotEqual(both["s"].id, both["t"].id)
        self.assertEqual(EVENT_ID, both["t"].cause_id)


class BodyTest(unittest.TestCase):
    def test_down(self) -> None:
        body = tell([impact("n", "red/1")], subscriber("s"))["s"].body
        self.assertEqual("host.down", body["event"])
        self.assertEqual(2.0, body["sent_at"])
        fault = body["faults"][0]
        self.assertEqual("raised", fault["state"])
        self.assertIs(True, fault["is_marked_down"])
        self.assertEqual(TIMES, fault["times"])

    def test_up_is_told_to_those_who_heard_of_down(self) -> None:
        """DR-10."""
        event = events.HostMarkedUp(EVENT_ID, (impact("n", "red/1"),), 9.0)
        told = notice.notices(event, notice.Directory([subscriber("s")]), 9.1)
        self.assertEqual("host.up", told[0].body["event"])
        self.assertEqual("cleared", told[0].body["faults"][0]["state"])
        self.assertEqual(9.0, told[0].body["cleared_at"])


class CampaignTest(unittest.TestCase):
    def test_only_the_campaigns_project_hears(self) -> None:
        event = events.CampaignChanged(
            event_id=EVENT_ID,
            campaign_id="c",
            name="rolling",
            project_id="ops",
            from_state="running",
            to_state="holding",
            reason="host down",
            hosts=("node-1",),
            occurred_at=1.0,
        )
        directory = notice.Directory(
            [
                subscriber("mine", project_id="ops", fault_types=["link.down"]),
                subscriber("boss", project_id="ops", is_admin=True),
                subscriber("other", project_id="red"),
                subscriber("other-boss", project_id="red", is_admin=True),
            ]
        )
        told = {n.subscription_id: n for n in notice.notices(event, directory, 2.0)}
        self.assertEqual({"mine", "boss"}, set(told))
        self.assertEqual("campaign.changed", told["mine"].body["event"])
        self.assertEqual("holding", told["mine"].body["campaign"]["to_state"])
        self.assertEqual("info", told["mine"].body["campaign"]["severity"])
        self.assertEqual(["node-1"], told["boss"].body["campaign"]["host_refs"])
        self.assertNotIn("node-1", json.dumps(told["mine"].body))


class ReviveTest(unittest.TestCase):
    """A dead letter is the same notice once more (DR-7)."""

    def letter(self, sent: notice.Notice, **changes: Any) -> events.ResendRequested:
        values: dict[str, Any] = {
            "event_id": str(uuid.UUID(int=2)),
            "notice_id": sent.id,
            "cause_id": sent.cause_id,
            "fault_ids": sent.fault_ids,
            "subscription_id": sent.subscription_id,
            "project_id": sent.project_id,
            "body": json.dumps(sent.body, separators=(",", ":")),
        }
        return events.ResendRequested(**{**values, **changes})

    def test_the_same_bytes_to_the_url_of_now(self) -> None:
        before = subscriber(url="http://before/")
        sent = tell([impact("node-1", "red/vm-ä\ud800")], before)["s1"]
        letter = self.letter(sent)
        now = notice.Directory([subscriber(url="http://now/")])
        again = notice.revive(letter, now)
        assert again is not None
        self.assertEqual("http://now/", again.url)
        self.assertEqual(letter.body, json.dumps(again.body, separators=(",", ":")))
        self.assertEqual(dataclasses.replace(sent, url="http://now/"), again)

    def test_a_subscription_that_is_gone_or_anothers_is_told_nothing(self) -> None:
        sent = tell([impact("node-1", "red/vm")], subscriber())["s1"]
        for left in ((), (subscriber("s2"),), (subscriber(project_id="blue"),)):
            directory = notice.Directory(left)
            self.assertIsNone(notice.revive(self.letter(sent), directory))

    def test_what_is_no_json_is_refused(self) -> None:
        sent = tell([impact("node-1", "red/vm")], subscriber())["s1"]
        with self.assertRaises(ValueError):
            notice.revive(self.letter(sent, body="{"), notice.Directory([subscriber()]))

    def test_a_sinks_own_name_is_no_subscription(self) -> None:
        self.assertTrue(notice.has_subscription(str(uuid.UUID(int=7))))
        for name in ("aodh", "", "pager"):
            self.assertFalse(notice.has_subscription(name), name)
