"""Spelling: what somebody probably meant who wrote a word that does not exist.

Pure. Owns the wording of the advice. Must not know what the words are for.
"""

from collections.abc import Collection
from difflib import get_close_matches


def closest(word: str, words: Collection[str]) -> str | None:
    """The one of `words` that is spelled most like `word`, or None if none is close."""
    return next(iter(get_close_matches(word, words, 1)), None)


def meant(word: str, words: Collection[str], otherwise: str) -> str:
    """The advice `did you mean …?`, or `otherwise` if no word is close."""
    found = closest(word, words)
    return otherwise if found is None else f"did you mean '{found}'?"


def near(name: str, names: Collection[str], nouns: str) -> str:
    """The advice for a name that is not there: the one that was meant, or all there are."""
    return meant(name, names, f"{nouns} are {', '.join(names)}" if names else f"no {nouns} are configured")
