"""Alarms of a real Aodh, fired by the notifier without Nova and Ceilometer."""

import pathlib
import secrets
import subprocess
import sys
import tempfile
import time
import uuid
from typing import Any

from escalator.bus import events as bus
from escalator.domain import events, notice
from tests.cloud import base
from tests.fixtures import bus as bus_fixtures
from tests.fixtures import consumer, daemon, rabbit

WAIT_S = 20.0
QUIET_S = 3.0
"""Seconds without a call after which none is expected any more."""

_CONF = """\
[DEFAULT]
transport_url = {bus}

[bus]
prefix = {prefix}

[notifier]
sinks = aodh
aodh_transport_url = {aodh}
aodh_instance_events = {instance_events}

[vim]
simulated_path = {directory}/vim.sqlite

[database]
connection = sqlite:///{directory}/escalator.sqlite
"""


class Case(base.CloudTestCase):
    """:cvar INSTANCE_EVENTS: value of ``[notifier] aodh_instance_events``."""

    INSTANCE_EVENTS = "direct"

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        folder = tempfile.TemporaryDirectory(prefix="cloud-aodh-")
        cls.addClassCleanup(folder.cleanup)
        cls.directory = pathlib.Path(folder.name)
        cls.broker = rabbit.Rabbit().start()
        cls.addClassCleanup(cls.broker.stop)
        cls.conf = bus_fixtures.make_conf(cls.broker.url)
        cls.file = cls.directory / "escalator.conf"
        cls.file.write_text(
            _CONF.format(
                bus=cls.broker.url,
                aodh=cls.transport_url(),
                prefix=cls.conf.bus.prefix,
                directory=cls.directory,
                instance_events=cls.INSTANCE_EVENTS,
            )
        )
        program = str(pathlib.Path(sys.prefix, "bin", "escalator-db-manage"))
        subprocess.run(
            [program, f"--config-file={cls.file}", "upgrade"],
            check=True,
            capture_output=True,
        )
        for name in ("conductor", "notifier"):
            process = cls.launch(name)
            cls.addClassCleanup(process.stop)
            process.wait_ready()
        cls.publisher = bus.EventPublisher(cls.conf)
        cls.addClassCleanup(cls.publisher.close)
        cls.red, cls.blue = cls.project(), cls.project()

    @classmethod
    def launch(cls, name: str) -> daemon.Daemon:
        return daemon.Daemon(name, [cls.file], cls.directory / f"{name}.log")

    @classmethod
    def project(cls) -> str:
        """Return the id of a new project."""
        identity = cls.connection.identity
        made = identity.create_project(name=base.unique("aodh"), domain_id="default")
        cls.addClassCleanup(identity.delete_project, made)
        return str(made.id)

    def setUp(self) -> None:
        self.consumer = consumer.ConsumerProcess(
            self.directory / secrets.token_hex(4), status=200
        )
        self.addCleanup(self.consumer.stop)

    def alarm(self, project_id: str, path: str, kind: str, **query: str) -> str:
        """Create an event alarm as Doctor's seed does; returns its id."""
        body = {
            "name": base.unique(path),
            "type": "event",
            "project_id": project_id,
            "severity": "moderate",
            "repeat_actions": True,
            "alarm_actions": [f"{self.consumer.url}{path}"],
            "event_rule": {
                "event_type": kind,
                "query": [
                    {
                        "field": f"traits.{name}",
                        "op": "eq",
                        "type": "string",
                        "value": v,
                    }
                    for name, v in query.items()
                ],
            },
        }
        session = self.connection.session
        where = {"service_type": "alarming"}
        made = session.post("/v2/alarms", json=body, endpoint_filter=where).json()
        url = f"/v2/alarms/{made['alarm_id']}"
        self.addCleanup(session.delete, url, endpoint_filter=where)
        return str(made["alarm_id"])

    def host_down(self, *owned: tuple[str, str]) -> events.HostMarkedDown:
        """Return the fact that a host with these (instance, project) is down."""
        now = time.time()
        fault = events.Fault(
            str(uuid.uuid4()),
            base.unique("host"),
            "host.down",
            "critical",
            {"T0": now, "T1": now},
        )
        instances = tuple(events.AffectedInstance(*each, "name") for each in owned)
        times = {**fault.times, "T4": now, "T5": now}
        impact = events.Impact(fault, instances, True, times)
        return events.HostMarkedDown(str(uuid.uuid4()), (impact,))

    def paths(self) -> list[str]:
        return sorted(call["path"] for call in self.consumer.heard())

    def traits(self, path: str) -> dict[str, str]:
        """Return the traits of the event that fired the alarm of ``path``."""
        (body,) = (c["body"] for c in self.consumer.heard() if c["path"] == path)
        event: dict[str, Any] = body["reason_data"]["event"]
        return {name: value for name, _, value in event["traits"]}


class AodhTest(Case):
    def test_an_alarm_of_doctors_seed_fires(self) -> None:
        """DR-6; and DR-10: the end does not fire it again."""
        instance = str(uuid.uuid4())
        self.alarm(
            self.red,
            "seed",
            "compute.instance.update",
            state="error",
            instance_id=instance,
        )
        fact = self.host_down((instance, self.red))
        before = time.time()
        self.publisher.publish(fact)
        (call,) = self.consumer.wait(1, WAIT_S)
        print(f"published -> consumer: {(call['at'] - before) * 1000:.0f} ms")
        self.assertEqual("alarm", call["body"]["current"])
        self.assertEqual(instance, self.traits("/seed")["instance_id"])
        self.publisher.publish(
            events.HostMarkedUp(str(uuid.uuid4()), fact.impacts, time.time())
        )
        time.sleep(QUIET_S)
        self.assertEqual(["/seed"], self.paths())

    def test_one_alarm_for_whatever_host_of_mine(self) -> None:
        instances = [str(uuid.uuid4()) for _ in range(12)]
        self.alarm(self.red, "down", "escalator.host.down")
        self.alarm(self.red, "cleared", "escalator.host.cleared")
        fact = self.host_down(*((each, self.red) for each in instances))
        self.publisher.publish(fact)
        self.consumer.wait(1, WAIT_S)
        found = self.traits("/down")
        self.assertEqual(",".join(instances), found["instance_ids"])
        self.assertEqual("equipmentMalfunction", found["probable_cause"])
        host = fact.impacts[0].fault.host
        self.assertEqual(notice.host_ref(host, self.red), found["host_ref"])
        self.publisher.publish(
            events.HostMarkedUp(str(uuid.uuid4()), fact.impacts, time.time())
        )
        self.consumer.wait(2, WAIT_S)
        self.assertEqual("cleared", self.traits("/cleared")["perceived_severity"])

    def test_nobody_hears_of_anothers_instances(self) -> None:
        """DR-7: alarms on each other's instances and hosts stay silent."""
        mine, theirs = str(uuid.uuid4()), str(uuid.uuid4())
        for owner, path, target in (
            (self.red, "red", mine),
            (self.red, "red-on-blue", theirs),
            (self.blue, "blue", theirs),
            (self.blue, "blue-on-red", mine),
        ):
            kind = "compute.instance.update"
            self.alarm(owner, path, kind, state="error", instance_id=target)
        for owner, path in ((self.red, "red-host"), (self.blue, "blue-host")):
            self.alarm(owner, path, "escalator.host.down")
        self.publisher.publish(self.host_down((mine, self.red), (theirs, self.blue)))
        self.consumer.wait(4, WAIT_S)
        time.sleep(QUIET_S)
        self.assertEqual(["/blue", "/blue-host", "/red", "/red-host"], self.paths())
        red, blue = self.traits("/red-host"), self.traits("/blue-host")
        self.assertEqual((mine, theirs), (red["instance_ids"], blue["instance_ids"]))
        self.assertNotEqual(red["host_ref"], blue["host_ref"])

    def test_a_campaigns_owner_hears_of_it(self) -> None:
        self.alarm(self.red, "paused", "escalator.campaign.paused")
        self.alarm(self.blue, "blue-paused", "escalator.campaign.paused")
        name = "l\u00e4ngst \U0001f680 'quoted\" \ud800 %s \\"
        self.publisher.publish(
            events.CampaignChanged(
                str(uuid.uuid4()),
                str(uuid.uuid4()),
                name.encode(errors="replace").decode(),
                self.red,
                "running",
                "paused",
                "",
                (),
                time.time(),
            )
        )
        self.consumer.wait(1, WAIT_S)
        time.sleep(QUIET_S)
        self.assertEqual(["/paused"], self.paths())
        self.assertIn("\U0001f680 'quoted\"", self.traits("/paused")["name"])


class NovaTest(Case):
    """The conservative way: each instance is told of by Nova and Ceilometer."""

    INSTANCE_EVENTS = "nova"

    def boot(self) -> str:
        """Return the id of a server of the administrator's own project."""
        compute = self.connection.compute
        made = compute.create_server(
            name=base.unique("aodh"),
            image_id=self.connection.image.find_image(base.setting("image", "tiny")).id,
            flavor_id=compute.find_flavor(base.setting("flavor", "tiny")).id,
            networks=base.setting("network", "none"),
        )
        self.addCleanup(compute.delete_server, made, force=True)
        compute.wait_for_server(made, wait=60)
        return str(made.id)

    def test_the_host_goes_directly_and_the_instance_through_nova(self) -> None:
        server, project = self.boot(), self.connection.current_project_id
        self.alarm(project, "host", "escalator.host.down", instance_ids=server)
        kind = "compute.instance.update"
        self.alarm(project, "vm", kind, state="error", instance_id=server)
        before = time.time()
        self.publisher.publish(self.host_down((server, project)))
        self.consumer.wait(1, WAIT_S)
        time.sleep(QUIET_S)
        self.assertEqual(["/host"], self.paths())
        reset = time.time()
        self.connection.compute.reset_server_state(server, "error")
        calls = self.consumer.wait(2, WAIT_S)
        print(f"published -> host alarm: {(calls[0]['at'] - before) * 1000:.0f} ms")
        print(f"reset -> instance's alarm: {(calls[1]['at'] - reset) * 1000:.0f} ms")
        time.sleep(QUIET_S)
        self.assertEqual(["/host", "/vm"], self.paths())
