"""The agent's journal: appended, checked and on disk before anything is done.

One line per record: CRC-32 in hex, a blank, JSON.  A power cut may leave a torn
tail, which is cut off when the journal is read again.  Source: architecture
section 3, rule 3.
"""

import dataclasses
import json
import logging
import os
import threading
import zlib
from collections.abc import Callable, Iterable
from typing import Any

LOG = logging.getLogger(__name__)

Record = dict[str, Any]


@dataclasses.dataclass(slots=True)
class _Batch:
    """Lines that become durable together."""

    lines: list[bytes] = dataclasses.field(default_factory=list)
    is_done: bool = False
    error: OSError | None = None


class Journal:
    """Append-only file of records; any thread may append.

    :param path: the file; its directory must exist.
    :ivar damaged: unreadable lines found before the last good one.
    """

    def __init__(self, path: str, fsync: Callable[[int], None] = os.fsync) -> None:
        self.path = path
        self.damaged = 0
        self._fsync = fsync
        self._turn = threading.Condition()
        self._next = _Batch()
        self._is_writing = False
        self._is_broken = False
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        self._length = 0
        self._sync_directory()

    def read(self) -> list[Record]:
        """Return every good record and cut off a torn tail; first of all calls."""
        with open(self.path, "rb") as source:
            content = source.read()
        records, good, offset, bad = [], 0, 0, 0
        for line in content.splitlines(keepends=True):
            offset += len(line)
            record = _decode(line)
            if record is None:
                bad += 1
                continue
            records.append(record)
            self.damaged, good = bad, offset
        self._cut(good, len(content))
        return records

    def append(self, record: Record) -> None:
        """Return once ``record`` is on disk.

        Appends that wait meanwhile share one write and one fsync.

        :raises OSError: it is not on disk.
        """
        with self._turn:
            batch = self._next
            batch.lines.append(_encode(record))
            while self._is_writing and not batch.is_done:
                self._turn.wait()
            is_leader = not batch.is_done
            if is_leader:
                self._is_writing = True
                self._next = _Batch()
        if is_leader:
            self._write(batch)
        if batch.error is not None:
            raise OSError(batch.error.errno, f"{self.path}: {batch.error.strerror}")

    def append_soon(self, record: Record) -> None:
        """Let ``record`` go to disk with the next append; it may get lost."""
        with self._turn:
            self._next.lines.append(_encode(record))

    def rewrite(self, records: Iterable[Record]) -> None:
        """Replace the content, all or nothing; before the first append."""
        fresh = f"{self.path}.new"
        with open(fresh, "wb") as target:
            target.writelines(_encode(record) for record in records)
            target.flush()
            self._fsync(target.fileno())
        os.rename(fresh, self.path)
        self._sync_directory()
        os.close(self._fd)
        self._fd = os.open(self.path, os.O_RDWR | os.O_APPEND)
        self._length = os.fstat(self._fd).st_size

    def close(self) -> None:
        """Write what :meth:`append_soon` left, and close; idempotent."""
        with self._turn:
            batch, self._next = self._next, _Batch()
            if self._fd < 0:
                return
            if batch.lines and not self._is_broken:
                os.write(self._fd, b"".join(batch.lines))
            os.close(self._fd)
            self._fd = -1

    def _write(self, batch: _Batch) -> None:
        try:
            self._persist(b"".join(batch.lines))
        except OSError as error:
            batch.error = error
        finally:
            with self._turn:
                batch.is_done = True
                self._is_writing = False
                self._turn.notify_all()

    def _persist(self, content: bytes) -> None:
        if self._is_broken or self._fd < 0:
            raise OSError(5, "closed, or an earlier fsync failed; restart the agent")
        try:
            rest = memoryview(content)
            while rest:
                rest = rest[os.write(self._fd, rest) :]
        except OSError:
            os.ftruncate(self._fd, self._length)
            raise
        try:
            self._fsync(self._fd)
        except OSError:
            # What a failed fsync left on disk is unknown, and a second one
            # would claim success: nothing may be built on this file any more.
            self._is_broken = True
            raise
        self._length += len(content)

    def _cut(self, good: int, length: int) -> None:
        if self.damaged:
            LOG.error("%s: %d damaged records skipped", self.path, self.damaged)
        if good < length:
            LOG.warning("%s: torn tail of %d bytes cut", self.path, length - good)
            os.ftruncate(self._fd, good)
            self._fsync(self._fd)
        self._length = good

    def _sync_directory(self) -> None:
        fd = os.open(os.path.dirname(self.path) or ".", os.O_RDONLY)
        try:
            self._fsync(fd)
        finally:
            os.close(fd)


def _encode(record: Record) -> bytes:
    body = json.dumps(record, separators=(",", ":")).encode()
    return b"%08x %s\n" % (zlib.crc32(body), body)


def _decode(line: bytes) -> Record | None:
    """Return the record, or None if the line is torn or damaged."""
    check, _, body = line.rstrip(b"\n").partition(b" ")
    if not line.endswith(b"\n") or check != b"%08x" % zlib.crc32(body):
        return None
    record = json.loads(body)
    return record if isinstance(record, dict) else None
