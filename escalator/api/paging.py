"""Pages by limit and marker; the next one is a link."""

from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlencode

from escalator.api.contract import Call

LIMIT = 100
"""Items of one page unless the client asks for another number."""


def limit_of(call: Call) -> int:
    """Return how many items the page may have."""
    return int(min(call.query.get("limit", LIMIT), call.parts.conf.api.max_limit))


def page(
    call: Call,
    key: str,
    rows: Sequence[Any],
    view: Callable[[Any], dict[str, Any]],
    marker: str = "id",
    parameter: str = "marker",
) -> dict[str, Any]:
    """Return the body of one page.

    :param rows: one more than the limit if there is a next page.
    :param marker: attribute of the last row that the next page starts after.
    :param parameter: name of the query parameter that takes it.
    """
    limit = limit_of(call)
    shown = rows[:limit]
    links = []
    if len(rows) > limit:
        query = {**call.query, parameter: getattr(shown[-1], marker)}
        href = f"{call.url}?{urlencode(query)}"
        links.append({"rel": "next", "href": href})
    return {key: [view(row) for row in shown], "links": links}
