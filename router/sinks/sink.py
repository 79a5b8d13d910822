"""Sink: what every destination has in common: its settings, its pure methods, an answer's default meaning.

A sink *is* its YAML section: one frozen struct, fields are keys, methods are behaviour. Must not speak HTTP
by itself: that goes through the `Transport` it is handed.
"""

import base64
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import Protocol, Self
from urllib.parse import quote, unquote, urlsplit

import msgspec

from router import __version__
from router.delivery import Dead, Delivered, Delivery, Hold, Outcome, Pause, Retry
from router.event import Event
from router.retry import RetryPolicy
from router.secret import Secret, Url, check_url
from router.template.template import Template, trial
from router.text import visible
from router.units import Duration, Network, Rate

# How every request names its sender.
USER_AGENT = f"visual-router/{__version__}"


class Request(msgspec.Struct, frozen=True):
    """One outgoing HTTP request. The URL may be a credential: it never appears in a log or an error."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes


class Reply(msgspec.Struct, frozen=True):
    """The answer: status, headers (case-insensitive), and at most the first 64 KiB of the body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Transport(Protocol):
    """The one way out: fulfilled by `transport.py`, bound to one sink's network settings."""

    async def send(self, request: Request) -> Reply:
        """Send and read the answer; raises `Unreachable` or `ForbiddenAddress`."""
        ...


class Result(msgspec.Struct, frozen=True):
    """What an attempt came to, with what the answer said for the history."""

    outcome: Outcome
    status: int | None = None
    excerpt: str | None = None


class Flaw(str):
    """What is wrong with a sink's settings, for its operator; `key` says at which of them.

    `item` is the name of the entry, where the setting is a map.
    """

    __slots__ = ("item", "key")
    key: str
    item: str | None

    def __new__(cls, key: str, message: str, item: str | None = None) -> Self:
        """A message that knows its place."""
        flaw = super().__new__(cls, message)
        flaw.key = key
        flaw.item = item
        return flaw


class Sink(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, dict=True):
    """Settings of every sink.

    `concurrency` attempts at once; `rate` a token bucket; `timeout` for a whole attempt; `max_age` counts
    from receipt, requeue or replay; `template` is the text; `allow_networks` are networks that a host name
    may lead to; `ca` is a PEM file of further authorities.
    """

    name: str = ""
    concurrency: int = 16
    rate: Rate | None = None
    timeout: Duration = Duration(15)
    retry: RetryPolicy = RetryPolicy()
    max_age: Duration | None = None
    template: Template | None = None
    allow_networks: tuple[Network, ...] = ()
    ca: str | None = None

    @property
    def supersedes(self) -> bool:
        """Whether a delivery is dropped, from its second attempt on, for a newer event of its build."""
        return False

    @property
    def destination(self) -> Url | Secret | None:
        """Where it connects, for the transport; None for a sink that does not speak HTTP."""
        return None

    @staticmethod
    def escape(text: str) -> str:
        """What strangers wrote, made inert for this sink's texts."""
        return text

    def problems(self) -> list[Flaw]:
        """What is wrong with the settings beyond their types. No I/O; unresolved secrets are passed over."""
        flaws = []
        if self.template is not None:
            try:
                trial(self.template, self.escape)
            except ValueError as error:
                flaws.append(Flaw("template", str(error)))
        if self.destination is not None and self.destination.resolved:
            try:
                check_url(self.destination.reveal())
            except ValueError as error:
                flaws.append(
                    Flaw("url", f"{self.destination.reference} holds no URL that can be used: {error}")
                )
        return flaws

    def request(
        self, event: Event, delivery: Delivery, now: float, message: Template | None = None
    ) -> Request:
        """The request that carries this event. Pure. `message`, the rule's text, overrides the sink's.

        Raises:
            Unrenderable: neither the operator's template nor the built-in text could be rendered.
        """
        raise NotImplementedError

    def preview(self, event: Event, delivery: Delivery, now: float, message: Template | None = None) -> str:
        """What would be sent, for people. No secret is needed for it, or in it. Raises as `request`."""
        raise NotImplementedError

    def judge(self, reply: Reply, now: float) -> Outcome:
        """What an answer means: whose fault a failure is decides (`judge_status`). Pure."""
        return judge_status(reply, now)

    async def send(
        self,
        event: Event,
        delivery: Delivery,
        transport: Transport,
        now: float,
        message: Template | None = None,
    ) -> Result:
        """One try. A sink that does not speak HTTP overrides this."""
        reply = self._redacted(await transport.send(self.request(event, delivery, now, message)))
        return Result(self.judge(reply, now), reply.status, excerpt(reply.body))

    def _redacted(self, reply: Reply) -> Reply:
        """The answer without our secrets: a service may echo what it was sent."""
        body = reply.body
        if body:
            for echo in self._telltale:
                body = body.replace(echo, _ELLIPSIS)
        return reply if body is reply.body else Reply(reply.status, reply.headers, body)

    @cached_property
    def _telltale(self) -> tuple[bytes, ...]:
        """Every form in which a service may echo one of our secrets, worked out once: it takes its time."""
        echoes = (echo for value in _revealed(self) for echo in _echoes(value))
        forms = (form for echo in echoes for form in (echo, *_escapes_in_either_case(echo)))
        return tuple(dict.fromkeys(form.encode("utf-8", "surrogateescape") for form in forms))


def judge_status(reply: Reply, now: float) -> Outcome:
    """The default meaning of an answer.

    2xx delivered; 401, 403, 404, 410 are the sink's fault; 429 or any other failure with `Retry-After` holds
    the sink, and so does a 403 with one: who names a time has not refused for good; 400, 413, 422 are the
    delivery's fault; the rest, redirects included, is retried.
    """
    status = reply.status
    if 200 <= status < 300:
        return Delivered()
    reason = f"answered {status}" + (_REDIRECTED if status in _REDIRECTS else "")
    seconds = retry_after(reply.headers, now)
    if status in (401, 404, 410) or (status == 403 and seconds is None):
        return Pause(reason)
    if status == 429 or seconds is not None:
        return Hold(DEFAULT_HOLD if seconds is None else seconds, reason)
    if status in (400, 413, 422):
        return Dead(reason)
    return Retry(reason)


_REDIRECTS = (301, 302, 303, 307, 308)
_REDIRECTED = ", a redirect, and none is followed; set url to where it leads"
_ELLIPSIS = "…".encode()
_ESCAPE = re.compile(r"%[0-9A-Fa-f]{2}")
# Characters from which on a decoded part of a secret is one.
_TELLING = 8
DEFAULT_HOLD = 30.0
SHORTEST_HOLD = 1.0
LONGEST_HOLD = 86_400.0


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds asked for by `Retry-After` (RFC 9110, 10.2.3: seconds or a date), from 1 s to a day.

    None if there is no such header, or none that can be read.
    """
    text = next((value for name, value in headers.items() if name.lower() == "retry-after"), "").strip()
    if re.fullmatch(r"[0-9]{1,99}", text):
        seconds = float(text)
    else:
        try:
            date = parsedate_to_datetime(text)
            seconds = (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - now
        except (ValueError, TypeError, IndexError, OverflowError):
            return None
    return min(max(seconds, SHORTEST_HOLD), LONGEST_HOLD)


def excerpt(body: bytes, limit: int = 500) -> str | None:
    """The beginning of an answer for the history: one line of printable text; None if there was nothing."""
    if not body:
        return None
    # A character takes up to four bytes, and white space collapses: more is looked at than will be kept.
    text = " ".join(body[: 8 * limit].decode("utf-8", "replace").split())
    line = visible(text[: limit + 1])
    return (line if len(line) <= limit else f"{line[: limit - 1]}…") or None


def fingerprint(sink: Sink) -> str:
    """A digest of all settings, secrets' values included: equal means "nothing changed"."""
    return hashlib.sha256(json.dumps(spelled(sink, revealing=True), default=str).encode()).hexdigest()


def spelled(value: object, *, revealing: bool) -> object:
    """A setting in the types of JSON; what JSON lacks is left to `str`. `revealing`: with secrets' values."""
    match value:
        case Secret():
            told = value.reveal() if revealing and value.resolved else None
            return [type(value).__name__, value.reference, told]
        case Template():
            return value.text
        case msgspec.Struct():
            fields = [getattr(value, key) for key in value.__struct_fields__]
            return [type(value).__name__, *(spelled(each, revealing=revealing) for each in fields)]
        case dict():
            return [[key, spelled(value[key], revealing=revealing)] for key in sorted(value)]
        case tuple():
            return [spelled(each, revealing=revealing) for each in value]
        case _:
            return value


def _echoes(value: str) -> Iterator[str]:
    """How a service may say a secret back: whole or in parts, escaped or not, or as the header it became.

    A part counts if it is long enough to be the token in a header or a URL.
    """
    user = urlsplit(value) if "://" in value else None
    if user is not None and user.password is not None:
        pair = f"{unquote(user.username or '')}:{unquote(user.password)}"
        yield base64.b64encode(pair.encode("utf-8", "surrogateescape")).decode()
        yield from (pair, user.netloc.rpartition("@")[0])
    for part in (value, *(part for part in re.split(r"[\s/?&=:@]+", value) if len(part) >= 16)):
        decoded = unquote(part, errors="surrogateescape")
        # What decodes to a word or two may stand in any answer.
        for said in (part, decoded) if len(decoded) >= _TELLING else (part,):
            yield said
            yield quote(said, safe="", errors="surrogateescape")
            yield said.replace("/", r"\/")


def _escapes_in_either_case(text: str) -> tuple[str, str]:
    """Percent escapes as `%2f` and as `%2F`: services write either (RFC 3986, 2.1)."""
    return (
        _ESCAPE.sub(lambda escape: escape[0].lower(), text),
        _ESCAPE.sub(lambda escape: escape[0].upper(), text),
    )


def _revealed(value: object) -> Iterator[str]:
    """The values of all resolved secrets in the settings; a URL in plain sight is none."""
    match value:
        case Secret():
            if value.resolved and value.reveal() != value.reference:
                yield value.reveal()
        case msgspec.Struct():
            for key in value.__struct_fields__:
                yield from _revealed(getattr(value, key))
        case dict():
            for each in value.values():
                yield from _revealed(each)
        case tuple():
            for each in value:
                yield from _revealed(each)
