"""Forgiving access to a campaign document: wrong shapes read as empty.

The schema reports wrong shapes; the lints go on with what is left, so that
one look finds everything.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Path = tuple[str | int, ...]
Row = tuple[Path, Mapping[str, Any]]


def table(node: Any, key: str) -> Mapping[str, Any]:
    """Return the mapping under ``key``, or an empty one."""
    value = node.get(key) if isinstance(node, Mapping) else None
    return value if isinstance(value, Mapping) else {}


def rows(node: Any, *path: str | int) -> list[Row]:
    """Return the mappings in the list at ``path[-1]``, each with its path.

    :param node: the mapping that holds the list, itself at ``path[:-1]``.
    """
    value = node.get(path[-1]) if isinstance(node, Mapping) else None
    if not isinstance(value, list | tuple):
        return []
    return [
        ((*path, index), item)
        for index, item in enumerate(value)
        if isinstance(item, Mapping)
    ]


def texts(value: Any) -> list[str]:
    """Return the texts of a list, or the one text itself as a list."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, list | tuple):
        return [item for item in value if isinstance(item, str)]
    return []


def text(node: Any, key: str) -> str:
    """Return the text under ``key``, or an empty one."""
    value = node.get(key) if isinstance(node, Mapping) else None
    return value if isinstance(value, str) else ""


def number(node: Any, key: str) -> int | None:
    """Return the whole number under ``key``, or None."""
    value = node.get(key) if isinstance(node, Mapping) else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def percent(value: Any) -> float | None:
    """Return 12.5 for ``"12.5%"``, or None if it is no percentage."""
    if not isinstance(value, str) or not value.endswith("%"):
        return None
    digits = value[:-1]
    if not digits.isascii() or not digits.replace(".", "", 1).isdigit():
        return None
    return float(digits)


def walk(node: Any, path: Path = ()) -> Iterator[tuple[Path, Any, bool]]:
    """Yield every key and every scalar as (path, value, is it a key)."""
    if isinstance(node, Mapping):
        for key, value in node.items():
            yield (*path, key), key, True
            yield from walk(value, (*path, key))
    elif isinstance(node, Sequence) and not isinstance(node, str):
        for index, value in enumerate(node):
            yield from walk(value, (*path, index))
    else:
        yield path, node, False
