"""Logs: one line per record, safe to print whatever strangers sent, and never a secret.

Owns the form of every line: JSON for machines, readable for people at a terminal. Names of log events are
constant, in snake_case; whatever varies is a field. Must not know who logs, or why.
"""

import asyncio
import atexit
import itertools
import json
import logging
import math
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Collection, Mapping, MutableMapping
from ipaddress import IPv4Address, IPv6Address
from pathlib import PurePath
from typing import Any, TextIO, cast

import msgspec
import structlog

from router.bucket import Bucket
from router.secret import Secret, masked
from router.text import visible
from router.units import Rate

_FIELD_LIMIT = 4096
_TRACE_LIMIT = 16_384
_DEPTH = 4
_ITEMS = 50
# Larger whole numbers are more than other readers of JSON bear.
_LARGE = 1 << 63
_TEXTS = frozenset({str})
_HIDDEN = "…"
_SECRET_FIELDS = frozenset({"authorization", "cookie", "password", "secret", "signature", "token"})
_LEVELS = ("debug", "info", "warning", "error", "critical")
# The bounded scheme keeps the search linear on text that a stranger chose.
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{1,20}://[^\s'\"<>]+")

Fields = MutableMapping[str, Any]


def read_by_a_person(stream: TextIO | None = None) -> bool:
    """Whether `stream` (standard error) is a terminal; elsewhere each line is to be one JSON object.

    The variables that systemd sets are not asked: a terminal inherits them from its desktop session, while a
    unit's standard error is a socket or a file.
    """
    return (sys.stderr if stream is None else stream).isatty()


def configure(*, json: bool | None = None, verbose: bool = False, stream: TextIO | None = None) -> None:
    """Send every record, those of libraries too, to `stream` (standard error).

    `json` None: readable where a person reads, else JSON.
    """
    out = sys.stderr if stream is None else stream
    machine = not read_by_a_person(out) if json is None else json
    render = _as_json if machine else _console(colors=out.isatty() and not os.environ.get("NO_COLOR"))
    lines = _Lines(out)
    atexit.register(lines.flush)
    structlog.configure(
        processors=[_Line(render)],
        wrapper_class=_Log if verbose else _Quiet,
        logger_factory=lambda *_: lines,
        cache_logger_on_first_use=False,
    )
    logging.root.handlers[:] = [_Libraries()]
    logging.root.setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)


class Sparing:
    """A log for what strangers cause: per event and source ten lines at once, then ten a minute.

    `now` gives seconds. The next line that passes says in `suppressed` how many did not. Events and sources
    must come from the code and the configuration: they are kept.
    """

    _RATE = Rate(10, 60.0)

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._log = structlog.get_logger()
        self._buckets: dict[tuple[str, str | None], Bucket] = {}
        self._suppressed: dict[tuple[str, str | None], int] = {}

    def warning(self, event: str, source: str | None, **fields: object) -> None:
        """Log a warning, or count it as suppressed."""
        key = event, source
        now = self._now()
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = Bucket(self._RATE, now)
        if bucket.available(now) < 1:
            self._suppressed[key] = self._suppressed.get(key, 0) + 1
            return
        bucket.take(now)
        suppressed = self._suppressed.pop(key, 0)
        if suppressed:
            fields["suppressed"] = suppressed
        self._log.warning(event, source=source, **fields)


def _saying(level: str) -> Callable[..., None]:
    """The method of a log for this level."""

    def say(self: structlog.BoundLoggerBase, event: str, **fields: object) -> None:
        fields["event"] = event
        record: Any = {**self._context, **fields} if self._context else fields
        try:
            for step in self._processors:
                record = step(self._logger, level, record)
        except structlog.DropEvent:
            return
        getattr(self._logger, level)(record)

    return say


class _Log(structlog.BoundLoggerBase):
    """A log whose methods take an event and its fields; structlog's own take twice the time of the line."""

    debug = _saying("debug")
    info = _saying("info")
    warning = _saying("warning")
    error = _saying("error")
    critical = _saying("critical")

    def exception(self, event: str, **fields: object) -> None:
        """Log an error with the traceback of what is being handled."""
        self.error(event, **{"exc_info": True, **fields})

    def log(self, level: int, event: str, **fields: object) -> None:
        """Log at a level as `logging` counts them: what lies between two of ours is the lower one."""
        getattr(self, _LEVELS[min(max(level // 10, 1), len(_LEVELS)) - 1])(event, **fields)


class _Quiet(_Log):
    """A log without the details."""

    def debug(self, event: str, **fields: object) -> None:
        """Drop it."""


class _Lines:
    """Writes whole lines in order; a log that cannot be written must not cost a request.

    What a loop logs in one round is written in one go before the next: a write for each line costs as much as
    the line, and lets other threads hold the loop up. Errors do not wait.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self._waiting: list[str] = []
        # The loop that will flush, and its thread.
        self._asked: tuple[asyncio.AbstractEventLoop, int] | None = None

    def later(self, line: str) -> None:
        """Write the line with the others of this round, or now where no loop runs."""
        # Without the lock: to append is one step, and `flush` takes away no more than it has seen.
        self._waiting.append(line)
        asked = self._asked
        # Cheaper than to ask which loop runs, which is a system call.
        if asked is not None and asked[1] == threading.get_ident() and asked[0].is_running():
            return
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self.flush()
        else:
            self._asked = loop, threading.get_ident()
            loop.call_soon(self.flush)

    def now(self, line: str) -> None:
        """Write the line, and before it what waits."""
        self._waiting.append(line)
        self.flush()

    def flush(self) -> None:
        """Write what waits."""
        with self._lock:
            self._asked = None
            waiting = self._waiting[:]
            del self._waiting[: len(waiting)]
            if not waiting:
                return
            try:
                self._stream.write("\n".join(waiting) + "\n")
                self._stream.flush()
            # Nobody reads, or the stream is closed: there is nowhere left to say so.
            except (OSError, ValueError):
                pass

    debug = info = warning = later
    error = critical = now


class _Libraries(logging.Handler):
    """Brings the records of libraries into the same form."""

    def emit(self, record: logging.LogRecord) -> None:
        """Log a library's record with its text as a field."""
        try:
            message = record.getMessage()
        except (TypeError, ValueError):
            message = str(record.msg)
        trace = record.exc_info or None
        kind = trace[0] if trace else None
        # A stranger's malformed HTTP is no fault of ours: where in the parser it failed tells nobody much.
        if kind is not None and kind.__module__ == "aiohttp.http_exceptions":
            trace, message = None, kind.__name__
        structlog.get_logger().log(
            record.levelno, "library_message", library=record.name, message=message, exc_info=trace
        )


class _Line:
    """From the fields of a record to its line, in one step: five would cost an event as much as its rules do.

    Adds the level and `time`, UTC with microseconds as RFC 3339 writes it; the text of a second is made once.
    """

    def __init__(self, render: Callable[[Fields], str]) -> None:
        self._render = render
        self._second = -1
        self._text = ""

    def __call__(self, logger: object, method: str, fields: Fields) -> str:
        """The line. What a record itself calls `level` or `time` stands instead of ours."""
        if "exc_info" in fields:
            fields = structlog.processors.format_exc_info(cast(Any, logger), method, fields)
        second, rest = divmod(time.time_ns() // 1000, 1_000_000)
        if second != self._second:
            self._second, self._text = second, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        return self._render({"time": f"{self._text}.{rest:06}Z", "level": method, "event": None, **fields})


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


def _as_json(record: Fields) -> str:
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


def _console(*, colors: bool) -> Callable[[Fields], str]:
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
