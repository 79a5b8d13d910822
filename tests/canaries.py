"""Secrets that sing: values planted where secrets stand, and a search for them in every encoding."""

import base64
import binascii
import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import NamedTuple
from urllib.parse import quote, quote_plus, unquote_to_bytes

SHORTEST = 8


def canary(name: str) -> str:
    """A value as awkward as real ones: it looks different in a URL, in JSON and in base64."""
    return f"cnry/{name}+{hashlib.sha256(name.encode()).hexdigest()[:24]}"


def canary_in_url(name: str) -> str:
    """A value that may stand in a URL as it is."""
    return f"cnry{name}{hashlib.sha256(name.encode()).hexdigest()[:24]}"


def canary_key(name: str) -> str:
    """A key in the form of Standard Webhooks."""
    return "whsec_" + base64.b64encode(hashlib.sha256(name.encode()).digest()).decode()


def forms(value: str) -> Iterator[tuple[str, bytes]]:
    """A value in every encoding in which it might slip out."""
    raw = value.encode()
    yield "raw", raw
    yield "hex", raw.hex().encode()
    yield "URL-encoded", quote(value, safe="").encode()
    yield "URL-encoded", quote_plus(value).encode()
    yield "URL-encoded", quote(value, safe="").lower().encode()
    yield "URL-encoded twice", quote(quote(value, safe=""), safe="").encode()
    yield "reversed", raw[::-1]
    yield "base32", base64.b32encode(raw)[: len(raw) * 8 // 5 - 1]
    yield "HTML", value.replace("+", "&#43;").replace("/", "&#47;").encode()
    yield "JSON", json.dumps(value).strip('"').replace("/", r"\/").encode()
    for shift in range(3):
        # In the middle of something longer, whose letters at both ends are unknown.
        coded = base64.b64encode(b"\0" * shift + raw)
        inner = coded[(shift * 4 + 2) // 3 : len(raw) * 4 // 3 - 2]
        yield "base64", inner
        yield "base64", inner.replace(b"+", b"-").replace(b"/", b"_")
    if value.startswith("whsec_"):
        key = b""
        with suppress(binascii.Error):
            key = base64.b64decode(value.removeprefix("whsec_"))
        yield "key", key
        yield "key in base64", value.removeprefix("whsec_").encode()
        yield "key in hex", key.hex().encode()


class Heard(NamedTuple):
    """One find: whose value, in which form, in which output; and the words around it, with the value."""

    name: str
    form: str
    place: str
    words: bytes


def heard(canaries: Mapping[str, str], outputs: Mapping[str, bytes]) -> Iterator[Heard]:
    """Where any of them is found."""
    # Some letters may be escaped and others not: also as whoever reads it would decode it.
    texts = {place: (text.lower(), unquote_to_bytes(text).lower()) for place, text in outputs.items()}
    for name, value in canaries.items():
        for form, needle in forms(value):
            # A shorter one is found by chance among the identifiers of a long log.
            for place, readings in texts.items() if len(needle) >= SHORTEST else ():
                for text in readings:
                    at = text.find(needle.lower())
                    if at >= 0:
                        yield Heard(name, form, place, text[max(0, at - 120) : at + 60])


def found(canaries: Mapping[str, str], outputs: Mapping[str, bytes]) -> list[str]:
    """Where any of them is heard: its name, the form, and the words around it."""
    return [f"{name} ({form}) in {place}: {words!r}" for name, form, place, words in heard(canaries, outputs)]


def betrayed(secrets: Mapping[str, str], outputs: Mapping[str, bytes]) -> list[str]:
    """The same for values that are nobody's to see, also not in the report of a test: one line, no words."""
    first: dict[tuple[str, str], str] = {}
    for name, form, place, _ in heard(secrets, outputs):
        first.setdefault((name, place), form)
    return [f"{name} ({form}) in {place}" for (name, place), form in first.items()]
