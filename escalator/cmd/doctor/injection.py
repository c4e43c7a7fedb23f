"""How the failure is made: a link is cut, or a command of the operator's runs."""

import dataclasses
import shlex
import subprocess
import time

from escalator import errors

LIMIT_S = 60.0


@dataclasses.dataclass(frozen=True, slots=True)
class Injection:
    """Two commands, as argument lists; no shell reads them."""

    break_argv: tuple[str, ...]
    mend_argv: tuple[str, ...]

    def inject(self) -> float:
        """Break the host; returns the moment before, epoch seconds."""
        at = time.time()
        _run(self.break_argv)
        return at

    def mend(self) -> None:
        """Undo it."""
        _run(self.mend_argv)


def link(interface: str, namespace: str = "", ssh: str = "") -> Injection:
    """Return the cut of one link, here, in a namespace, or on another machine.

    :param ssh: ``user@host``.  A link that carries the ssh session itself cannot
        be mended through it: name another one, or give commands.
    """
    base = ["ip", *(["-n", namespace] if namespace else []), "link", "set", interface]
    prefix = ["ssh", "-o", "BatchMode=yes", ssh] if ssh else []
    return Injection((*prefix, *base, "down"), (*prefix, *base, "up"))


def commands(inject: str, restore: str) -> Injection:
    """Return what the operator gave."""
    return Injection(tuple(shlex.split(inject)), tuple(shlex.split(restore)))


def _run(argv: tuple[str, ...]) -> None:
    """Run it in a session of its own: the terminal's Ctrl-C must not end a mending."""
    try:
        done = subprocess.run(  # noqa: S603 - the operator's own command
            argv,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
            start_new_session=True,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise errors.DoctorTestFailed(
            step="inject_failure", reason=f"{shlex.join(argv)}: {error}"
        ) from error
    if done.returncode:
        said = done.stderr.strip() or done.stdout.strip()
        raise errors.DoctorTestFailed(
            step="inject_failure",
            reason=f"{shlex.join(argv)} ended with {done.returncode}: {said}",
        )
