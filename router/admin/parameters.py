"""Parameters: what an operator asked for, read from a query string or a body into the journal's queries.

Pure. Everything wrong is `Rejected` with the fix: a misspelt filter must not become an unfiltered answer.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import TypeVar

import msgspec

from router.clock import id_number
from router.delivery import State
from router.errors import Rejected
from router.event import KINDS, STATUSES
from router.journal.journal import DeliveryQuery, EventQuery, RefusedQuery
from router.sources import SOURCES
from router.spelling import near
from router.units import Duration

LARGEST_PAGE = 500

# A zone whose plus sign went into a URL as it is, and came out as a blank.
_BARE_PLUS = re.compile(r"(:\d\d[\d.,]*) (?=\d\d:?\d\d$)", re.ASCII)

_FILTERS = ("source", "provider", "kind", "status", "branch", "project", "text")
_EVENTS = (*_FILTERS, "since", "before", "limit")
_DELIVERIES = ("event", "sink", "state", "since", "before", "limit")
_REFUSED = ("source", "before", "limit")
_WORDS = {
    "kind": ("kinds", KINDS),
    "status": ("statuses", STATUSES),
    "state": ("states", tuple(State)),
    "provider": ("providers", tuple(SOURCES)),
}

S = TypeVar("S", bound=msgspec.Struct)


class Selection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of requeue and discard: deliveries by id (an event's id: all of its), or all of a sink."""

    ids: list[str] = []
    sink: str | None = None
    reason: str = "discarded by an operator"


class RefusedSelection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of the quarantine's changes: refused requests by id, all of a source, or all."""

    ids: list[str] = []
    source: str | None = None
    all: bool = False


class Why(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of pause."""

    reason: str = "paused by an operator"


class Target(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of backup: a path on the daemon's side."""

    path: str

    def __post_init__(self) -> None:
        if "\0" in self.path:
            raise ValueError("a path has no NUL in it")


def event_query(query: Mapping[str, str]) -> EventQuery:
    """The page of events asked for."""
    check(query, _EVENTS)
    wanted = {name: query[name] for name in _FILTERS if name in query}
    page = EventQuery(before=_cursor(query, "evt"), limit=_limit(query))
    return msgspec.structs.replace(page, **wanted)


def delivery_query(query: Mapping[str, str]) -> DeliveryQuery:
    """The page of deliveries asked for."""
    check(query, _DELIVERIES)
    event = query.get("event")
    if event is not None:
        identifier(event, "evt")
    state = query.get("state")
    return DeliveryQuery(
        event_id=event,
        sink=query.get("sink"),
        state=None if state is None else State(state),
        before=_cursor(query, "dlv"),
        limit=_limit(query),
    )


def refused_query(query: Mapping[str, str]) -> RefusedQuery:
    """The page of refused requests asked for."""
    check(query, _REFUSED)
    return RefusedQuery(source=query.get("source"), before=_cursor(query, "req"), limit=_limit(query))


def since(query: Mapping[str, str], now: float) -> float | None:
    """The time before which nothing is wanted: `since` is a duration back from now, or a time.

    A time without a zone is in the router's.
    """
    text = query.get("since")
    if text is None:
        return None
    try:
        return now - Duration.parse(text)
    except ValueError:
        pass
    try:
        return datetime.fromisoformat(_BARE_PLUS.sub(r"\1+", text)).timestamp()
    except (ValueError, OverflowError):
        raise Rejected(f"'{text}' is no time", "write 2h, 7d, 2026-01-31 or 2026-01-31T08:00:00Z") from None


def flag(query: Mapping[str, str], name: str) -> bool:
    """Whether a switch is on: `name=1`."""
    check(query, (name,))
    value = query.get(name, "0")
    if value not in ("0", "1"):
        raise Rejected(f"'{name}={value}' says neither yes nor no", f"write {name}=1 or leave it out")
    return value == "1"


def body(raw: bytes, shape: type[S], example: str) -> S:
    """A JSON body; an absent one is an empty object."""
    try:
        return msgspec.json.decode(raw or b"{}", type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Rejected(
            f"the body is not what this call takes: {error}", f"send JSON such as {example}"
        ) from None


def identifier(text: str, *prefixes: str) -> int:
    """The number behind an id that has one of the prefixes."""
    for prefix in prefixes:
        number = id_number(prefix, text)
        if number is not None:
            return number
    forms = " or ".join(f"{prefix}_ and 13 letters and digits" for prefix in prefixes)
    raise Rejected(f"'{text}' is no id", f"an id here is {forms}")


def check(query: Mapping[str, str], names: tuple[str, ...]) -> None:
    """Refuse parameters that do not exist, and words that are not in a closed vocabulary."""
    for name, value in query.items():
        if name not in names:
            raise Rejected(f"'{name}' is not a parameter of this call", near(name, names, "parameters"))
        noun, words = _WORDS.get(name, ("", ()))
        if words and value not in words:
            raise Rejected(f"'{value}' is not a {name}", near(value, words, noun))


def _cursor(query: Mapping[str, str], prefix: str) -> str | None:
    before = query.get("before")
    if before is not None:
        identifier(before, prefix)
    return before


def _limit(query: Mapping[str, str]) -> int:
    text = query.get("limit", "50")
    if not text.isascii() or not text.isdigit() or len(text) > 4 or not 1 <= int(text) <= LARGEST_PAGE:
        raise Rejected(f"'{text}' is not a limit", f"write a number from 1 to {LARGEST_PAGE}")
    return int(text)
