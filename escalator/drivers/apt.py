"""Debian packages changed by apt, as jobs that outlive the agent.

The options are answers to failures that were reproduced (research, test bed,
section B): prompts for edited configuration files, indexes that fail silently,
pins that do nothing.
"""

import contextlib
import dataclasses
import logging
import os
import time
from collections.abc import Iterable, Mapping
from typing import Any

from escalator import errors
from escalator.domain import commands
from escalator.drivers import dpkg, kit

LOG = logging.getLogger(__name__)

SOURCES_PATH = "/etc/apt/sources.list.d/escalator.list"
"""The one apt source that Escalator owns; changed whole, never edited."""

LOCK_WAIT_S = 60

_KEEP_CONFIG = (
    "-o",
    "Dpkg::Options::=--force-confdef",
    "-o",
    "Dpkg::Options::=--force-confold",
    "-o",
    f"DPkg::Lock::Timeout={LOCK_WAIT_S}",
)
_FETCH = ("-o", "Acquire::Retries=1", "-o", "Acquire::http::Timeout=10")
_INSTALL = (
    "apt-get",
    "install",
    "--yes",
    "--no-install-recommends",
    "--allow-downgrades",
    *_KEEP_CONFIG,
    *_FETCH,
)

_TRANSIENT = (
    "Could not get lock",
    "Unable to acquire the dpkg frontend lock",
    "dpkg frontend lock was locked",
    "Unable to lock",
    "Failed to fetch",
    "Some index files failed to download",
    "Temporary failure resolving",
    "Could not resolve",
    "Could not connect",
    "Connection timed out",
    "Connection failed",
    "Hash Sum mismatch",
    "File has unexpected size",
)
_PERMANENT = ("dpkg: error processing", "No space left on device", "404  Not Found")


class Apt:
    """Apt on this node for one attempt of one step.

    :param resources: ``jobs``; ``apt_sources`` may name another sources file.
    """

    def __init__(self, resources: Mapping[str, Any], order: commands.RunStep) -> None:
        self._jobs: kit.Jobs = resources["jobs"]
        self.sources = resources.get("apt_sources", SOURCES_PATH)
        self._order = order
        self._end = time.monotonic() + order.timeout_s

    def query_once(self, name: str, packages: Iterable[str]) -> dict[str, dpkg.Package]:
        """Return what was installed when the step's first attempt asked.

        A job of attempt 0: all attempts share its answer.  Should it have been
        cut off, this attempt asks for itself.
        """
        mine = self._order
        try:
            self._order = dataclasses.replace(mine, attempt=0)
            return self.query(name, packages)
        except errors.ActionFailed:
            self._order = mine
            return self.query(name, packages)
        finally:
            self._order = mine

    def query(self, name: str, packages: Iterable[str] = ()) -> dict[str, dpkg.Package]:
        """Return what is installed of ``packages``, or everything.

        :param name: a query is a job too: repeated under the same name by a
            restarted agent it gives the same answer.
        """
        result = self.run(name, [*dpkg.QUERY, *packages])
        if result.returncode not in (0, 1):
            raise self.failed("dpkg-query", result)
        return dpkg.parse(result.output)

    def repair(self) -> None:
        """Finish what an interrupted dpkg left half configured.

        A package that is broken stays broken here: the change that follows
        replaces it, or reports the failure.
        """
        argv = "dpkg --force-confdef --force-confold --configure -a".split()
        self.run("configure", argv)

    def try_update(self, is_own_source_only: bool) -> None:
        """Fetch what can be fetched: on the way back old indexes may do."""
        try:
            self.update(is_own_source_only)
        except errors.ActionFailed as error:
            if error.failure_class != "transient":
                raise
            LOG.warning("Going on without fresh indexes: %s", error)

    def update(self, is_own_source_only: bool, staged: str = "") -> None:
        """Fetch the indexes; a single one that fails is a failure.

        :param staged: a sources file to take in place of the own one.
        :raises ActionFailed: class ``transient`` if the network is to blame.
        """
        argv = ["apt-get", "update", *_FETCH, *_KEEP_CONFIG[-2:]]
        argv += ["-o", "APT::Update::Error-Mode=any"]
        if is_own_source_only:
            argv += [*alone(staged or self.sources), "-o", "APT::Get::List-Cleanup=0"]
        result = self.run("staged-update" if staged else "update", argv)
        if result.returncode != 0:
            raise self.failed("apt-get update", result)

    def install(
        self,
        packages: Mapping[str, str],
        removals: Iterable[str] = (),
        options: Iterable[str] = (),
    ) -> None:
        """Bring the node to exactly these versions, also older ones.

        :param removals: installed packages to remove in the same transaction.
        :raises ActionFailed: ``transient`` or ``permanent``.
        """
        wanted = [f"{name}={version}" for name, version in sorted(packages.items())]
        unwanted = [f"{name}-" for name in sorted(removals)]
        result = self.run("install", [*_INSTALL, *options, *wanted, *unwanted])
        if result.returncode != 0:
            raise self.failed("apt-get install", result)

    def go_back(
        self,
        wanted: Mapping[str, str | None],
        installed: Mapping[str, dpkg.Package],
        is_own_source_only: bool,
    ) -> None:
        """Bring what differs to its earlier version, None: away, in one transaction.

        :raises ActionFailed: ``transient`` or ``permanent``.
        """
        self.repair()
        self.try_update(is_own_source_only)
        unequal = dpkg.differences(installed, wanted)
        changed = {name: wanted[name] for name in unequal}
        self.install(
            {name: version for name, version in changed.items() if version},
            [name for name, version in changed.items() if not version],
            ["--allow-change-held-packages"],
        )

    def simulate(
        self, packages: Mapping[str, str], options: Iterable[str]
    ) -> kit.JobResult:
        """Let apt say how it would install these versions; nothing is changed.

        :param options: as of :meth:`install`.
        """
        wanted = [f"{name}={version}" for name, version in sorted(packages.items())]
        return self.run("simulate", [*_INSTALL, "--simulate", *options, *wanted])

    def read_sources(self) -> str | None:
        """Return Escalator's own sources file, None if there is none."""
        with contextlib.suppress(FileNotFoundError):
            with open(self.sources, encoding="utf-8") as source:
                return source.read()
        return None

    def write_sources(self, content: str | None) -> None:
        """Replace Escalator's own sources file; None removes it; idempotent."""
        if content is None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.sources)
            return
        directory, name = os.path.split(self.sources)
        fresh = os.path.join(directory, f".{name}")
        with open(fresh, "w", encoding="utf-8") as target:
            target.write(content)
            target.flush()
            os.fsync(target.fileno())
        os.rename(fresh, self.sources)

    def run(self, name: str, argv: list[str]) -> kit.JobResult:
        """Run a program as a job of this attempt."""
        return self._jobs.run(self._order, name, argv, self._end - time.monotonic())

    def failed(self, what: str, result: kit.JobResult) -> errors.ActionFailed:
        """Return the failure of a program, with its class."""
        return errors.ActionFailed(
            action=what,
            reason=f"exit status {result.returncode}: {result.output[-1500:]}",
            failure_class=failure_class(result.output),
        )


def alone(path: str) -> list[str]:
    """Return the options that let apt see this sources file only."""
    return ["-o", f"Dir::Etc::SourceList={path}", "-o", "Dir::Etc::SourceParts=-"]


def line_of(params: Mapping[str, Any]) -> str | None:
    """Return the content of the sources file to come; None: the node's sources.

    :param params: of ``package.install``.
    """
    repository = params.get("repository")
    return source_line(repository) if repository else None


def source_line(repository: Mapping[str, str]) -> str:
    """Return the content of a one-line sources file for a snapshot's URL."""
    options = []
    if repository.get("signed_by"):
        options.append(f"signed-by={repository['signed_by']}")
    if repository.get("trusted"):
        options.append("trusted=yes")
    bracket = f"[{' '.join(options)}] " if options else ""
    suite = repository["suite"]
    components = "" if suite.endswith("/") else repository.get("components", "main")
    return f"deb {bracket}{repository['uri']} {suite} {components}".rstrip() + "\n"


def failure_class(output: str) -> str:
    """Tell what may pass (locks, network) from what will not."""
    if any(text in output for text in _PERMANENT):
        return "permanent"
    return "transient" if any(text in output for text in _TRANSIENT) else "permanent"
