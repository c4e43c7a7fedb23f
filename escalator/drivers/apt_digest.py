"""Digests of packages, compared before anything on the node is changed (P-3).

What apt fetches it compares with its index; here the index is compared with what
the campaign wants.
"""

from collections.abc import Iterator, Mapping

from escalator import errors
from escalator.drivers import apt, apt_staging

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
    with apt_staging.staging(node.sources, line) as staged:
        node.update(is_own_source_only=bool(staged), staged=staged)
        for name, wanted in sorted(digests.items()):
            _compare(node, f"{name}={packages[name]}", name, wanted, staged)


def _compare(node: apt.Apt, exact: str, name: str, wanted: str, staged: str) -> None:
    only = apt.alone(staged) if staged else []
    argv = ["apt-cache", "show", *apt_staging.UNCACHED, *only, exact]
    result = node.run(f"digest-{name}", argv)
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


def _digests(output: str) -> Iterator[str]:
    for line in output.splitlines():
        key, _, value = line.partition(":")
        if key == "SHA256":
            yield value.strip()
