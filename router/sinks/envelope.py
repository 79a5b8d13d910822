"""Envelope: an Event as programs read it: one JSON object, the same at every sink that writes one.

Owns its shape, which others script against. Must not know where it goes.
"""

from operator import attrgetter

import msgspec

from router.delivery import Delivery
from router.errors import Unrenderable
from router.event import FIELDS, Event
from router.sinks.message import message_of, rendered
from router.template.template import Template, rfc3339


def envelope(event: Event, delivery: Delivery, template: Template | None) -> bytes:
    """`{"id": …, "type": …, "timestamp": …, "data": {…}}` in UTF-8.

    `id` is the delivery's, `timestamp` is when the event was received. `data` has every field of the event,
    null where absent, its `id`, the `rule`, and as `payload` the provider's JSON byte for byte. `message` is
    the operator's text; the built-in sentence if that fails; null if there is none.
    """
    facts = _Facts(
        *_fields_of(event),
        id=event.id,
        labels=event.labels,
        rule=delivery.rule,
        message=None if template is None else said(event, delivery, template),
        payload=msgspec.Raw(event.payload),
    )
    whole = {"id": delivery.id, "type": event.type, "timestamp": rfc3339(event.received_at), "data": facts}
    return _encode(whole)


_fields_of = attrgetter(*FIELDS)
_Facts = msgspec.defstruct("_Facts", [*FIELDS, "id", "labels", "rule", "message", "payload"])
_encode = msgspec.json.Encoder().encode


def said(event: Event, delivery: Delivery, template: Template | None) -> str:
    """The operator's text, or the built-in sentence where there is none or it fails."""
    if template is not None:
        try:
            return rendered(template, event, delivery)
        except Unrenderable:
            pass
    return message_of(event).text


def line_of(event: Event, delivery: Delivery, template: Template | None) -> bytes:
    """The envelope on one line, ended.

    In valid JSON a line break can only stand between tokens: taking all of them out changes nothing else.
    """
    return envelope(event, delivery, template).translate(None, b"\r\n") + b"\n"
