"""Programs.  The threading backend is chosen before any other oslo import."""

import warnings

# futurist imports eventlet only to find out whether somebody patched with it.
warnings.filterwarnings("ignore", message="\\s*Eventlet is deprecated")

from oslo_service import backend  # noqa: E402

backend.init_backend(backend.BackendType.THREADING)
