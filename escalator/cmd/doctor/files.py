"""Reads the neighbours' configuration files as they stand on this machine."""

import pathlib
from typing import Any

import yaml
from oslo_config import cfg


class _Collector(cfg.ConfigParser):
    """Parses one file; sections and options by lower-case name."""

    def __init__(self, path: pathlib.Path) -> None:
        self.found: dict[str, dict[str, list[str]]] = {}
        super().__init__(str(path), self.found)


def options_of(path: pathlib.Path) -> dict[str, str]:
    """Return ``section.option`` -> text; several values are joined by commas.

    :raises ValueError: it is no configuration file; OSError: it cannot be read.
    """
    parser = _Collector(path)
    try:
        parser.parse()
    except cfg.ParseError as error:
        raise ValueError(f"{path}: {error}") from error
    return {
        f"{section}.{name}".lower(): ",".join(values)
        for section, options in parser.found.items()
        for name, values in options.items()
    }


def mapping_of(path: pathlib.Path) -> dict[str, Any]:
    """Return a YAML file's mapping; an empty file is an empty one.

    :raises ValueError: it holds something else; OSError: it cannot be read.
    """
    try:
        content = yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        raise ValueError(f"{path}: {error}") from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ValueError(f"{path}: a mapping is expected")
    return content
