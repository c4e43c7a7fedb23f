"""C402 to C405: every name stands for something, and for one thing."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any

from escalator.domain import document as doc
from escalator.domain import (
    lint_budgets,
    lint_hosts,
    lint_preflight,
    parameters,
    selector,
)
from escalator.domain.finding import Finding, point
from escalator.domain.reading import NONE_NEEDED, ON_FAULT, WAIVED, Catalogue


def find(filled: Mapping[str, Any], catalogue: Catalogue) -> Iterator[Finding]:
    """Find names without a definition, or with two.

    Parameters, and names that hold in one list of procedures only, are
    ``lint_scopes``'s affair.
    """
    yield from _facts(filled)
    yield from _ids(filled)
    yield from _procedures(filled)
    yield from _installed(filled, catalogue)


def missing(path: doc.Path, kind: str, name: str, known: Collection[str]) -> Finding:
    """Return the finding for a name that nothing defines."""
    names = ", ".join(sorted(known)) or "none"
    return Finding(
        "C402",
        point(*path),
        f"there is no {kind} {name}",
        f"define it, or use one of the defined: {names}",
    )


def _facts(filled: Mapping[str, Any]) -> Iterator[Finding]:
    chosen_by = [
        found
        for name, body in doc.table(filled, "selectors").items()
        for found in lint_hosts.facts_used(("selectors", name), body)
    ]
    every = set(selector.KNOWN_FACTS)
    yield from _unknown(chosen_by, every)
    yield from _unknown(lint_budgets.facts_used(filled), every - selector.OF_INSTANCES)


def _unknown(
    used: Iterable[tuple[doc.Path, str]], names: Collection[str]
) -> Iterator[Finding]:
    for path, fact in used:
        is_known = selector.is_fact(fact, names)
        if not is_known and not _is_reported(path, fact):
            known = ", ".join(sorted(names))
            yield Finding(
                "C405",
                point(*path),
                f"targets have no fact {fact}",
                f"use one of {known}, or facts. and what the agent tells",
            )


def _is_reported(path: doc.Path, fact: str) -> bool:
    """A naming fact in a selector is C401's affair already."""
    return path[0] == "selectors" and lint_hosts.is_naming(fact)


def _ids(filled: Mapping[str, Any]) -> Iterator[Finding]:
    yield from twice(doc.rows(filled, "checkpoints"))
    yield from twice(doc.rows(doc.table(filled, "schedule"), "schedule", "windows"))
    for path, body in doc.rows(filled, "procedures"):
        yield from twice(doc.rows(body, *path, "steps"))
        yield from twice(doc.rows(body, *path, "stages"))


def twice(entries: list[doc.Row], key: str = "id") -> Iterator[Finding]:
    """Find ids that stand twice in one list."""
    seen: dict[str, int] = {}
    for number, (path, body) in enumerate(entries, 1):
        name = doc.text(body, key)
        if name and name in seen:
            yield Finding(
                "C403",
                point(*path, key),
                f"the {key} {name} is that of entry {seen[name]} of this list already",
                f"give every entry {'an' if key == 'id' else 'a'} {key} of its own",
            )
        seen.setdefault(name, number)


def _procedures(filled: Mapping[str, Any]) -> Iterator[Finding]:
    ladders = set(doc.table(filled, "recovery")) - {ON_FAULT}
    known: Mapping[str, tuple[str, Collection[str]]] = {
        "select": ("selector", doc.table(filled, "selectors")),
        "budgets": ("budget", _defined(filled, "budgets")),
        "on_failure": ("ladder", ladders),
    }
    of_steps: Mapping[str, tuple[str, Collection[str]]] = {
        "verify": ("verification suite", doc.table(filled, "verify")),
        "checkpoint": ("checkpoint", _defined(filled, "checkpoints") | {WAIVED}),
    }
    for path, body in doc.rows(filled, "procedures"):
        yield from resolve(path, body, known)
        for place, step in doc.rows(body, *path, "steps"):
            yield from resolve(place, step, of_steps)


def _defined(filled: Mapping[str, Any], section: str) -> set[str]:
    return {doc.text(body, "id") for _, body in doc.rows(filled, section)} - {""}


def resolve(
    path: doc.Path,
    body: Mapping[str, Any],
    known: Mapping[str, tuple[str, Collection[str]]],
) -> Iterator[Finding]:
    """Find names without a definition.

    :param known: key -> noun and names that may stand there.
    """
    for key, (kind, names) in known.items():
        value = body.get(key)
        for index, name in enumerate(doc.texts(value)):
            place = (*path, key) if isinstance(value, str) else (*path, key, index)
            if name not in names and not parameters.uses(name):
                yield missing(place, kind, name, names)


def _installed(filled: Mapping[str, Any], catalogue: Catalogue) -> Iterator[Finding]:
    actions = {name for name, facts in catalogue.items() if not facts.is_checkpoint}
    drivers = set(catalogue) - actions
    for path, name in _actions(filled):
        if name not in catalogue:
            yield _uninstalled("C404", path, "action", name, actions)
        elif name not in actions:
            yield _misused(path, f"{name} is a checkpoint driver, not an action")
    for path, names in _undos(filled):
        for name in names:
            if name not in actions:
                yield _uninstalled("C607", path, "action", name, actions)
    for path, body in doc.rows(filled, "checkpoints"):
        name = _filled(body, "driver")
        if name and name not in catalogue:
            yield _uninstalled(
                "C404", (*path, "driver"), "checkpoint driver", name, drivers
            )
        elif name and name not in drivers:
            detail = f"{name} is an action, not a checkpoint driver"
            yield _misused((*path, "driver"), detail)
    yield from _changing_suites(filled, lambda name: _changes(catalogue, name))


def _changes(catalogue: Catalogue, name: str) -> bool:
    return name in catalogue and catalogue[name].is_mutating


def _changing_suites(
    filled: Mapping[str, Any], is_changing: Callable[[str], bool]
) -> Iterator[Finding]:
    for name in doc.table(filled, "verify"):
        action = doc.text(doc.table(filled["verify"], name), "action")
        if is_changing(action):
            detail = f"{action} changes its target, so it verifies nothing"
            yield _misused(("verify", name, "action"), detail)


def _actions(filled: Mapping[str, Any]) -> Iterator[tuple[doc.Path, str]]:
    for path, body in doc.rows(filled, "procedures"):
        for place, step in doc.rows(body, *path, "steps"):
            if name := _filled(step, "action"):
                yield (*place, "action"), name
    suites = doc.table(filled, "verify")
    for suite in suites:
        if name := _filled(doc.table(suites, suite), "action"):
            yield ("verify", suite, "action"), name
    for path, body in lint_preflight.rows(filled):
        if name := _filled(body, "action"):
            yield (*path, "action"), name


def _filled(body: Mapping[str, Any], key: str) -> str:
    """Return the text under ``key`` if no parameter is left open in it."""
    value = doc.text(body, key)
    return "" if parameters.uses(value) else value


def _undos(filled: Mapping[str, Any]) -> Iterator[tuple[doc.Path, list[str]]]:
    for path, body in doc.rows(filled, "procedures"):
        for place, step in doc.rows(body, *path, "steps"):
            named = doc.texts(step.get("undo"))
            yield (*place, "undo"), [name for name in named if _is_undo(name)]


def _is_undo(name: str) -> bool:
    return name != NONE_NEEDED and not parameters.uses(name)


def _uninstalled(
    rule: str, path: doc.Path, kind: str, name: str, known: Collection[str]
) -> Finding:
    return Finding(
        rule,
        point(*path),
        f"no {kind} {name} is installed",
        f"use one of the installed: {', '.join(sorted(known)) or 'none'}",
    )


def _misused(path: doc.Path, detail: str) -> Finding:
    remedy = "name a driver of the kind that stands here"
    return Finding("C608", point(*path), detail, remedy)
