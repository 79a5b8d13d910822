"""Patterns: what a rule asks of one field, item by item, in order, as GitHub reads branch filters.

Owns the written forms: exact text, glob, `re:`, range, `null`, `!`. Must not know where a value comes from.
A value is a JSON scalar or None for absent; an object or a list is present, but matches no text. A value over
4 KiB matches no `re:`, one over 16 Ki characters no glob: what strangers send must not hold up the others.
"""

import math
import re
from collections.abc import Collection, Iterable
from decimal import Decimal

import msgspec

from router.event import KINDS, STATUSES
from router.rules.elsewhere import choices, negated
from router.rules.glob import Glob, PathGlob, compile_glob, literal_prefix
from router.rules.regex import Regex
from router.spelling import meant

_WORDS: dict[str, Collection[str]] = {"kind": KINDS, "status": STATUSES}
_NEVER_ABSENT = ("kind", "provider", "source")
_WHOLE_NUMBERS = ("changes", "pull_request")
_RANGE_FIELDS = (*_WHOLE_NUMBERS, "build")

_WHOLE_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)")
_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")
_RANGE = re.compile(rf"({_NUMBER.pattern})?\.\.({_NUMBER.pattern})?")
_LIKE_A_RANGE = re.compile(r"[-0-9. ]*\.\.[-0-9. ]*")


class Exact(msgspec.Struct, frozen=True):
    """One text."""

    text: str

    def matches(self, _value: object, text: str | None) -> bool:
        """Whether the value's text is this one."""
        return text == self.text


class Absent(msgspec.Struct, frozen=True):
    """No value."""

    def matches(self, value: object, _text: str | None) -> bool:
        """Whether there is none."""
        return value is None


class Wildcard(msgspec.Struct, frozen=True):
    """A glob, and what all that it matches begins with."""

    glob: Glob | PathGlob
    prefix: str

    def matches(self, _value: object, text: str | None) -> bool:
        """Whether the value's whole text matches."""
        return text is not None and self.glob.matches(text)


class Expression(msgspec.Struct, frozen=True):
    """A regular expression."""

    regex: Regex

    def matches(self, _value: object, text: str | None) -> bool:
        """Whether the value's whole text matches."""
        return text is not None and self.regex.matches(text)


class Range(msgspec.Struct, frozen=True):
    """Numbers from `low` to `high`, both included; None: without end."""

    low: Decimal | None
    high: Decimal | None

    def matches(self, value: object, text: str | None) -> bool:
        """Whether the value is a number, or the text of one, within."""
        number = _number(value, text)
        if number is None:
            return False
        return (self.low is None or self.low <= number) and (self.high is None or number <= self.high)


Test = Exact | Absent | Wildcard | Expression | Range


class Item(msgspec.Struct, frozen=True):
    """One pattern of a list: `text` as it is shown, whether it takes out again, and its test."""

    text: str
    negated: bool
    test: Test


class Reach(msgspec.Struct, frozen=True):
    """Where an index finds all that patterns can match: these texts (None: absent), or these beginnings."""

    texts: frozenset[str | None]
    prefixes: frozenset[str]


class Patterns:
    """A list of patterns, read in order: the last that matches a value decides.

    Where none does, a list that begins with `!` holds, and any other does not.
    """

    __slots__ = ("_latest_first", "_otherwise", "items", "text")

    def __init__(self, items: Iterable[Item]) -> None:
        self.items = tuple(items)
        self.text = ", ".join(item.text for item in self.items)
        self._latest_first = self.items[::-1]
        self._otherwise = bool(self.items) and self.items[0].negated

    def matches(self, value: object) -> bool:
        """Whether a value (a JSON value, None: absent) is one of those meant."""
        text = text_of(value)
        for item in self._latest_first:
            if item.test.matches(value, text):
                return not item.negated
        return self._otherwise

    @property
    def reach(self) -> Reach | None:
        """A superset of what matches, as texts and beginnings; None: it could be any value."""
        if self._otherwise:
            return None
        texts: set[str | None] = set()
        prefixes: set[str] = set()
        for item in self.items:
            match item:
                case Item(negated=True):
                    pass
                case Item(test=Exact(text=text)):
                    texts.add(text)
                case Item(test=Absent()):
                    texts.add(None)
                case Item(test=Wildcard(prefix=prefix)) if prefix:
                    prefixes.add(prefix)
                case _:
                    return None
        return Reach(frozenset(texts), frozenset(prefixes))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Patterns) and self._texts() == other._texts()

    def __hash__(self) -> int:
        return hash(self._texts())

    def __repr__(self) -> str:
        return f"Patterns({self.text})"

    def _texts(self) -> tuple[str, ...]:
        return tuple(item.text for item in self.items)


def read_item(field: str, text: str | None, words: Collection[str] | None = None) -> Item:
    """One pattern as written for a field; None is YAML's null. `words` are all it can be, if known.

    Raises:
        ValueError: it cannot match what its author meant; the message names the text and the fix.
    """
    if text is None or text == "!null":
        if field in _NEVER_ABSENT:
            raise ValueError(f"'{text or 'null'}' says nothing: '{field}' is never absent; leave it out")
        return Item(text or "null", text is not None, Absent())
    if not text:
        raise ValueError("'' is no pattern; write null for a value that is absent")
    negated = text.startswith("!")
    plain = text.removeprefix("!")
    if not plain:
        raise ValueError("'!' takes nothing out; write a pattern after it, or '\\!' for the character")
    if negated and plain.startswith("!"):
        raise ValueError(
            f"'{text}' is negated twice; write '{plain[1:]}', or '!\\{plain}' for text that begins with '!'"
        )
    words = _WORDS.get(field) if words is None else words
    test = _test(field, plain) if words is None else _word(field, plain, words)
    return Item('"null"' if text == "null" else text, negated, test)


def text_of(value: object) -> str | None:
    """A JSON scalar as text: booleans `true` and `false`, numbers as JSON writes them; None for all else.

    A number beyond all ranges, which JSON can write and no machine can keep, is `Infinity` or `-Infinity`.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return msgspec.json.encode(value).decode() if math.isfinite(value) else _INFINITE.get(value)
    return None


_INFINITE = {math.inf: "Infinity", -math.inf: "-Infinity"}


def _word(field: str, text: str, words: Collection[str]) -> Exact:
    """One of a closed list of words."""
    if text in words:
        return Exact(text)
    own = "; a provider's own word goes under provider_status" if field == "status" else ""
    several, negation = choices(text), negated(text)
    if several:
        hint = f"write a list: {several}"
    elif negation:
        hint = f"write '{negation}'"
    else:
        hint = meant(text.lower(), words, f"write one of {', '.join(words)}{own}")
    raise ValueError(f"'{text}' is not a {field}; {hint}")


def _test(field: str, text: str) -> Test:
    """The test in a text without its `!`."""
    if text.startswith("re:"):
        return _expression(text)
    if field in _RANGE_FIELDS or field.startswith("payload."):
        found = _range(text)
        if found is not None:
            return found
    glob = compile_glob(text, path=field == "branch")
    if not isinstance(glob, str):
        return Wildcard(glob, literal_prefix(text))
    if field in _WHOLE_NUMBERS and not _WHOLE_NUMBER.fullmatch(glob):
        raise ValueError(f"'{text}' is not a whole number; write 50, or a range: 50.., ..5 or 1..9")
    return Exact(glob)


def _expression(text: str) -> Expression:
    """The regular expression behind `re:`."""
    source = text.removeprefix("re:")
    if not source:
        raise ValueError(
            "'re:' is empty; write a regular expression after it, or null for a value that is absent"
        )
    try:
        return Expression(Regex(source))
    except ValueError as error:
        raise ValueError(
            f"'{text}' is not a usable regular expression: {error}; correct it or write a glob"
        ) from None


def _range(text: str) -> Range | None:
    """The range in a text, or None if it does not look like one."""
    if not _LIKE_A_RANGE.fullmatch(text):
        return None
    found = _RANGE.fullmatch(text)
    if found is None or text == "..":
        raise ValueError(f"'{text}' is not a range; write 10.., ..5 or 1..9")
    low, high = (None if end is None else Decimal(end) for end in found.groups())
    if low is not None and high is not None and low > high:
        raise ValueError(f"'{text}' is an empty range; did you mean '{found[2]}..{found[1]}'?")
    return Range(low, high)


def _number(value: object, text: str | None) -> Decimal | None:
    """The number in a value: of its JSON text, so that 0.1 is 0.1, or of a text that is plain digits."""
    if text is None or isinstance(value, bool):
        return None
    if isinstance(value, str) and not _NUMBER.fullmatch(value):
        return None
    return Decimal(text)
