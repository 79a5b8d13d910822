"""SQLite: the journal in one file, for one host, with nothing to run beside it."""

from router.journal.sqlite.opening import SqliteJournal, open_sqlite

__all__ = ["SqliteJournal", "open_sqlite"]
