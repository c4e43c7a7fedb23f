"""Debian's package database: asked by ``dpkg-query``, read here."""

import dataclasses
import subprocess
from collections.abc import Iterable, Mapping, Sequence

from escalator import errors

FORMAT = "${db:Status-Abbrev}\t${binary:Package}\t${Version}\n"
QUERY = ("dpkg-query", "-W", "-f", FORMAT)
QUERY_TIMEOUT_S = 10.0

NAME_SCHEMA = {"pattern": "^[a-z0-9][a-z0-9+.-]+(:[a-z0-9-]+)?$(?!\\n)"}
VERSION_SCHEMA = {
    "type": "string",
    "pattern": "^[A-Za-z0-9][A-Za-z0-9.+~:-]*$(?!\\n)",
    "maxLength": 200,
}
PACKAGES_SCHEMA = {
    "type": "object",
    "propertyNames": NAME_SCHEMA,
    "additionalProperties": VERSION_SCHEMA,
    "minProperties": 1,
}
"""Name -> version, such that neither can be taken for an option of apt."""


@dataclasses.dataclass(frozen=True, slots=True)
class Package:
    """:ivar status: two letters: wanted, and found (``ii``: installed; ``iF``:
    half configured; ``hi``: held; ``rc``: removed, configuration left).
    """

    name: str
    version: str
    status: str

    @property
    def is_present(self) -> bool:
        """Return True if any of its files are on the node."""
        return self.status[1:2] not in ("n", "c")

    @property
    def is_whole(self) -> bool:
        """Return True if it is installed and configured."""
        return self.status[1:2] == "i"

    @property
    def is_held(self) -> bool:
        """Return True if its version is pinned by the operator."""
        return self.status.startswith("h")


def parse(output: str) -> dict[str, Package]:
    """Return what ``QUERY`` printed, by name; absent packages are left out.

    :raises ActionFailed: a line is not what ``QUERY`` prints, e.g. cut off.
    """
    found = {}
    for line in output.splitlines():
        if line.startswith("dpkg-query:"):
            continue
        fields = line.split("\t")
        if len(fields) != 3:
            raise errors.ActionFailed(f"dpkg-query printed {line[:200]!r}")
        package = Package(fields[1], fields[2], fields[0].rstrip())
        if package.is_present:
            found[package.name] = package
    return found


def find(installed: Mapping[str, Package], name: str) -> Package | None:
    """Return the package of that name, also if it is listed as ``name:arch``."""
    if name in installed:
        return installed[name]
    return next(
        (each for key, each in installed.items() if key.partition(":")[0] == name),
        None,
    )


def versions(
    installed: Mapping[str, Package], names: Iterable[str]
) -> dict[str, str | None]:
    """Return the installed version of each name, None if it is absent."""
    found = {name: find(installed, name) for name in names}
    return {name: each.version if each else None for name, each in found.items()}


def whole(
    recorded: Mapping[str, str], installed: Iterable[str]
) -> dict[str, str | None]:
    """Return what a node is brought to that is to have just ``recorded``."""
    extra = {name: None for name in installed if name not in recorded}
    return {**recorded, **extra}


def differences(
    installed: Mapping[str, Package], wanted: Mapping[str, str | None]
) -> dict[str, str]:
    """Say what is not as wanted, by name; empty if all is.

    :param wanted: name -> version, None for one that must be absent.
    """
    found = {}
    for name, version in wanted.items():
        package = find(installed, name)
        if version is None:
            if package is not None:
                found[name] = f"{package.version} is installed, it should be absent"
        elif package is None:
            found[name] = f"absent, it should be {version}"
        elif package.version != version:
            found[name] = f"{package.version} is installed, it should be {version}"
        elif not package.is_whole:
            found[name] = f"{version} is only half installed ({package.status})"
    return found


def describe(unequal: Mapping[str, str], limit: int = 10) -> str:
    """Return the differences as one line."""
    items = [f"{name}: {text}" for name, text in sorted(unequal.items())]
    more = f" and {len(items) - limit} more" if len(items) > limit else ""
    return "; ".join(items[:limit]) + more


def read_versions(names: Sequence[str]) -> dict[str, str]:
    """Ask this machine's database now; absent packages are left out.

    :raises OSError: there is no ``dpkg-query``, or it hangs.
    """
    try:
        answer = subprocess.run(
            [*QUERY, *names],
            capture_output=True,
            text=True,
            timeout=QUERY_TIMEOUT_S,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired as error:
        raise OSError(f"{QUERY[0]} hangs") from error
    installed = parse(answer.stdout)
    found = versions(installed, names)
    return {name: version for name, version in found.items() if version is not None}
