"""How the failure is made: a link is cut, or a command of the operator's runs."""

import json
import shlex
import subprocess
import sys
from typing import Any, NoReturn

from escalator import errors
from escalator.cmd.doctor import breaking


class Injection:
    """Two commands, as argument lists; no shell reads them.

    What is broken is mended also if this process is killed: ``breaking`` says how.
    """

    def __init__(self, break_argv: tuple[str, ...], mend_argv: tuple[str, ...]) -> None:
        self.break_argv = break_argv
        self.mend_argv = mend_argv
        self._keeper: subprocess.Popen[str] | None = None

    def inject(self) -> float:
        """Break the host; returns the moment before, epoch seconds.

        :raises DoctorTestFailed: it did not work; mend it all the same.
        """
        self._keeper = subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-P", "-m", breaking.__name__]
            + [json.dumps(self.break_argv), json.dumps(self.mend_argv)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        told = _read(self._keeper)
        if told is None:
            _refuse("who was to break the host is gone")
        _check(told["trouble"])
        return float(told["at"])

    def mend(self) -> None:
        """Undo it.

        :raises DoctorTestFailed: it did not work; it may be tried again.
        """
        told = self._ask()
        if told is None:
            self._let_go()
            _check(breaking.run(self.mend_argv))
            return
        _check(told["trouble"])
        self._let_go()

    def _ask(self) -> dict[str, Any] | None:
        """Have the keeper mend; None: there is none."""
        keeper = self._keeper
        if keeper is None or keeper.stdin is None:
            return None
        try:
            print("mend", file=keeper.stdin, flush=True)
        except BrokenPipeError:
            return None
        return _read(keeper)

    def _let_go(self) -> None:
        if self._keeper is not None:
            self._keeper.communicate()
            self._keeper = None


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


def _read(keeper: "subprocess.Popen[str]") -> dict[str, Any] | None:
    """Return the keeper's answer; None: it is gone."""
    line = keeper.stdout.readline() if keeper.stdout else ""
    return json.loads(line) if line else None


def _check(trouble: str) -> None:
    if trouble:
        _refuse(trouble)


def _refuse(reason: str) -> NoReturn:
    raise errors.DoctorTestFailed(step="inject_failure", reason=reason)
