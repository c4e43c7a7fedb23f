"""Artifacts, and which of their versions work together (P-1, P-3)."""

import dataclasses
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from escalator.domain import document as doc
from escalator.domain import ordering
from escalator.domain.finding import Finding, point

KEYS = ("version", "sha256", "uri")
"""What ``${artifacts.<name>.<key>}`` may stand for."""


@dataclasses.dataclass(frozen=True, slots=True)
class Artifact:
    """:ivar replaces: versions that hosts have before; empty: it stays as it is.
    :ivar provides: names that others may need, its own among them.
    """

    name: str
    version: str
    replaces: tuple[str, ...]
    provides: tuple[str, ...]
    needs: tuple[str, ...]
    place: doc.Path


@dataclasses.dataclass(frozen=True, slots=True)
class Clash:
    """Two versions that do not work together."""

    one: str
    one_version: str
    other: str
    other_version: str

    def text(self) -> str:
        """Say it in one line."""
        return (
            f"{self.one} {self.one_version} does not work with"
            f" {self.other} {self.other_version}"
        )


def values(filled: Mapping[str, Any]) -> dict[str, str]:
    """Return what ``${artifacts.<name>.<key>}`` stands for."""
    return {
        f"artifacts.{doc.text(body, 'name')}.{key}": doc.text(body, key)
        for _, body in doc.rows(filled, "artifacts")
        for key in KEYS
        if doc.text(body, "name") and doc.text(body, key)
    }


class Matrix:
    """Which versions work together.

    An entry that names one module lists versions that run side by side; one that
    names two says that each version of the one works with each of the other.
    Modules that no entry names together do not concern each other.
    """

    def __init__(self, entries: Sequence[Mapping[str, Any]]) -> None:
        self._entries: dict[frozenset[str], list[Mapping[str, Any]]] = {}
        for entry in entries:
            self._entries.setdefault(frozenset(entry), []).append(entry)

    def knows(self, one: str, other: str) -> bool:
        """Say whether anything is said of the two, or of one beside itself."""
        return frozenset({one, other}) in self._entries

    def clash(
        self, one: str, version: str, other: str, versions: Sequence[str]
    ) -> Clash | None:
        """Return the first of ``versions`` of ``other`` that does not fit."""
        if not self.knows(one, other):
            return None
        for each in versions:
            if not self._works(one, version, other, each):
                return Clash(one, version, other, each)
        return None

    def _works(self, one: str, version: str, other: str, other_version: str) -> bool:
        return any(
            _is_among(version, entry[one]) and _is_among(other_version, entry[other])
            for entry in self._entries[frozenset({one, other})]
        )


def _is_among(version: str, wanted: Any) -> bool:
    """Say whether a version is listed; ``2.*`` stands for all that begin with 2."""
    return any(
        version.startswith(each[:-1]) if each.endswith(".*") else version == each
        for each in doc.texts(wanted)
    )


def read(filled: Mapping[str, Any]) -> "Catalogue":
    """Return the artifacts of a document and their matrix (pure)."""
    found = [
        Artifact(
            name=doc.text(body, "name"),
            version=doc.text(body, "version"),
            replaces=tuple(doc.texts(body.get("replaces"))),
            provides=(doc.text(body, "name"), *doc.texts(body.get("provides"))),
            needs=tuple(doc.texts(body.get("needs"))),
            place=path,
        )
        for path, body in doc.rows(filled, "artifacts")
    ]
    matrix = Matrix([body for _, body in doc.rows(filled, "compatibility")])
    return Catalogue(found, matrix)


class Catalogue:
    """The artifacts of a file."""

    def __init__(self, found: Sequence[Artifact], matrix: Matrix) -> None:
        self._artifacts = {each.name: each for each in found}
        self.matrix = matrix

    def named(self, names: Iterable[str]) -> list[Artifact]:
        """Return the artifacts of these names."""
        return [self._artifacts[name] for name in names if name in self._artifacts]

    def find(self, brought: Collection[Artifact]) -> Iterator[Finding]:
        """Find what is wrong whatever the procedures are like.

        :param brought: what some procedure brings.
        """
        yield from self._circles()
        yield from self._unfit()
        yield from self._forgotten(brought)

    def before(self, one: Artifact, other: Artifact) -> str:
        """Return why ``one`` must be brought before ``other``, or ""."""
        clash = self.matrix.clash(other.name, other.version, one.name, one.replaces)
        if clash:
            return clash.text()
        return f"{other.name} needs {one.name}" if one in self._needed(other) else ""

    def mixed(self, brought: Sequence[Artifact]) -> Clash | None:
        """Return versions that may not run side by side, of new and old ones."""
        for one in brought:
            for other in brought:
                clash = self.matrix.clash(
                    one.name, one.version, other.name, other.replaces
                )
                if clash:
                    return clash
        return None

    def _circles(self) -> Iterator[Finding]:
        edges = {
            name: [other.name for other in self._needed(each) if other.name != name]
            for name, each in self._artifacts.items()
        }
        if cycle := ordering.find_cycle(edges):
            yield Finding(
                "C901",
                point(*self._artifacts[cycle[0]].place, "needs"),
                f"these need each other: {' -> '.join(cycle)}",
                "take one of the needs out, or make one artifact of them",
            )

    def _needed(self, artifact: Artifact) -> list[Artifact]:
        return [
            each
            for each in self._artifacts.values()
            if set(each.provides) & set(artifact.needs)
        ]

    def _unfit(self) -> Iterator[Finding]:
        """Find versions that would be there together at the end."""
        found = list(self._artifacts.values())
        for index, one in enumerate(found):
            for other in found[:index]:
                clash = self.matrix.clash(
                    one.name, one.version, other.name, [other.version]
                )
                if clash:
                    yield Finding(
                        "C902",
                        point(*one.place, "version"),
                        f"{clash.text()}, and both are there at the end",
                        "bring a version that works, or add the pair to compatibility",
                    )

    def _forgotten(self, brought: Collection[Artifact]) -> Iterator[Finding]:
        for each in self._artifacts.values():
            if each.replaces and each not in brought:
                yield Finding(
                    "C907",
                    point(*each.place),
                    f"no procedure brings {each.name} {each.version}",
                    "name it under brings, or take replaces out if it stays",
                )
