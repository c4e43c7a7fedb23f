"""How many errors a host logged of late: the journal, and log files (V-6).

Numbers leave the host, never what was logged: that may be secret.
"""

import datetime
import os
import pathlib
import re
import subprocess
from collections.abc import Iterator, Sequence

from escalator import errors
from escalator.drivers import base

WINDOW = datetime.timedelta(minutes=15)
"""How far back is counted."""

MOST_BYTES = 8 * 2**20
"""Of one file, from its end."""

JOURNALS = ("/run/log/journal", "/var/log/journal")

_BRIEF = ("--output=json", "--output-fields=PRIORITY", "--no-pager")
"""One line for each entry, whatever it says."""

_AT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?")
_HEAD = 64
_ERROR = re.compile(r"\b(?:ERROR|CRITICAL|FATAL|ALERT|EMERG)\b")


class Journal(base.Collector):
    """Entries of systemd's journal of priority ``err`` or worse.

    A host without a journal tells nothing.
    """

    kind = "logs"

    def collect(self, timeout_s: float) -> dict[str, float]:
        if not any(os.path.isdir(each) for each in JOURNALS):
            return {}
        since = f"--since=-{WINDOW.seconds}s"
        argv = ["journalctl", "--quiet", "--priority=err", since, *_BRIEF]
        try:
            told = subprocess.run(
                argv, capture_output=True, timeout=timeout_s, check=True
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise errors.ActionFailed(action="journalctl", reason=str(error)) from error
        return {"journal_errors": told.stdout.count(b"\n")}


class Files(base.Collector):
    """Lines of the files of ``[agent] log_files`` that tell an error.

    A line tells when it was written in its first characters, as ISO 8601, and its
    severity in capitals; without a zone it is local time.  One without a time goes
    on with the line before, and is not counted.
    """

    kind = "logs"

    def collect(self, timeout_s: float) -> dict[str, float]:
        paths: Sequence[str] = self.resources.get("log_files", ())
        if not paths:
            return {}
        since = datetime.datetime.now(datetime.UTC) - WINDOW
        return {"file_errors": sum(_errors_in(each, since) for each in paths)}


def _errors_in(path: str, since: datetime.datetime) -> int:
    try:
        lines = list(_tail(pathlib.Path(path)))
    except OSError as error:
        raise errors.ActionFailed(
            action=f"[agent] log_files: {path}", reason=str(error)
        ) from error
    return sum(1 for line in lines if _ERROR.search(line) and _is_since(line, since))


def _tail(path: pathlib.Path) -> Iterator[str]:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - MOST_BYTES))
        for line in file:
            yield line.decode(errors="replace")


def _is_since(line: str, since: datetime.datetime) -> bool:
    found = _AT.search(line[:_HEAD])
    try:
        at = found and datetime.datetime.fromisoformat(found.group().replace(",", "."))
    except ValueError:
        return False
    return at is not None and at.astimezone(datetime.UTC) >= since
