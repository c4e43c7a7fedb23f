"""Whether apt could install what a campaign wants: asked without installing (V-3).

Indexes are fetched anew, as before an install; packages, sources and pins stay.
"""

from collections.abc import Mapping

from escalator import errors
from escalator.drivers import apt, apt_digest

_SHOWN = 300


def obstacles(
    node: apt.Apt,
    packages: Mapping[str, str],
    line: str | None,
    options: list[str],
    digests: Mapping[str, str],
) -> list[str]:
    """Return what stands in the way, in words.

    Without a repository of its own the install is simulated whole.  With one, which
    is new to the node, each version is looked up there, then in the node's sources.

    :param line: content of the sources file to come; None: the node's sources.
    :param options: of the install.
    :param digests: see ``apt_digest.check``.
    :raises ActionFailed: ``transient``: locks or network; nobody can tell now.
    """
    with apt_digest.staging(node.sources, line) as staged:
        node.update(is_own_source_only=bool(staged), staged=staged)
        found = (
            _unknown(node, packages, staged)
            if staged
            else _refused(node, packages, options)
        )
    if not found and digests:
        found = _unlike(node, packages, digests, line)
    return found


def _refused(
    node: apt.Apt, packages: Mapping[str, str], options: list[str]
) -> list[str]:
    result = node.simulate(packages, options)
    if result.returncode == 0:
        return []
    if apt.failure_class(result.output) == "transient":
        raise node.failed("apt-get install --simulate", result)
    said = [row for row in result.output.splitlines() if row.startswith("E: ")]
    return [" ".join(said or [result.output.strip()])[-_SHOWN:]]


def _unknown(node: apt.Apt, packages: Mapping[str, str], staged: str) -> list[str]:
    found = []
    for name, version in sorted(packages.items()):
        exact = f"{name}={version}"
        if apt_digest.show(node, f"staged-{name}", exact, staged).returncode == 0:
            continue
        if apt_digest.show(node, f"known-{name}", exact, "").returncode != 0:
            found.append(f"no repository has {name} {version}")
    return found


def _unlike(
    node: apt.Apt,
    packages: Mapping[str, str],
    digests: Mapping[str, str],
    line: str | None,
) -> list[str]:
    try:
        apt_digest.check(node, packages, digests, line)
    except errors.ActionFailed as error:
        if error.failure_class == "transient":
            raise
        return [str(error)]
    return []
