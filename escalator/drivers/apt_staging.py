"""A repository asked before the node knows it: apt never reads it by itself.

The staged sources file stands in a hidden directory, which apt passes over, beside
links to the node's other sources files: named as apt's directory of sources it shows
apt what the node would see once the staged file is in place.
"""

import contextlib
import os
import shutil
from collections.abc import Iterator

UNCACHED = ("-o", "Dir::Cache::pkgcache=", "-o", "Dir::Cache::srcpkgcache=")
"""Options: keep the cache of the node's own sources as it is."""


@contextlib.contextmanager
def staging(sources: str, lines: str | None) -> Iterator[str]:
    """Stage a sources file for the time of the context; yield its path.

    What an agent that was killed left behind is replaced.

    :param sources: the node's file that ``lines`` would replace.
    :param lines: its content to come; None: nothing is staged, the path is empty.
    """
    if lines is None:
        yield ""
        return
    directory, name = os.path.split(sources)
    hidden = os.path.join(directory, f".{name}.staged")
    shutil.rmtree(hidden, ignore_errors=True)
    try:
        os.mkdir(hidden)
        for other in os.listdir(directory):
            if other.endswith((".list", ".sources")) and other != name:
                os.symlink(os.path.join(directory, other), os.path.join(hidden, other))
        path = os.path.join(hidden, name)
        with open(path, "w", encoding="utf-8") as target:
            target.write(lines)
        yield path
    finally:
        shutil.rmtree(hidden, ignore_errors=True)


def among_others(staged: str) -> list[str]:
    """Return the options that let apt see it in place of the node's own file."""
    if not staged:
        return []
    return [*UNCACHED, "-o", f"Dir::Etc::SourceParts={os.path.dirname(staged)}"]
