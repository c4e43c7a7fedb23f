"""doctor check reads the neighbours' files: good ones, bad ones, none."""

import contextlib
import inspect
import io
import pathlib
import tempfile
import unittest

from oslo_messaging._drivers import impl_rabbit

from escalator.cmd.doctor import check

GOOD = {
    "nova_conf": """
[DEFAULT]
debug = false
[oslo_messaging_notifications]
driver = messagingv2
[notifications]
notification_format = both
notify_on_state_change = vm_state
""",
    "nova_policy": """
"os_compute_api:servers:show:host_status": "rule:project_reader_or_admin"
""",
    "ceilometer_conf": """
[oslo_messaging_rabbit]
rabbit_quorum_queue = True
rabbit_quorum_delivery_limit = 3
[notification]
batch_size = 1
""",
    "event_pipeline": """
sources: [{name: event_source, events: ["*"], sinks: [event_sink]}]
sinks:
  - name: event_sink
    publishers: ["notifier://", "notifier://?topic=alarm.all"]
""",
    "aodh_conf": """
[DEFAULT]
event_alarm_cache_ttl = 0
default_log_levels = amqp=WARN,aodh=WARN
[database]
max_pool_size = 64
[oslo_messaging_rabbit]
rabbit_quorum_queue = true
rabbit_quorum_delivery_limit = 3
""",
}
NOWHERE = "no-such-cloud-in-any-file"


class CheckCase(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))

    def arguments(self, **changed):
        """Write the files; None leaves one out."""
        given = [f"--os-cloud={NOWHERE}"]
        for name, text in (GOOD | changed).items():
            path = self.folder / name
            if text is not None:
                path.write_bytes(text if isinstance(text, bytes) else text.encode())
            given.append(f"--{name.replace('_', '-')}={path}")
        return given

    def found(self, **changed):
        """Return (part, grade, text) of what is not the cloud's."""
        options = check.parse(self.arguments(**changed))
        return [
            (each.part, each.grade.name, each.text)
            for each in check.Check(options, {}).findings()
            if each.part != "alarms" and "Aodh's queue" not in each.text
        ]

    def wrong(self, **changed):
        return [each for each in self.found(**changed) if each[1] != "OK"]


class FilesTest(CheckCase):
    def test_good_files_are_fine(self):
        self.assertEqual([], self.wrong())
        parts = [part for part, _, _ in self.found()]
        wanted = ["nova", "nova", "ceilometer", "ceilometer", "aodh", "bus"]
        self.assertEqual(wanted, parts)

    def test_every_file_is_judged_by_what_is_in_it(self):
        bad = {
            "nova_conf": ("nova", "Nova sends no notifications"),
            "nova_policy": ("nova", "Owners may not read host_status"),
            "event_pipeline": ("ceilometer", "Ceilometer gives no events"),
            "aodh_conf": ("aodh", "does not fire"),
        }
        for name, (part, text) in bad.items():
            with self.subTest(name):
                told = self.wrong(**{name: ""})
                self.assertIn(part, {each[0] for each in told})
                self.assertIn(text, " ".join(each[2] for each in told))

    def test_ceilometers_batches_matter_on_the_way_through_nova(self):
        text = GOOD["ceilometer_conf"].replace("size = 1", "size = 100")
        options = check.parse(self.arguments(ceilometer_conf=text))
        ours = {"notifier.aodh_instance_events": "nova"}
        told = [each.text for each in check.Check(options, ours).findings()]
        self.assertIn("[notification] batch_size = 100", " ".join(told))

    def test_a_missing_file_is_not_looked_at(self):
        for name in GOOD:
            with self.subTest(name):
                self.folder.joinpath(name).unlink(missing_ok=True)
                told = self.wrong(**{name: None})
                self.assertTrue(told)
                for _, grade, text in told:
                    self.assertEqual("WARNING", grade)
                    self.assertIn("Not looked at", text)
                    self.assertIn(str(self.folder / name), text)

    def test_what_cannot_be_read_is_not_looked_at(self):
        broken = {
            "nova_conf": "no section, no option\n",
            "aodh_conf": b"\xff\xfe\x00",
            "nova_policy": "- a list\n",
            "event_pipeline": "sinks: [}\n",
        }
        for name, content in broken.items():
            with self.subTest(name):
                told = self.wrong(**{name: content})
                self.assertTrue(told)
                self.assertTrue(all("Not looked at" in each[2] for each in told), told)

    def test_a_pipeline_of_another_shape_gives_no_events(self):
        for content in ("sinks: {a: b}\n", "sinks: [event_sink]\n", "sinks: 3\n"):
            told = self.wrong(event_pipeline=content)
            self.assertIn("gives no events to Aodh", told[0][2])


class QueueTest(CheckCase):
    def differing(self, old, new):
        text = GOOD["ceilometer_conf"].replace(old, new)
        return [each for each in self.wrong(ceilometer_conf=text) if each[0] == "bus"]

    def test_a_queue_declared_differently(self):
        ((_, grade, text),) = self.differing("queue = True", "queue = false")
        self.assertEqual("FAILURE", grade)
        self.assertIn("rabbit_quorum_queue", text)

    def test_a_limit_of_the_quorum_queue(self):
        ((_, grade, text),) = self.differing("limit = 3", "limit = 4")
        self.assertEqual("FAILURE", grade)
        self.assertTrue(text.endswith("different rabbit_quorum_delivery_limit"), text)

    def test_without_one_of_the_files_they_are_not_compared(self):
        for name in ("aodh_conf", "ceilometer_conf"):
            self.folder.joinpath(name).unlink(missing_ok=True)
            (told,) = [e for e in self.found(**{name: None}) if e[0] == "bus"]
            self.assertEqual("WARNING", told[1])
            self.assertIn("Not looked at", told[2])

    def test_without_a_bus_its_queue_is_not_looked_at(self):
        told = list(check.Check(check.parse(self.arguments()), {}).findings())
        (found,) = [each for each in told if "Aodh's queue" in each.text]
        self.assertEqual("WARNING", found.grade.name)
        self.assertIn("Not looked at", found.text)

    def test_oslo_messaging_declares_queues_with_nothing_else(self):
        """A new parameter may be one more option to compare."""
        known = {
            "rabbit_ha_queues",
            "rabbit_queue_ttl",
            "rabbit_quorum_queue",
            "rabbit_quorum_queue_config",
            "rabbit_stream_fanout",
        }
        declared = inspect.signature(impl_rabbit._get_queue_arguments)
        self.assertLessEqual(set(declared.parameters), known)
        limits = {"delivery_limit", "max_memory_length", "max_memory_bytes"}
        self.assertEqual(limits, set(impl_rabbit.QuorumMemConfig._fields))


class StatusTest(CheckCase):
    def run_check(self, *more, **changed):
        told = io.StringIO()
        with contextlib.redirect_stdout(told), contextlib.redirect_stderr(told):
            status = check.main([*self.arguments(**changed), *more])
        return status, told.getvalue()

    def test_what_was_not_looked_at_is_a_warning(self):
        status, told = self.run_check()
        self.assertEqual(1, status)
        self.assertIn("Not looked at", told)

    def test_what_is_wrong_is_a_failure(self):
        self.assertEqual(2, self.run_check(nova_policy="")[0])

    def test_our_own_file_must_be_readable(self):
        status, told = self.run_check(f"--config-file={self.folder / 'none'}")
        self.assertEqual(255, status)
        self.assertIn("none", told)
