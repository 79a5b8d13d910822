"""Faults: what an error of PostgreSQL means: a thing that may heal, or one that no waiting will mend.

The one place that reads its error codes (PostgreSQL manual, appendix A).
"""

import psycopg
from psycopg import errors

from router.errors import JournalBroken, JournalError, JournalUnavailable, RouterError

# What one piece of work can be refused for without harm to the others in its transaction.
ALONE = (
    RouterError, ValueError, TypeError, OverflowError, psycopg.DataError, psycopg.IntegrityError,
    # A value beyond a bound of the server's own, as that of an index's key.
    errors.ProgramLimitExceeded,
)  # fmt: skip
# Two routers met in the same rows: the same again, a moment later, succeeds.
AGAIN = (errors.DeadlockDetected, errors.SerializationFailure)
# By class: connection, resources, operator intervention, system; lock not available; a standby.
_MAY_HEAL = ("08", "53", "57", "58", "55P03", "25006", "25P03", "40", "42501", "28")
# The session is of no use any more: the server is going down, or it is a standby now.
_OVER = ("08", "57P", "25006", "25P03")


def fault(error: psycopg.Error, what: str = "be written") -> JournalError:
    """The journal's error for one of the driver's: `JournalUnavailable` for what can heal by itself."""
    code = error.sqlstate or ""
    if not code or code.startswith(_MAY_HEAL):
        return JournalUnavailable(f"the journal cannot {what} now: {described(error)}")
    return JournalBroken(f"the journal cannot {what}: {described(error)}")


def is_over(error: psycopg.Error) -> bool:
    """Whether a connection that answered so must be left."""
    return not error.sqlstate or error.sqlstate.startswith(_OVER)


def described(error: psycopg.Error) -> str:
    """The server's own words and its code; without one, only what kind of failure it was.

    The driver's words may hold the names of hosts and users, so they are cut down to their first line.
    """
    if error.sqlstate:
        return f"{error.diag.message_primary} ({error.sqlstate})"
    first = str(error).strip().partition("\n")[0]
    return first or type(error).__name__


def refusal(error: Exception) -> RouterError:
    """The error of a piece of work that failed alone."""
    if isinstance(error, RouterError):
        return error
    words = described(error) if isinstance(error, psycopg.Error) else str(error)
    refused = JournalError(f"the journal refused a value: {words}")
    refused.__cause__ = error
    return refused
