"""escalator-status doctor check: what would make Doctor fail on this cloud?

Looks at the neighbours' configuration files where they are at hand, and at the
cloud itself: Aodh's alarms, its queue on the bus, and whether the consumers
answer.  Exit status 0: ready, 1: warnings, 2: something fails, 255: the check
itself could not be made.
"""

import argparse
import contextlib
import os
import pathlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import yaml
from oslo_config import cfg
from rich import console, markup, table

from escalator import errors
from escalator.cmd.doctor import alarms, answering, files, queues, scene, servers
from escalator.domain import doctor

ERROR_STATUS = 255
SYSTEM = pathlib.Path("/etc")
COLOURS = {"OK": "green", "WARNING": "yellow", "FAILURE": "red"}

_FILES = {
    "nova_conf": "nova/nova.conf",
    "nova_policy": "nova/policy.yaml",
    "ceilometer_conf": "ceilometer/ceilometer.conf",
    "event_pipeline": "ceilometer/event_pipeline.yaml",
    "aodh_conf": "aodh/aodh.conf",
}


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Return the options of the check."""
    parser = argparse.ArgumentParser(
        prog="escalator-status doctor check", description=__doc__
    )
    add = parser.add_argument
    for name, place in _FILES.items():
        add(
            f"--{name.replace('_', '-')}",
            type=pathlib.Path,
            default=SYSTEM / place,
            help="default: %(default)s",
        )
    add("--config-file", type=pathlib.Path, action="append", default=[])
    add("--os-cloud", default=os.environ.get("OS_CLOUD", ""), help="of clouds.yaml")
    add("--timeout-s", type=float, default=2.0, help="for a consumer to answer")
    return parser.parse_args(arguments)


class Check:
    """Collects findings; a part that cannot be looked at is one of them.

    :param ours: our own options, as ``section.option``.
    """

    def __init__(self, options: argparse.Namespace, ours: Mapping[str, str]) -> None:
        self.options = options
        self.ours = ours
        way = ours.get("notifier.aodh_instance_events", "direct")
        self.leaves = way == "nova"

    def findings(self) -> Iterator[doctor.Finding]:
        """Return everything found, part by part."""
        given, leaves = self.options, self.leaves
        yield from self._file(
            "nova", given.nova_conf, files.options_of, lambda o: doctor.nova(o, leaves)
        )
        yield from self._file(
            "nova", given.nova_policy, files.mapping_of, doctor.nova_policy
        )
        yield from self._file(
            "ceilometer",
            given.ceilometer_conf,
            files.options_of,
            lambda o: doctor.ceilometer(o, leaves),
        )
        yield from self._file(
            "ceilometer",
            given.event_pipeline,
            files.mapping_of,
            lambda content: doctor.pipeline(content, leaves),
        )
        yield from self._file("aodh", given.aodh_conf, files.options_of, doctor.aodh)
        yield from self._arguments()
        yield from _or_fine(
            "bus", "Aodh's queue is read", queues.judge(cfg.ConfigOpts(), self.ours)
        )
        yield from self._cloud()

    def _arguments(self) -> Iterator[doctor.Finding]:
        """Compare two files."""
        given = self.options
        try:
            aodh = files.options_of(given.aodh_conf)
            ceilometer = files.options_of(given.ceilometer_conf)
        except (OSError, ValueError) as error:
            yield doctor.Finding(
                "bus",
                doctor.Grade.WARNING,
                "Not looked at, whether Aodh and Ceilometer declare the queue of alarms"
                f" alike: {error}",
                "Give both --aodh-conf and --ceilometer-conf",
            )
            return
        yield from _or_fine(
            "bus",
            "Aodh and Ceilometer declare the queue of alarms alike",
            doctor.arguments(aodh, ceilometer),
        )

    def _file(
        self,
        part: str,
        path: pathlib.Path,
        read: Callable[[pathlib.Path], Any],
        judge: Callable[[Any], Iterable[doctor.Finding]],
    ) -> Iterator[doctor.Finding]:
        given = vars(self.options).items()
        option = next(name for name, value in given if value == path)
        try:
            content = read(path)
        except (OSError, ValueError) as error:
            yield doctor.Finding(
                part,
                doctor.Grade.WARNING,
                f"Not looked at: {error}",
                f"Run it where the file is, or give --{option.replace('_', '-')}",
            )
            return
        yield from _or_fine(part, f"{path} is as Doctor needs it", judge(content))

    def _cloud(self) -> Iterator[doctor.Finding]:
        try:
            connection = scene.connect(self.options.os_cloud)
        except errors.DoctorTestFailed as error:
            yield doctor.Finding(
                "alarms",
                doctor.Grade.WARNING,
                f"Not looked at: {error}",
                "Set OS_CLOUD to an administrator's cloud",
            )
            return
        with contextlib.closing(connection):
            try:
                found = alarms.read_all(connection)
            except servers.REFUSALS as error:
                yield doctor.Finding(
                    "alarms",
                    doctor.Grade.FAILURE,
                    f"Aodh does not list its alarms: {error}",
                    "Is there a service of type alarming in the catalog, and does it"
                    " run?",
                )
                return
        yield from _or_fine(
            "alarms", f"{len(found)} alarms can fire", doctor.alarms(found)
        )
        yield from _or_fine(
            "consumers",
            "every consumer of an alarm answers",
            answering.judge(found, self.options.timeout_s),
        )


def _or_fine(
    part: str, text: str, found: Iterable[doctor.Finding]
) -> Iterator[doctor.Finding]:
    wrong = list(found)
    yield from wrong or [doctor.Finding(part, doctor.Grade.OK, text)]


def draw(findings: Sequence[doctor.Finding]) -> None:
    """Print a table, worst first."""
    grid = table.Table(title="doctor check", show_lines=True)
    for heading in ("part", "result", "what", "remedy"):
        grid.add_column(heading, overflow="fold")
    for each in sorted(findings, key=lambda one: -one.grade):
        colour = COLOURS[each.grade.name]
        told = (markup.escape(text) for text in (each.text, each.remedy))
        grid.add_row(each.part, f"[{colour}]{each.grade.name}", *told)
    console.Console().print(grid)


def main(arguments: Sequence[str]) -> int:
    """Check, print, return the exit status."""
    options = parse(arguments)
    try:
        ours = [files.options_of(path) for path in options.config_file]
    except (OSError, ValueError, yaml.YAMLError) as error:
        console.Console(stderr=True).print(f"escalator-status: {error}", markup=False)
        return ERROR_STATUS
    merged = {name: text for each in ours for name, text in each.items()}
    found = list(Check(options, merged).findings())
    draw(found)
    return int(doctor.worst(found))
