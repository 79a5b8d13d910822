"""A disk that fails when a test says so: a VFS that passes everything else through."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import apsw


class Disk(apsw.VFS):
    """`trouble(operation, file)` is asked before each `write`, `sync` and `read`; it raises or lets it pass.

    `calls` lists what was written and synced: pairs of the operation and the file's suffix (`db`, `db-wal`).
    `synced` is called with the suffix after each sync. `room` bounds the size of files, in bytes by suffix.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.calls: list[tuple[str, str]] = []
        self.trouble: Callable[[str, str], None] = lambda _operation, _file: None
        self.synced: Callable[[str], None] = lambda _file: None
        self.room: dict[str, int] = {}
        super().__init__(name, "")

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> "File":  # noqa: N802  # apsw's name
        """Open a file of the real disk."""
        return File(self, name, flags)

    def before(self, operation: str, file: str) -> None:
        """Note an operation and let it fail if it is to."""
        self.trouble(operation, file)
        if operation != "read":
            self.calls.append((operation, file))


class File(apsw.VFSFile):
    """A file of the failing disk."""

    def __init__(self, disk: Disk, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        self._disk = disk
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        self._suffix = (path or "").rpartition(".")[2]
        super().__init__("", name, flags)

    def xRead(self, amount: int, offset: int) -> bytes:  # noqa: N802  # apsw's name
        """Read, unless there is trouble."""
        self._disk.before("read", self._suffix)
        return super().xRead(amount, offset)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802  # apsw's name
        """Write, unless there is trouble."""
        self._disk.before("write", self._suffix)
        if offset + len(data) > self._disk.room.get(self._suffix, offset + len(data)):
            raise apsw.exception_for(apsw.SQLITE_FULL)
        super().xWrite(data, offset)

    def xSync(self, flags: int) -> None:  # noqa: N802  # apsw's name
        """Sync, unless there is trouble."""
        self._disk.before("sync", self._suffix)
        super().xSync(flags)
        self._disk.synced(self._suffix)


def failing(code: int, *operations: tuple[str, str]) -> Callable[[str, str], None]:
    """Trouble with these operations: SQLite's result code as the error."""

    def trouble(operation: str, file: str) -> None:
        if (operation, file) in operations:
            raise apsw.exception_for(code)

    return trouble


class HeldSync:
    """Trouble that holds up each sync of the write-ahead log: the first sets `began`, `end` ends all."""

    def __init__(self) -> None:
        self.began = threading.Event()
        self.end = threading.Event()

    def __call__(self, operation: str, file: str) -> None:
        """Wait, if it is such a sync."""
        if (operation, file) == ("sync", "db-wal"):
            self.began.set()
            self.end.wait()


def no_trouble(_operation: str, _file: str) -> None:
    """Everything works again."""


@contextmanager
def a_disk(name: str) -> Iterator[Disk]:
    """A disk for the time of a test."""
    disk = Disk(name)
    try:
        yield disk
    finally:
        disk.unregister()
