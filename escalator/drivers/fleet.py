"""The simulated fleet of one process."""

import functools


class Fleet:
    """Knows which simulated hosts live."""

    def __init__(self) -> None:
        self._dead: set[str] = set()

    def is_alive(self, host: str) -> bool:
        """Return False for a host that was killed."""
        return host not in self._dead

    def kill(self, host: str) -> None:
        """Let ``host`` answer nothing any more."""
        self._dead.add(host)

    def revive(self, host: str) -> None:
        """Let ``host`` answer again."""
        self._dead.discard(host)


@functools.cache
def fleet() -> Fleet:
    """Return the one fleet of this process."""
    return Fleet()
