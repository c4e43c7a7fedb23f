"""Debian packages: exact versions forwards, and the whole manifest back."""

from collections.abc import Mapping
from typing import Any, ClassVar

from escalator import errors
from escalator.domain import commands
from escalator.drivers import apt, apt_digest, apt_dry_run, base, dpkg, kit
from escalator.drivers.action import http

_TOKEN = "^[^\\s\\[\\]]+$(?!\\n)"  # noqa: S105 (a word of a sources file)

REPOSITORY_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "uri": {
            "type": "string",
            "pattern": "^(https?|file|copy):[^\\s\\[\\]]+$(?!\\n)",
        },
        "suite": {"type": "string", "pattern": _TOKEN},
        "components": {
            "type": "string",
            "pattern": "^[A-Za-z0-9/_-]+( [A-Za-z0-9/_-]+)*$(?!\\n)",
        },
        "signed_by": {"type": "string", "pattern": "^/[^\\s\\[\\]]+$(?!\\n)"},
        "trusted": {"type": "boolean"},
    },
    "required": ["uri", "suite"],
    "additionalProperties": False,
}

INSTALL_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "packages": dpkg.PACKAGES_SCHEMA,
        "repository": REPOSITORY_SCHEMA,
        "may_remove": {"type": "boolean"},
        "sha256": apt_digest.SCHEMA,
    },
    "required": ["packages"],
    "additionalProperties": False,
}


class Install(base.Action):
    """Installs exactly the named versions, newer or older.

    ``repository``: a snapshot's URL; becomes Escalator's own apt source.
    ``may_remove``: apt may remove packages that stand in the way (else refused).
    ``sha256``: digests of packages' files; others are refused before any change.
    The result holds the versions before the first attempt, for the undo.
    """

    progress = "programs"
    params_schema: ClassVar[Mapping[str, Any]] = INSTALL_SCHEMA
    idempotence = "probe"
    undo = "package.restore"

    def __init__(self, resources: Mapping[str, Any]) -> None:
        self._resources = resources

    def run(self, order: commands.RunStep) -> dict[str, Any]:
        """Install, then compare.

        :raises ActionFailed: ``transient`` (lock, network) or ``permanent``; its
            result holds the earlier versions too.
        """
        wanted = order.params["packages"]
        node = apt.Apt(self._resources, order)
        previous = dpkg.versions(node.query_once("before", wanted), wanted)
        try:
            self._change(node, order)
        except errors.ActionFailed as error:
            error.result = {**error.result, "previous": previous}
            raise
        return {"packages": dict(wanted), "previous": previous}

    def detect(self, order: commands.RunStep) -> dict[str, Any] | None:
        """Return the result if every version is installed and configured."""
        wanted = order.params["packages"]
        node = apt.Apt(self._resources, order)
        if not _is_reached(node, node.query("detect", wanted), order):
            return None
        before = dpkg.versions(node.query_once("before", wanted), wanted)
        return {"packages": dict(wanted), "previous": before}

    def dry_run(self, order: commands.RunStep) -> list[str]:
        """Return which versions cannot be had, or why apt would refuse."""
        node = apt.Apt(self._resources, order)
        present = node.query("present", order.params["packages"])
        if _is_reached(node, present, order):
            return []
        before = [
            params
            for action, params in self._resources.get("before", ())
            if action == order.action
        ]
        options = _options(*before, order.params)
        return apt_dry_run.obstacles(node, order.params, before, options)

    def _change(self, node: apt.Apt, order: commands.RunStep) -> None:
        wanted = order.params["packages"]
        if _is_reached(node, node.query("present", wanted), order):
            return
        line = apt.line_of(order.params)
        if digests := order.params.get("sha256"):
            apt_digest.check(node, wanted, digests, line)
        if order.attempt > 1 or order.is_resumed:
            node.repair()
        if line is not None:
            node.write_sources(line)
        node.update(is_own_source_only=line is not None)
        node.install(wanted, options=_options(order.params))
        _compare(node.query("after", wanted), wanted)


def _options(*installs: Mapping[str, Any]) -> list[str]:
    """Return the options of one transaction of all of them."""
    may_remove = any(params.get("may_remove") for params in installs)
    return [] if may_remove else ["--no-remove"]


def _is_reached(
    node: apt.Apt, installed: Mapping[str, dpkg.Package], order: commands.RunStep
) -> bool:
    """Return True if versions and apt source are as ordered."""
    if dpkg.differences(installed, order.params["packages"]):
        return False
    line = apt.line_of(order.params)
    return line is None or node.read_sources() == line


class Restore(base.Action):
    """Undoes an install: back to the checkpoint's manifest, whole.

    Every package of the manifest gets its version back and those that are not in
    it are removed, in one transaction; afterwards all is compared.  Without a
    manifest only the packages of the install's result go back.
    """

    progress = "programs"
    params_schema: ClassVar[Mapping[str, Any]] = INSTALL_SCHEMA
    idempotence = "probe"
    undo = "none_needed"

    def __init__(self, resources: Mapping[str, Any]) -> None:
        self._resources = resources

    def run(self, order: commands.RunStep) -> dict[str, Any]:
        """Go back.

        :raises ActionFailed: ``permanent`` if nothing was recorded or the node
            differs afterwards; ``transient`` for locks and network.
        """
        node = apt.Apt(self._resources, order)
        recorded = manifest_of(order)
        installed = node.query("present")
        wanted = _wanted(order, recorded, installed)
        unequal = dpkg.differences(installed, wanted)
        if recorded is not None:
            node.write_sources(recorded["sources"])
        if unequal:
            node.go_back(wanted, installed, bool(recorded and recorded["sources"]))
            installed = node.query("after")
            _compare(installed, _wanted(order, recorded, installed))
        return {"restored": sorted(unequal)}

    def detect(self, order: commands.RunStep) -> dict[str, Any] | None:
        """Return the result if the node is as it was, sources included."""
        node = apt.Apt(self._resources, order)
        recorded = manifest_of(order)
        installed = node.query("detect")
        if dpkg.differences(installed, _wanted(order, recorded, installed)):
            return None
        if recorded is not None and node.read_sources() != recorded["sources"]:
            return None
        return {"restored": []}


class Verify(base.Action):
    """Checks versions, then a command's exit status, then an HTTP answer.

    ``command``: program and arguments, no shell.  ``http``: see ``http.verify``.
    """

    progress = "programs"
    is_mutating = False
    params_schema: ClassVar[Mapping[str, Any]] = {
        "type": "object",
        "properties": {
            "packages": dpkg.PACKAGES_SCHEMA,
            "command": {"type": "array", "items": {"type": "string"}, "minItems": 1},
            "http": http.Verify.params_schema,
        },
        "required": ["packages"],
        "additionalProperties": False,
    }

    def __init__(self, resources: Mapping[str, Any]) -> None:
        self._resources = resources

    def run(self, order: commands.RunStep) -> dict[str, Any]:
        """Return what was found.

        :raises ActionFailed: class ``verification``.
        """
        wanted = order.params["packages"]
        installed = apt.Apt(self._resources, order).query("versions", wanted)
        _compare(installed, wanted, "verification")
        self._check_command(order)
        found: dict[str, Any] = {"packages": dict(wanted)}
        if "http" in order.params:
            found["http"] = http.await_answer(order.params["http"], order.timeout_s)
        return found

    def _check_command(self, order: commands.RunStep) -> None:
        argv = order.params.get("command")
        if not argv:
            return
        jobs: kit.Jobs = self._resources["jobs"]
        result = jobs.run(order, "command", argv, order.timeout_s)
        if result.returncode != 0:
            raise errors.ActionFailed(
                action=argv[0],
                reason=f"exit status {result.returncode}: {result.output[-500:]}",
                failure_class="verification",
            )


def manifest_of(order: commands.RunStep) -> Mapping[str, Any] | None:
    """Return the recorded manifest of a revert, or None."""
    for content in order.undo.get("checkpoint", {}).values():
        if "packages" in content and "sources" in content:
            manifest: Mapping[str, Any] = content
            return manifest
    return None


def _wanted(
    order: commands.RunStep,
    recorded: Mapping[str, Any] | None,
    installed: Mapping[str, dpkg.Package],
) -> dict[str, str | None]:
    """Return every version to go back to, None for what must go."""
    if recorded is not None:
        return dpkg.whole(recorded["packages"], installed)
    previous = order.undo.get("result", {}).get("previous")
    if not previous:
        raise errors.ActionFailed(
            action=order.action, reason="no earlier version was recorded"
        )
    return dict(previous)


def _compare(
    installed: Mapping[str, dpkg.Package],
    wanted: Mapping[str, str | None],
    failure_class: str = "permanent",
) -> None:
    unequal = dpkg.differences(installed, wanted)
    if unequal:
        raise errors.ActionFailed(
            f"Packages are not as they should be: {dpkg.describe(unequal)}",
            failure_class=failure_class,
        )
