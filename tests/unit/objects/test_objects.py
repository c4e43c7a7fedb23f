"""What crosses the bus keeps its shape, or changes its version (RU-1)."""

import dataclasses
import datetime
import json
import unittest
from typing import Any

from oslo_versionedobjects import base as ovo
from oslo_versionedobjects import fixture

from escalator.domain import commands, events, states
from escalator.objects import base, campaign, event, fields, order, registry

FINGERPRINTS = {
    "AgentBeat": "1.0-7bfc397914740c132e34a8c1a0db13a5",
    "Alarm": "1.0-658d9ba7489fc0907b8ade30daab412f",
    "AlarmList": "1.0-4486c0bd2d2491c70a62cc2395e9d141",
    "AlarmReported": "1.0-c5edfb6d5fec0d5dfc70832f6598c049",
    "Campaign": "1.0-d7d8ab793757fe4aa5da5d22debb7e84",
    "CampaignChanged": "1.0-cd5eff9c18f746a73b1d64b5404a6419",
    "CampaignList": "1.0-0950e98598252a186699f5c4287eec6e",
    "CheckpointReached": "1.0-eb0acb3e3dc4dc7ef6e1ebb4fd55850b",
    "FaultCleared": "1.0-7910b372ce3c718124ca9c84224b7a64",
    "FaultConfirmed": "1.0-ec59d52f981b84b72a46b583911877e2",
    "FaultCorroborated": "1.0-880c251579afc6a7d4356a6ed17428fb",
    "FaultRecord": "1.0-6d4a6177f4b9ec7be4b90a1a9f9c21d7",
    "FaultRecordList": "1.0-3059c57db326e80b22ca09afa555134c",
    "Host": "1.0-361407fe052ebd9b4ad366fb8984d060",
    "HostList": "1.0-bc8b1527471912897296a6f50b595b98",
    "HostMarkedDown": "1.0-8cd3cff627c1647f35705a7b3335eed6",
    "HostMarkedUp": "1.0-f6e8c9a865a622838eb2b8d8313cf955",
    "ImpactCorroborated": "1.0-d8833853a2f2958dbaf15bf07c6ed2b0",
    "JournalEntry": "1.0-2aa668c040477272d1628658fb45afd7",
    "JournalList": "1.0-f4aec5b8271aa9f7b3811db0ffa76729",
    "NoticeRecord": "1.0-b46b37b23e1004d8fc11081dbdf74120",
    "NoticeRecordList": "1.0-d911a705d9a94555d4042ab4153146a9",
    "NoticeSettled": "1.0-b9d65379a22ad39e44484f5ee123af2b",
    "Observation": "1.0-4be0af0ec435096b42a2711ad32346aa",
    "ObservationList": "1.0-6e3e43f375d0bdc685a1e258d00e58e6",
    "PreflightReport": "1.0-8c1cd8afdf168d4286aa800cc62ff975",
    "PlanRevision": "1.0-6c57fe7dbf583bb110186372de8d3f2f",
    "PlanRevisionList": "1.0-f4aec5b8271aa9f7b3811db0ffa76729",
    "ResendRequested": "1.0-010288ae95dc094524fe23bbe41840a1",
    "Service": "1.0-d42d754561fcfc4588162615a69435bf",
    "ServiceList": "1.0-7723e30fa0f43b7ab76cf0a4ad4c074d",
    "Step": "1.0-3de542dbc62b37129a22a78897f10b6c",
    "StepList": "1.0-d9da45fe6c8e539b2751954c2ecf3398",
    "StepOrder": "1.0-30fecb1bf179100fbaa1f6b05ba7de2a",
    "StepProbe": "1.0-701c28115a9b6e6868e9a8fc4b9717cd",
    "StepRelease": "1.0-61ee80c864591626dad102be9a8a7235",
    "StepReported": "1.0-7f1e50f44b6f33b6b4c3178aebf6df5b",
    "StepStop": "1.0-db0a7d845a321f57435b71cc7026db2c",
    "Subscription": "1.0-b877479c83c73352da3e4bdf1bd7cf23",
    "SubscriptionList": "1.0-848bee72df514848ef8309f82709dbed",
    "SubscriptionsChanged": "1.0-7ab07ba3e377012a4def2a874ff946ed",
}
"""Change one only together with the class's VERSION and its history."""

UUID = "6f9619ff-8b86-4011-b42d-00c04fc964ff"
FAULT = events.Fault(
    UUID, "h1", "host.down", "critical", {"T0": 1.0, "T1": 1.25}, {"missed": 3}
)
IMPACT = events.Impact(
    FAULT, (events.AffectedInstance("i1", "p1", "vm"),), True, {"T2": 1.5}
)
EVENTS: tuple[Any, ...] = (
    events.FaultConfirmed(UUID, (FAULT,)),
    events.FaultCleared(UUID, (FAULT,), 2.0),
    events.HostMarkedDown(UUID, (IMPACT,)),
    events.HostMarkedUp(UUID, (IMPACT,), 3.0),
    events.StepReported(
        UUID, UUID, UUID, "h1", "a1", 1, 7, "failed", "transient", "x", {"n": [1]}
    ),
    events.AgentBeat("h1", "a1", ("node", "vim"), {"kernel": "6.1"}, 4.0, 1.0),
    events.CampaignChanged(
        UUID, UUID, "c", "p1", "running", "holding", "fault", ("h1",), 5.0, "critical"
    ),
    events.NoticeSettled(
        UUID, "n1", UUID, (UUID,), "s1", "p1", "dead", 5, {"T6": 6.0}, "late", "{}"
    ),
    events.SubscriptionsChanged(UUID, ("s1", "s2")),
    events.AlarmReported(
        UUID, "0" * 64, "a1", "load", "low", "ok", "insufficient data", "r", "m1", 7.5
    ),
    events.CheckpointReached(UUID, "T3", {UUID: 2.5}),
    events.FaultCorroborated(UUID, (FAULT,), {UUID: 1}, 2.5),
    events.ImpactCorroborated(UUID, (IMPACT,), {UUID: 1}, 2.5, (FAULT,)),
    events.ResendRequested(UUID, "n1", UUID, (UUID,), "s1", "p1", "{}"),
)
COMMANDS: tuple[Any, ...] = (
    commands.RunStep(
        UUID, UUID, "h1", "node", "action", "run", "package.install", {"a": 1},
        2, 9, "probe", True, 30.0, 99.5, {"result": {}},
    ),
    commands.ProbeStep(UUID, UUID, "h1", "vim", 2, 9),
    commands.ReleaseSteps(UUID, "h1", "node", {UUID: 9}),
)  # fmt: skip


def over_the_wire(made: Any) -> Any:
    """Return ``made`` as the other side of the bus builds it."""
    return base.EscalatorObject.obj_from_primitive(
        json.loads(json.dumps(made.obj_to_primitive()))
    )


class Fingerprints(unittest.TestCase):
    def test_nobody_changed_an_object_without_its_version(self) -> None:
        """RU-1."""
        classes: Any = {cls.obj_name(): [cls] for cls in registry.CLASSES}
        expected, found = fixture.ObjectVersionChecker(classes).test_hashes(
            FINGERPRINTS
        )
        self.assertEqual(expected, found)

    def test_every_registered_class_is_listed(self) -> None:
        """The registry is explicit: importing a module must not add to it."""
        registered = {
            cls
            for found in ovo.VersionedObjectRegistry.obj_classes().values()
            for cls in found
            if cls.__module__.startswith("escalator.")
        }
        self.assertEqual(set(registry.CLASSES), registered)

    def test_a_fingerprint_shows_a_records_members_and_an_enums(self) -> None:
        """The library's own fingerprint would not notice either."""
        self.assertIn("evidence", repr(fields.RecordsField(events.Fault)))
        self.assertIn("paused", repr(fields.EnumField(states.CampaignState)))


class RoundTrips(unittest.TestCase):
    def test_every_event_survives_the_wire(self) -> None:
        for fact in EVENTS:
            with self.subTest(type(fact).__name__):
                self.assertEqual(fact, over_the_wire(event.wrap(fact)).to_domain())

    def test_every_event_has_an_example_above(self) -> None:
        self.assertEqual(
            {cls.DOMAIN for cls in event.CLASSES}, {type(fact) for fact in EVENTS}
        )

    def test_envelopes_have_the_members_of_their_facts(self) -> None:
        classes: tuple[Any, ...] = (
            *event.CLASSES,
            order.StepOrder,
            order.StepProbe,
            order.StepRelease,
        )
        for cls in classes:
            members = {field.name for field in dataclasses.fields(cls.DOMAIN)}
            self.assertEqual(members, set(cls.fields), cls.__name__)

    def test_every_order_survives_the_wire(self) -> None:
        for command in COMMANDS:
            with self.subTest(type(command).__name__):
                self.assertEqual(
                    command, over_the_wire(order.wrap(command)).to_domain()
                )

    def test_a_moment_keeps_its_microseconds(self) -> None:
        """A journal in whole seconds could not tell what came first."""
        moment = datetime.datetime(2026, 11, 21, 5, 30, 0, 123456, datetime.UTC)
        sent = base.EscalatorObject.obj_from_primitive(
            campaign.JournalEntry(at=moment).obj_to_primitive()
        )
        self.assertEqual(moment, sent.at)
        self.assertEqual({"at": "2026-11-21T05:30:00.123456Z"}, sent.to_dict())

    def test_what_a_newer_peer_added_to_a_record_is_dropped(self) -> None:
        envelope = event.wrap(EVENTS[0]).obj_to_primitive()
        envelope["escalator_object.data"]["faults"][0]["novelty"] = 1
        received: Any = base.EscalatorObject.obj_from_primitive(envelope)
        self.assertEqual(EVENTS[0], received.to_domain())

    def test_a_record_without_a_required_member_is_refused(self) -> None:
        envelope = event.wrap(EVENTS[0]).obj_to_primitive()
        del envelope["escalator_object.data"]["faults"][0]["host"]
        with self.assertRaises(ValueError):
            base.EscalatorObject.obj_from_primitive(envelope)

    def test_what_is_no_uuid_is_refused(self) -> None:
        with self.assertRaises(ValueError):
            event.wrap(events.SubscriptionsChanged("not-a-uuid", ()))
