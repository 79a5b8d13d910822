"""Text: what strangers wrote, in a form that a terminal, a log and a JSON reader can bear.

Owns which characters are harmless: those that Python calls printable. Must not know where the text goes.
"""

import msgspec


def visible(text: str) -> str:
    """The text on one line: what moves the cursor, hides or reorders text is written out as escapes."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def path_text(path: str) -> str:
    r"""A path in a document, which is all UTF-8: any other byte is written as an escape such as `\xff`."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def continued(sentence: str) -> str:
    """A sentence of somebody else's as the rest of one of ours: in lower case, but not `IP address`."""
    return sentence[:1].lower() + sentence[1:] if sentence[1:2].islower() else sentence


def readable_json(raw: bytes) -> str:
    """JSON as a person reads it, and still JSON; its numbers stay as they came, and so does what is no JSON.

    What one parser takes for JSON (half a surrogate pair, say) another does not.
    """
    try:
        text = msgspec.json.format(raw, indent=2).decode()
    except (msgspec.DecodeError, RecursionError):
        text = raw.decode("utf-8", "replace")
    return inert_json(text)


def inert_json(text: str) -> str:
    """JSON without a character that a terminal would act on: in its strings they are escaped.

    Line breaks and tabs stay: in valid JSON they stand between tokens only.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char in "\n\t" else _escaped(char) for char in text)


def _escaped(char: str) -> str:
    """A character as JSON may write it: by its UTF-16 units."""
    units = char.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))
