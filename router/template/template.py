"""Template: operator text with `{{ fields }}`, checked when the configuration loads.

Owns what a template sees of an event. The language itself is `jinja.py`'s. What strangers wrote is a value,
never a template, and the sink's own `escape` makes it inert. What is left to the operator's good sense: a
template may build a large value before it prints it.
"""

import functools
import math
import time
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Self

from router.errors import Unrenderable
from router.event import FIELDS, Event
from router.template import jinja
from router.template.jinja import Escape

# `labels` and `payload` are maps: their keys are the sender's, and a missing one prints nothing. `message` is
# the text that the sink would have written by itself.
MAPS = ("labels", "payload")
VARIABLES = (*FIELDS, "id", "received_at", "type", "rule", "sink", *MAPS, "message")
TEXT_LIMIT = 64 * 1024
_LONGEST = 16 * 1024


class Template:
    """Operator text with `{{ fields }}`; compiled and checked by `parse`."""

    __slots__ = ("text",)
    schema: ClassVar[dict[str, Any]] = {
        "type": "string",
        "description": "text with {{ fields }} of the event, for example {{ project }} on {{ branch }}",
    }

    def __init__(self, text: str) -> None:
        self.text = text

    @classmethod
    def parse(cls, text: str) -> Self:
        """Check a template; `Reasons` names all unknown words, `ValueError` the mistake in its syntax."""
        if len(text) > _LONGEST:
            raise ValueError(f"the template has {len(text)} characters; at most {_LONGEST} are allowed")
        jinja.check(text, VARIABLES)
        return cls(text)

    def render(
        self, variables: Mapping[str, object], escape: Escape | None = None, limit: int = TEXT_LIMIT
    ) -> str:
        """The text for one event, of at most `limit` characters.

        Raises:
            Unrenderable: fuel or output bound exceeded, or an operation the values do not allow; the message
                holds nothing of the event.
        """
        try:
            return jinja.render(self.text, variables, escape, limit)
        except jinja.Failure as error:
            raise Unrenderable(f"the template failed at line {error.line}: {error.kind}") from None
        except jinja.FAULTS as error:
            raise Unrenderable(f"the template failed: {type(error).__name__}") from None

    def __repr__(self) -> str:
        return f"Template({self.text!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Template) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)


def variables_of(event: Event, rule: str, sink: str, message: str = "") -> dict[str, object]:
    """What a template sees: VARIABLES but for absent fields. `payload` is decoded when it is first looked at.

    `received_at` is RFC 3339 text; `message` the text that the sink would have written by itself.
    """
    values = {name: value for name in FIELDS if (value := getattr(event, name)) is not None}
    return values | {
        "id": event.id,
        "received_at": rfc3339(event.received_at),
        "type": event.type,
        "rule": rule,
        "sink": sink,
        "message": message,
        "labels": jinja.View(lambda: event.labels),
        "payload": jinja.View(lambda: event.document),
    }


def rfc3339(seconds: float) -> str:
    """A time as `2026-05-04T03:02:01.000Z`: rounded to microseconds, then cut to milliseconds."""
    fraction, whole = math.modf(seconds)
    second, rest = divmod((int(whole) * 1_000_000 + round(fraction * 1e6)) // 1000, 1000)
    return f"{_second(second)}.{rest:03}Z"


@functools.lru_cache(maxsize=16)
def _second(second: int) -> str:
    """The text of a second, which many events have in common: made once."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))


def trial(
    template: Template, escape: Escape | None = None, check: Callable[[str], object] | None = None
) -> None:
    """Render the template for a sample event of every kind: an error shows at load, not at the first event.

    `check` may refuse a result by a `ValueError`. A template that reads `payload` is forgiven what may only
    be the samples' fault: theirs are empty.

    Raises:
        ValueError: it fails for one of them; the message says for which, and why.
    """
    for event in SAMPLES:
        failed = f"the template fails for an event of type '{event.type}'"
        try:
            made = jinja.render(
                template.text, variables_of(event, "a rule", "a sink", "a message"), escape, TEXT_LIMIT
            )
        except jinja.Failure as error:
            if "payload" not in template.text:
                reason = error.detail or error.kind
                if event is not SAMPLES[0] and reason == "value is not a string":
                    reason += "; a field may be absent, write (branch or '')"
                elif "undefined" in reason:
                    reason += "; a field may be absent, write (changes or 0)"
                raise ValueError(f"{failed} at line {error.line}: {reason}") from None
            continue
        except (Unrenderable, *jinja.FAULTS) as error:
            raise ValueError(f"{failed}: {error}") from None
        if check is not None:
            try:
                check(made)
            except ValueError as error:
                raise ValueError(f"{failed}: {error}") from None


def _sample(kind: str, status: str | None, **fields: str | int) -> Event:
    """An event with the fields that the decoders find in one of that kind."""
    return Event(
        id="evt_00000000000000",
        source="a-source",
        provider="chromatic",
        event=kind,
        kind=kind,
        status=status,
        received_at=1_767_225_600.0,
        payload=b"{}",
        **fields,  # type: ignore[arg-type]  # each is given with its own type, below
    )


_PLACE = {"project": "web-app", "url": "https://www.chromatic.com/build?appId=0&number=1248"}
_WORK = {"branch": "main", "commit": "3f2a9c1d" * 5, "author": "Ada Lovelace"}

# The first has every field; the last has none that may be absent.
SAMPLES = (
    _sample(
        "build", "pending", provider_status="PENDING", build="1248", changes=14, title="Calmer buttons",
        pull_request=88, **_PLACE, **_WORK,
    ),
    _sample("build", "running", provider_status="PUBLISHED", build="1248", **_PLACE, **_WORK),
    _sample("review", None, provider_status="MERGED", title="Calmer buttons", pull_request=88, **_PLACE),
    _sample("review-decision", "accepted", provider_status="APPROVED", pull_request=88, **_PLACE),
    _sample("comparison", "pending", provider_status="failure", build="0c1d2e3f", changes=14, **_PLACE),
    _sample("flake", None, provider_status="reported", changes=1, title="Button is flaky", **_PLACE),
    _sample("ping", None),
    _sample("unknown", "unknown"),
)  # fmt: skip
