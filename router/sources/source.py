"""Source: what every provider's source has in common: its settings and its two pure methods.

A source *is* its YAML section: one frozen struct, fields are keys, methods are behaviour. Must not know how a
request arrived or where an event is kept.
"""

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
    `token` may guard the URL. `dedupe` None means the provider's default. `rate` counts verified requests only.
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

    provider: ClassVar[str] = ""
    # Seconds within which the same body for the same subject is a resend; None: as long as events are kept.
    default_dedupe: ClassVar[float | None] = 300.0
    # Whether `Event.subject` is the provider's own delivery id, so that another body under it is worth a flag.
    subject_is_id: ClassVar[bool] = False

    @property
    def window(self) -> float | None:
        """Seconds within which a resend is a duplicate; None: as long as events are kept; 0: never."""
        return self.default_dedupe if self.dedupe is None else self.dedupe

    def verify(self, headers: Mapping[str, str], body: bytes, now: float) -> None:
        """Raise `BadSignature` unless one of the secrets signed these bytes. Does nothing if `unsigned`.

        `headers` is case-insensitive; `now` is host time in seconds. Total: garbage is `BadSignature`, nothing else.
        """
        raise NotImplementedError

    def sign(self, body: bytes, now: float) -> dict[str, str]:
        """The headers this provider would send with the body: empty if `unsigned`."""
        raise NotImplementedError

    def decode(self, body: bytes, now: float) -> Event:
        """The event in a body: id not yet given, `received_at` = now, defaults and labels filled in.

        Raises:
            Undecodable: not a JSON object. Any JSON object decodes: what is missing or of a wrong type is None.
        """
        raise NotImplementedError

    def document(self, body: bytes) -> dict[str, Any]:
        """The body as a JSON object, or `Undecodable`."""
        try:
            return decode_object(body)
        except ValueError as error:
            raise Undecodable(str(error)) from None
