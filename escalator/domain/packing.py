"""Do instances that leave a host find room elsewhere, all of them together? (V-3)

Pure.  Room is told by cell: one resource class of one resource provider, as
Placement has them.  Greedy: those with the fewest hosts first, then the largest,
each to the host that it fills most.
"""

import collections
import dataclasses
from collections.abc import Iterable, Mapping, Sequence

Cell = tuple[str, str]
"""(resource provider, resource class)."""


@dataclasses.dataclass(frozen=True, slots=True)
class Way:
    """One host that would take an instance, and what it would occupy there."""

    host: str
    needs: Mapping[Cell, float]


@dataclasses.dataclass(frozen=True, slots=True)
class Piece:
    """An instance that has to leave.

    :ivar size: amount by resource class.
    :ivar ways: where it may go.
    :ivar group: of its anti-affinity group, or "".
    :ivar limit: how many members of the group one host may have.
    """

    id: str
    size: Mapping[str, float]
    ways: Sequence[Way]
    group: str = ""
    limit: int = 1


@dataclasses.dataclass(frozen=True, slots=True)
class Shortage:
    """:ivar left: ids of those that found no room beside the others.
    :ivar missing: by resource class; empty: there is enough in all, but not on one
        host, or a group forbids it.
    """

    left: tuple[str, ...]
    missing: Mapping[str, float]


def pack(
    pieces: Sequence[Piece],
    free: Mapping[Cell, float],
    members: Mapping[tuple[str, str], int],
) -> Shortage | None:
    """Place all pieces; None: there is room for everybody.

    :param free: what is free now; a cell that is not there has nothing free.
    :param members: (group, host) -> members that are there now.
    """
    room = collections.defaultdict(float, free)
    count = collections.Counter(dict(members))
    whole = _by_class(free.items())
    left = []
    for piece in sorted(pieces, key=lambda each: _order(each, whole)):
        way = _best(piece, room, count)
        if way is None:
            left.append(piece)
            continue
        for cell, amount in way.needs.items():
            room[cell] -= amount
        count[piece.group, way.host] += 1
    if not left:
        return None
    return Shortage(tuple(sorted(each.id for each in left)), _missing(left, room))


def _order(piece: Piece, whole: Mapping[str, float]) -> tuple[int, float, str]:
    shares = [amount / (whole.get(name) or 1) for name, amount in piece.size.items()]
    hosts = {way.host for way in piece.ways}
    return len(hosts), -max(shares, default=0.0), piece.id


def _best(
    piece: Piece, room: Mapping[Cell, float], count: Mapping[tuple[str, str], int]
) -> Way | None:
    able = [
        way
        for way in piece.ways
        if all(room[cell] >= amount for cell, amount in way.needs.items())
        and not (piece.group and count[piece.group, way.host] >= piece.limit)
    ]
    return max(able, key=lambda way: (_filling(way, room), way.host), default=None)


def _filling(way: Way, room: Mapping[Cell, float]) -> float:
    shares = (amount / (room[cell] or 1) for cell, amount in way.needs.items())
    return max(shares, default=0.0)


def _missing(left: Sequence[Piece], room: Mapping[Cell, float]) -> dict[str, float]:
    """Return what those that are left need beyond all that is free around them."""
    cells = {cell for piece in left for way in piece.ways for cell in way.needs}
    spare = _by_class((cell, room[cell]) for cell in cells)
    needed: collections.Counter[str] = collections.Counter()
    for piece in left:
        needed.update(piece.size)
    lacking = {name: needed[name] - spare.get(name, 0.0) for name in sorted(needed)}
    return {name: amount for name, amount in lacking.items() if amount > 0}


def _by_class(rows: Iterable[tuple[Cell, float]]) -> dict[str, float]:
    found: dict[str, float] = {}
    for (_, name), amount in rows:
        found[name] = found.get(name, 0.0) + amount
    return found
