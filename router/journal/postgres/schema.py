"""Schema: its version. Numbered migrations, all of them in one transaction under one lock."""

from collections.abc import Sequence
from typing import cast

from psycopg import errors

from router.errors import JournalError, JournalUnavailable, SchemaMismatch
from router.journal.postgres.connecting import Connection
from router.journal.statements import statements

_SQL = statements("postgres", "schema")


def migrate(connection: Connection, scripts: Sequence[str]) -> int:
    """Bring a database to the newest version; `scripts[0]` makes version 1 out of an empty one.

    Returns the version that it had, 0 of an empty one.
    Routers that start at the same moment wait for one another; one that finds the work done does nothing.

    Raises:
        SchemaMismatch: it is no journal, or one of a newer release; it is left as it was.
        JournalError: the text search cannot be had.
        JournalUnavailable: the role may not make tables.
    """
    with connection.transaction():
        # A limit of the role's is meant for people.
        connection.execute("SET LOCAL statement_timeout = 0")
        connection.execute(_SQL["lock"])
        version = _version(connection, len(scripts))
        if version == len(scripts):
            return version
        for script in scripts[version:]:
            try:
                connection.execute(script)
            except (errors.UndefinedFile, errors.FeatureNotSupported, errors.InsufficientPrivilege) as error:
                raise JournalError(
                    f"the journal's tables cannot be made: {error.diag.message_primary}; install PostgreSQL's"
                    " contrib package, and let the database's owner run CREATE EXTENSION pg_trgm"
                ) from None
        connection.execute(_SQL["newer"], (len(scripts),))
    return version


def _version(connection: Connection, newest: int) -> int:
    ((ours, others),) = connection.execute(_SQL["found"]).fetchall()
    if not ours:
        if others:
            raise SchemaMismatch(
                "the database holds tables of another program; name a database of its own in journal.url"
            )
        try:
            connection.execute(_SQL["begin"])
        except errors.InsufficientPrivilege as error:
            raise JournalUnavailable(
                f"the journal's tables cannot be made now: {error.diag.message_primary};"
                " let the router's role own the database"
            ) from None
        connection.execute(_SQL["first"])
    version = cast(int, connection.execute(_SQL["version"]).fetchall()[0][0])
    if version > newest:
        raise SchemaMismatch(
            f"the database has version {version} and this release knows versions up to {newest};"
            " install the newer release or restore a backup"
        )
    return version
