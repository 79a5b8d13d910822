"""PostgreSQL: the journal in a database that several routers share."""

from router.journal.postgres.opening import PostgresJournal, open_postgres
from router.journal.postgres.presence import Timing

__all__ = ["PostgresJournal", "Timing", "open_postgres"]
