"""What makes Doctor fail on a cloud (issue 3, part 6)."""

import unittest

from escalator.domain import doctor

NOVA = {
    "oslo_messaging_notifications.driver": "messagingv2",
    "notifications.notification_format": "both",
    "notifications.notify_on_state_change": "vm_and_task_state",
}
AODH = {
    "default.event_alarm_cache_ttl": "0",
    "database.max_pool_size": "64",
    "default.default_log_levels": "amqp=WARN,aodh=WARNING",
}
GOOD_QUERY = {"field": "traits.state", "op": "eq", "type": "string", "value": "error"}


def alarm(*query, **more):
    return {
        "alarm_id": "a1",
        "project_id": "p1",
        "type": "event",
        "enabled": True,
        "state": "insufficient data",
        "event_rule": {"query": list(query)},
        **more,
    }


class OptionsTest(unittest.TestCase):
    def grades(self, found):
        return [each.grade.name for each in found]

    def judged(self, base, judge, *more, drop=(), **changes):
        options = {name: text for name, text in base.items() if name not in drop}
        options |= {name.replace("__", "."): text for name, text in changes.items()}
        found = list(judge(options, *more))
        for each in found:
            self.assertTrue(each.remedy, each)
        return self.grades(found)

    def test_a_well_configured_nova(self):
        self.assertEqual([], self.judged(NOVA, doctor.nova, True))

    def test_nova_sends_nothing(self):
        key = "oslo_messaging_notifications.driver"
        self.assertEqual(
            ["FAILURE"], self.judged(NOVA, doctor.nova, False, drop=(key,))
        )
        self.assertEqual(
            ["FAILURE"],
            self.judged(
                NOVA, doctor.nova, False, oslo_messaging_notifications__driver="noop"
            ),
        )

    def test_one_of_several_drivers_is_enough(self):
        found = self.judged(
            NOVA,
            doctor.nova,
            False,
            oslo_messaging_notifications__driver="log,messagingv2",
        )
        self.assertEqual([], found)

    def test_no_versioned_notifications(self):
        key = "notifications.notification_format"
        self.assertEqual(
            ["WARNING"], self.judged(NOVA, doctor.nova, False, drop=(key,))
        )

    def test_state_changes_matter_on_the_way_through_nova(self):
        key = "notifications.notify_on_state_change"
        self.assertEqual(
            ["WARNING"], self.judged(NOVA, doctor.nova, False, drop=(key,))
        )
        self.assertEqual(["FAILURE"], self.judged(NOVA, doctor.nova, True, drop=(key,)))

    def test_a_well_configured_aodh(self):
        self.assertEqual([], self.judged(AODH, doctor.aodh))

    def test_a_stock_aodh(self):
        self.assertEqual(["WARNING"] * 3, self.grades(doctor.aodh({})))

    def test_a_batch_that_waits_for_ever(self):
        for section in ("listener", "notifier"):
            changes = {f"{section}__batch_size": "10"}
            self.assertEqual(["FAILURE"], self.judged(AODH, doctor.aodh, **changes))
            changes[f"{section}__batch_timeout"] = "1"
            self.assertEqual(["FAILURE"], self.judged(AODH, doctor.aodh, **changes))
            changes[f"{section}__batch_timeout"] = "0.1"
            self.assertEqual(["WARNING"], self.judged(AODH, doctor.aodh, **changes))

    def test_ceilometer_matters_only_on_its_way(self):
        options = {"notification.batch_size": "10"}
        self.assertEqual(["FAILURE"], self.grades(doctor.ceilometer(options, True)))
        self.assertEqual([], self.grades(doctor.ceilometer(options, False)))

    def test_a_number_that_is_none_counts_as_unset(self):
        options = {**AODH, "database.max_pool_size": "many"}
        self.assertEqual(["WARNING"], self.grades(doctor.aodh(options)))


class PolicyTest(unittest.TestCase):
    def test_owners_may_read_the_host_status(self):
        for rule in ("rule:project_reader_or_admin", "role:reader", "", "@"):
            found = list(doctor.nova_policy({doctor.HOST_STATUS_RULE: rule}))
            self.assertEqual([] if rule else [doctor.Grade.FAILURE], grades(found))

    def test_nova_as_it_is_packaged(self):
        self.assertEqual([doctor.Grade.FAILURE], grades(doctor.nova_policy({})))
        admin = {doctor.HOST_STATUS_RULE: "rule:context_is_admin"}
        self.assertEqual([doctor.Grade.FAILURE], grades(doctor.nova_policy(admin)))


class PipelineTest(unittest.TestCase):
    def test_the_topic_of_alarms(self):
        good = {
            "sinks": [{"publishers": ["notifier://", "notifier://?topic=alarm.all"]}]
        }
        self.assertEqual([], grades(doctor.pipeline(good, True)))
        more = {"sinks": [{"publishers": ["notifier://?a=b&topic=alarm.all"]}]}
        self.assertEqual([], grades(doctor.pipeline(more, True)))

    def test_as_packaged_nothing_reaches_aodh(self):
        packaged = {"sinks": [{"publishers": ["notifier://"]}]}
        self.assertEqual(
            [doctor.Grade.FAILURE], grades(doctor.pipeline(packaged, True))
        )
        self.assertEqual([doctor.Grade.WARNING], grades(doctor.pipeline({}, False)))

    def test_another_topic_is_not_it(self):
        other = {"sinks": [{"publishers": ["notifier://?topic=alarm.all.more"]}]}
        self.assertEqual([doctor.Grade.FAILURE], grades(doctor.pipeline(other, True)))


class AlarmTest(unittest.TestCase):
    def test_an_alarm_as_doctor_writes_it(self):
        self.assertEqual([], grades(doctor.alarms([alarm(GOOD_QUERY)])))

    def test_boolean_silences_a_project(self):
        bad = {**GOOD_QUERY, "type": "boolean"}
        (found,) = doctor.alarms([alarm(GOOD_QUERY, bad)])
        self.assertIs(doctor.Grade.FAILURE, found.grade)
        self.assertIn("a1", found.text)
        self.assertIn("p1", found.text)

    def test_a_field_that_never_matches(self):
        bad = {**GOOD_QUERY, "field": "event_type"}
        self.assertEqual([doctor.Grade.WARNING], grades(doctor.alarms([alarm(bad)])))

    def test_fired_and_silent(self):
        fired = alarm(GOOD_QUERY, state="alarm", repeat_actions=False)
        self.assertEqual([doctor.Grade.WARNING], grades(doctor.alarms([fired])))
        repeats = alarm(GOOD_QUERY, state="alarm", repeat_actions=True)
        self.assertEqual([], grades(doctor.alarms([repeats])))

    def test_others_are_left_alone(self):
        bad = {**GOOD_QUERY, "type": "boolean"}
        found = doctor.alarms([alarm(bad, enabled=False), alarm(bad, type="composite")])
        self.assertEqual([], grades(found))


class QueueTest(unittest.TestCase):
    def test_declared_alike(self):
        both = {"oslo_messaging_rabbit.rabbit_quorum_queue": "True"}
        self.assertEqual([], list(doctor.arguments({}, {})))
        self.assertEqual([], list(doctor.arguments(both, {**both})))

    def test_a_default_counts_as_its_value(self):
        given = {"oslo_messaging_rabbit.amqp_durable_queues": "false"}
        self.assertEqual([], list(doctor.arguments(given, {})))

    def test_declared_differently(self):
        given = {"oslo_messaging_rabbit.rabbit_quorum_queue": "true"}
        (found,) = doctor.arguments(given, {})
        self.assertIs(doctor.Grade.FAILURE, found.grade)
        self.assertIn("rabbit_quorum_queue", found.text)

    def differing(self, aodh, ceilometer):
        """Return the options that are named as different."""
        found = doctor.arguments(
            *(
                {f"oslo_messaging_rabbit.{name}": text for name, text in each.items()}
                for each in (aodh, ceilometer)
            )
        )
        return [
            name
            for each in found
            for name in each.text.split("different ")[1].split(", ")
        ]

    def test_every_option_of_a_shared_queue_counts(self):
        for name in ("amqp_durable_queues", "amqp_auto_delete", "rabbit_ha_queues"):
            self.assertEqual([name], self.differing({name: "true"}, {}))
            self.assertEqual([name], self.differing({}, {name: "1"}))
        quorum = {"rabbit_quorum_queue": "True"}
        for name in (
            "rabbit_quorum_delivery_limit",
            "rabbit_quorum_max_memory_length",
            "rabbit_quorum_max_memory_bytes",
        ):
            self.assertEqual([name], self.differing(quorum | {name: "3"}, quorum))
            self.assertEqual([], self.differing(quorum | {name: "0"}, quorum))

    def test_what_has_no_effect_on_the_queue_is_no_difference(self):
        quorum = {"rabbit_quorum_queue": "yes"}
        durable = {"amqp_durable_queues": "true"}
        self.assertEqual([], self.differing(quorum | durable, quorum))
        limit = {"rabbit_quorum_delivery_limit": "3"}
        self.assertEqual([], self.differing(limit, {}))
        transient = {
            "rabbit_transient_quorum_queue": "true",
            "rabbit_transient_queues_ttl": "60",
        }
        self.assertEqual([], self.differing(transient, {}))

    def test_one_spelling_of_a_flag_is_as_good_as_another(self):
        given = {"rabbit_quorum_queue": "True"}, {"rabbit_quorum_queue": "on"}
        self.assertEqual([], self.differing(*given))

    def test_who_reads(self):
        self.assertEqual([], grades(doctor.queue("q", (0, 1))))
        self.assertEqual([doctor.Grade.FAILURE], grades(doctor.queue("q", (0, 0))))
        self.assertEqual([doctor.Grade.FAILURE], grades(doctor.queue("q", None)))
        self.assertEqual([doctor.Grade.WARNING], grades(doctor.queue("q", (5000, 1))))


class WorstTest(unittest.TestCase):
    def test_the_exit_status(self):
        self.assertEqual(0, doctor.worst([]))
        self.assertEqual(2, doctor.worst(doctor.nova({}, False)))
        self.assertEqual(1, doctor.worst(doctor.aodh({})))


def grades(found):
    return [each.grade for each in found]
