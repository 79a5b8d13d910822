"""Schema: its version. Numbered migrations, each one a transaction."""

from collections.abc import Sequence
from pathlib import Path

import apsw

from router.errors import SchemaMismatch

# "vrtr": what `file` and our own check tell a journal by.
APPLICATION = 0x76727472


def migrate(connection: apsw.Connection, path: Path, scripts: Sequence[str]) -> int:
    """Bring a file to the newest version; `scripts[0]` makes version 1 out of an empty file.

    Returns the version that it had, 0 of an empty file.

    Raises:
        SchemaMismatch: it is no journal, or one of a newer release; it is left as it was.
    """
    version = version_of(connection, path, len(scripts))
    for number, script in enumerate(scripts[version:], version + 1):
        with connection:
            connection.execute(script)
            connection.pragma("application_id", APPLICATION)
            connection.pragma("user_version", number)
    return version


def version_of(connection: apsw.Connection, path: Path, newest: int) -> int:
    """The version of a journal, 0 of an empty file; `newest` is the one that this release writes.

    Raises:
        SchemaMismatch: it is no journal, or one of a newer release.
    """
    version = int(connection.pragma("user_version"))
    if version > newest:
        raise SchemaMismatch(
            f"'{path}' has version {version} and this release knows versions up to {newest};"
            " install the newer release or restore a backup"
        )
    application = connection.pragma("application_id")
    if application != APPLICATION and connection.execute("SELECT 1 FROM sqlite_schema").fetchall():
        raise SchemaMismatch(f"'{path}' is not a journal of this program; name another file in journal.url")
    return version
