"""Logs: every record on its way to standard error, those of libraries too.

Owns when a line is written, and what is suppressed of what strangers cause. Names of log events are constant,
in snake_case; whatever varies is a field: `record.py` says how it looks. Must not know who logs, or why.
"""

import asyncio
import atexit
import logging
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, TextIO, cast

import structlog

from router.bucket import Bucket
from router.record import Fields, as_json, console
from router.units import Rate

# Whose errors say that a request is no HTTP, or its body not encoded as its head says.
_OF_STRANGERS = ("aiohttp.http_exceptions", "aiohttp.web_protocol")
_LEVELS = ("debug", "info", "warning", "error", "critical")


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
    render = as_json if machine else console(colors=out.isatty() and not os.environ.get("NO_COLOR"))
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
    """Brings the records of libraries into the same form; of what strangers cause, a few."""

    def __init__(self) -> None:
        super().__init__()
        self._strangers = Sparing(time.monotonic)

    def emit(self, record: logging.LogRecord) -> None:
        """Log a library's record with its text as a field."""
        try:
            message = record.getMessage()
        except (TypeError, ValueError):
            message = str(record.msg)
        trace = record.exc_info or None
        kind = trace[0] if trace else None
        # A stranger's malformed HTTP is no fault of ours: where in the parser it failed tells nobody much.
        if kind is not None and kind.__module__ in _OF_STRANGERS:
            self._strangers.warning("library_message", None, library=record.name, message=kind.__name__)
            return
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
