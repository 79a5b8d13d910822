"""Roster: the routers that share a journal, for a person: a table, and what they do not agree about.

Pure. Must not know how they were found.
"""

from collections.abc import Callable, Sequence
from datetime import datetime

from router.admin.answers import RouterRow
from router.columns import grid
from router.journal.fleet import RouterMark

_DIGITS = 12


def discord(routers: Sequence[RouterMark]) -> list[str]:
    """What the live ones differ in, with who has what, and what to do; empty: nothing."""
    live = [one for one in routers if one.live]
    versions = _by([(one.version, one.name) for one in live])
    configurations = _by([(one.configuration[:_DIGITS], one.name) for one in live if one.configuration])
    told = []
    if len(versions) > 1:
        told.append(f"routers run different versions ({_listed(versions)}); upgrade those behind")
    if len(configurations) > 1:
        told.append(
            f"routers work under different configurations ({_listed(configurations)});"
            " give each the same file and reload it"
        )
    return told


def roster(rows: Sequence[RouterRow], cells: int | None, ago: Callable[[datetime], str | None]) -> str:
    """A line for each router, if there are several; its own one first."""
    if len(rows) < 2:
        return ""
    lines = [
        [
            row.name + (" (this one)" if row.own else ""),
            row.version,
            row.configuration[:_DIGITS],
            ago(row.started_at),
            ago(row.seen_at) if row.live else f"{ago(row.seen_at)}, lost",
        ]
        for row in sorted(rows, key=lambda row: not row.own)
    ]
    return grid(["ROUTER", "VERSION", "CONFIGURATION", "STARTED", "SEEN"], lines, cells, {"ROUTER": 12})


def _by(pairs: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    """Names by what they have, in the order of it."""
    found: dict[str, list[str]] = {}
    for value, name in sorted(pairs):
        found.setdefault(value, []).append(name)
    return found


def _listed(found: dict[str, list[str]]) -> str:
    return "; ".join(f"{value}: {', '.join(names)}" for value, names in found.items())
