"""Fields: which names a condition may use, and how to read them from an event.

Owns the dotted paths. Must not know patterns.
"""

import re
from collections.abc import Callable, Sequence
from operator import attrgetter

from router.event import FIELDS, Event
from router.spelling import closest

# What an event has under one name: a value (None: absent), or Several of them where the path has a `*`.
Read = Callable[[Event], object]


class Several(tuple[object, ...]):
    """Two values or more under one name, of which any may be meant. A list of the sender's is one value."""

    __slots__ = ()


_LABELS = "labels."
_PAYLOAD = "payload."
_BRACKETS = re.compile(r"\.?\[(['\"]?)([^\[\].]*)\1\]")


def check_field(field: str) -> None:
    """Raise `ValueError` unless a condition may use this name; the message names the fix."""
    if field in FIELDS:
        return
    head, _, rest = field.partition(".")
    if head == "labels":
        if not rest:
            raise ValueError(f"'{field}' needs a label's name; write labels.<name>")
    elif head == "payload":
        if not rest:
            raise ValueError(f"'{field}' needs a path; write payload.<path>")
        if "" in rest.split("."):
            raise ValueError(f"'{field}' has an empty step; write names with one dot between them")
    else:
        raise ValueError(f"'{field}' is not a field; {_nearest(head.lower(), rest)}")


def _nearest(head: str, rest: str) -> str:
    """What was probably meant, or what there is."""
    dotted = {"labels": f"labels.{rest or '<name>'}", "payload": f"payload.{rest or '<path>'}"}
    found = closest(head, dotted if rest else (*FIELDS, *dotted))
    if found is None:
        return f"write one of {', '.join(FIELDS)}, labels.<name>, payload.<path>"
    return f"did you mean '{dotted.get(found, found)}'?"


def is_payload(field: str) -> bool:
    """Whether reading it decodes the payload."""
    return field.startswith(_PAYLOAD)


def dotted(field: str) -> str | None:
    """A path as it is written here, if it is one with brackets: `payload.a[0]` is `payload.a.0`; or None."""
    meant = _BRACKETS.sub(lambda step: f".{step[2] or '*'}", field)
    return meant if meant != field and is_payload(field) else None


def reader(field: str) -> Read:
    """How to read a field. `ValueError` as from `check_field`."""
    check_field(field)
    if field.startswith(_LABELS):
        name = field.removeprefix(_LABELS)
        return lambda event: event.labels.get(name)
    if is_payload(field):
        steps = [_Step(step) for step in field.removeprefix(_PAYLOAD).split(".")]
        return lambda event: _walk(event.document, steps)
    return attrgetter(field)


class _Step:
    """One name in a path: a key of an object, and of a list, where it is digits, an index."""

    __slots__ = ("index", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        # No list is longer than nine digits can say, and Python refuses to read numbers of thousands of them.
        self.index = int(name) if name.isascii() and name.isdigit() and len(name) < 10 else None

    def within(self, place: object) -> object:
        """The member of that name or number; None if there is none."""
        if isinstance(place, dict):
            return place.get(self.name)
        if isinstance(place, list) and self.index is not None and self.index < len(place):
            return place[self.index]
        return None


def _walk(document: object, steps: Sequence[_Step]) -> object:
    """What a path leads to. `*` is any element of a list or an object; None where the path breaks off."""
    places: list[object] = [document]
    for step in steps:
        if step.name == "*":
            places = [element for place in places for element in _elements(place)]
        else:
            places = [step.within(place) for place in places]
    if len(places) > 1:
        return Several(places)
    return places[0] if places else None


def _elements(place: object) -> Sequence[object]:
    """Everything directly inside."""
    if isinstance(place, dict):
        return list(place.values())
    return place if isinstance(place, list) else ()
