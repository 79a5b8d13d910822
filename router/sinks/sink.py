"""Sink: what every destination has in common: its settings, its two pure methods, and the answer's default meaning.

A sink *is* its YAML section: one frozen struct, fields are keys, methods are behaviour. Must not do I/O by itself:
HTTP goes through the `Transport` it is handed.
"""

import hashlib
from collections.abc import Mapping
from typing import ClassVar, Protocol

import msgspec

from router.delivery import Delivered, Delivery, Dead, Hold, Outcome, Pause, Retry
from router.event import Event
from router.retry import RetryPolicy
from router.secret import Secret, Url
from router.template import Template
from router.units import Duration, Network, Rate


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
        """Send and read the answer; raises `Unreachable` or `Refused`."""
        ...


class Result(msgspec.Struct, frozen=True):
    """What an attempt came to, with what the answer said for the history."""

    outcome: Outcome
    status: int | None = None
    excerpt: str | None = None


class Sink(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of every sink.

    `concurrency` attempts at once; `rate` a token bucket; `timeout` for a whole attempt; `max_age` counts from
    receipt; `allow_networks` are networks a host name may lead to; `ca` is a PEM file of further authorities.
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

    # Whether a delivery is dropped, from its second attempt on, once a newer event of the same build arrived.
    supersedes: ClassVar[bool] = False

    @property
    def destination(self) -> Url | Secret | None:
        """Where it connects, for the transport; None for a sink that does not speak HTTP."""
        return None

    def request(
        self, event: Event, delivery: Delivery, now: float, message: Template | None = None
    ) -> Request:
        """The request that carries this event. Pure. `message` is the rule's text, which overrides the sink's.

        Raises:
            Unrenderable: neither the operator's template nor the built-in text could be rendered.
        """
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
        reply = await transport.send(self.request(event, delivery, now, message))
        return Result(self.judge(reply, now), reply.status, excerpt(reply.body))


def judge_status(reply: Reply, now: float) -> Outcome:
    """The default meaning of an answer.

    2xx delivered; 429 or any failure with `Retry-After` holds the sink; 401, 403, 404, 410 are the sink's fault;
    400, 413, 422 the delivery's; the rest, redirects included, is retried.
    """
    status = reply.status
    if 200 <= status < 300:
        return Delivered()
    reason = f"answered {status}"
    if status in (401, 403, 404, 410):
        return Pause(reason)
    seconds = retry_after(reply.headers, now)
    if status == 429 or seconds is not None:
        return Hold(DEFAULT_HOLD if seconds is None else seconds, reason)
    if status in (400, 413, 422):
        return Dead(reason)
    return Retry(reason)


DEFAULT_HOLD = 30.0
LONGEST_HOLD = 86_400.0


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds asked for by `Retry-After` (RFC 9110, 10.2.3: seconds or a date), within 1 s and a day; junk is None."""
    raise NotImplementedError


def excerpt(body: bytes, limit: int = 500) -> str | None:
    """The beginning of an answer for the history: one line of printable text, or None if there was nothing."""
    raise NotImplementedError


def fingerprint(sink: Sink) -> str:
    """A digest of all settings, secrets' values included: equal means "nothing changed"."""
    raise NotImplementedError
