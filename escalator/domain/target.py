"""Names of what is probed: a host, or one interface of it (DR-3).

``compute-1`` is a host's only address, ``compute-1%eth1`` one interface of
several, written as the zone of an IPv6 address is.
"""

SEPARATOR = "%"


def name(host: str, nic: str = "") -> str:
    """Return the name of one interface of ``host``."""
    return f"{host}{SEPARATOR}{nic}" if nic else host


def host_of(target: str) -> str:
    """Return the host that a target belongs to."""
    return target.partition(SEPARATOR)[0]


def nic_of(target: str) -> str:
    """Return the interface, empty for the host's only address."""
    return target.partition(SEPARATOR)[2]
