"""File: events as JSON lines at the end of a file, on disk before they count as delivered.

Owns the writing. Must not know who reads the file, or who rotates it: it is opened anew for every write.
"""

import asyncio
import errno
import os
import stat
import threading
from pathlib import Path
from weakref import WeakValueDictionary

import anyio.to_thread

from router.delivery import Delivered, Delivery, Outcome, Pause, Retry
from router.disk import sync_folder
from router.event import Event
from router.sinks.envelope import envelope, line_of
from router.sinks.message import remark
from router.sinks.sink import Flaw, Result, Sink, Transport
from router.template.template import Template
from router.text import readable_json

_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
# An operator has to act; every other error may pass by itself.
_LASTING = frozenset({
    errno.EACCES, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.ENOENT, errno.ENOTDIR, errno.ENXIO,
    errno.EPERM, errno.EROFS,
})  # fmt: skip
# Seconds that a write waits for an earlier one that was given up: a disk hangs, more threads would not help.
PATIENCE = 10.0


class File(Sink, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One JSON line per event at the end of a file.

    The line is what `webhook` sends. It is synced to disk before the event counts as delivered; lines that
    wait together share one sync. A line that a crash tore is ended first, so that the next one is whole:
    readers skip what is not JSON. Rotate by renaming the file; the next event makes a new one, which only its
    owner may read.

    A relative `path` is relative to the working directory, and its directories are made. A symbolic link, or
    anything else that is no plain file, is refused.
    """

    path: str

    def problems(self) -> list[Flaw]:
        """See `Sink.problems`."""
        usable = self.path and not self.path.endswith("/") and "\0" not in self.path
        return super().problems() + (
            []
            if usable
            else [
                Flaw("path", f"'{self.path}' names no file; write var/events.jsonl or /var/log/events.jsonl")
            ]
        )

    def preview(
        self,
        event: Event,
        delivery: Delivery,
        now: float,  # noqa: ARG002  # a line carries the time of receipt
        message: Template | None = None,
    ) -> str:
        """See `Sink.preview`."""
        template = message or self.template
        body = readable_json(envelope(event, delivery, template))
        return f"{remark(template, event, delivery)}{self.path}\n\n{body}"

    async def send(
        self,
        event: Event,
        delivery: Delivery,
        transport: Transport,  # noqa: ARG002  # no HTTP
        now: float,  # noqa: ARG002  # a line carries the time of receipt
        message: Template | None = None,
    ) -> Result:
        """See `Sink.send`."""
        pen = _PENS.get(self.path)
        if pen is None:
            pen = _PENS[self.path] = _Pen(self.path)
        return Result(await pen.append(line_of(event, delivery, message or self.template)))


class _Batch:
    """Lines that go out in one write, and what came of it."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.outcome: Outcome | None = None


class _Pen:
    """Whoever writes to one path: one at a time, and what waits meanwhile goes out together."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._turn = asyncio.Lock()
        self._batch = _Batch()
        # A cancelled attempt gives up its turn, but its thread goes on writing: threads need a lock too.
        self._writing = threading.Lock()

    async def append(self, line: bytes) -> Outcome:
        """Write the line, with all others that wait; returns when it is on disk."""
        batch = self._batch
        batch.lines.append(line)
        try:
            async with self._turn:
                return await self._outcome_of(batch)
        finally:
            if batch is self._batch:  # cancelled before its turn: nobody has to write it any more
                batch.lines.remove(line)

    async def _outcome_of(self, batch: _Batch) -> Outcome:
        """What came of a batch; whoever has the first turn writes it for all of them."""
        if batch.outcome is None:
            self._batch = _Batch()
            batch.outcome = await anyio.to_thread.run_sync(self._write, b"".join(batch.lines))
        return batch.outcome

    def _write(self, block: bytes) -> Outcome:
        """One blocking write, synced. Runs in a thread."""
        if not self._writing.acquire(timeout=PATIENCE):
            return Retry(f"cannot append to '{self._path}': an earlier write still hangs")
        try:
            _write(Path(self._path), block)
        except OSError as error:
            reason = f"cannot append to '{self._path}': {_why(error, self._path)}"
            return Pause(reason) if error.errno in _LASTING else Retry(reason)
        finally:
            self._writing.release()
        return Delivered()


# A pen lives as long as somebody holds it.
_PENS: WeakValueDictionary[str, _Pen] = WeakValueDictionary()


def _why(error: OSError, path: str) -> str:
    """What the system said, but for a link: of that it says that there are too many levels of them."""
    if error.errno == errno.ELOOP and Path(path).is_symlink():
        return "it is a symbolic link; write the path that it leads to"
    return (error.strerror or str(error)).lower()


def _write(path: Path, block: bytes) -> None:
    """Append and sync; the directory too if the file is new."""
    if not path.is_absolute():
        path.parent.mkdir(parents=True, exist_ok=True)
    file = os.open(path, _FLAGS, 0o600)
    try:
        found = os.fstat(file)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.ENXIO, "not a plain file")
        if found.st_size and os.pread(file, 1, found.st_size - 1) != b"\n":
            block = b"\n" + block
        rest = memoryview(block)
        while rest:
            rest = rest[os.write(file, rest) :]
        os.fsync(file)
    finally:
        os.close(file)
    if found.st_size == 0:
        sync_folder(path.parent)
