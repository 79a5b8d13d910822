"""Columns: text for a terminal. Grids that fit it, times a person can read.

Pure: the width and the time are arguments. Must not know what is shown.
"""

import unicodedata
from collections.abc import Mapping, Sequence
from datetime import datetime

from router.text import visible

_GAP = "  "
_UNITS = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def width(text: str) -> int:
    """How many cells of a terminal the text takes."""
    if text.isascii():
        return len(text)
    return sum(_cells(char) for char in text)


def shorten(text: str, cells: int) -> str:
    """The text, or its beginning and `…` in so many cells."""
    if width(text) <= cells:
        return text
    kept, room = 0, cells - 1
    while (room := room - _cells(text[kept])) >= 0:
        kept += 1
    return text[:kept] + "…"


def grid(
    head: Sequence[str],
    rows: Sequence[Sequence[str | None]],
    cells: int | None,
    elastic: Mapping[str, int] | None = None,
) -> str:
    """A table with aligned columns, absent values as `-`.

    `cells` is the terminal's width: the columns named in `elastic` are shortened until it fits, down to so
    many cells each; if that is not enough the last columns are left out: an id that is cut is of no use. None
    (a pipe) changes nothing.
    """
    lines = [list(head), *([visible(value) if value else "-" for value in row] for row in rows)]
    widths = [max(map(width, column)) for column in zip(*lines, strict=True)]
    if cells is not None:
        bounds = elastic or {}
        least = [min(own, bounds.get(name, own)) for name, own in zip(head, widths, strict=True)]
        widths = _fitted(widths, least, cells)
    return "\n".join(_line(line[: len(widths)], widths) for line in lines)


def listing(pairs: Sequence[tuple[str, str | None]], indent: str = "") -> str:
    """`name   value` lines, values aligned; absent values are left out."""
    shown = [(name, visible(value)) for name, value in pairs if value is not None]
    longest = max((width(name) for name, _ in shown), default=0)
    return "\n".join(f"{indent}{name:<{longest}}{_GAP}{value}".rstrip() for name, value in shown)


def ago(then: datetime, now: datetime) -> str:
    """`5 min ago`, `in 2 h` or `now`."""
    seconds = (now - then).total_seconds()
    if abs(seconds) < 1:
        return "now"
    return f"{span(seconds)} ago" if seconds > 0 else f"in {span(-seconds)}"


def span(seconds: float) -> str:
    """A length of time in its largest whole unit, from milliseconds to days."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    size, unit = next(entry for entry in _UNITS if seconds >= entry[0])
    return f"{int(seconds // size)} {unit}"


def exact(then: datetime, now: datetime) -> str:
    """The time to the second in the terminal's time zone, and how long ago that is."""
    local = then.astimezone()
    return f"{local:%Y-%m-%d %H:%M:%S %z} ({ago(then, now)})"


def plural(count: int, noun: str) -> str:
    """`1 event`, `2 events`, `0 deliveries`."""
    if count == 1:
        return f"1 {noun}"
    return f"{count:,} {noun[:-1]}ies" if noun.endswith("y") else f"{count:,} {noun}s"


def _fitted(widths: Sequence[int], least: list[int], cells: int) -> list[int]:
    """The widths of as many columns as fit; the widest of those that may give way do."""
    while len(least) > 1 and _total(least) > cells:
        least.pop()
    # No value is shown wider than the terminal: the loop below must not count down a stranger's megabyte.
    fitted = [max(bound, min(own, cells)) for own, bound in zip(widths, least, strict=False)]
    while _total(fitted) > cells and fitted != least:
        at = max(range(len(fitted)), key=lambda place: (fitted[place] > least[place], fitted[place]))
        fitted[at] -= 1
    return fitted


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + len(_GAP) * (len(widths) - 1)


def _line(values: Sequence[str], widths: Sequence[int]) -> str:
    fitted = [shorten(value, cells) for value, cells in zip(values, widths, strict=True)]
    padded = [value + " " * (cells - width(value)) for value, cells in zip(fitted, widths, strict=True)]
    return _GAP.join(padded).rstrip()


def _cells(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1
