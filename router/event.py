"""Event: one normalised fact from a provider, with the raw body kept byte for byte.

Owns the vocabulary that is the same for every provider. Must not know any provider's words.
"""

from functools import cached_property
from typing import Any

import msgspec

KINDS = ("build", "review", "review-decision", "comparison", "flake", "ping", "unknown")
STATUSES = ("running", "passed", "pending", "accepted", "denied", "broken", "failed", "cancelled", "unknown")

# What rules match and templates print, beside `labels.<name>` and `payload.<path>`.
FIELDS = (
    "provider", "source", "event", "kind", "status", "provider_status", "branch", "commit", "project", "build",
    "changes", "author", "title", "url", "pull_request",
)  # fmt: skip


class Event(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """One normalised fact. Absent is `None`, never an empty string.

    `id` (`evt_…`) is given at receipt. `status` is one of STATUSES or None, `provider_status` the provider's word
    verbatim. `received_at` is in seconds since 1970, host time. `subject` is what a resend of this event would
    repeat: see `sources/source.py`. `reused` marks a provider's delivery id seen before with another body.
    """

    id: str = ""
    source: str
    provider: str
    event: str | None = None
    kind: str = "unknown"
    status: str | None = None
    provider_status: str | None = None
    branch: str | None = None
    commit: str | None = None
    project: str | None = None
    build: str | None = None
    changes: int | None = None
    author: str | None = None
    title: str | None = None
    url: str | None = None
    pull_request: int | None = None
    labels: dict[str, str] = {}
    received_at: float
    payload: bytes
    subject: str = ""
    reused: bool = False

    @property
    def type(self) -> str:
        """`<kind>.<status>`, or `<kind>` where there is no status."""
        return self.kind if self.status is None else f"{self.kind}.{self.status}"

    @property
    def thread(self) -> str | None:
        """What later events supersede earlier ones of: one build of one project, or one pull request's review."""
        number = self.build if self.build is not None else self.pull_request
        if number is None:
            return None
        return f"{self.source}\n{self.project or ''}\n{'build' if self.build is not None else 'review'}\n{number}"

    @cached_property
    def document(self) -> dict[str, Any]:
        """The payload, decoded: for rules and templates that read `payload.<path>`."""
        return decode_object(self.payload)


def decode_object(body: bytes) -> dict[str, Any]:
    """A JSON object from bytes.

    Raises:
        ValueError: it is not one (NaN, not UTF-8 and a depth over 64 included); the message names no content.
    """
    document = msgspec.json.decode(body)
    if not isinstance(document, dict):
        raise ValueError("not a JSON object")
    return document
