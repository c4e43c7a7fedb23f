"""Serves the objects of processes that have no database (RU-2)."""

from typing import Any

from escalator import errors
from escalator.bus import server
from escalator.objects import base


class Indirection:
    """Runs remotable methods for others.

    RPC namespace ``objects``; version history: 1.0 first version.
    """

    target = server.endpoint_target("1.0", namespace="objects")

    def object_class_action_versions(
        self,
        ctxt: Any,
        objname: str,
        objmethod: str,
        object_versions: dict[str, str],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Any:
        """Run a remotable class method; the answer suits the caller's versions."""
        kind = base.EscalatorObject.obj_class_from_name(
            objname, object_versions[objname]
        )
        result = _remotable(kind, objmethod)(ctxt, *args, **kwargs)
        if isinstance(result, base.EscalatorObject):
            return result.obj_to_primitive(
                target_version=object_versions[objname],
                version_manifest=object_versions,
            )
        return result

    def object_action(
        self,
        ctxt: Any,
        objinst: base.EscalatorObject,
        objmethod: str,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> tuple[dict[str, Any], Any]:
        """Run a remotable method of an object and return what it changed."""
        before = objinst.obj_clone()
        objinst._context = ctxt
        result = _remotable(objinst, objmethod)(*args, **kwargs)
        updates: dict[str, Any] = {}
        for name, field in objinst.fields.items():
            if not objinst.obj_attr_is_set(name):
                continue
            if not before.obj_attr_is_set(name) or getattr(before, name) != getattr(
                objinst, name
            ):
                updates[name] = field.to_primitive(
                    objinst, name, getattr(objinst, name)
                )
        updates["obj_what_changed"] = sorted(objinst.obj_what_changed())
        return updates, result

    def object_backport_versions(
        self,
        ctxt: Any,
        objinst: base.EscalatorObject,
        object_versions: dict[str, str],
    ) -> Any:
        """Return an object in the versions the caller knows (RU-5)."""
        return objinst.obj_to_primitive(
            target_version=object_versions[objinst.obj_name()],
            version_manifest=object_versions,
        )


def _remotable(owner: Any, name: str) -> Any:
    """Return a method that is meant to be called from elsewhere.

    :raises NotFound: it is not; nothing else of an object can be reached.
    """
    method = getattr(owner, name, None)
    if method is None or not getattr(method, "remotable", False):
        raise errors.NotFound(kind="remotable method", id=name)
    return method
