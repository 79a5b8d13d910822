"""Template: operator text with `{{ fields }}`, checked when the configuration loads.

The only module that knows minijinja. A template sees an event's fields, never Python; loops end by fuel, output by a
bound; what strangers wrote is escaped by the sink's own `escape` at the last step.
"""

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from functools import lru_cache
from typing import Any, ClassVar, Self

import minijinja

from router.errors import Unrenderable
from router.event import FIELDS, Event

Escape = Callable[[str], str]

# `labels` and `payload` are maps: their keys are the sender's, so any may be named and a missing one prints nothing.
VARIABLES = (*FIELDS, "id", "received_at", "type", "rule", "sink", "labels", "payload")
_FUEL = 100_000
_LIMIT = 64 * 1024


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
        """Compile a template; `ValueError` names the first unknown field or the syntax error with its line."""
        try:
            names = _environment(None).undeclared_variables_in_str(text)
        except minijinja.TemplateError as error:
            raise ValueError(f"the template does not parse: {error.detail}, line {error.line}") from None
        for name in sorted(names):
            if name not in VARIABLES:
                near = get_close_matches(name, VARIABLES, 1)
                hint = f"did you mean '{near[0]}'?" if near else f"fields are {', '.join(VARIABLES)}"
                raise ValueError(f"the template names an unknown field '{name}'; {hint}")
        return cls(text)

    def render(self, variables: Mapping[str, Any], escape: Escape | None = None) -> str:
        """The text for one event.

        Raises:
            Unrenderable: fuel or output bound exceeded, or an operation the values do not allow; the message holds
                nothing of the event.
        """
        try:
            text: str = _environment(escape).render_str(self.text, **variables)
        except minijinja.TemplateError as error:
            raise Unrenderable(f"the template failed at line {error.line}: {error.kind}") from None
        if len(text) > _LIMIT:
            raise Unrenderable(f"the template made {len(text)} characters, the limit is {_LIMIT}")
        return text

    def __repr__(self) -> str:
        return f"Template({self.text!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Template) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)


def variables_of(event: Event, rule: str, sink: str) -> dict[str, Any]:
    """What a template sees: VARIABLES, with absent fields None and `payload` the provider's JSON."""
    values: dict[str, Any] = {name: getattr(event, name) for name in FIELDS}
    values.update(
        id=event.id, received_at=event.received_at, type=event.type, rule=rule, sink=sink,
        labels=event.labels, payload=event.document,
    )  # fmt: skip
    return values


@lru_cache(maxsize=16)
def _environment(escape: Escape | None) -> minijinja.Environment:
    """One environment per way of escaping; absent values print nothing."""

    def finalize(value: object) -> object:
        if value is None:
            return ""
        if escape is not None and isinstance(value, str) and not isinstance(value, minijinja.Markup):
            return escape(value)
        return value

    return minijinja.Environment(
        finalizer=finalize, undefined_behavior="chainable", fuel=_FUEL, auto_escape_callback=lambda _: False
    )
