"""Events and rules made by hand, as the configuration loader would make them."""

from typing import Any

import msgspec

from router.event import Event
from router.rules.pattern import Patterns, read_item
from router.rules.rule import Condition, Rule

Written = str | None | list[str | None]


class Undecoded(Event, frozen=True, kw_only=True, dict=True):
    """An event whose payload must not be read."""

    @property
    def document(self) -> dict[str, Any]:
        """Fail."""
        raise AssertionError("the payload was decoded")


def event(document: object = None, **fields: Any) -> Event:
    """An event of a Chromatic build; `document` is its payload."""
    given: dict[str, Any] = {
        "source": "web",
        "provider": "chromatic",
        "kind": "build",
        "received_at": 1_700_000_000.0,
    }
    return Event(payload=msgspec.json.encode(document or {}), **(given | fields))


def patterns(field: str, *written: str | None) -> Patterns:
    """The patterns of one field."""
    return Patterns(read_item(field, text) for text in written)


def condition(fields: dict[str, Written]) -> Condition:
    """One map of `when` or `unless`."""
    return Condition(
        fields=tuple(
            (field, patterns(field, *(written if isinstance(written, list) else [written])))
            for field, written in fields.items()
        )
    )


def rule(
    name: str,
    when: dict[str, Written] | list[dict[str, Written]] = [],  # noqa: B006  # read only
    unless: dict[str, Written] | list[dict[str, Written]] = [],  # noqa: B006  # read only
    **rest: Any,
) -> Rule:
    """One rule; `when` and `unless` as in YAML, a map or a list of maps."""
    to = rest.pop("to", ())
    return Rule(
        name=name,
        when=tuple(map(condition, [when] if isinstance(when, dict) else when)),
        unless=tuple(map(condition, [unless] if isinstance(unless, dict) else unless)),
        to=(to,) if isinstance(to, str) else tuple(to),
        **rest,
    )
