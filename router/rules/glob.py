"""Glob: `*`, `?` and the backslash by hand, in time linear in the value.

A glob translated to a backtracking regular expression is exponential in its stars. Here each stretch between
two stars is searched for once, leftmost first, which is enough as a stretch has a fixed length. A path is
matched the same way, with `**` for the star and whole segments for the characters.
"""

from collections.abc import Sequence
from enum import Enum
from itertools import groupby
from typing import Protocol, TypeVar

# Characters. A longer value matches no glob: no name is that long, and a search must stay short.
LIMIT = 1 << 14


class Wild(Enum):
    """What is not itself in a pattern."""

    ONE = "?"
    STAR = "*"


Token = str | Wild
Subject_contra = TypeVar("Subject_contra", contravariant=True)


class Stretch(Protocol[Subject_contra]):
    """What stands between two stars: so and so many characters or segments."""

    length: int

    def fits(self, subject: Subject_contra, at: int) -> bool:
        """Whether it stands exactly there; the subject has at least `length` left."""
        ...

    def find(self, subject: Subject_contra, start: int, end: int) -> int:
        """The first place from `start` on where it stands and ends by `end`, or -1."""
        ...


class Characters:
    """Literal characters and `?`, as the literals with their offsets."""

    __slots__ = ("_anchor", "_literals", "length")

    def __init__(self, tokens: Sequence[Token]) -> None:
        self.length = len(tokens)
        literals: list[tuple[int, str]] = []
        for wild, group in groupby(enumerate(tokens), lambda pair: isinstance(pair[1], Wild)):
            if not wild:
                places = list(group)
                literals.append((places[0][0], "".join(str(token) for _, token in places)))
        self._literals = tuple(literals)
        # The longest literal is the rarest in a subject: `find` looks for it, then checks the others.
        self._anchor = max(literals, key=lambda literal: len(literal[1]), default=(0, ""))

    def fits(self, subject: str, at: int) -> bool:
        """Whether it stands exactly there."""
        return all(subject.startswith(literal, at + offset) for offset, literal in self._literals)

    def find(self, subject: str, start: int, end: int) -> int:
        """The first place from `start` on where it stands and ends by `end`, or -1."""
        if end - start < self.length:
            return -1
        offset, literal = self._anchor
        # How far the anchor's own end must stay away from `end` for the rest to have room.
        room = end - (self.length - offset - len(literal))
        found = subject.find(literal, start + offset, room)
        while found >= 0:
            if self.fits(subject, found - offset):
                return found - offset
            found = subject.find(literal, found + 1, room)
        return -1


class Segments:
    """Path segments, each with its own pattern."""

    __slots__ = ("_patterns", "length")

    def __init__(self, patterns: Sequence["Glob"]) -> None:
        self._patterns = patterns
        self.length = len(patterns)

    def fits(self, subject: Sequence[str], at: int) -> bool:
        """Whether they stand exactly there."""
        return all(pattern.matches(subject[at + index]) for index, pattern in enumerate(self._patterns))

    def find(self, subject: Sequence[str], start: int, end: int) -> int:
        """The first place from `start` on where they stand and end by `end`, or -1."""
        for at in range(start, end - self.length + 1):
            if self.fits(subject, at):
                return at
        return -1


class Glob:
    """A pattern over characters: `*` spans anything."""

    __slots__ = ("_stretches",)

    def __init__(self, tokens: Sequence[Token]) -> None:
        self._stretches = [Characters(part) for part in _split(tokens, Wild.STAR)]

    def matches(self, value: str) -> bool:
        """Whether the whole value matches; one over LIMIT does not."""
        return len(value) <= LIMIT and _matches(self._stretches, value, len(value))


class PathGlob:
    """A pattern over path segments: `*` and `?` stay within one, `**` spans any number of whole ones."""

    __slots__ = ("_stretches",)

    def __init__(self, segments: Sequence[Sequence[Token]]) -> None:
        """`segments` are checked: two stars only stand alone, and never three."""
        rows: list[list[Glob]] = [[]]
        for segment in segments:
            if _is_deep(segment):
                rows.append([])
            else:
                rows[-1].append(Glob(segment))
        # At the end `**` needs something to span: `release/**` is not `release`.
        if _is_deep(segments[-1]):
            rows[-2].append(Glob([Wild.STAR]))
        self._stretches = [Segments(row) for row in rows]

    def matches(self, value: str) -> bool:
        """Whether the whole path matches; one over LIMIT does not."""
        if len(value) > LIMIT:
            return False
        segments = value.split("/")
        return _matches(self._stretches, segments, len(segments))


def compile_glob(text: str, *, path: bool) -> Glob | PathGlob | str:
    """The pattern in a text, or, without a wildcard in it, the literal text. `path`: `*` stops at a slash.

    Raises:
        ValueError: it cannot match what its author meant; the message names the text and the fix.
    """
    tokens = _tokens(text)
    if all(isinstance(token, str) for token in tokens):
        return literal_prefix(text)
    segments = _split(tokens, "/") if path else [tokens]
    for segment in segments:
        stars = max((len(list(run)) for token, run in groupby(segment) if token is Wild.STAR), default=0)
        if stars > 2:
            raise ValueError(f"'{text}' has three stars in a row; write '*' or '**'")
        if path and stars == 2 and not _is_deep(segment):
            raise ValueError(
                f"'{text}' has '**' beside other characters of a path segment; write '*' or '/**/'"
            )
    return PathGlob(segments) if path else Glob(tokens)


def literal_prefix(text: str) -> str:
    """What every value that matches the pattern begins with: its text up to the first wildcard."""
    letters = []
    for token in _tokens(text):
        if isinstance(token, Wild):
            break
        letters.append(token)
    return "".join(letters)


def _tokens(text: str) -> list[Token]:
    """Characters and wildcards, escapes resolved."""
    tokens: list[Token] = []
    characters = iter(text)
    for character in characters:
        if character == "\\":
            escaped = next(characters, None)
            if escaped is None:
                raise ValueError(
                    f"'{text}' ends in a backslash that escapes nothing; write '\\\\' for a backslash"
                )
            tokens.append(escaped)
        elif character in "*?":
            tokens.append(Wild(character))
        else:
            tokens.append(character)
    return tokens


def _split(tokens: Sequence[Token], border: Token) -> list[list[Token]]:
    """The stretches between borders: one more than there are borders."""
    parts: list[list[Token]] = [[]]
    for token in tokens:
        if token == border:
            parts.append([])
        else:
            parts[-1].append(token)
    return parts


def _is_deep(segment: Sequence[Token]) -> bool:
    """Whether a segment is `**`."""
    return list(segment) == [Wild.STAR, Wild.STAR]


def _matches(stretches: Sequence[Stretch[Subject_contra]], subject: Subject_contra, size: int) -> bool:
    """Whether the stretches stand in the subject in order, the first at its start, the last at its end."""
    first, last = stretches[0], stretches[-1]
    if len(stretches) == 1:
        return size == first.length and first.fits(subject, 0)
    at, end = first.length, size - last.length
    if at > end or not first.fits(subject, 0) or not last.fits(subject, end):
        return False
    for stretch in stretches[1:-1]:
        at = stretch.find(subject, at, end)
        if at < 0:
            return False
        at += stretch.length
    return True
