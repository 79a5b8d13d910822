"""Problems: everything that is wrong with one file, collected in one run.

Owns the bounds: a hostile or hopeless file costs neither endless output nor endless guessing. Must not know
what is checked.
"""

from collections.abc import Iterable
from typing import Protocol

from router.errors import ConfigError, Problem
from router.spelling import closest
from router.text import visible

_MOST_PROBLEMS = 1_000
_MOST_GUESSES = 100  # each guess compares a word with up to _MOST_WORDS others
_MOST_WORDS = 1_000
_LONGEST_MESSAGE = 600


class Place(Protocol):
    """Anything that stands somewhere in the file; line and column count from 1."""

    @property
    def line(self) -> int:
        """The line."""
        ...

    @property
    def column(self) -> int:
        """The column."""
        ...


class Problems:
    """The problems of one file: found in any order, told by place."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._found: dict[Problem, None] = {}  # a dict: an alias must not report its target's problems twice
        self._guesses = 0
        self._more: Place | None = None

    def add(self, place: Place, message: str) -> None:
        """Note an error."""
        self._note(place, message, warning=False)

    def warn(self, place: Place, message: str) -> None:
        """Note a warning."""
        self._note(place, message, warning=True)

    def _note(self, place: Place, message: str, *, warning: bool) -> None:
        if not self.full:
            self._found[Problem(self.path, place.line, place.column, one_line(message), warning)] = None
        elif not warning:
            self.skip(place)

    @property
    def full(self) -> bool:
        """Whether more errors would not be shown: what is costly to judge is then passed over by `skip`."""
        return len(self._found) >= _MOST_PROBLEMS

    def skip(self, place: Place) -> None:
        """Say that what stands there was not judged any more."""
        self._more = self._more or place

    def take(self, other: "Problems") -> None:
        """Make the problems of another collection one's own."""
        for problem in (*other.errors, *other.warnings):
            self._note(problem, problem.message, warning=problem.warning)

    def guess(self, word: str, words: Iterable[str]) -> str | None:
        """The one of `words` that was probably meant, or None."""
        self._guesses += 1
        if self._guesses > _MOST_GUESSES or len(word) > 100:
            return None
        candidates = list(words)[:_MOST_WORDS]
        folded = {candidate.lower(): candidate for candidate in reversed(candidates)}
        found = closest(word.lower().replace("-", "_"), folded) or closest(word.lower(), folded)
        return None if found is None else folded[found]

    def unknown(self, place: Place, what: str, word: str, words: Iterable[str], *, plural: str) -> None:
        """Note that `word` is none of `words`, and the one that was probably meant, or all of them if few."""
        if self.full:
            self.skip(place)
            return
        known = list(words)
        near = self.guess(word, known)
        if near is not None:
            hint = f"did you mean '{near}'?"
        elif known:
            hint = f"{plural} are {', '.join(known[:30])}{', …' if len(known) > 30 else ''}"
        else:
            hint = f"there are no {plural}"
        self.add(place, f"{what} '{clip(word)}'; {hint}")

    @property
    def errors(self) -> list[Problem]:
        """The errors, by place."""
        found = sorted(problem for problem in self._found if not problem.warning)
        if self._more is not None:
            message = "there are more problems than can be shown; fix these first"
            found.append(Problem(self.path, self._more.line, self._more.column, message))
        return found

    @property
    def warnings(self) -> list[Problem]:
        """The warnings, by place."""
        return sorted(problem for problem in self._found if problem.warning)

    def as_error(self) -> ConfigError:
        """All errors and warnings, by place."""
        return ConfigError(sorted([*self.errors, *self.warnings]))

    def raise_errors(self) -> None:
        """Raise `as_error()` if there is at least one error."""
        if self.errors:
            raise self.as_error()


def clip(text: str, longest: int = 80) -> str:
    """The text if it is short, else its beginning and an ellipsis."""
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def one_line(message: str) -> str:
    """The message without line breaks and control characters, not endless, and plain: JSON takes no other."""
    return str(clip(visible(message), _LONGEST_MESSAGE))
