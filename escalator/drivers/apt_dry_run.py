"""Whether apt could install what a campaign wants: asked without installing (P-3, V-3).

Indexes are fetched anew, as before an install; packages, sources and pins stay.
"""

import itertools
from collections.abc import Iterable, Mapping
from typing import Any

from escalator import errors
from escalator.drivers import apt, apt_digest, apt_staging

_SHOWN = 300

_UNMET = "The following packages have unmet dependencies:"


def obstacles(
    node: apt.Apt,
    params: Mapping[str, Any],
    before: Iterable[Mapping[str, Any]],
    options: Iterable[str],
) -> list[str]:
    """Return what stands in the way, in words: a version or a dependency.

    The whole install is simulated, with the repository to come in its place, and
    together with the installs that come before it on this node.

    :param params: of ``package.install``.
    :param before: the same of those earlier installs.
    :param options: of the install.
    :raises ActionFailed: ``transient``: locks or network; nobody can tell now.
    """
    together = [*before, params]
    wanted = {name: v for each in together for name, v in each["packages"].items()}
    lines = dict.fromkeys(filter(None, map(apt.line_of, together)))
    with apt_staging.staging(node.sources, "".join(lines) or None) as staged:
        node.update(is_own_source_only=bool(staged), staged=staged)
        seen = apt_staging.among_others(staged)
        result = node.simulate(wanted, [*options, *seen])
    if result.returncode == 0:
        return _unlike(node, params)
    if apt.failure_class(result.output) == "transient":
        raise node.failed("apt-get install --simulate", result)
    return _said(result.output)


def _said(output: str) -> list[str]:
    """Return unmet dependencies, one text a package; else apt's errors as one."""
    unmet: list[str] = []
    rows = output.partition(_UNMET)[2].splitlines()[1:]
    for row in itertools.takewhile(lambda row: row.startswith(" "), rows):
        words = " ".join(row.split())
        if " : " in row or not unmet:
            unmet.append(words)
        else:
            unmet[-1] += f"; {words}"
    if unmet:
        return [text[:_SHOWN] for text in unmet]
    said = [row for row in output.splitlines() if row.startswith("E: ")]
    return [" ".join(said or [output.strip()])[-_SHOWN:]]


def _unlike(node: apt.Apt, params: Mapping[str, Any]) -> list[str]:
    digests = params.get("sha256")
    if not digests:
        return []
    try:
        apt_digest.check(node, params["packages"], digests, apt.line_of(params))
    except errors.ActionFailed as error:
        if error.failure_class == "transient":
            raise
        return [str(error)]
    return []
