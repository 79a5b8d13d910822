"""Log: one line on standard output per event.

Owns the line. Must not know the program's own log, which goes to standard error.
"""

import sys
import threading
from typing import Literal

import anyio.to_thread

from router.delivery import Delivered, Delivery, Outcome, Retry
from router.errors import Unrenderable
from router.event import Event
from router.sinks.envelope import line_of
from router.sinks.message import message_of, remark, rendered
from router.sinks.sink import Result, Sink, Transport
from router.template.template import Template, rfc3339
from router.text import inert_json, visible

# Seconds that a line waits for the one before it: nobody reads, and more threads would not help.
PATIENCE = 10.0
_WRITING = threading.Lock()


class Log(Sink, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One line on standard output per event: time, type, what happened, the facts, the link, the id.

    `template`, or a rule's `message`, replaces the line; if it fails, the built-in one stands in for it. What
    strangers wrote stays on its line: control characters are escaped. `format: json` prints what `webhook`
    sends.
    """

    format: Literal["text", "json"] = "text"

    @staticmethod
    def escape(text: str) -> str:
        """See `Sink.escape`."""
        return visible(text)

    def preview(
        self,
        event: Event,
        delivery: Delivery,
        now: float,  # noqa: ARG002  # a line carries the time of receipt
        message: Template | None = None,
    ) -> str:
        """See `Sink.preview`."""
        template = message or self.template
        return remark(template, event, delivery) + self._line(event, delivery, template)

    async def send(
        self,
        event: Event,
        delivery: Delivery,
        transport: Transport,  # noqa: ARG002  # no HTTP
        now: float,  # noqa: ARG002  # a line carries the time of receipt
        message: Template | None = None,
    ) -> Result:
        """See `Sink.send`."""
        line = self._line(event, delivery, message or self.template)
        return Result(
            await anyio.to_thread.run_sync(_print, line.encode("utf-8", "backslashreplace") + b"\n")
        )

    def _line(self, event: Event, delivery: Delivery, template: Template | None) -> str:
        if self.format == "json":
            return inert_json(line_of(event, delivery, template).decode().rstrip("\n"))
        if template is not None:
            try:
                text = rendered(template, event, delivery, self.escape)
                return visible(" ".join(text.split("\n")))
            except Unrenderable:
                pass
        message = message_of(event)
        parts = [rfc3339(event.received_at), event.type, message.text, f"({', '.join(message.facts)})"]
        return visible(" ".join([*parts, *([message.link] if message.link else []), event.id]))


def _print(line: bytes) -> Outcome:
    """Write a whole line, never into another one. Runs in a thread: a pipe that nobody reads would block."""
    if not _WRITING.acquire(timeout=PATIENCE):
        return Retry("standard output is blocked")
    try:
        sys.stdout.buffer.write(line)
        sys.stdout.buffer.flush()
    except (OSError, ValueError) as error:
        return Retry(f"standard output cannot be written: {str(error).lower()}")
    finally:
        _WRITING.release()
    return Delivered()
