"""Source: what every provider's source has in common: its settings and its two pure methods.

A source *is* its YAML section: one frozen struct, fields are keys, methods are behaviour. Must not know how a
request arrived or where an event is kept.
"""

import hashlib
from collections.abc import Mapping
from typing import Any, ClassVar

import msgspec

from router.errors import Undecodable
from router.event import Event, decode_object
from router.secret import Secret
from router.units import Duration, Network, Rate, Size


class Defaults(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Values for fields that a provider left out: `branch`, `project`, `author`."""

    branch: str | None = None
    project: str | None = None
    author: str | None = None


class Source(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of every source.

    `secret` signs: one or, while rotating, several. Without one `unsigned: true` must be written, and then a
    `token` may guard the URL. `dedupe` None means the provider's default. `rate` counts what is verified.
    `quarantine` bounds the bodies of refused requests that are kept; 0: none is.
    """

    name: str = ""
    secret: tuple[Secret, ...] = ()
    unsigned: bool = False
    token: Secret | None = None
    allow_from: tuple[Network, ...] = ()
    dedupe: Duration | None = None
    max_body: Size = Size(1 << 20)
    rate: Rate | None = None
    defaults: Defaults = Defaults()
    labels: dict[str, str] = {}
    quarantine: Size = Size(32 << 20)

    provider: ClassVar[str] = ""
    # The names of its events that the provider documents; it may send others at any time.
    events: ClassVar[tuple[str, ...]] = ()
    # Fields that it never gives, of those that a rule may ask for.
    absent: ClassVar[tuple[str, ...]] = ()
    # What the provider signs with: kept of a refused request, so that it can be verified again.
    signature_headers: ClassVar[tuple[str, ...]] = ()
    # Seconds within which the same body for the same subject is a resend; None: as long as events are kept.
    default_dedupe: ClassVar[float | None] = 300.0
    # Whether `Event.subject` is the provider's own delivery id: another body under it is worth a flag.
    subject_is_id: ClassVar[bool] = False

    @property
    def window(self) -> float | None:
        """Seconds within which a resend is a duplicate; None: as long as events are kept; 0: never."""
        return self.default_dedupe if self.dedupe is None else self.dedupe

    def verify(self, headers: Mapping[str, str], body: bytes, now: float) -> None:
        """Raise `BadSignature` unless one of the secrets signed these bytes. Does nothing if `unsigned`.

        `headers` is case-insensitive; `now` is host time in seconds. Total: garbage is `BadSignature`,
        nothing else.
        """
        raise NotImplementedError

    def sign(self, body: bytes, now: float) -> dict[str, str]:
        """The headers this provider would send with the body: empty if `unsigned`."""
        raise NotImplementedError

    def decode(self, body: bytes, now: float) -> Event:
        """The event in a body: id not yet given, `received_at` = now, defaults and labels filled in.

        Raises:
            Undecodable: not a JSON object. Any JSON object decodes: a missing or mistyped field is None.
        """
        raise NotImplementedError

    def document(self, body: bytes) -> dict[str, Any]:
        """The body as a JSON object, or `Undecodable`."""
        try:
            return decode_object(body)
        except ValueError as error:
            raise Undecodable(str(error)) from None

    @staticmethod
    def renumber(document: dict[str, Any], number: int) -> None:
        """Give a sample fresh ids, made from a number, so that it is no resend; its URLs follow; in place."""
        raise NotImplementedError

    def complete(self, event: Event) -> Event:
        """The event with what every source adds: labels, defaults for absent fields, and its subject."""
        return msgspec.structs.replace(
            event,
            branch=event.branch or self.defaults.branch,
            project=event.project or self.defaults.project,
            author=event.author or self.defaults.author,
            labels=dict(self.labels),
            subject=event.subject or subject_of(event),
        )


_LONGEST_SUBJECT = 250  # characters: it is part of a key in the journal


def subject_of(event: Event) -> str:
    """What a resend repeats where there is no delivery id: kind, project, and build or pull request.

    The project belongs to it because builds are counted per project. Where there is no number, the body
    itself, so that equal bodies are duplicates whatever came between.
    """
    number = event.build if event.build is not None else event.pull_request
    if number is None:
        return body_subject(event.kind, event.payload)
    return short(f"{event.kind}\n{event.project or ''}\n{number}")


def body_subject(kind: str, body: bytes) -> str:
    """The subject of what has no number and no id: kind and digest of the body."""
    return f"{kind}\n{hashlib.sha256(body).hexdigest()}"


def short(subject: str) -> str:
    """The subject, or its digest if it is too long for a key."""
    return subject if len(subject) <= _LONGEST_SUBJECT else hashlib.sha256(subject.encode()).hexdigest()
