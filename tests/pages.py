"""What pages are made of: rows at a fixed time, and a block of text as a test writes it."""

from datetime import UTC, datetime, timedelta
from textwrap import dedent

import msgspec

from router.admin.answers import DeliveryRow, EventRow, VerdictRow
from router.tables import View

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
VIEW = View(now=NOW)


def text(block: str) -> str:
    """A block as written in a test."""
    return dedent(block).strip("\n")


def then(seconds: float) -> datetime:
    """So long ago."""
    return NOW - timedelta(seconds=seconds)


def stamp(seconds: float) -> str:
    """That time as pages show it."""
    return f"{then(seconds).astimezone():%Y-%m-%d %H:%M:%S %z}"


def event(**fields: object) -> EventRow:
    """An event."""
    known = {
        "id": "evt_1",
        "received_at": then(60),
        "source": "web",
        "provider": "chromatic",
        "kind": "build",
    }
    return msgspec.convert(known | fields, EventRow)


def delivery(**fields: object) -> DeliveryRow:
    """A delivery."""
    known = {
        "id": "dlv_1", "event_id": "evt_1", "sink": "design", "rule": "main", "state": "delivered",
        "created_at": then(60), "claim": 1,
    }  # fmt: skip
    return msgspec.convert(known | fields, DeliveryRow)


def verdict(**fields: object) -> VerdictRow:
    """A verdict."""
    known = {
        "rule": "main", "matched": False, "final": False, "reason": "", "to": ["design"], "when": [],
        "unless": [], "repeated": [],
    }  # fmt: skip
    return msgspec.convert(known | fields, VerdictRow)
