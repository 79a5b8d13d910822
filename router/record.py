"""Record: a record of the log as its line: safe to print whatever strangers sent, and never a secret.

Owns the two forms of a line: JSON for machines, readable for people at a terminal. Pure. Must not know who
logs, or where the line goes.
"""

import itertools
import json
import math
import re
from collections.abc import Callable, Collection, Mapping, MutableMapping
from ipaddress import IPv4Address, IPv6Address
from pathlib import PurePath
from typing import Any

import msgspec
import structlog

from router.secret import Secret, masked
from router.text import visible

_FIELD_LIMIT = 4096
_TRACE_LIMIT = 16_384
_DEPTH = 4
_ITEMS = 50
# Larger whole numbers are more than other readers of JSON bear.
_LARGE = 1 << 63
_TEXTS = frozenset({str})
_HIDDEN = "…"
_SECRET_FIELDS = frozenset({"authorization", "cookie", "password", "secret", "signature", "token"})
# The bounded scheme keeps the search linear on text that a stranger chose.
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{1,20}://[^\s'\"<>]+")

Fields = MutableMapping[str, Any]


def as_json(record: Fields) -> str:
    """One JSON object in ASCII: a control byte of any kind arrives as an escape."""
    return _at_once(record) or _with_care(record)


def _at_once(record: Fields) -> str | None:
    """The line of `_with_care`, of a record where care would change nothing; None where it might.

    Most records are a few words of ours. To look at the one line that they make costs less than at each.
    """
    if not _SECRET_FIELDS.isdisjoint(record):
        return None
    for value in record.values():
        kind = type(value)
        if kind is str or kind is bool or value is None:
            continue
        if kind is int and -_LARGE < value < _LARGE:
            continue
        if kind is float and math.isfinite(value):
            continue
        if kind is list and len(value) <= _ITEMS and _TEXTS.issuperset(map(type, value)):
            continue
        return None
    try:
        line = _encode(record).decode()
    except UnicodeEncodeError:  # half a surrogate pair
        return None
    # A line within the limit of a field has no field beyond it, and JSON leaves the mark of a URL as it is.
    ordinary = len(line) <= _FIELD_LIMIT and line.isascii() and "\x7f" not in line and "://" not in line
    return line if ordinary else None


def _with_care(record: Fields) -> str:
    """The line of any record, each of its fields made fit to print."""
    clean = _clean(record)
    line = _encode(clean).decode()
    if line.isascii() and "\x7f" not in line:
        return line
    return json.dumps(clean, ensure_ascii=True, allow_nan=False, separators=(",", ":"))


_encode = msgspec.json.Encoder().encode


def console(*, colors: bool) -> Callable[[Fields], str]:
    """One readable line, and below it the traceback if there is one."""
    render = structlog.dev.ConsoleRenderer(
        colors=colors,
        timestamp_key="time",
        exception_formatter=structlog.dev.plain_traceback,
        pad_event_to=24,
    )

    def line(record: Fields) -> str:
        fields = _clean(record)
        trace = fields.pop("exception", None)
        text = render(None, fields["level"], {name: _shown(value) for name, value in fields.items()})
        below = [f"    {visible(part)}" for part in str(trace).splitlines()] if trace else []
        return "\n".join([text, *below])

    return line


def _shown(value: object) -> object:
    """The value as a terminal may show it."""
    if isinstance(value, str):
        return visible(value)
    return value if value is None or isinstance(value, bool | int | float) else visible(json.dumps(value))


def _clean(record: Fields) -> Fields:
    """The record as it may be shown."""
    return {name: _field(name, value, _DEPTH) for name, value in record.items()}


def _field(name: str, value: object, depth: int) -> object:
    if name in _SECRET_FIELDS and value is not None:
        return _HIDDEN
    return plain(value, _TRACE_LIMIT if name == "exception" else _FIELD_LIMIT, depth)


def plain(value: object, limit: int = _FIELD_LIMIT, depth: int = _DEPTH) -> object:
    """Text, number, truth value, None, or lists and maps of them, whatever the value is.

    URLs are cut to scheme and host: the path of a hook is a credential. An object of any other kind is named
    by its type, because its `repr` may say too much, or raise.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value) if abs(value) < _LARGE else f"{value:#x}"[:limit]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else str(float(value))
    if isinstance(value, Secret):
        return str(value)
    if isinstance(value, str | BaseException | PurePath | IPv4Address | IPv6Address):
        return _text(str(value), limit)
    if isinstance(value, bytes):
        return _text(value[: limit + 1].decode("utf-8", "backslashreplace"), limit)
    if isinstance(value, Mapping | list | tuple | set | frozenset) and depth > 0:
        return _collection(value, depth - 1)
    return f"<{type(value).__name__}>"


def _collection(value: Mapping[Any, Any] | Collection[Any], depth: int) -> object:
    first = itertools.islice(value.items() if isinstance(value, Mapping) else value, _ITEMS)
    if isinstance(value, Mapping):
        named = ((str(plain(key, depth=0)), item) for key, item in first)
        return {name: _field(name, item, depth) for name, item in named}
    return [plain(item, depth=depth) for item in first]


def _text(text: str, limit: int) -> str:
    """At most `limit` characters of the text, its URLs masked, fit for UTF-8."""
    cut = len(text) > limit
    head = text[:limit]

    def mask(found: re.Match[str]) -> str:
        # A URL cut before its `@` would show its user and password as if they were the host.
        if cut and found.end() == len(head):
            return _HIDDEN
        try:
            return masked(found[0])
        except ValueError:
            return _HIDDEN

    clean = _URL.sub(mask, head) if "://" in head else head
    return clean.encode("utf-8", "backslashreplace").decode() + (_HIDDEN if cut else "")
