"""Statements: the SQL of this backend, read from `sql/sqlite/`: migrations by number, statements by name.

Must not know what a statement is for.
"""

from importlib.resources import files
from importlib.resources.abc import Traversable

_NAME = "-- name: "


def _folder() -> Traversable:
    return files("router.journal") / "sql" / "sqlite"


def statements(group: str) -> dict[str, str]:
    """The statements of one file by name; each begins with a line `-- name: it`."""
    found = {}
    for block in (_folder() / f"{group}.sql").read_text("utf-8").split(_NAME)[1:]:
        name, _, text = block.partition("\n")
        found[name.strip()] = text.strip()
    return found


def migrations() -> list[str]:
    """Every migration in order: `0001.sql` makes version 1 out of an empty file, and so on."""
    numbered = sorted(
        (entry for entry in _folder().iterdir() if entry.name[0].isdigit()), key=lambda e: e.name
    )
    return [entry.read_text("utf-8") for entry in numbered]
