"""Header: the mark by which a journal's file says whether what lies beside it is its own.

Bytes 18 and 19 (fileformat2.html of SQLite's documentation): 2 where there is a WAL, 1 where there is none. A
backup says 1, and an opening makes a 2 of it, on disk, before there is a log. So what lies beside a 1 was
left by another journal; SQLite would apply it to the file all the same. To be used only while SQLite does not
have the file open in this process: closing it here would drop SQLite's locks (howtocorrupt.html).
"""

import os
from pathlib import Path

from router.disk import sync_file
from router.errors import JournalError
from router.journal.sqlite.schema import APPLICATION

_HEADER_BYTES = 100
_MAGIC = b"SQLite format 3\0"
_MARK_AT = 18
_ITS_OWN, _ANOTHERS = b"\2\2", b"\1\1"
_APPLICATION_AT = 68
# What a WAL has before its first frame: one without a frame says nothing.
_LOG_HEADER_BYTES = 32


def adopt(file: Path) -> None:
    """Have what will lie beside a journal be its own, on disk; where it is so already nothing is changed.

    Raises:
        JournalError: see `heed`.
        OSError: it cannot be read or written.
    """
    heed(file)
    if _is_copy(_head(file)):
        _mark(file, _ITS_OWN)
        sync_file(file)


def disown(copy: Path) -> None:
    """Have nothing that lies beside a copy be its own; not synced.

    That is SQLite's own advice for copies of a file with a WAL (c3ref/deserialize.html).
    """
    _mark(copy, _ANOTHERS)


def heed(file: Path) -> None:
    """See that nothing beside a journal was left by another one; nothing is touched.

    Raises:
        JournalError: something was; the message says which files, and what to do with them.
        OSError: the journal cannot be read.
    """
    head = _head(file)
    log = [_beside(file, "wal")] if has_log(file) else []
    rollback = [_beside(file, "journal")] if _size(_beside(file, "journal")) else []
    if _is_copy(head) and rollback and not log:
        raise JournalError(
            f"'{file}' is a backup that no router has run on yet, but a rollback journal lies beside it;"
            f" move {_names(file, rollback)} away without deleting anything, then try again; but if a program"
            f" was ended while it changed this very file, run: sqlite3 '{file}' 'PRAGMA integrity_check'"
        )
    if _is_copy(head) and log:
        raise JournalError(
            f"'{file}' is a backup that no router has run on yet, but another journal's files lie beside it;"
            f" move {_names(file, log + rollback)} away without deleting anything"
            " (events that the backup lacks may be in there), then try again"
        )
    # One that is being made has a rollback journal too; it is on disk before it has a log.
    if not head and log:
        raise JournalError(
            f"'{file}' is {'empty' if file.exists() else 'not there'}, but a journal's log lies beside it;"
            f" move that journal back, or move {_names(file, log)} away without deleting anything"
            " (events may be in there), then try again"
        )


def has_log(file: Path) -> bool:
    """Whether there is anything in a journal's WAL."""
    return _size(_beside(file, "wal")) > _LOG_HEADER_BYTES


def _is_copy(head: bytes) -> bool:
    """Whether a file is one of our journals, and nothing beside it is its own."""
    return (
        head.startswith(_MAGIC)
        and head[_MARK_AT : _MARK_AT + 2] == _ANOTHERS
        and head[_APPLICATION_AT : _APPLICATION_AT + 4] == APPLICATION.to_bytes(4)
    )


def _head(file: Path) -> bytes:
    try:
        with file.open("rb", buffering=0) as opened:
            return opened.read(_HEADER_BYTES)
    except FileNotFoundError:
        return b""


def _mark(file: Path, mark: bytes) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.pwrite(descriptor, mark, _MARK_AT)
    finally:
        os.close(descriptor)


def _beside(file: Path, suffix: str) -> Path:
    return file.with_name(f"{file.name}-{suffix}")


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0


def _names(file: Path, left: list[Path]) -> str:
    index = _beside(file, "shm")
    return " and ".join(f"'{one}'" for one in [*left, *([index] if index.exists() else [])])
