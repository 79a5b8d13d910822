"""The JSON Schema: what the loader takes an editor accepts, and most of what it refuses an editor marks."""

from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
import yaml

from router.config.about import FIELDS as ABOUT_FIELDS
from router.config.about import KEYS
from router.config.schema import json_schema
from router.event import FIELDS
from router.journal.journal import JournalSettings
from router.retry import RetryPolicy
from router.rules.rule import Rule
from router.server.settings import ServerSettings
from router.sinks import SINKS
from router.sinks.sink import Sink
from router.sources import SOURCES
from router.sources.source import Defaults, Source

HERE = Path(__file__).parent
SCHEMA: dict[str, Any] = msgspec.to_builtins(json_schema())
# What only a reading of more than one place, of a grammar or of a secret finds is left to `check`.
BEYOND = {
    "admin-is-listen", "admin-open", "file-path", "headers", "hidden-values", "in-flight-small",
    "journal-listen-url", "journal-path", "journal-url-malformed", "journal-url", "keys-duplicate",
    "listen-addresses", "listen-brackets", "listen-hosts", "message-fails", "names", "rule-aliased",
    "rule-names", "secret-reference-malformed", "sink-undefined", "tag-on-a-map", "tags-and-aliases",
    "templates", "url-unusable", "wait-too-long", "zeros",
}  # fmt: skip


def documents(folder: str) -> list[tuple[str, Any]]:
    """The cases that are YAML to everybody, as plain data."""
    found = []
    for path in sorted((HERE / folder).glob("*.yaml")):
        try:
            found.append((path.stem, yaml.safe_load(path.read_text("utf-8"))))
        except (yaml.YAMLError, UnicodeDecodeError, ValueError, TypeError):
            continue
    return found


BROKEN = [(name, document) for name, document in documents("broken") if name not in BEYOND]


def complaints(document: Any) -> list[str]:
    """What a validator says."""
    return [error.message for error in jsonschema.Draft202012Validator(SCHEMA).iter_errors(document)]


def test_the_schema_is_a_schema() -> None:
    """Of the draft it names."""
    jsonschema.Draft202012Validator.check_schema(SCHEMA)

    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"


@pytest.mark.parametrize(
    ("name", "document"),
    [(name, document) for name, document in documents("good") if name != "text-stays-text"],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_editor_accepts_what_the_loader_takes(name: str, document: Any) -> None:
    """Every good case; but for dates and odd numbers, which are no text to YAML 1.1 alone."""
    assert complaints(document) == []


@pytest.mark.parametrize(
    ("name", "document"), BROKEN, ids=lambda value: value if isinstance(value, str) else ""
)
def test_an_editor_marks_what_the_loader_refuses(name: str, document: Any) -> None:
    """As far as shapes, keys, words and written forms go."""
    assert complaints(document)


def test_enough_broken_cases_are_left_for_the_schema() -> None:
    """The exceptions are exceptions."""
    assert len(BROKEN) > 20


@pytest.mark.parametrize("kind", [*SOURCES, *SINKS])
def test_every_type_has_its_reference_page(kind: str) -> None:
    """The docstring of its struct, shown where an editor completes the type."""
    table = "source" if kind in SOURCES else "sink"
    shape = SCHEMA["$defs"][f"{table}-{kind}"]

    assert len(shape["description"]) > 80
    assert shape["properties"]["type"] == {"const": kind}
    assert "name" not in shape["properties"]


def test_settings_tell_what_they_are_for() -> None:
    """In one line for every key there is, and none for a key that is gone."""
    kinds = [ServerSettings, JournalSettings, Source, Defaults, Sink, RetryPolicy, Rule, *SOURCES.values()]
    fields = {
        kind: {field.name for field in msgspec.structs.fields(kind)} for kind in (*kinds, *SINKS.values())
    }
    own = {
        kind.__name__: keys - fields.get(kind.__base__, set() if kind is Rule else {"name"})
        for kind, keys in fields.items()
    }

    assert {name: set(lines) for name, lines in KEYS.items()} == {
        name: keys for name, keys in own.items() if keys
    }
    assert list(ABOUT_FIELDS) == list(FIELDS)
    assert SCHEMA["properties"]["server"]["properties"]["grace"]["description"].startswith(
        "how long a shutdown"
    )
    assert SCHEMA["$defs"]["rule"]["properties"]["when"]["description"].startswith("all fields of a map hold")


def test_every_field_of_an_event_can_be_completed() -> None:
    """With the words it takes, where there are only some."""
    condition = SCHEMA["$defs"]["condition"]

    assert list(condition["properties"]) == list(FIELDS)
    assert condition["properties"]["provider"]["anyOf"][0] == {
        "enum": [*SOURCES, *(f"!{provider}" for provider in SOURCES)]
    }
    assert {None, "!null", "!running", "pending"} <= set(
        condition["properties"]["status"]["anyOf"][0]["enum"]
    )


@pytest.mark.parametrize(
    ("section", "name", "settings", "right"),
    [
        ("sources", "web", {"type": "percy", "secret": "env:A"}, True),
        ("sources", "web", {"type": "percy", "secret": ["env:A", "file:/b"]}, True),
        ("sources", "web", {"type": "percy", "secret": []}, False),
        ("sources", "web", {"type": "percy", "secret": "plain"}, False),
        ("sources", "web", {"type": "percy"}, False),
        ("sources", "web", {"type": "percy", "unsigned": False}, False),
        ("sources", "web", {"type": "percy", "unsigned": True, "secret": "env:A"}, False),
        ("sources", "web", {"type": "percy", "unsigned": True, "labels": {"a": 1}}, True),
        ("sources", "w b", {"type": "percy", "unsigned": True}, False),
        ("sinks", "out", {"type": "log", "rate": "1/s"}, True),
        ("sinks", "out", {"type": "log", "rate": "0/s"}, False),
        ("sinks", "out", {"type": "log", "rate": None}, False),
        ("sinks", "out", {"type": "slack", "url": "env:A", "rate": None}, True),
        ("sinks", "out", {"type": "log", "retry": {"schedule": []}}, True),
        ("sinks", "out", {"type": "log", "retry": {"schedule": ["5 s"]}}, False),
        ("sinks", "out", {"type": "webhook", "url": "https://a", "headers": {"A": "env:B", "C": "d"}}, True),
        ("sinks", "out", {"type": "webhook", "url": "https://a", "method": "GET"}, False),
        ("sinks", "out", {"type": "teams"}, False),
    ],
)
def test_sections_are_held_to_their_type(
    section: str, name: str, settings: dict[str, Any], right: bool
) -> None:
    """The `type` decides which keys there are."""
    document = {
        "sources": {"web": {"type": "chromatic", "unsigned": True}},
        "sinks": {"out": {"type": "log"}},
        "rules": [{"name": "all", "to": "out"}],
    }
    document[section] = {name: settings}

    assert (complaints(document) == []) is right
