"""Refusals: the JSON documents of the quarantine's calls, one struct each.

Like those of `answers.py`: a field may be added, never renamed or removed. Must not know HTTP.
"""

from datetime import datetime

import msgspec

from router.admin.answers import moment
from router.journal.journal import RefusedRequest


class RefusedRow(msgspec.Struct, frozen=True, kw_only=True):
    """A refused request without its body; `verified`: its signature was right, its body did not decode."""

    id: str
    received_at: datetime
    source: str
    size: int
    verified: bool
    reason: str

    @classmethod
    def of(cls, refused: RefusedRequest) -> "RefusedRow":
        """The row of a refused request."""
        fields = {name: getattr(refused, name) for name in cls.__struct_fields__}
        return cls(**fields | {"received_at": moment(refused.received_at)})


class RefusedPage(msgspec.Struct, frozen=True):
    """Refused requests, newest first; `next` as in `EventPage`."""

    requests: list[RefusedRow]
    next: str | None


class RefusedReport(msgspec.Struct, frozen=True, kw_only=True):
    """One refused request: the names of the headers kept of it, its labels, and its body in base64."""

    request: RefusedRow
    headers: list[str]
    labels: dict[str, str]
    body: bytes

    @classmethod
    def of(cls, refused: RefusedRequest) -> "RefusedReport":
        """The report of a refused request."""
        return cls(
            request=RefusedRow.of(refused),
            headers=list(refused.signature),
            labels=refused.labels,
            body=refused.body,
        )


class ReleasedRow(msgspec.Struct, frozen=True):
    """A refused request that has become an event, or was known as one already."""

    id: str
    source: str
    event_id: str
    duplicate: bool


class FailedRow(msgspec.Struct, frozen=True):
    """A request that is still refused, and why; `source` is null for one that is not there."""

    id: str
    source: str | None
    reason: str


class Reverified(msgspec.Struct, frozen=True):
    """What a second verification came to, oldest request first."""

    released: list[ReleasedRow]
    failed: list[FailedRow]


class Discarded(msgspec.Struct, frozen=True):
    """How many refused requests were deleted."""

    count: int
