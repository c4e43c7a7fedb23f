"""The floor under the way through Aodh: the same messages, nobody before it.

What our notifier would send for a host is published straight to Aodh's queue, to
the same alarms, with the same consumer, in turn with the runs that it is held
against: the rest of a run is ours.
"""

import time
import uuid
from collections.abc import Collection, Mapping

from oslo_config import cfg

from escalator import conf as options
from escalator.bus import samples, transport
from escalator.cmd.doctor import consumer
from escalator.domain import aodh_event, events

QUEUE = "alarm.all.sample"
TIMEOUT_S = 5.0


class Floor:
    """One connection to Aodh's broker.

    :param url: oslo.messaging's URL of that broker.
    """

    def __init__(self, url: str) -> None:
        conf = cfg.ConfigOpts()
        options.register_opts(conf)
        transport.set_defaults()
        conf([], default_config_files=[], default_config_dirs=[])
        self._publisher = samples.SamplePublisher(conf, url, QUEUE, TIMEOUT_S)

    def run(
        self,
        heard_by: consumer.Consumer,
        project_of: Mapping[str, str],
        asking: Collection[str],
        patience_s: float,
    ) -> float | None:
        """Return seconds from the publishing to the last webhook; None: one is lost.

        :param project_of: instance id -> project id.
        :param asking: see ``Consumer.begin``.
        """
        heard_by.begin(asking)
        bodies = [
            aodh_event.encode(each.id, each.body, time.time())
            for each in aodh_event.notices(_down(project_of))
        ]
        began = time.time()
        self._publisher.publish(bodies)
        heard = heard_by.wait(len(project_of), patience_s)
        if {each.instance_id for each in heard} != set(project_of):
            return None
        return max(each.at for each in heard) - began

    def close(self) -> None:
        """Close the connection."""
        self._publisher.close()


def _down(project_of: Mapping[str, str]) -> events.HostMarkedDown:
    now = time.time()
    times = {"T0": now, "T1": now}
    fault = events.Fault(
        str(uuid.uuid4()), "floor", events.FaultType.HOST_DOWN, "critical", times
    )
    affected = tuple(
        events.AffectedInstance(instance_id, project_id, instance_id[:8])
        for instance_id, project_id in project_of.items()
    )
    impact = events.Impact(fault, affected, True, {**times, "T2": now})
    return events.HostMarkedDown(str(uuid.uuid4()), (impact,))
