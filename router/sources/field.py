"""Field: readers of single JSON values: the right type, or None.

Vendors add and change fields without notice, so a wrong type costs its own field and nothing else. Must not
know any field's name.
"""

from typing import Any

# What every journal's integer column holds.
_SMALLEST, _LARGEST = -(1 << 63), (1 << 63) - 1
_DIGITS = 20  # too many for it


def text(value: object) -> str | None:
    """A string that is not empty. NUL becomes U+FFFD: PostgreSQL keeps no NUL in a text."""
    if type(value) is not str or not value:
        return None
    return value.replace("\0", "\ufffd") if "\0" in value else value


def number(value: object) -> int | None:
    """An integer of 64 bits, also where it was written as a string of digits; a boolean is none."""
    if type(value) is str and value.isascii() and value.isdigit() and len(value) < _DIGITS:
        value = int(value)
    return value if type(value) is int and _SMALLEST <= value <= _LARGEST else None


def numeral(value: object) -> str | None:
    """Such a number as text, as it was written."""
    return None if number(value) is None else str(value)


def members(value: object) -> dict[str, Any]:
    """An object, or an empty one."""
    return value if type(value) is dict else {}


def items(value: object) -> list[Any] | None:
    """A list."""
    return value if type(value) is list else None


def at(value: object, *path: str) -> object:
    """What stands under these keys, one object in another; None where one of them is missing."""
    for key in path:
        if type(value) is not dict:
            return None
        value = value.get(key)
    return value


def word(value: object) -> str:
    """A vendor's word in lower case, to be looked up; empty where there is none."""
    return (text(value) or "").lower()


def first_line(value: object) -> str | None:
    """The first line of a text that has one with something on it."""
    found = text(value)
    return None if found is None else text(found.strip().partition("\n")[0].rstrip())


def replaced(value: Any, old: str, new: str) -> Any:
    """The same JSON value with a text replaced in every string of it."""
    if type(value) is str:
        return value.replace(old, new)
    if type(value) is list:
        return [replaced(each, old, new) for each in value]
    if type(value) is dict:
        return {key: replaced(each, old, new) for key, each in value.items()}
    return value
