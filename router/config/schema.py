"""Schema: what a configuration is once it is loaded, and the JSON Schema of the file.

The JSON Schema is derived from the structs, the tables of types and the written forms: nothing is said twice.
Must not load anything.
"""

import msgspec

from router.config.shapes import condition_shape, struct_shape, value_shape
from router.errors import Problem
from router.journal.journal import JournalSettings
from router.rules.matcher import Matcher
from router.rules.rule import Rule
from router.server.settings import ServerSettings
from router.sinks import SINKS
from router.sinks.sink import Sink
from router.sources import SOURCES
from router.sources.source import Source
from router.units import Network

Shape = dict[str, object]


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """A configuration without errors.

    `allow_networks` is part of every sink's own already. `path` is the file as it was named; `warnings` are
    for its operator to look at.
    """

    server: ServerSettings
    journal: JournalSettings
    sources: dict[str, Source]
    sinks: dict[str, Sink]
    matcher: Matcher
    allow_networks: tuple[Network, ...] = ()
    path: str = ""
    warnings: list[Problem] = []


def json_schema() -> Shape:
    """The JSON Schema (draft 2020-12) of a configuration file, for completion and checks in an editor."""
    kinds = {f"source-{name}": _section(kind, name) for name, kind in SOURCES.items()}
    kinds |= {f"sink-{name}": _section(kind, name) for name, kind in SINKS.items()}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "visual-router configuration",
        "type": "object",
        "required": ["sources", "sinks", "rules"],
        "additionalProperties": False,
        "properties": {
            "server": struct_shape(ServerSettings),
            "journal": struct_shape(JournalSettings),
            "sources": _named("source", list(SOURCES)),
            "sinks": _named("sink", list(SINKS)),
            "rules": {"type": "array", "items": {"$ref": "#/$defs/rule"}},
            "allow_networks": value_shape(tuple[Network, ...])
            | {"description": "networks that the host names of all sinks may lead to"},
        },
        "$defs": {**kinds, "rule": _rule(), "condition": condition_shape(SOURCES)},
    }


def _named(what: str, types: list[str]) -> Shape:
    """A map of sources or sinks; its `type` decides about the rest."""
    return {
        "type": "object",
        "minProperties": 1,
        "propertyNames": {"pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"},
        "additionalProperties": {
            "type": "object",
            "required": ["type"],
            "properties": {"type": {"enum": types}},
            "allOf": [
                {
                    "if": {"properties": {"type": {"const": name}}, "required": ["type"]},
                    "then": {"$ref": f"#/$defs/{what}-{name}"},
                }
                for name in types
            ],
        },
    }


def _section(kind: type[Source | Sink], name: str) -> Shape:
    """One type of source or sink."""
    shape = struct_shape(kind, {"type": {"const": name}}, hidden=("name",))
    if issubclass(kind, Source):
        shape["oneOf"] = [
            {"required": ["secret"], "properties": {"unsigned": {"const": False}}},
            {"required": ["unsigned"], "properties": {"unsigned": {"const": True}, "secret": False}},
        ]
    return shape


def _rule() -> Shape:
    """One rule."""
    condition = {"$ref": "#/$defs/condition"}
    conditions: Shape = {"anyOf": [condition, {"type": "array", "minItems": 1, "items": condition}]}
    shape = struct_shape(Rule, {"when": conditions, "unless": conditions})
    shape["anyOf"] = [
        {"required": ["to"]},
        {"required": ["final"], "properties": {"final": {"const": True}}},
    ]
    return shape
