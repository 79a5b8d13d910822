"""Sections: the named maps of a file, `sources` and `sinks`, to the structs behind their types.

Owns names and the choice of the type. Must not know what a source or a sink does.
"""

import re
from collections.abc import Mapping
from typing import TypeVar

import msgspec

from router.config.nodes import Entry, Node, Text
from router.config.problems import Problems, clip
from router.config.reader import Part, Reader

# Names stand in URLs, metrics and log lines.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")

S = TypeVar("S", bound=msgspec.Struct)


def read_named(node: Node, kinds: Mapping[str, type[S]], what: str, reader: Reader) -> dict[str, Part[S]]:
    """The sources or sinks of a section by name, as far as they can be read.

    `what` one of them is called: "source" or "sink".
    """
    section = reader.map(node, f"'{what}s'")
    if section is None:
        return {}
    if not section.entries:
        reader.problems.add(node, f"'{what}s' is empty; write at least one")
    found: dict[str, Part[S]] = {}
    for name, entry in section.entries.items():
        _check_name(entry.key, what, reader.problems)
        kind = _kind(entry, kinds, what, reader)
        if kind is None:
            continue
        called = f"{what} '{clip(name)}'"
        made = reader.part(kind, entry.value, called, place=entry.key, skip=("type",), given={"name": name})
        if made is not None:
            found[name] = made
    return found


def _check_name(key: Text, what: str, problems: Problems) -> None:
    if _NAME.fullmatch(key.text) is None:
        problems.add(
            key,
            f"'{clip(key.text)}' cannot name a {what}; use up to 64 letters, digits, '.', '_' and '-', "
            "beginning with a letter or digit",
        )


def _kind(entry: Entry, kinds: Mapping[str, type[S]], what: str, reader: Reader) -> type[S] | None:
    """The struct behind a section's `type`, or None."""
    called = f"{what} '{clip(entry.key.text)}'"
    section = reader.map(entry.value, called, ["type", "…"])
    if section is None:
        return None
    types = ", ".join(kinds)
    written = section.entries.get("type")
    if written is None:
        close = any(key.startswith("type:") for key in section.entries)
        fix = "write a space after 'type:'" if close else f"add one of {types}"
        reader.problems.add(entry.key, f"{called} has no 'type'; {fix}")
        return None
    text = reader.text(written.value)
    if text is None:
        return None
    if text not in kinds:
        reader.problems.unknown(written.value, f"unknown {what} type", text, kinds, plural="types")
    return kinds.get(text)
