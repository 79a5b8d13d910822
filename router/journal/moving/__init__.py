"""Moving: a journal out of a SQLite file into a PostgreSQL database, whole, in bites.

A move that was cut off goes on where it was. Must not know commands: how far it is, is told to whoever asked.
"""

from router.journal.moving.kinds import Count
from router.journal.moving.move import Tell, Verdict, move

__all__ = ["Count", "Tell", "Verdict", "move"]
