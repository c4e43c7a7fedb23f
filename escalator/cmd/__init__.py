"""Programs.  The threading backend is chosen before any other oslo import."""

from oslo_service import backend

backend.init_backend(backend.BackendType.THREADING)
