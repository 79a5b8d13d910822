"""Samples: one body of every documented provider event, to send, render and try rules with.

Owns the folder `samples/`. Must not know how a sample is sent.
"""

import json
from importlib.resources import files
from importlib.resources.abc import Traversable

from router.event import decode_object
from router.sources import SOURCES
from router.spelling import closest


def names() -> list[str]:
    """Every sample as `<provider>/<name>`, sorted."""
    return sorted(f"{provider}/{name}" for provider in SOURCES for name in _names(provider))


def load(provider: str, name: str) -> bytes:
    """The body of a sample; a vendor's name of an event stands for one of its samples, a pending one if any.

    Raises:
        ValueError: there is no such sample; the message says which was meant, if one is close.
    """
    if provider not in SOURCES:
        raise ValueError(f"'{provider}' is not a provider; there are {', '.join(SOURCES)}")
    known = _names(provider)
    if name in known:
        return _read(provider, name)
    of_event = _of_event(provider, name)
    if of_event is not None:
        return of_event
    guess = closest(name, known)
    hint = "" if guess is None else f"; did you mean '{guess}'?"
    raise ValueError(f"'{name}' is not a sample of {provider}{hint}")


def fresh(provider: str, body: bytes, number: int) -> bytes:
    """The same sample with fresh ids made from a number, its URLs in step: sent again it is no duplicate."""
    document = decode_object(body)
    SOURCES[provider].renumber(document, number)
    return json.dumps(document, indent=2, ensure_ascii=False).encode()


def _of_event(provider: str, event: str) -> bytes | None:
    """The sample that stands for a vendor's event."""
    source = SOURCES[provider]()
    decoded = [source.decode(_read(provider, name), 0.0) for name in _names(provider)]
    found = [each for each in decoded if each.event == event]
    pending = [each for each in found if each.status == "pending"]
    return next((each.payload for each in pending + found), None)


def _names(provider: str) -> list[str]:
    return sorted(entry.name.removesuffix(".json") for entry in _folder(provider).iterdir())


def _read(provider: str, name: str) -> bytes:
    return _folder(provider).joinpath(f"{name}.json").read_bytes()


def _folder(provider: str) -> Traversable:
    return files("router.sources").joinpath("samples", provider)
