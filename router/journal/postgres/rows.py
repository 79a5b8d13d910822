"""Rows: what the driver returns, as the rows that both backends read structs from."""

from collections.abc import Sequence

from router.event import Event
from router.journal.postgres.text import read
from router.journal.rows import event_of

EVENT_COLUMNS = 21


def plain(row: Sequence[object]) -> tuple[object, ...]:
    """A row with its texts as they were written."""
    return tuple(read(value) for value in row)


def whole_event(row: Sequence[object]) -> Event:
    """The event of a row of `events` with the body behind it."""
    body = row[EVENT_COLUMNS]
    return event_of(plain(row[:EVENT_COLUMNS]), bytes(body) if isinstance(body, bytes | memoryview) else b"")
