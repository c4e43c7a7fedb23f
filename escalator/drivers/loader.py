"""The one use of stevedore."""

from typing import Any

from stevedore import extension, named

from escalator import errors


def load_class(namespace: str, name: str) -> Any:
    """Return the class that entry point ``name`` of ``namespace`` names.

    Its neighbours are not imported.

    :raises NoSuchDriver: it is not installed or cannot be imported.
    """
    manager: named.NamedExtensionManager[Any] = named.NamedExtensionManager(
        namespace,
        [name],
        on_load_failure_callback=_refuse,
        on_missing_entrypoints_callback=None,
    )
    if name not in manager:
        installed = ", ".join(sorted(each.name for each in manager.list_entry_points()))
        raise errors.NoSuchDriver(namespace=namespace, name=name, installed=installed)
    return manager[name].plugin


def load_classes(namespace: str) -> dict[str, Any]:
    """Return every class of ``namespace`` by entry-point name.

    :raises NoSuchDriver: one of them cannot be imported.
    """
    manager: extension.ExtensionManager[Any] = extension.ExtensionManager(
        namespace, invoke_on_load=False, on_load_failure_callback=_refuse
    )
    return {ext.name: ext.plugin for ext in manager}


def _refuse(manager: Any, entry_point: Any, error: BaseException) -> None:
    raise errors.NoSuchDriver(
        namespace=manager.namespace, name=entry_point.name, installed=str(error)
    )
