"""Texts: what messages and templates say, and whether that is what was meant. Warnings only.

Owns what can be told without an event. Must not know the language beyond what `template/` tells of it.
"""

from collections.abc import Iterator

from router.config.draft import Draft, texts_of
from router.config.nodes import Text
from router.config.problems import Problems, clip
from router.sinks.webhook import Webhook
from router.template.mistakes import doubts, reads
from router.template.template import MAPS, VARIABLES, Template

# Characters of all texts: what is more is hardly written by hand.
_MOST = 1 << 20


def hint_texts(draft: Draft, problems: Problems) -> None:
    """Note what deserves a second look in the texts of rules and sinks."""
    left, seen = _MOST, set[tuple[int, int]]()
    for place, template in _texts(draft):
        if (place.line, place.column) in seen:
            continue
        seen.add((place.line, place.column))  # aliases lead to the same text
        if place.cut and not place.empty:
            message = "this text ends where ' #' begins a comment"
            problems.warn(place, f"{message}; quote it, with or without the comment")
        left -= len(place.text)
        if template is not None and left >= 0 and not problems.full:
            for doubt in doubts(template.text, VARIABLES, MAPS):
                problems.warn(place, doubt)
    _hint_unread(draft, problems)


def _texts(draft: Draft) -> Iterator[tuple[Text, Template | None]]:
    """Every template, as written, and as read if it can be."""
    for rule, node in zip(draft.rules, draft.rule_nodes, strict=True):
        yield from ((text, rule.message) for text in texts_of(node, "message"))
    for name, entry in draft.entries("sinks").items():
        sink = draft.sinks.get(name)
        for key in ("template", "body"):
            template = getattr(sink, key, None)
            yield from ((text, template) for text in texts_of(entry.value, key))


def _hint_unread(draft: Draft, problems: Problems) -> None:
    """A body of the operator's own holds the text only where it says `{{ message }}`."""
    mute = {
        name
        for name, sink in draft.sinks.items()
        if isinstance(sink, Webhook) and sink.body is not None and not reads(sink.body.text, "message")
    }
    unread = "{{ message }}, so this text is not sent; add it there, or remove the text"
    for name in mute:
        if draft.sinks[name].template is not None:
            place = draft.place("sinks", name, "template")
            problems.warn(place, f"the 'body' of sink '{clip(name)}' has no {unread}")
    for rule, node in zip(draft.rules, draft.rule_nodes, strict=True):
        if rule.message is not None and rule.to and mute.issuperset(rule.to):
            several = len(rule.to) > 1
            whose = "none of its sinks has" if several else f"sink '{clip(rule.to[0])}' has no"
            problems.warn(node.entries["message"].value, f"the 'body' of {whose} {unread}")
