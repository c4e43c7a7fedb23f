"""Digests of packages, compared before anything on the node is changed (P-3).

What apt fetches it compares with its index; here the index is compared with what
the campaign wants.  A repository that is new to the node is asked by way of a
staged sources file, which apt itself never reads.
"""

import contextlib
import os
from collections.abc import Iterator, Mapping

from escalator import errors
from escalator.drivers import apt, kit

_UNCACHED = ("-o", "Dir::Cache::pkgcache=", "-o", "Dir::Cache::srcpkgcache=")

SCHEMA: Mapping[str, object] = {
    "type": "object",
    "minProperties": 1,
    "additionalProperties": {"type": "string", "pattern": "^[0-9a-f]{64}$(?!\\n)"},
}
"""Package name -> SHA-256 of its file, in lower-case hexadecimal digits."""


def check(
    node: apt.Apt,
    packages: Mapping[str, str],
    digests: Mapping[str, str],
    line: str | None,
) -> None:
    """Refuse packages whose files are not the wanted ones.

    :param packages: name -> version.
    :param digests: name -> SHA-256, for some or all of ``packages``.
    :param line: content of the sources file to come; None: the node's sources.
    :raises ActionFailed: ``permanent``: another digest, or none is told;
        ``transient`` for locks and network.
    """
    for name in digests:
        if name not in packages:
            raise errors.ActionFailed(f"A digest is given of {name}, but no version.")
    with staging(node.sources, line) as staged:
        node.update(is_own_source_only=bool(staged), staged=staged)
        for name, wanted in sorted(digests.items()):
            _compare(node, f"{name}={packages[name]}", name, wanted, staged)


def _compare(node: apt.Apt, exact: str, name: str, wanted: str, staged: str) -> None:
    result = show(node, f"digest-{name}", exact, staged)
    if result.returncode != 0:
        raise node.failed("apt-cache show", result)
    found = set(_digests(result.output))
    if found != {wanted}:
        told = ", ".join(sorted(found)) or "none"
        raise errors.ActionFailed(
            f"The file of {exact} has not the digest {wanted}; the repository"
            f" tells {told}. Nothing was changed.",
            failure_class="permanent",
        )


def show(node: apt.Apt, job: str, exact: str, staged: str) -> kit.JobResult:
    """Ask the indexes for ``name=version``.

    :param staged: a sources file to ask only, or empty: all of the node's.
    """
    argv = ["apt-cache", "show", *_UNCACHED]
    if staged:
        argv += ["-o", f"Dir::Etc::SourceList={staged}"]
        argv += ["-o", "Dir::Etc::SourceParts=-"]
    return node.run(job, [*argv, exact])


def _digests(output: str) -> Iterator[str]:
    for line in output.splitlines():
        key, _, value = line.partition(":")
        if key == "SHA256":
            yield value.strip()


@contextlib.contextmanager
def staging(sources: str, line: str | None) -> Iterator[str]:
    """Write a sources file under a hidden name, which apt passes over."""
    if line is None:
        yield ""
        return
    directory, name = os.path.split(sources)
    path = os.path.join(directory, f".{name}.staged")
    try:
        with open(path, "w", encoding="utf-8") as target:
            target.write(line)
        yield path
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
