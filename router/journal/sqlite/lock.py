"""Lock: keeps a second daemon off a journal.

Owns `<path>.lock`: the owner's pid, and the mark that a sync failed under the last owner. The kernel lets
go of the lock with the process, however it ends; the file stays, because removing it would open a race.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

from router.errors import JournalLocked
from router.journal.sqlite.faults import os_fault

_SUSPICION = "a sync failed"


class Lock:
    """Held from `take` to `release`. `suspicious`: a sync failed and nobody has checked the file since."""

    def __init__(self, journal: Path, descriptor: int, *, suspicious: bool) -> None:
        self.journal = journal
        self._descriptor = descriptor
        self.suspicious = suspicious

    @classmethod
    def take(cls, journal: Path) -> Self:
        """Become the owner of a journal.

        Raises:
            JournalLocked: another process is; the message names the file and that process. Or one keeps
                daemons off for a while, see `idle`.
            JournalError: the lock file cannot be opened.
        """
        try:
            descriptor = os.open(f"{journal}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise os_fault(error, f"open '{journal}.lock'") from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            reason = _obstacle(descriptor)
            os.close(descriptor)
            raise JournalLocked(f"'{journal}' is {reason}") from None
        # Only now: the owner before may have written until it let go.
        lock = cls(journal, descriptor, suspicious=_SUSPICION in _text(descriptor))
        lock._write()
        return lock

    def clear(self) -> None:
        """The journal was checked and is sound."""
        self.suspicious = False
        self._write()

    def suspect(self) -> None:
        """Have the next owner check the journal before it uses it."""
        self.suspicious = True
        self._write()

    def release(self) -> None:
        """Let go."""
        os.close(self._descriptor)

    def _write(self) -> None:
        text = f"{os.getpid()}\n" + (f"{_SUSPICION}\n" if self.suspicious else "")
        with suppress(OSError):  # on a full disk the lock still holds, only its text is old
            os.pwrite(self._descriptor, text.encode(), 0)
            os.ftruncate(self._descriptor, len(text))


def _text(descriptor: int) -> str:
    return os.pread(descriptor, 200, 0).decode(errors="replace")


def _obstacle(descriptor: int) -> str:
    """Who has the lock, and what to do about it. Who only looks at the journal has not written its pid."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        owner = _text(descriptor).partition("\n")[0] or "unknown"
        return f"in use by process {owner}; stop that one first or name another file in journal.url"
    return "being looked at by verify or migrate-journal; start again when that has ended"


@contextmanager
def idle(journal: Path) -> Iterator[bool]:
    """Keep daemons off a journal for a while, without becoming its owner or writing anything.

    Whether a sync failed under its last owner and nobody has checked it since.

    Raises:
        JournalLocked: one has it.
        JournalError: the lock file cannot be opened.
    """
    try:
        descriptor = os.open(f"{journal}.lock", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        # No daemon ever had it: a backup.
        yield False
        return
    except OSError as error:
        fix = "let this user read it, or look at a backup"
        raise os_fault(error, f"open '{journal}.lock'", fix) from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            raise JournalLocked(
                f"'{journal}' is in use by a daemon; stop that one first, or look at a backup of it"
            ) from None
        yield _SUSPICION in _text(descriptor)
    finally:
        os.close(descriptor)
