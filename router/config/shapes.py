"""Shapes: the JSON Schema of a struct, a type, a condition.

Mirrors `reader.py`: what it takes for a type is what the shape of that type admits. Scalars that stay text
are numbers and booleans to an editor, so those are admitted with them.
"""

import inspect
from collections.abc import Collection, Iterable, Mapping
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

import msgspec

from router.config import about
from router.config.reader import default_of, fields_of
from router.event import FIELDS, KINDS, STATUSES

Shape = dict[str, object]

_SCALARS = ["string", "number", "boolean"]


def struct_shape(
    kind: type[msgspec.Struct], extra: Mapping[str, Shape] | None = None, hidden: Collection[str] = ()
) -> Shape:
    """The map that becomes a struct. `extra` shapes come first; `hidden` fields are not in the file."""
    extra = extra or {}
    own = {
        key: field for key, field in fields_of(kind).items() if field.name not in hidden and key not in extra
    }
    properties = {
        key: value_shape(field.type, default_of(field)) | _about(kind, key) for key, field in own.items()
    }
    required = [key for key, shape in extra.items() if "const" in shape]
    return {
        "type": "object",
        "description": inspect.getdoc(kind) or "",
        "required": required + [key for key, field in own.items() if field.required],
        "additionalProperties": False,
        "properties": {**{key: shape | _about(kind, key) for key, shape in extra.items()}, **properties},
    }


def value_shape(wanted: Any, default: object = msgspec.NODEFAULT) -> Shape:
    """What a field of that type and with that default admits."""
    origin = get_origin(wanted)
    if origin in (UnionType, Union):
        members = [value_shape(each) for each in get_args(wanted) if each is not NoneType]
        if NoneType in get_args(wanted) and default is not None:
            members.append({"type": "null"})
        return members[0] if len(members) == 1 else {"anyOf": members}
    if origin in (tuple, list):
        item = value_shape(get_args(wanted)[0])
        least = 1 if default in ((), []) else 0
        return {"anyOf": [item, {"type": "array", "minItems": least, "items": item}]}
    if origin is dict:
        return {"type": "object", "additionalProperties": value_shape(get_args(wanted)[1])}
    if origin is Literal:
        return {"enum": list(get_args(wanted))}
    if hasattr(wanted, "parse"):
        return dict(wanted.schema)
    if isinstance(wanted, type) and issubclass(wanted, msgspec.Struct):
        return struct_shape(wanted)
    return {"type": {bool: "boolean", int: "integer", float: "number"}.get(wanted, _SCALARS)}


def condition_shape(providers: Iterable[str]) -> Shape:
    """Fields and patterns, as in `when` and `unless`."""
    words = {"provider": list(providers), "kind": KINDS, "status": STATUSES}
    properties = {
        field: _patterns(words.get(field), absent=field not in ("provider", "kind", "source"))
        | {"description": about.FIELDS[field]}
        for field in FIELDS
    }
    anything = _patterns(None, absent=True)
    return {
        "type": "object",
        "description": "fields and patterns; all of them must hold",
        "minProperties": 1,
        "additionalProperties": False,
        "properties": properties,
        "patternProperties": {
            r"^labels\..+": anything | {"description": "a label, from the source or the URL's query"},
            r"^payload\..+": anything
            | {"description": "a value in the provider's JSON; digits index lists, * is any element"},
        },
    }


def _patterns(words: Iterable[str] | None, *, absent: bool) -> Shape:
    """One pattern or several."""
    if words is None:
        one: Shape = {"type": [*_SCALARS, "null"] if absent else _SCALARS}
    else:
        known = list(words)
        one = {"enum": [*known, *(f"!{word}" for word in known), *((None, "!null") if absent else ())]}
    return {"anyOf": [one, {"type": "array", "minItems": 1, "items": one}]}


def _about(kind: type[msgspec.Struct], key: str) -> Shape:
    """The line that describes a key."""
    for each in kind.__mro__:
        if key in about.KEYS.get(each.__name__, ()):
            return {"description": about.KEYS[each.__name__][key]}
    return {}
