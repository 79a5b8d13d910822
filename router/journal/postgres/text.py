"""Text: any string in a database that cannot store the character NUL, and back.

A NUL becomes two characters that nobody writes, for they are none in Unicode. What is looked for has to go
the same way as what is stored.
"""

from typing import TypeVar, overload

T = TypeVar("T")

_MARK = "\U0010ffff"
_ITSELF = f"{_MARK}\U000fffff"
_NUL = f"{_MARK}\U0010fffe"


@overload
def stored(text: str) -> str: ...
@overload
def stored(text: T) -> T: ...
def stored(text: object) -> object:
    """What stands for this value in the database; anything but text is itself."""
    if isinstance(text, str) and ("\x00" in text or _MARK in text):
        return text.replace(_MARK, _ITSELF).replace("\x00", _NUL)
    return text


def read(value: object) -> object:
    """The value that stands in the database for another one."""
    if isinstance(value, str) and _MARK in value:
        return value.replace(_NUL, "\x00").replace(_ITSELF, _MARK)
    return value
