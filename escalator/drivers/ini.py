"""One option of an oslo configuration file, all else left as it stands.  Pure.

No library writes such a file without losing comments and order.
"""

import re

_SECTION = re.compile(r"\[([^\]]+)\]")
_OPTION = re.compile(r"([^\s#;=:\[][^=:]*?)\s*[=:]\s*(.*)")

Place = tuple[int, int]
"""Line numbers of an option with its continuation lines: [first, last)."""


def read(text: str, section: str, option: str) -> list[str]:
    """Return the lines that set the option, continuation lines with them."""
    lines = text.splitlines()
    return [
        line
        for first, last in _places(lines, section, option)
        for line in lines[first:last]
    ]


def value_of(lines: list[str]) -> str | None:
    """Return what oslo.config reads from :func:`read`'s lines; the last one wins."""
    value: str | None = None
    for line in lines:
        if line[:1].isspace():
            value = f"{value or ''}\n{line.strip()}"
        elif found := _OPTION.match(line):
            value = found[2].strip()
    return value


def has_section(text: str, section: str) -> bool:
    """Return True if the section has a heading."""
    return _bounds(text.splitlines(), section) is not None


def write(
    text: str, section: str, option: str, wanted: list[str], keep_section: bool = True
) -> str:
    """Return the text in which exactly ``wanted`` sets the option.

    :param keep_section: False: remove the heading if nothing is left below it.
    """
    lines = text.splitlines()
    places = _places(lines, section, option)
    if places:
        at = places[0][0]
        for first, last in reversed(places):
            del lines[first:last]
        lines[at:at] = wanted
    elif wanted:
        _insert(lines, section, wanted)
    bounds = _bounds(lines, section)
    if (
        bounds
        and not keep_section
        and not "".join(lines[bounds[0] : bounds[1]]).strip()
    ):
        del lines[bounds[0] - 1 : bounds[1]]
    return "".join(f"{line}\n" for line in lines)


def _insert(lines: list[str], section: str, wanted: list[str]) -> None:
    bounds = _bounds(lines, section)
    if bounds is None:
        lines += [f"[{section}]", *wanted]
        return
    at = bounds[1]
    while at > bounds[0] and not lines[at - 1].strip():
        at -= 1
    lines[at:at] = wanted


def _bounds(lines: list[str], section: str) -> Place | None:
    """Return the lines below the section's first heading."""
    start: int | None = None
    for number, line in enumerate(lines):
        heading = _SECTION.match(line)
        if heading is None:
            continue
        if start is not None:
            return start, number
        if heading[1] == section:
            start = number + 1
    return None if start is None else (start, len(lines))


def _places(lines: list[str], section: str, option: str) -> list[Place]:
    """Return where the option is set; a section may stand more than once."""
    found: list[Place] = []
    current, is_open = "", False
    for number, line in enumerate(lines):
        if heading := _SECTION.match(line):
            current, is_open = heading[1], False
        elif is_open and line[:1].isspace() and line.strip():
            found[-1] = (found[-1][0], number + 1)
        else:
            match = _OPTION.match(line)
            is_open = bool(match and current == section and match[1] == option)
            if is_open:
                found.append((number, number + 1))
    return found
