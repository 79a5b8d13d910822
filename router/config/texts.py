"""Texts: what messages and templates say, and whether that is what was meant. Warnings only.

Owns what can be told without an event. Must not know the language beyond what `template/` tells of it.
"""

from collections.abc import Iterator

from router.config.draft import Draft, texts_of
from router.config.nodes import Text
from router.config.problems import Problems

_KEYS = ("template", "body")


def hint_texts(draft: Draft, problems: Problems) -> None:
    """Note what deserves a second look in the texts of rules and sinks."""
    for text in _texts(draft):
        if text.cut and not text.empty:
            message = "this text ends where ' #' begins a comment"
            problems.warn(text, f"{message}; quote it, with or without the comment")


def _texts(draft: Draft) -> Iterator[Text]:
    """Every template, as written."""
    for rule in draft.rule_nodes:
        yield from texts_of(rule, "message")
    for entry in draft.entries("sinks").values():
        for key in _KEYS:
            yield from texts_of(entry.value, key)
