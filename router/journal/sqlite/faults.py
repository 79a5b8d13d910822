"""Faults: what an error of SQLite means: a thing that may heal, or the end of this process.

The one place that reads SQLite's error codes.
"""

import errno

import apsw

from router.errors import JournalBroken, JournalError, JournalUnavailable, RouterError

# After a failed sync the kernel may call pages clean that never reached the disk: a second try would lie.
_SYNC = frozenset({apsw.SQLITE_IOERR_FSYNC, apsw.SQLITE_IOERR_DIR_FSYNC, apsw.SQLITE_IOERR_DIR_CLOSE})
_DAMAGED = frozenset({apsw.SQLITE_IOERR_DATA, apsw.SQLITE_IOERR_CORRUPTFS})
_MAY_HEAL = (
    apsw.FullError, apsw.IOError, apsw.ReadOnlyError, apsw.BusyError, apsw.LockedError, apsw.CantOpenError,
    apsw.NoMemError, apsw.PermissionsError, apsw.ProtocolError, apsw.InterruptError,
)  # fmt: skip

# The operating system's words for a disk without room and a process without memory or descriptors.
_SCARCE = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.EAGAIN}
)

# What helps where a journal is damaged.
RESTORE = "restore a backup as the README says"
_ELSEWHERE = "name another file in journal.url"
_FIXES: dict[int | None, str] = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), "make room"),
    **dict.fromkeys((errno.EACCES, errno.EPERM), f"let this user write there, or {_ELSEWHERE}"),
}

# What one piece of work can be refused for without harm to the others in its transaction.
ALONE = (
    RouterError, ValueError, TypeError, OverflowError,
    apsw.ConstraintError, apsw.MismatchError, apsw.TooBigError, apsw.BindingsError,
)  # fmt: skip


def fault(error: apsw.Error, what: str = "be written", which: str = "the journal") -> JournalError:
    """The journal's error for one of SQLite's: `JournalUnavailable` only for what can heal by itself.

    `which` names the journal to whoever has to do something about its file.
    """
    code = _code(error)
    detail = described(error)
    if code in _SYNC:
        return JournalBroken(f"a sync of the journal failed: {detail}; what is on disk is unknown")
    if code in _DAMAGED or isinstance(error, apsw.CorruptError | apsw.NotADBError):
        return JournalBroken(f"{which} is damaged: {detail}; {RESTORE}")
    if isinstance(error, _MAY_HEAL):
        return JournalUnavailable(f"the journal cannot {what} now: {detail}")
    return JournalBroken(f"the journal cannot {what}: {detail}")


def os_fault(error: OSError, what: str, fix: str | None = None) -> JournalError:
    """The journal's error for the operating system's: `JournalUnavailable` only for what can heal by itself.

    A wrong path or missing rights cannot: who starts the program must see at once that it did not start.
    `fix` is what to do where the error itself does not say it.
    """
    scarce = error.errno in _SCARCE
    kind = JournalUnavailable if scarce else JournalError
    usual = "raise the limit of this process" if scarce else _ELSEWHERE
    reason = (error.strerror or type(error).__name__).lower()
    return kind(f"cannot {what}: {reason}; {fix or _FIXES.get(error.errno, usual)}")


def described(error: apsw.Error) -> str:
    """SQLite's words and the name of its code."""
    code = _code(error)
    name = apsw.mapping_extended_result_codes.get(code) or apsw.mapping_result_codes[code]
    return f"{error} ({name})" if str(error) else str(name)


def _code(error: apsw.Error) -> int:
    return getattr(error, "extendedresult", apsw.SQLITE_ERROR)


def refusal(error: Exception) -> RouterError:
    """The error of a piece of work that failed alone."""
    if isinstance(error, RouterError):
        return error
    refused = JournalError(f"the journal refused a value: {error}")
    refused.__cause__ = error
    return refused
