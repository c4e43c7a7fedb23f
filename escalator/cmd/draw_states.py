"""Draws the campaign's states as Graphviz text, from ``domain/states.py``.

``python -m escalator.cmd.draw_states [FILE]``; without FILE to standard output.
"""

import pathlib
import sys

from escalator.domain import states


def draw() -> str:
    """Return the picture of the campaign's legal moves (pure)."""
    lines = [
        "digraph campaign {",
        "  rankdir=LR;",
        '  node [shape=box, style=rounded, fontname="sans-serif"];',
    ]
    for state, following in states.CAMPAIGN_MOVES.items():
        shape = ', peripheries="2"' if state in states.ENDED else ""
        lines.append(f'  {state.value} [label="{_spaced(state)}"{shape}];')
        lines += [f"  {state.value} -> {to.value};" for to in sorted(following)]
    return "\n".join([*lines, "}", ""])


def _spaced(state: states.CampaignState) -> str:
    return state.value.replace("_", " ")


def main(arguments: list[str]) -> None:
    """Write the picture to the file named, or to standard output."""
    if arguments:
        pathlib.Path(arguments[0]).write_text(draw(), encoding="utf-8")
    else:
        sys.stdout.write(draw())


if __name__ == "__main__":
    main(sys.argv[1:])
