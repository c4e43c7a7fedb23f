"""Reads a campaign file and the parameters of one submission."""

import sys
from typing import Any, TextIO

from osc_lib import exceptions

from escalator.cli.client import Refused, tell

MAX_BYTES = 1024 * 1024
"""What the service takes; a file beyond it is not even read to its end."""


def read(path: str) -> str:
    """Return the file's text; ``-`` reads standard input.

    :raises CommandError: it cannot be read, or is too large.
    """
    try:
        if path == "-":
            return _bounded(path, sys.stdin)
        with open(path, encoding="utf-8") as file:
            return _bounded(path, file)
    except OSError as error:
        raise exceptions.CommandError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise exceptions.CommandError(f"{path}: not UTF-8: {error.reason}") from error


def _bounded(path: str, file: TextIO) -> str:
    text = file.read(MAX_BYTES + 1)
    if len(text) > MAX_BYTES or len(text.encode()) > MAX_BYTES:
        raise exceptions.CommandError(
            f"{path}: more than {MAX_BYTES} bytes: split the campaign."
        )
    return text


def read_params(texts: list[str]) -> dict[str, Any]:
    """Return parameters from ``name=value``; the server knows their types.

    :raises CommandError: one has no name, or stands twice.
    """
    params: dict[str, Any] = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not sign or not name:
            raise exceptions.CommandError(f"--param {text}: give name=value.")
        if name in params:
            raise exceptions.CommandError(f"--param {name}: given twice.")
        params[name] = value
    return params


def complain(path: str, refused: Refused) -> exceptions.CommandError:
    """Return the failure of a command that sent the file: one line per place."""
    told = [tell(problem, path) for problem in refused.problems]
    count = len(told)
    summary = f"{path}: refused, {count} finding{'s' if count != 1 else ''}"
    return exceptions.CommandError("\n".join([*told, summary]))
