"""Reader: located nodes to typed settings, field by field, by the annotations of the struct that they become.

Owns what a value may look like for a type. Knows no section by name: a written form is asked to `parse`, a
struct says its keys. All that is wrong is collected; nothing here raises for it. What could not be read
leaves a `Part`, so that what it has nothing to do with is still checked.
"""

import re
from collections.abc import Callable, Collection
from functools import lru_cache
from types import NoneType, UnionType
from typing import Any, Final, Generic, Literal, TypeVar, Union, get_args, get_origin

import msgspec

from router.config.nodes import Entry, Items, Map, Node, Text
from router.config.problems import Place, Problems, clip
from router.secret import Secret, is_reference
from router.spelling import closest
from router.units import Reasons


class _Broken:
    """What stands for a value that could not be read: its problem is noted already.

    `rest`, if there is any, is what was good of it.
    """

    def __init__(self, rest: object = msgspec.NODEFAULT) -> None:
        self.rest = rest


BROKEN: Final = _Broken()
Resolve = Callable[[Secret], str]
S = TypeVar("S", bound=msgspec.Struct)


class Part(msgspec.Struct, Generic[S], frozen=True):
    """What could be read of a section; keys in `broken` have their default, or what was good of the value."""

    made: S
    broken: frozenset[str] = frozenset()


_WHOLE = re.compile(r"[+-]?[0-9]{1,18}")
_DECIMAL = re.compile(r"[+-]?[0-9]{1,18}(\.[0-9]{1,18})?")
TRUE = ("yes", "on", "1", "y", "t")
_FALSE = ("no", "off", "0", "n", "f")


class Reader:
    """Reads nodes; notes what is wrong. With `resolve` every secret gets its value, without none does."""

    def __init__(self, problems: Problems, resolve: Resolve | None = None) -> None:
        self.problems = problems
        self._resolve = resolve

    def struct(self, kind: type[S], node: Node, what: str) -> S | None:
        """A struct from a map, or None if anything in it is wrong; see `part`."""
        part = self.part(kind, node, what)
        return None if part is None or part.broken else part.made

    def part(
        self,
        kind: type[S],
        node: Node,
        what: str,
        *,
        place: Place | None = None,
        skip: Collection[str] = (),
        given: dict[str, object] | None = None,
    ) -> Part[S] | None:
        """A struct from a map, as far as it can be read; None if nothing of it can.

        `what` it is called in messages; problems of the whole stand at `place`. Keys in `skip` belong to the
        caller; fields in `given` are none of the file's business.
        """
        given = given or {}
        fields = {name: field for name, field in fields_of(kind).items() if name not in given}
        section = self.map(node, what, [*fields, *skip])
        if section is None:
            return None
        place = place or node
        values: dict[str, object] = dict(given)
        before: Entry | None = None
        for key, entry in section.entries.items():
            if key in fields:
                values[fields[key].name] = self._field(fields[key], entry)
            elif key not in skip:
                self._unknown(entry, before, [*fields, *skip])
            before = entry if written(entry) else before
        for key, field in fields.items():
            if field.required and key not in section.entries:
                self.problems.add(place, f"{what} has no '{key}'; add {_wanted(field.type, key)}")
                values[field.name] = BROKEN
        broken = {key for key, value in values.items() if isinstance(value, _Broken)}
        if not broken:
            return Part(kind(**values))
        return _partly(kind, values, broken)

    def _field(self, field: msgspec.structs.FieldInfo, entry: Entry) -> object:
        """The value of one field."""
        node = entry.value
        if (
            isinstance(node, Text)
            and node.absent
            and NoneType in get_args(field.type)
            and field.default is None
        ):
            self.problems.add(node, f"null changes nothing here; leave '{entry.key.text}' out")
            return BROKEN
        if isinstance(node, Items) and not node.items and default_of(field) in ((), []):
            self.problems.add(node, f"this list is empty; write a value, or leave '{entry.key.text}' out")
            return BROKEN
        return self.value(field.type, node, entry.key.text)

    def _unknown(self, entry: Entry, before: Entry | None, known: list[str]) -> None:
        """Note a key that is none."""
        key = entry.key.text
        word, colon, _ = key.partition(":")
        list_ = None if self.problems.full else list_of(entry, before)
        if colon and word in known and not written(entry):
            self.problems.add(entry.key, f"a space is missing after '{word}:'")
        elif list_ is not None and self.problems.guess(key, known) is None:
            self.problems.add(entry.key, f"unknown key '{clip(key)}'; {list_}")
        else:
            self.problems.unknown(entry.key, "unknown key", key, known, plural="keys")

    def map(self, node: Node, what: str, keys: Collection[str] = ()) -> Map | None:
        """A map, or None. `keys` are those it may have, if they are known."""
        if isinstance(node, Map):
            return node
        advice = f"its keys are {', '.join(keys)}" if keys else "write 'name: value' lines below it, indented"
        if isinstance(node, Text) and (node.empty or node.absent):
            self.problems.add(node, f"{what} is empty; {advice}")
        else:
            # What has a colon may be the URL of a destination, which is a secret, or a map that holds one.
            shape = "a list" if isinstance(node, Items) else "a text"
            if isinstance(node, Text) and ":" not in node.text:
                shape = f"'{clip(node.text)}'"
            self.problems.add(node, f"{what} is a map, not {shape}; {advice}")
        return None

    def text(self, node: Node) -> str | None:
        """One text that is not empty, or None."""
        if not isinstance(node, Text):
            shape = "list" if isinstance(node, Items) else "map"
            scheme = f"{next(iter(node.entries), '')}:" if isinstance(node, Map) else ""
            word = "/path" if scheme == "file:" else "NAME"
            fix = f"; write {scheme}{word} in one word" if is_reference(scheme) else ""
            self.problems.add(node, f"one value is expected here, not a {shape}{fix}")
            return None
        if node.empty:
            why, fix = (": '#' begins a comment", "it in quotes") if node.cut else ("", "one")
            self.problems.add(node, f"a value is missing{why}; write {fix}, or leave the key out")
            return None
        if node.absent:
            self.problems.add(node, f"'{node.text}' is no value here; write one, or leave the key out")
            return None
        if not node.text:
            self.problems.add(node, "the text is empty; write one, or leave the key out")
            return None
        return node.text

    def value(self, wanted: Any, node: Node, key: str) -> Any:
        """A value of the wanted type, or BROKEN. `key` is what it stands under."""
        origin = get_origin(wanted)
        if origin in (UnionType, Union):
            return self._one_of(get_args(wanted), node, key)
        if origin is tuple or origin is list:
            return self._many(origin, get_args(wanted)[0], node, key)
        if origin is dict:
            return self._dict(get_args(wanted)[1], node, key)
        if isinstance(wanted, type) and issubclass(wanted, msgspec.Struct) and not hasattr(wanted, "parse"):
            made = self.struct(wanted, node, f"'{key}'")
            return BROKEN if made is None else made
        text = self.text(node)
        if text is None or not isinstance(node, Text):
            return BROKEN
        try:
            return self._scalar(wanted, node, text)
        except Reasons as error:
            for reason in error.reasons:
                self.problems.add(node, reason)
            return BROKEN
        except ValueError as error:
            self.problems.add(node, str(error))
            return BROKEN

    def _scalar(self, wanted: Any, node: Text, text: str) -> object:
        """One text as a value; `ValueError` if it is none."""
        if hasattr(wanted, "parse"):
            made = wanted.parse(text)
            return self._with_value(made, node) if isinstance(made, Secret) else made
        if get_origin(wanted) is Literal:
            return _word(text, get_args(wanted))
        if wanted is bool:
            return _truth(node)
        if wanted is int:
            return int(_number(text, _WHOLE, "a whole number; write digits, such as 16"))
        if wanted is float:
            return float(_number(text, _DECIMAL, "a number; write digits, such as 2 or 0.5"))
        if wanted is str:
            return text
        raise TypeError(f"no way to read {wanted}")

    def _with_value(self, secret: Secret, node: Text) -> object:
        """A secret with what is behind it, where that is wanted."""
        if self._resolve is None or secret.resolved:
            return secret
        try:
            return secret.resolve(self._resolve(secret))
        except ValueError as error:
            self.problems.add(node, str(error))
            return _Broken(secret)

    def _one_of(self, members: tuple[Any, ...], node: Node, key: str) -> object:
        """A value of a union: null, a secret where it looks like one, or the one other member."""
        if NoneType in members and isinstance(node, Text) and node.absent:
            return None
        rest = [member for member in members if member is not NoneType]
        secrets = [member for member in rest if isinstance(member, type) and issubclass(member, Secret)]
        others = [member for member in rest if member not in secrets]
        if secrets and (not others or (isinstance(node, Text) and is_reference(node.text))):
            return self.value(secrets[0], node, key)
        return self.value(others[0], node, key)

    def _many(self, container: type, wanted: Any, node: Node, key: str) -> object:
        """A list of values, or one that stands for a list of one."""
        nodes = node.items if isinstance(node, Items) else [node]
        values = [self.value(wanted, each, key) for each in nodes]
        made = container(rest for rest in map(_rest, values) if rest is not msgspec.NODEFAULT)
        return _Broken(made) if any(isinstance(value, _Broken) for value in values) else made

    def _dict(self, wanted: Any, node: Node, key: str) -> object:
        """A map of values under names of the operator's own."""
        section = self.map(node, f"'{key}'")
        if section is None:
            return BROKEN
        values = {name: self.value(wanted, entry.value, name) for name, entry in section.entries.items()}
        made = {name: _rest(value) for name, value in values.items()}
        made = {name: value for name, value in made.items() if value is not msgspec.NODEFAULT}
        return _Broken(made) if any(isinstance(value, _Broken) for value in values.values()) else made


def written(entry: Entry) -> bool:
    """Whether a key has a value."""
    return not (isinstance(entry.value, Text) and entry.value.empty)


def list_of(entry: Entry, before: Entry | None) -> str | None:
    """What to write if a key without a value was meant for the list of the key before it: `{a: 1s, 2s}`."""
    if before is None or written(entry) or entry.key.line != before.value.line:
        return None
    return f"a list stands in brackets: {clip(before.key.text)}: […, {clip(entry.key.text)}]"


def _rest(value: object) -> object:
    """What is good of a value: all of it, some, or `msgspec.NODEFAULT`."""
    return value.rest if isinstance(value, _Broken) else value


def _partly(kind: type[S], values: dict[str, object], broken: set[str]) -> Part[S] | None:
    """A struct with defaults for what could not be read; None if there is nothing to stand for it."""
    by_name = {field.name: field for field in msgspec.structs.fields(kind)}
    made = {key: _rest(value) for key, value in values.items()}
    for key in broken:
        if made[key] is msgspec.NODEFAULT:
            made[key] = _stand_in(by_name[key])
    if msgspec.NODEFAULT in made.values():
        return None
    return Part(kind(**made), frozenset(by_name[key].encode_name for key in broken))


def _stand_in(field: msgspec.structs.FieldInfo) -> object:
    """What is checked in place of a value that is not known: its default, or what no check complains of."""
    if not field.required:
        return default_of(field)
    if isinstance(field.type, type) and issubclass(field.type, Secret):
        return field.type("env:…")
    return "…" if field.type is str else msgspec.NODEFAULT


@lru_cache(maxsize=64)
def fields_of(kind: type[msgspec.Struct]) -> dict[str, msgspec.structs.FieldInfo]:
    """The fields of a struct by the names the file uses."""
    return {field.encode_name: field for field in msgspec.structs.fields(kind)}


def default_of(field: msgspec.structs.FieldInfo) -> object:
    """The default of a field, or `msgspec.NODEFAULT`."""
    if field.default_factory is not msgspec.NODEFAULT:
        return field.default_factory()
    return field.default


def _wanted(wanted: Any, key: str) -> str:
    """What to add for a missing key."""
    schema = getattr(wanted, "schema", None)
    if isinstance(schema, dict) and "description" in schema:
        return f"{key}: {schema['description']}"
    return f"'{key}: …'"


def _word(text: str, words: tuple[str, ...]) -> str:
    if text in words:
        return text
    folded = {word.lower(): word for word in words}
    near = closest(text.lower(), folded)
    hint = f"write one of {', '.join(words)}" if near is None else f"did you mean '{folded[near]}'?"
    raise ValueError(f"'{clip(text)}' is not possible here; {hint}")


def _truth(node: Text) -> bool:
    word = node.text.lower()
    if word not in ("true", "false"):
        hint = "write true" if word in TRUE else "write false" if word in _FALSE else "write true or false"
        raise ValueError(f"'{clip(node.text)}' is neither true nor false; {hint}")
    if node.quoted or node.text != word:
        raise ValueError(f"'{node.text}' is text here; write {word} without quotes, in lower case")
    return word == "true"


def _number(text: str, form: re.Pattern[str], what: str) -> str:
    if form.fullmatch(text) is None:
        raise ValueError(f"'{clip(text)}' is not {what}")
    return text
