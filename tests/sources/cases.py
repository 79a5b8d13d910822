"""What the tests of the sources share: sources, recorded payloads, and what an event must look like."""

import json
from pathlib import Path
from typing import Any

from router.event import FIELDS, KINDS, STATUSES, Event
from router.secret import Secret
from router.sources import SOURCES
from router.sources.source import Source

PAYLOADS = Path(__file__).parent / "payloads"
NOW = 1_790_000_000.25
SECRET = "correct horse battery staple"
CASES = sorted(f"{path.parent.name}/{path.stem}" for path in PAYLOADS.glob("*/*.json"))
FACTS = [name for name in FIELDS if name not in ("provider", "source")]


def secrets(*values: str) -> tuple[Secret, ...]:
    """Resolved secrets."""
    return tuple(Secret(f"env:SECRET_{place}", value) for place, value in enumerate(values))


def source(provider: str, **settings: Any) -> Source:
    """A source of that provider, signed by SECRET unless the settings say otherwise."""
    return SOURCES[provider](**({"name": "web", "secret": secrets(SECRET)} | settings))


def payload(case: str) -> bytes:
    """The recorded body of `<provider>/<case>`."""
    return (PAYLOADS / f"{case}.json").read_bytes()


def document(case: str) -> dict[str, Any]:
    """The recorded body, decoded, to be changed by a test."""
    found: dict[str, Any] = json.loads(payload(case))
    return found


def decoded(provider: str, document: object, **settings: Any) -> Event:
    """The event in a document."""
    return source(provider, **settings).decode(json.dumps(document).encode(), NOW)


def facts(event: Event) -> dict[str, Any]:
    """What rules can match, without what is absent."""
    return {name: getattr(event, name) for name in FACTS if getattr(event, name) is not None}


def check_shape(event: Event, provider: str, body: bytes) -> None:
    """Whatever came in: the vocabulary is ours, absent is None, and everything fits the journal."""
    assert (event.source, event.provider, event.received_at) == ("web", provider, NOW)
    assert event.payload == body
    assert event.kind in KINDS
    assert event.status is None or event.status in STATUSES
    for name in FACTS:
        value = getattr(event, name)
        if name in ("changes", "pull_request"):
            assert value is None or (type(value) is int and -(2**63) <= value < 2**63), name
        else:
            assert value is None or (type(value) is str and value and "\0" not in value), name
            assert value is None or value.encode(), name
    assert 0 < len(event.subject) <= 250
