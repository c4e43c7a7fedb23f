"""Files rendered from templates, and put back as they were."""

import hashlib
import os
from collections.abc import Mapping
from typing import Any, ClassVar

import jinja2
import jinja2.sandbox

from escalator import errors
from escalator.domain import commands
from escalator.drivers import base, files, grants, kit

SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "path": {"type": "string", "pattern": "^/[^\\x00\\n]+$"},
        "template": {"type": "string", "minLength": 1},
        "content": {"type": "string"},
        "values": {"type": "object"},
        "mode": {"type": "string", "pattern": "^[0-7]{4}$(?!\\n)"},
        "owner": {"type": "string", "minLength": 1},
        "group": {"type": "string", "minLength": 1},
        "secret": {"type": "boolean"},
        "sha256": {"type": "string", "pattern": "^[0-9a-f]{64}$(?!\\n)"},
    },
    "required": ["path"],
    "oneOf": [{"required": ["template"]}, {"required": ["content"]}],
    "additionalProperties": False,
}


class Render(base.Action):
    """Writes a file from a template of the node, or of the campaign itself.

    ``sha256``: the digest of what is to be written; anything else is refused.
    ``secret``: what was there stays on the node and is not in the result.
    """

    params_schema: ClassVar[Mapping[str, Any]] = SCHEMA
    idempotence = "natural"
    undo = "file.restore"

    def __init__(self, resources: Mapping[str, Any]) -> None:
        self._grants = grants.of(resources)
        self._keep: kit.Keep = resources["keep"]

    def run(self, order: commands.RunStep) -> dict[str, Any]:
        """Write it, whole or not at all.

        :raises ActionFailed: ``permanent``: not allowed, the template fails, or
            what it gives has another digest.
        """
        path = self._grants.check_writable(order.params["path"])
        before = self._before(order, path)
        wanted = self._wanted(order, before)
        files.restore(path, wanted)
        return _result(order, before, wanted)

    def detect(self, order: commands.RunStep) -> dict[str, Any] | None:
        """Return the result if content, mode and owner are as ordered."""
        path = self._grants.check_writable(order.params["path"])
        found = files.snapshot(path)
        before = self._keep.find(order.record, "before") or found
        wanted = self._wanted(order, before)
        return _result(order, before, wanted) if found == wanted else None

    def _before(self, order: commands.RunStep, path: str) -> dict[str, Any]:
        return self._keep.once(order.record, "before", lambda: files.snapshot(path))

    def _wanted(
        self, order: commands.RunStep, before: Mapping[str, Any]
    ) -> dict[str, Any]:
        params = order.params
        owned = {key: params.get(key, "") for key in ("mode", "owner", "group")}
        content = render(self._grants.templates, params).encode()
        _check_digest(content, params)
        return files.described(before, content, **owned)


class Restore(base.Action):
    """Undoes :class:`Render`: content, mode and owner, or no file at all."""

    params_schema: ClassVar[Mapping[str, Any]] = SCHEMA
    idempotence = "natural"
    undo = "none_needed"

    def __init__(self, resources: Mapping[str, Any]) -> None:
        self._grants = grants.of(resources)
        self._keep: kit.Keep = resources["keep"]

    def run(self, order: commands.RunStep) -> dict[str, Any]:
        """Go back.

        :raises ActionFailed: ``permanent``, also if nothing was recorded.
        """
        path = self._grants.check_writable(order.params["path"])
        return {"is_changed": files.restore(path, base.previous(order, self._keep))}

    def detect(self, order: commands.RunStep) -> dict[str, Any] | None:
        """Return the result if the file is as it was."""
        path = self._grants.check_writable(order.params["path"])
        if files.snapshot(path) != base.previous(order, self._keep):
            return None
        return {"is_changed": False}


def render(templates: str, params: Mapping[str, Any]) -> str:
    """Return the text of a file; the template reaches nothing but ``values``.

    :param templates: the directory that ``template`` is looked for in.
    :raises ActionFailed: class ``permanent``; tells no value.
    """
    loader = jinja2.FileSystemLoader(templates) if templates else None
    sandbox = jinja2.sandbox.ImmutableSandboxedEnvironment(
        loader=loader,
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 (no HTML)
    )
    name = params.get("template", "content")
    try:
        if "content" in params:
            template = sandbox.from_string(params["content"])
        elif loader is None:
            raise errors.ActionFailed("[agent] template_path of this node is empty.")
        else:
            template = sandbox.get_template(name)
        return template.render(params.get("values", {}))
    except errors.ActionFailed:
        raise
    except jinja2.TemplateNotFound as error:
        raise errors.ActionFailed(f"No template {error} in {templates}.") from error
    except jinja2.UndefinedError as error:
        raise errors.ActionFailed(f"Template {name}: {error}") from error
    except Exception as error:
        # Its text may show values, and a template may raise anything.
        kind = type(error).__name__
        line = getattr(error, "lineno", None)
        at = f", line {line}" if line else ""
        raise errors.ActionFailed(f"Template {name}{at}: {kind}") from None


def _check_digest(content: bytes, params: Mapping[str, Any]) -> None:
    wanted = params.get("sha256")
    found = hashlib.sha256(content).hexdigest()
    if wanted and found != wanted:
        raise errors.ActionFailed(
            f"What would be written to {params['path']} has the digest {found}, not"
            f" {wanted}. Nothing was changed."
        )


def _result(
    order: commands.RunStep, before: Mapping[str, Any], wanted: Mapping[str, Any]
) -> dict[str, Any]:
    digest = hashlib.sha256(files.content_of(wanted)).hexdigest()
    found = {"path": os.path.normpath(order.params["path"]), "sha256": digest}
    if order.params.get("secret"):
        return {**found, "previous": None}
    return {**found, "previous": dict(before)}
