"""Files changed whole or not at all, and remembered as they were."""

import base64
import contextlib
import grp
import os
import pwd
import stat
import tempfile
from collections.abc import Mapping
from typing import Any

from escalator import errors

LIMIT_BYTES = 256 * 1024
"""The largest file that is remembered: it travels in the step's result."""


def snapshot(path: str) -> dict[str, Any]:
    """Return what is at ``path``, as :func:`restore` takes it.

    :raises ActionFailed: class ``permanent``: no regular file, or too large.
    """
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return {"is_present": False}
    if not stat.S_ISREG(found.st_mode):
        raise errors.ActionFailed(f"{path} is no regular file.")
    if found.st_size > LIMIT_BYTES:
        raise errors.ActionFailed(f"{path} is larger than {LIMIT_BYTES} bytes.")
    with open(path, "rb") as source:
        content = source.read()
    return {
        "is_present": True,
        "content": base64.b64encode(content).decode(),
        "mode": f"{stat.S_IMODE(found.st_mode):04o}",
        "uid": found.st_uid,
        "gid": found.st_gid,
    }


def content_of(recorded: Mapping[str, Any]) -> bytes:
    """Return the content of a snapshot; empty if there was no file."""
    return base64.b64decode(recorded.get("content", ""))


def described(
    recorded: Mapping[str, Any],
    content: bytes,
    mode: str = "",
    owner: str = "",
    group: str = "",
) -> dict[str, Any]:
    """Return the snapshot of a file that has this content.

    :param recorded: what is left empty stays as it was there; 0644 and this
        process's user for a new file.
    :raises ActionFailed: class ``permanent``: no such user or group.
    """
    try:
        uid = pwd.getpwnam(owner).pw_uid if owner else recorded.get("uid", os.getuid())
        gid = grp.getgrnam(group).gr_gid if group else recorded.get("gid", os.getgid())
    except KeyError as error:
        raise errors.ActionFailed(f"This node has no {error.args[0]}.") from error
    return {
        "is_present": True,
        "content": base64.b64encode(content).decode(),
        "mode": mode or recorded.get("mode", "0644"),
        "uid": uid,
        "gid": gid,
    }


def restore(path: str, recorded: Mapping[str, Any]) -> bool:
    """Make ``path`` as recorded, atomically and durably; False if it is so.

    :raises ActionFailed: class ``permanent``; the old file is whole.
    """
    if snapshot(path) == recorded:
        return False
    try:
        if recorded["is_present"]:
            _replace(path, recorded)
        else:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
        _sync_directory(os.path.dirname(path))
    except OSError as error:
        raise errors.ActionFailed(f"{path} cannot be written: {error}") from error
    return True


def _replace(path: str, recorded: Mapping[str, Any]) -> None:
    """Write beside it, then rename; never readable to more than it will be."""
    directory, name = os.path.split(path)
    fd, fresh = tempfile.mkstemp(prefix=f".{name}.", dir=directory)
    try:
        with os.fdopen(fd, "wb") as target:
            target.write(content_of(recorded))
            target.flush()
            os.fchown(target.fileno(), recorded["uid"], recorded["gid"])
            os.fchmod(target.fileno(), int(recorded["mode"], 8))
            os.fsync(target.fileno())
        os.rename(fresh, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(fresh)
        raise


def _sync_directory(directory: str) -> None:
    fd = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
