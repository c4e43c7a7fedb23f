"""A probe that this machine does not allow."""

from typing import Any

from escalator import errors


class Refusing:
    def __init__(self) -> None:
        raise errors.ConfigError(group="monitor", option="probe", reason="not here")


class Broken:
    def __init__(self, *_: Any) -> None:
        raise ZeroDivisionError
