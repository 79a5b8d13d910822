"""Load: a file to a Config, or all of its problems.

Owns the order of reading. Must not know single fields: the structs do.
"""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TypeVar

import msgspec

from router.config.checks import check
from router.config.document import LONGEST, read
from router.config.draft import Draft
from router.config.hints import hint
from router.config.nodes import Map
from router.config.problems import Problems
from router.config.reader import Part, Reader
from router.config.rules import parse_rules, read_rules, rules_text
from router.config.schema import Config
from router.config.secrets import reason_of, value_of
from router.config.sections import read_named
from router.config.syntax import Spot
from router.journal.journal import JournalSettings
from router.rules.matcher import Matcher
from router.secret import Secret
from router.server.settings import ServerSettings
from router.sinks import SINKS
from router.sources import SOURCES
from router.text import path_text
from router.units import Network

__all__ = ["load", "load_server", "parse_rules"]

S = TypeVar("S", bound=msgspec.Struct)

_REQUIRED = {
    "sources": "name the providers' webhooks in it",
    "sinks": "name the destinations in it",
    "rules": "say in it which events go where",
}
_SECTIONS = ("server", "journal", *_REQUIRED, "allow_networks")


def load(path: str | Path, *, resolve: Mapping[str, str] | None = None) -> Config:
    """Read a configuration.

    With `resolve` (the environment) every secret gets its value; without it none is looked for.

    Raises:
        ConfigError: with every problem of the file, by place.
    """
    problems = Problems(path_text(str(path)))
    reader = Reader(problems, None if resolve is None else _values(resolve))
    draft = _draft(_root(Path(path), problems), reader)
    check(draft, problems, resolved=resolve is not None)
    hint(draft, problems)
    problems.raise_errors()
    return Config(
        server=draft.server,
        journal=draft.journal,
        sources=draft.sources,
        sinks=draft.sinks,
        matcher=Matcher(draft.rules, rules_text(draft.root.entries["rules"].value)),
        allow_networks=draft.allow_networks,
        path=str(path),
        warnings=problems.warnings,
    )


def load_server(path: str | Path) -> ServerSettings:
    """The section `server` alone, its secret without a value: where a daemon is, whose file is being edited.

    Raises:
        ConfigError: the file cannot be read, or that section has problems.
    """
    root = _root(Path(path), Problems(path_text(str(path))))
    entry = root.entries.get("server")
    if entry is None:
        return ServerSettings()
    problems = Problems(path_text(str(path)))
    settings = Reader(problems).struct(ServerSettings, entry.value, "'server'")
    problems.raise_errors()
    return settings or ServerSettings()


def _values(environment: Mapping[str, str]) -> Callable[[Secret], str]:
    return partial(value_of, environment=environment)


def _root(path: Path, problems: Problems) -> Map:
    """The file's document, which must be a map."""
    try:
        with path.open("rb") as file:
            raw = file.read(LONGEST + 1)
    except OSError as error:
        problems.add(Spot(1, 1), f"the file cannot be read: {reason_of(error)}")
        raise problems.as_error() from None
    node = read(raw, problems)
    if isinstance(node, Map):
        return node
    if node is not None:
        problems.add(node, "a configuration is a map; begin with 'sources:', 'sinks:' and 'rules:'")
    raise problems.as_error()


def _draft(root: Map, reader: Reader) -> Draft:
    """Everything that can be read of a document."""
    for key, entry in root.entries.items():
        if key not in _SECTIONS:
            reader.problems.unknown(entry.key, "unknown section", key, _SECTIONS, plural="sections")
    for key, purpose in _REQUIRED.items():
        if key not in root.entries:
            reader.problems.add(Spot(1, 1), f"'{key}' is missing; {purpose}")
    draft = Draft(root)
    for key, entry in root.entries.items():
        node = entry.value
        match key:
            case "server":
                server = draft.take(reader.part(ServerSettings, node, "'server'"), key)
                draft.server = server or draft.server
            case "journal":
                journal = draft.take(reader.part(JournalSettings, node, "'journal'"), key)
                draft.journal = journal or draft.journal
            case "sources":
                draft.sources = _taken(draft, key, read_named(node, SOURCES, "source", reader))
            case "sinks":
                draft.sinks = _taken(draft, key, read_named(node, SINKS, "sink", reader))
            case "rules":
                draft.rules = read_rules(node, reader)
            case "allow_networks":
                networks = reader.value(tuple[Network, ...], node, key)
                draft.allow_networks = networks if isinstance(networks, tuple) else ()
                draft.broken |= set() if isinstance(networks, tuple) else {(key,)}
    draft.sinks = {
        name: msgspec.structs.replace(sink, allow_networks=sink.allow_networks + draft.allow_networks)
        for name, sink in draft.sinks.items()
    }
    return draft


def _taken(draft: Draft, section: str, parts: dict[str, Part[S]]) -> dict[str, S]:
    """The parts of a section; what is broken in them is remembered."""
    taken = {name: draft.take(part, section, name) for name, part in parts.items()}
    return {name: made for name, made in taken.items() if made is not None}
