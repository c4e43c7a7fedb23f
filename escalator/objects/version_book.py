"""Which release speaks which versions (RU-3).

An entry is never changed once released; a service's version is its index
plus one.  A test keeps the last entry equal to the classes of the tree.
"""

from typing import Any

HISTORY: tuple[dict[str, Any], ...] = (
    {
        "release": "0.1",
        "api": "1.0",
        "rpc": {
            "conductor": "1.0",
            "agent": "1.0",
            "scheduler": "1.0",
            "objects": "1.0",
        },
        "objects": "every class 1.0",
    },
)

SERVICE_VERSION = len(HISTORY)
RELEASE: str = HISTORY[-1]["release"]
