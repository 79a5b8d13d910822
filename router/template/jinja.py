"""Jinja: the template language, minijinja, cut down to what can neither reach Python nor fill the memory.

The only module that knows minijinja. There are fields, `if`, `for`, `set x = …`, some filters and `range`;
no methods, no macros, no repeated text. Loops end by fuel, output by a bound. Whatever an expression came to
goes through `escape` at the last step, and nothing can switch that off: text outside of the braces is never
escaped, so nothing has to. Must not know what an event is.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import minijinja
import msgspec

from router.errors import Unrenderable
from router.template.grammar import check_words
from router.template.mistakes import mistake

Escape = Callable[[str], str]
Failure = minijinja.TemplateError
# What our own filters and views may raise; minijinja lets it through as it is.
FAULTS = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
# Ends every template in milliseconds, and leaves room for a list of some thousand snapshots.
_FUEL = 100_000
# For a value that a filter makes of two that a stranger chose: their sizes multiply, which costs no fuel.
_LARGEST = 2 << 20


class View:
    """A read-only map, read when it is first looked at; a null in it is absent.

    It has no public name, so that a template can call nothing of it.
    """

    __slots__ = ("_read",)

    def __init__(self, read: Callable[[], Mapping[str, object]]) -> None:
        self._read = read

    def __getitem__(self, key: str) -> object:
        found = self._read()[key]
        if found is None:
            raise KeyError(key)
        return _seen(found)

    def __contains__(self, key: str) -> bool:
        return self._read().get(key) is not None

    def __iter__(self) -> Iterator[str]:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())

    def __str__(self) -> str:
        return _json(self)


class _Row:
    """A read-only list."""

    __slots__ = ("_items",)

    def __init__(self, items: list[object]) -> None:
        self._items = items

    def __getitem__(self, index: int) -> object:
        return _seen(self._items[index])

    def __len__(self) -> int:
        return len(self._items)

    def __str__(self) -> str:
        return _json(self)


# minijinja asks whether a value is a sequence before it indexes or reverses it.
Sequence.register(_Row)


class _Verbatim:
    """JSON that a template prints as a whole value, not escaped again. To a filter it is plain text."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def __str__(self) -> str:
        return self._text


def check(text: str, fields: Sequence[str]) -> None:
    """Raise `ValueError` for a mistake in the syntax, `Reasons` for all words that are none of ours."""
    try:
        names = minijinja.Environment().undeclared_variables_in_str(text)
    except minijinja.TemplateError:
        raise ValueError(mistake(text, _parses)) from None
    check_words(text, names, fields)


def _parses(text: str) -> bool:
    """Whether the library can read it."""
    try:
        minijinja.Environment().undeclared_variables_in_str(text)
    except minijinja.TemplateError:
        return False
    return True


def render(text: str, variables: Mapping[str, object], escape: Escape | None, limit: int) -> str:
    """The text of a template, of at most `limit` characters.

    Raises:
        Failure: an operation the values do not allow, or the fuel is used up.
        Unrenderable: the output bound is exceeded.
        FAULTS: whatever else a value may lead to.
    """
    made = _environment(escape, limit).render_str(text, **variables)
    if len(made) > limit:
        raise _too_long(limit)
    return made


def json_escape(text: str) -> str:
    """Text for between the quotes of a JSON string; a template escaped so prints values by `|tojson`."""
    return msgspec.json.encode(text).decode()[1:-1]


def _environment(escape: Escape | None, limit: int) -> minijinja.Environment:
    """An environment for one rendering: it counts what was printed."""
    left = limit

    def finalize(value: object) -> str:
        nonlocal left
        # In JSON of the operator's own an empty list may be the value that is meant.
        text = "[]" if value == [] and escape is json_escape else _printed(value)
        if escape is not None and not isinstance(value, _Verbatim):
            text = escape(text)
        left -= len(text)
        if left < 0:
            raise _too_long(limit)
        return text

    def tojson(value: object) -> object:
        return _Verbatim(_json(value)) if escape is json_escape else _json(value)

    environment = minijinja.Environment(
        filters={**_FILTERS, "tojson": tojson},
        tests=_OUR_TESTS,
        finalizer=finalize,
        undefined_behavior="chainable",
        fuel=_FUEL,
        auto_escape_callback=lambda _: False,
        pycompat=False,
    )
    for name in _REMOVED:
        environment.remove_filter(name)
    return environment


def _too_large() -> Unrenderable:
    return Unrenderable(f"the template made a value of more than {_LARGEST} characters")


def _too_long(limit: int) -> Unrenderable:
    return Unrenderable(f"the template made more than {limit} characters")


def _printed(value: object) -> str:
    """A value as a template prints it: absent is nothing, a container is JSON, and so are true and false.

    What is cut out of an absent text is an empty list to minijinja: nothing, too. No sender's list is that.
    """
    if value is None or value == []:
        return ""
    if isinstance(value, str | _Verbatim) or type(value) in (int, float):
        return str(value)
    return _json(value)


def _json(value: object) -> str:
    return msgspec.json.encode(value, enc_hook=_plain).decode()


def _plain(value: object) -> object:
    """What is behind a view."""
    if isinstance(value, View):
        return value._read()  # noqa: SLF001  # a public name would be a template's to call
    return value._items if isinstance(value, _Row) else str(value)  # noqa: SLF001  # likewise


def _seen(value: object) -> object:
    """What a template gets to see of a value in a payload."""
    if isinstance(value, dict):
        return View(lambda: value)
    return _Row(value) if isinstance(value, list) else value


# Filters that Jinja knows too, but total: an absent value is no error to them.


def _default(value: object, fallback: object = "", boolean: object = None) -> object:
    return fallback if value is None or (boolean and not value) else value


def _length(value: object) -> int:
    return 0 if value is None else len(value)  # type: ignore[arg-type]  # a TypeError is the answer to a number


def _join(value: Iterable[object] | None, separator: str = "") -> str:
    parts = []
    left = _LARGEST
    for item in value or ():
        parts.append(_printed(item))
        left -= len(parts[-1]) + len(separator)
        if left < 0:
            raise _too_large()
    return separator.join(parts)


def _items(value: View | None) -> list[list[object]]:
    return [] if value is None else [[key, value[key]] for key in value if key in value]


def _truncate(value: object, length: int = 255, end: str = "…") -> str:
    text = _printed(value)
    return text if len(text) <= length else text[: max(0, length - len(end))].rstrip() + end


def _replace(value: object, old: str, new: object) -> str:
    text, by = _printed(value), _printed(new)
    if len(text) + text.count(old) * len(by) > _LARGEST:
        raise _too_large()
    return text.replace(old, by)


def _first(value: Iterable[object] | None) -> object:
    return next(iter(value or ()), None)


def _last(value: Sequence[object] | None) -> object:
    return value[-1] if value else None


def _pluralize(value: object, one: str = "", many: str = "s") -> str:
    return one if value == 1 else many


_FILTERS: dict[str, Callable[..., object]] = {
    "count": _length,
    "d": _default,
    "default": _default,
    "first": _first,
    "items": _items,
    "join": _join,
    "last": _last,
    "length": _length,
    "pluralize": _pluralize,
    "replace": _replace,
    "truncate": _truncate,
}
_OUR_TESTS: dict[str, Callable[..., bool]] = {
    "defined": lambda value: value is not None,
    "none": lambda value: value is None,
    "undefined": lambda value: value is None,
}
# Of minijinja's own: what stops the process when given a large number (batch, format, indent, slice), what
# prints Python, what would hide from `escape`, and what no message needs.
_REMOVED = (
    "attr", "batch", "bool", "chain", "dictsort", "e", "escape", "filesizeformat", "format", "indent",
    "lines", "pprint", "safe", "slice", "striptags", "sum", "wordwrap", "zip",
)  # fmt: skip
