"""Sub-plans: parts of a campaign file used in the place of a procedure (P-5).

A use is written out as plain procedures with ids ``outer/inner``: engine, forecast
and rollback know nothing of sub-plans.  They get the level of the outermost use;
levels and edges inside become ``after`` edges.  A sub-plan sees its own parameters
only.  Budgets of the use hold besides its own: both sets of tokens are taken.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from escalator.domain import document as doc
from escalator.domain import parameters
from escalator.domain.finding import Finding, point
from escalator.domain.plan import Kind

MAX_DEPTH = 8
MAX_PROCEDURES = 200
"""Most procedures that all uses of one file may become."""

MAX_SIZE = 16 * 1024 * 1024
"""Most characters that all uses of one file may become."""

MAX_ID = 255
"""Characters of an id such as ``outer/inner``: what the database holds."""


@dataclasses.dataclass
class Entry:
    """A procedure as the reader wants it, and where the file says it.

    :ivar renamed: key of ``body`` -> key at ``place``, where they differ.
    :ivar origins: pointer into ``body`` -> path in the file, of what comes from
        another place than ``place``.
    """

    body: dict[str, Any]
    place: doc.Path
    renamed: Mapping[str, str] = dataclasses.field(default_factory=dict)
    origins: Mapping[str, doc.Path] = dataclasses.field(default_factory=dict)

    @property
    def id(self) -> str:
        return doc.text(self.body, "id")

    @property
    def level(self) -> int:
        return doc.number(self.body, "level") or 0

    @property
    def after(self) -> list[str]:
        return doc.texts(self.body.get("after"))

    def wait_for(self, names: Sequence[str]) -> None:
        """Add edges."""
        if names:
            self.body["after"] = unique([*self.after, *names])


@dataclasses.dataclass
class Flat:
    """A file without uses.

    :ivar budgets: of the file, then of uses.
    :ivar scopes: the file itself, then each use with its values filled in.
    """

    entries: list[Entry] = dataclasses.field(default_factory=list)
    budgets: list[doc.Row] = dataclasses.field(default_factory=list)
    scopes: list[doc.Row] = dataclasses.field(default_factory=list)
    findings: list[Finding] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True, slots=True)
class _User:
    """What a use hands down: id prefix, level, budgets, names of outer sub-plans."""

    prefix: str = ""
    level: int | None = None
    budgets: tuple[str, ...] = ()
    chain: tuple[str, ...] = ()


def flatten(filled: Mapping[str, Any], constants: Mapping[str, Any]) -> Flat:
    """Write out every use of a sub-plan (pure).

    :param filled: the document, its own parameters filled in.
    :param constants: values that every sub-plan sees besides its parameters.
    """
    flattening = _Flattening(filled, constants)
    flattening.flat.budgets += doc.rows(filled, "budgets")
    flattening.flat.entries = flattening.scope((), filled, _User())
    return flattening.flat


class _Flattening:
    def __init__(self, filled: Mapping[str, Any], constants: Mapping[str, Any]) -> None:
        self._subplans = doc.table(filled, "subplans")
        self._constants = constants
        self._written = 0
        self._size = 0
        self.flat = Flat()

    def scope(
        self, path: doc.Path, body: Mapping[str, Any], user: _User
    ) -> list[Entry]:
        """Return the procedures of the file, or of one use."""
        self.flat.scopes.append((path, body))
        own: dict[str, str] = {}
        if user.chain:
            for place, each in doc.rows(body, *path, "budgets"):
                name = doc.text(each, "id")
                own[name] = f"{user.prefix}{name}"
                self.flat.budgets.append((place, {**each, "id": own[name]}))
        groups = [
            (row, self._entry(row, user, own))
            for row in doc.rows(body, *path, "procedures")
        ]
        _connect(groups, is_inner=bool(user.chain))
        return [entry for _, entries in groups for entry in entries]

    def _entry(self, row: doc.Row, user: _User, own: Mapping[str, str]) -> list[Entry]:
        place, body = row
        named = [own.get(name, name) for name in doc.texts(body.get("budgets"))]
        if "subplan" in body:
            named = [name for name in named if name in self._budgets()]
        budgets = unique([*named, *user.budgets])
        if "subplan" in body:
            return self._use(place, body, user, budgets)
        if not user.chain:
            return [Entry(dict(body), place)]
        self._written += 1
        name = f"{user.prefix}{doc.text(body, 'id')}"
        if len(name) > MAX_ID or self._written > MAX_PROCEDURES:
            return self._too_much(place)
        more = {"id": name, "level": user.level, "budgets": budgets, "after": []}
        return [Entry({**body, **more}, place)]

    def _budgets(self) -> set[str]:
        return {doc.text(body, "id") for _, body in self.flat.budgets}

    def _use(
        self, place: doc.Path, body: Mapping[str, Any], user: _User, budgets: list[str]
    ) -> list[Entry]:
        name = doc.text(body, "subplan")
        if name not in self._subplans:
            return []
        if name in user.chain:
            self.flat.findings.append(circle((*user.chain, name), place))
            return []
        if len(user.chain) >= MAX_DEPTH or self._written > MAX_PROCEDURES:
            return self._too_much(place)
        values = self._values(place, body, name)
        self._size += _size(self._subplans[name])
        if self._size > MAX_SIZE:
            return self._too_much(place)
        subplan = {
            key: parameters.substitute(value, {**self._constants, **values})
            for key, value in doc.table(self._subplans, name).items()
            if key != "params"
        }
        own = f"{user.prefix}{doc.text(body, 'id')}"
        level = user.level
        inner = _User(
            f"{own}/",
            (doc.number(body, "level") or 0) if level is None else level,
            (*budgets, *self._cap(place, body, own)),
            (*user.chain, name),
        )
        return self.scope(("subplans", name), subplan, inner)

    def _values(
        self, place: doc.Path, body: Mapping[str, Any], name: str
    ) -> dict[str, Any]:
        """Return the values of a use; what is still open is another rule's."""
        declared = doc.table(doc.table(self._subplans, name), "params")
        given = doc.table(body, "with")
        unknown = {
            key
            for key, value in given.items()
            if isinstance(value, str) and parameters.uses(value)
        }
        known = {key: value for key, value in given.items() if key not in unknown}
        wanted = {key: shape for key, shape in declared.items() if key not in unknown}
        values, found = parameters.resolve(wanted, known)
        self.flat.findings += [_of_use(each, place, name) for each in found]
        return values

    def _cap(
        self, place: doc.Path, body: Mapping[str, Any], own: str
    ) -> tuple[str, ...]:
        """Return the budget that stands for ``parallel`` of a use."""
        most = doc.number(body, "parallel")
        if most is None or most < 1:
            return ()
        name = f"{own} (parallel)"
        limit = {"scope": "all", "max_down": most, "kind": Kind.PARALLEL}
        self.flat.budgets.append(((*place, "parallel"), {"id": name, **limit}))
        return (name,)

    def _too_much(self, place: doc.Path) -> list[Entry]:
        detail = (
            f"sub-plans go deeper than {MAX_DEPTH} levels, become more than"
            f" {MAX_PROCEDURES} procedures or {MAX_SIZE} characters, or need ids"
            f" longer than {MAX_ID}"
        )
        remedy = "use fewer of them, or split the campaign"
        if not any(each.rule == "C505" for each in self.flat.findings):
            self.flat.findings.append(Finding("C505", point(*place), detail, remedy))
        return []


def _size(node: Any) -> int:
    """Return what a use may become at most, in characters."""
    return sum(
        1 + len(value) + parameters.MAX_VALUE * len(parameters.uses(value))
        for _, value, _ in doc.walk(node)
        if isinstance(value, str)
    )


def circle(chain: Sequence[str], place: doc.Path) -> Finding:
    """Return the finding for sub-plans that include themselves (C504)."""
    whole = chain[list(chain).index(chain[-1]) :]
    return Finding(
        "C504",
        point(*place),
        f"this sub-plan includes itself: {' -> '.join(whole)}",
        "take one of these uses out",
    )


def _of_use(found: Finding, place: doc.Path, name: str) -> Finding:
    """Say of a use what is said of the file's own parameters."""
    _, _, rest = found.pointer.split("/", 2)
    pointer = f"{point(*place, 'with')}/{rest}"
    if rest.endswith("/default"):
        pointer = f"{point('subplans', name, 'params')}/{rest}"
    text = {
        "C301": f"give only what sub-plan {name} declares under params",
        "C302": "give it under with, or add a default to the sub-plan",
    }
    remedy = text.get(found.rule, found.remedy)
    detail = found.detail.replace("the file declares", f"sub-plan {name} declares")
    return Finding(found.rule, pointer, detail, remedy)


def _connect(groups: Sequence[tuple[doc.Row, list[Entry]]], is_inner: bool) -> None:
    """Turn ``after``, and inside a sub-plan levels too, into edges."""
    ids: dict[str, list[str]] = {}
    levels: dict[int, list[str]] = {}
    for (_, body), entries in groups:
        names = [entry.id for entry in entries]
        ids.setdefault(doc.text(body, "id"), []).extend(names)
        levels.setdefault(_level(body), []).extend(names)
    for (_, body), entries in groups:
        earlier = [
            each for name in doc.texts(body.get("after")) for each in ids.get(name, ())
        ]
        lower = [level for level in levels if level < _level(body)]
        if is_inner and lower:
            earlier += levels[max(lower)]
        for entry in entries:
            entry.body.setdefault("after", [])
            inside = entry.after if "subplan" in body else []
            entry.body["after"] = unique([*inside, *earlier])


def _level(body: Mapping[str, Any]) -> int:
    return doc.number(body, "level") or 0


def unique(names: Sequence[str]) -> list[str]:
    """Return the names without repeats, in order."""
    return list(dict.fromkeys(names))


def raw_uses(filled: Mapping[str, Any]) -> Iterator[tuple[str, doc.Path, str]]:
    """Yield (user, path of the use, name used); the user of the file is ""."""
    yield from _uses_in("", (), filled)
    subplans = doc.table(filled, "subplans")
    for name in subplans:
        yield from _uses_in(name, ("subplans", name), doc.table(subplans, name))


def _uses_in(
    user: str, path: doc.Path, body: Mapping[str, Any]
) -> Iterator[tuple[str, doc.Path, str]]:
    for place, each in doc.rows(body, *path, "procedures"):
        if "subplan" in each:
            yield user, place, doc.text(each, "subplan")
