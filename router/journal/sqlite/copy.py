"""Copy: a copy of the journal made in small steps while it is written, for a backup.

Owns the file that grows beside the target, and takes the target's name when it is whole. The steps are the
writing connection's own: whatever that commits meanwhile goes into the copy as well (backup.html of SQLite's
documentation), so that no snapshot is held, which would keep the WAL growing. Must not know who waits for it.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import apsw

from router.disk import sync_file, sync_folder
from router.errors import JournalError
from router.journal.sqlite.faults import described
from router.journal.sqlite.header import disown

# Pages of one step, 1 MiB: about a millisecond, which a commit may have to wait.
_PAGES = 256
# Pages after which the copy is to be synced: 16 MiB.
UNSYNCED = 4096


class Copy:
    """One backup. `step` and `leave` are for the writer's thread; the rest is not, and may block.

    `begin` comes first and `close` last, whatever happened: it also waits for what its caller no longer does.
    All but `close` raise `JournalError`, which names the target.
    """

    def __init__(self, target: Path, vfs: str | None) -> None:
        self.unsynced = 0
        self._target = target
        self._part = Path(f"{target}.part")
        self._vfs = vfs
        self._size = 0
        self._copying: apsw.Backup | None = None
        self._turn = threading.Lock()
        self._files = ExitStack()
        self._over = False

    def begin(self) -> None:
        """Make the file that will be the copy, for its owner's eyes only."""
        with self._turn, named(self._target):
            if self._target.exists():
                raise FileExistsError
            if self._over:
                return
            self._part.unlink(missing_ok=True)
            os.close(os.open(self._part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
            self._files.callback(self._part.unlink)

    def step(self, journal: apsw.Connection) -> bool:
        """Copy the next pages; True: the copy is as the journal is now, and stays so."""
        with named(self._target):
            copying = self._copying or self._open(journal)
            # What the journal grew by comes on top, or a load could outrun the copy for ever.
            before, self._size = self._size, journal.pragma("page_count")
            pages = _PAGES + max(0, self._size - before)
            self.unsynced += pages
            with ExitStack() as failed:
                # An error has the journal's last words, such as 'not an error'; this raises it in the copy's.
                failed.callback(copying.finish)
                done = copying.step(pages)
                failed.pop_all()
            return done

    def leave(self, _: apsw.Connection) -> None:
        """Let go of the journal, done or not."""
        if self._copying is not None:
            self._copying.close(True)  # noqa: FBT003  # apsw's: no error for what is not finished
            self._file.close()

    def sync(self) -> None:
        """Have on disk what was copied so far."""
        with self._turn, named(self._target):
            sync_file(self._part)
        self.unsynced = 0

    def complete(self) -> None:
        """Give the copy its name, once it was left."""
        with self._turn, named(self._target):
            disown(self._part)
            sync_file(self._part)
            os.link(self._part, self._target)
            sync_folder(self._target.parent)

    def close(self) -> None:
        """Remove what did not become a copy."""
        with self._turn:
            self._over = True
            self._files.close()

    def _open(self, journal: apsw.Connection) -> apsw.Backup:
        self._file = apsw.Connection(str(self._part), flags=apsw.SQLITE_OPEN_READWRITE, vfs=self._vfs)
        self._files.callback(self._file.close)
        # What fails is thrown away, and what is whole is synced before it gets its name.
        for name, value in (("journal_mode", "OFF"), ("synchronous", "OFF")):
            self._file.pragma(name, value)
        self._copying = self._file.backup("main", journal, "main")
        self._size = journal.pragma("page_count")
        return self._copying


@contextmanager
def named(target: Path) -> Iterator[None]:
    """Have whatever fails in writing a copy be a `JournalError` that names it."""
    try:
        yield
    except FileExistsError:
        raise JournalError(f"'{target}' exists already") from None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise JournalError(f"cannot write '{target}': {reason}") from None
    except apsw.Error as error:
        raise JournalError(f"cannot write '{target}': {described(error)}") from error
