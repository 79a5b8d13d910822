"""Kinds: what a journal consists of, table by table, and by which columns each is in order."""

import msgspec

Key = tuple[int | str, ...]

# Below every id, and before every name: none is empty.
_BEFORE_IDS = -(1 << 63)
_BEFORE_NAMES = ""


class Kind(msgspec.Struct, frozen=True):
    """A table of both journals. `columns` are the target's; the first of them are the key that orders it.

    `start` is a key before the first one. `day`: the first column is the id whose day the row belongs to.
    `since`: the first version of the source that has the table. `thread`: the place of a thread in the key,
    which an older release did not bound.
    """

    table: str
    columns: str
    start: Key
    day: bool = False
    since: int = 1
    thread: int | None = None


class Count(msgspec.Struct, frozen=True):
    """How many rows of a kind there are in the source, and how many in the target."""

    kind: str
    source: int
    target: int


_DELIVERY = "id, event, sink, rule, state, due, created_at, claim, failures, crashes, reason"

# Deliveries that are still owed come last: what they refer to is there.
KINDS = (
    Kind("rulesets", "digest, yaml, since", (_BEFORE_NAMES,)),
    Kind("marks", "sink, paused, by_operator, fingerprint, held_until", (_BEFORE_NAMES,)),
    Kind(
        "events",
        "id, source, provider, event, kind, status, provider_status, branch, commit, project, build, changes,"
        " author, title, url, pull_request, labels, received_at, subject, reused, ruleset",
        (_BEFORE_IDS,),
        day=True,
    ),
    Kind("bodies", "event, body", (_BEFORE_IDS,), day=True),
    Kind("seen", "source, subject, digest, event, at, since, changed", (_BEFORE_NAMES, _BEFORE_NAMES)),
    Kind("settled_deliveries", f"{_DELIVERY}, settled_at", (_BEFORE_IDS,), day=True),
    Kind(
        "attempts",
        "delivery, number, started_at, seconds, outcome, status, reason, excerpt",
        (_BEFORE_IDS, _BEFORE_IDS),
        day=True,
    ),
    Kind("latest", "sink, thread, event", (_BEFORE_NAMES, _BEFORE_NAMES), thread=1),
    Kind(
        "quarantine",
        "id, source, received_at, verified, reason, signature, labels, size, body",
        (_BEFORE_IDS,),
        since=2,
    ),
    Kind("open_deliveries", f"{_DELIVERY}, thread", (_BEFORE_IDS,)),
)
