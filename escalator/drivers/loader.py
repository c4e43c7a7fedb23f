"""The one use of stevedore."""

from typing import Any

from stevedore import exception as stevedore_errors
from stevedore import extension

from escalator import errors


def load_class(namespace: str, name: str) -> Any:
    """Return the class that entry point ``name`` of ``namespace`` names.

    :raises NoSuchDriver: it is not installed or cannot be imported.
    """
    found = load_classes(namespace)
    if name not in found:
        raise errors.NoSuchDriver(
            namespace=namespace, name=name, installed=", ".join(sorted(found))
        )
    return found[name]


def load_classes(namespace: str) -> dict[str, Any]:
    """Return every class of ``namespace`` by entry-point name.

    :raises NoSuchDriver: one of them cannot be imported.
    """

    def refuse(manager: Any, entry_point: Any, error: BaseException) -> None:
        raise errors.NoSuchDriver(
            namespace=namespace, name=entry_point.name, installed=str(error)
        )

    try:
        manager: extension.ExtensionManager[Any] = extension.ExtensionManager(
            namespace, invoke_on_load=False, on_load_failure_callback=refuse
        )
    except stevedore_errors.NoMatches:
        return {}
    return {ext.name: ext.plugin for ext in manager}
