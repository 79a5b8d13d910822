"""Statements: the SQL of a backend, read from `sql/<dialect>/`: migrations by number, statements by name.

Must not know what a statement is for.
"""

from importlib.resources import files
from importlib.resources.abc import Traversable

_NAME = "-- name: "


def _folder(dialect: str) -> Traversable:
    return files("router.journal") / "sql" / dialect


def statements(dialect: str, group: str) -> dict[str, str]:
    """The statements of one file by name; each begins with a line `-- name: it`."""
    found = {}
    for block in (_folder(dialect) / f"{group}.sql").read_text("utf-8").split(_NAME)[1:]:
        name, _, text = block.partition("\n")
        found[name.strip()] = text.strip()
    return found


def migrations(dialect: str) -> list[str]:
    """Every migration in order: `0001.sql` makes version 1 out of nothing, and so on."""
    entries = (entry for entry in _folder(dialect).iterdir() if entry.name[0].isdigit())
    return [entry.read_text("utf-8") for entry in sorted(entries, key=lambda entry: entry.name)]
