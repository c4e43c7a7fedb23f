"""Programs.  The threading backend is chosen before any other oslo import.

No module may have eventlet, not even to look whether somebody patched with it:
that would cost every process a quarter of a second and some megabytes.
"""

import sys

sys.modules.setdefault("eventlet", None)  # type: ignore[arg-type]

from oslo_service import backend  # noqa: E402

backend.init_backend(backend.BackendType.THREADING)
