"""Event: one normalised fact from a provider, with the raw body kept byte for byte.

Owns the vocabulary that is the same for every provider. Must not know any provider's words.
"""

import gc
import hashlib
import json
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import msgspec

KINDS = ("build", "review", "review-decision", "comparison", "flake", "ping", "unknown")
STATUSES = ("running", "passed", "pending", "accepted", "denied", "broken", "failed", "cancelled", "unknown")

# What rules match and templates print, beside `labels.<name>` and `payload.<path>`.
FIELDS = (
    "provider", "source", "event", "kind", "status", "provider_status", "branch", "commit", "project",
    "build", "changes", "author", "title", "url", "pull_request",
)  # fmt: skip


# Characters: a thread is part of a key in the journal.
LONGEST_THREAD = 250


class Event(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """One normalised fact. Absent is `None`, never an empty string.

    `id` (`evt_…`) is given at receipt. `status` is one of STATUSES or None, `provider_status` the provider's
    word verbatim. `received_at` is in seconds since 1970, host time. `subject` is what a resend of this event
    would repeat: see `sources/source.py`. `reused` marks a provider's delivery id seen with another body.
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
        """What the event is about: a later event of a thread supersedes earlier ones. A digest if long."""
        whole = self.whole_thread
        if whole is None or len(whole) <= LONGEST_THREAD:
            return whole
        return hashlib.sha256(whole.encode()).hexdigest()

    @property
    def whole_thread(self) -> str | None:
        """The thread, however long: a build of a project, or a pull request's review."""
        number = self.build if self.build is not None else self.pull_request
        if number is None:
            return None
        of = "review" if self.build is None else "build"
        return f"{self.source}\n{self.project or ''}\n{of}\n{number}"

    @cached_property
    def document(self) -> dict[str, Any]:
        """The payload, decoded: for rules and templates that read `payload.<path>`."""
        return decode_object(self.payload)

    def undecoded(self) -> "Event":
        """A copy that does not keep `document`, which takes many times the size of the payload."""
        return msgspec.structs.replace(self)


def decode_object(body: bytes) -> dict[str, Any]:
    """A JSON object from bytes: UTF-8, at most 64 levels deep; of a key written twice the last value counts.

    Numbers beyond all ranges and half surrogate pairs are grammatical: they pass, as infinity and as U+FFFD.

    Raises:
        ValueError: it is no such object (NaN and a byte order mark included), or too much of one; the message
            names no content.
    """
    if len(body) <= _SMALL:
        document = _decoded(body)
        brackets = _brackets(body)
    else:
        # Counted before it is decoded: that may take fifty times its size, and hold everybody up.
        brackets = body.count(b"{") + body.count(b"[")
        if brackets > _CONTAINERS or body.count(b",") > _COMMAS:
            raise ValueError(f"more than {_CONTAINERS} lists and objects, or {_COMMAS} values")
        with _uncollected():
            document = _decoded(body)
    # Most bodies have fewer brackets than levels are allowed, and counting is far cheaper than walking.
    if brackets > _DEPTH and _is_too_deep(document):
        raise ValueError(_TOO_DEEP)
    return document


@contextmanager
def _uncollected() -> Iterator[None]:
    """The garbage collector is off meanwhile: it would look at all that was decoded, and find nothing."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def _decoded(body: bytes) -> dict[str, Any]:
    try:
        document = _decode(body)
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    except (msgspec.MsgspecError, ValueError):
        document = _decode_tolerantly(body)
    if not isinstance(document, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004  # the sender's fault, not the caller's
    return document


def _brackets(body: bytes) -> int:
    """How many open. `replace` leaps from one to the next where they are rare; `count` looks at each byte."""
    return 2 * len(body) - len(body.replace(b"{", b"")) - len(body.replace(b"[", b""))


_SMALL = 100_000
# More than twice what a provider's body of eight MiB has.
_CONTAINERS, _COMMAS = 200_000, 500_000
_DEPTH = 64
_TOO_DEEP = f"nested deeper than {_DEPTH} levels"
_DIGITS = 4300  # both decoders refuse longer integers: reading them takes quadratic time
_decode = msgspec.json.Decoder().decode
# Escaped backslashes are consumed first: in `\\ud800` there is no surrogate, only a backslash and letters.
_SURROGATE = re.compile(
    r"(?:\\\\)+|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
)


def _decode_tolerantly(body: bytes) -> object:
    """What the grammar allows and the fast decoder does not."""
    try:
        text = body.decode()
        if "\\u" in text:
            text = _SURROGATE.sub(lambda found: "\\ufffd" if found[1] else found[0], text)
        return json.loads(text, parse_constant=_refuse, parse_int=_integer)
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    except UnicodeDecodeError:
        raise ValueError("not UTF-8") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON at line {error.lineno}, column {error.colno}") from None


def _integer(digits: str) -> int | float:
    """The number, or an infinity for one too long to read."""
    if len(digits) <= _DIGITS:
        return int(digits)
    return -math.inf if digits[0] == "-" else math.inf


def _refuse(constant: str) -> None:
    """NaN and the infinities are words of Python, not of JSON."""
    raise ValueError(f"'{constant}' is not JSON")


def _is_too_deep(document: dict[str, Any]) -> bool:
    """Whether containers nest too deep; level by level, because recursion has a limit of its own."""
    level: list[Any] = [document]
    for _ in range(_DEPTH):
        level = [
            child
            for parent in level
            for child in (parent.values() if type(parent) is dict else parent)
            if type(child) is dict or type(child) is list
        ]
        if not level:
            return False
    return True
