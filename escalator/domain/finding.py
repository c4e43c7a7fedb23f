"""What is wrong with a campaign file, where, and what to do about it."""

import dataclasses


@dataclasses.dataclass(frozen=True, slots=True)
class Finding:
    """:ivar rule: stable id, see ``domain.lints``.
    :ivar pointer: RFC 6901 pointer into the document.
    :ivar severity: ``error`` refuses the file, ``warning`` does not.
    """

    rule: str
    pointer: str
    detail: str
    remedy: str
    severity: str = "error"


def point(*parts: str | int) -> str:
    """Return the RFC 6901 pointer of a path into the document."""
    escaped = (str(part).replace("~", "~0").replace("/", "~1") for part in parts)
    return "".join(f"/{part}" for part in escaped)
