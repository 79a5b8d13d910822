"""Nodes: what a document is made of, each with its place (line and column count from 1).

Must not know YAML: the same nodes are made of JSON when stored rules are read again.
"""

import msgspec

_ABSENT = ("null", "Null", "NULL", "~")


class Text(msgspec.Struct, frozen=True, gc=False):
    """A scalar as written, without its quotes. `cut`: a comment behind it was hardly meant as one."""

    line: int
    column: int
    text: str
    quoted: bool = False
    cut: bool = False

    @property
    def absent(self) -> bool:
        """Whether it is null, written out."""
        return not self.quoted and self.text in _ABSENT

    @property
    def empty(self) -> bool:
        """Whether nothing is written at all."""
        return not self.quoted and not self.text


class Items(msgspec.Struct, frozen=True, gc=False):
    """A list; `aliases` are those items that are written as one, by their number from 0."""

    line: int
    column: int
    items: list["Node"]
    aliases: dict[int, Text] = {}


class Entry(msgspec.Struct, frozen=True, gc=False):
    """A key and its value."""

    key: Text
    value: "Node"


class Map(msgspec.Struct, frozen=True, gc=False):
    """A map, in the order of the file."""

    line: int
    column: int
    entries: dict[str, Entry]


Node = Text | Items | Map


def unplaced(value: object) -> Node:
    """A JSON document as nodes without places: all stand at 1:1."""
    match value:
        case dict():
            return Map(
                1, 1, {key: Entry(Text(1, 1, key, quoted=True), unplaced(value[key])) for key in value}
            )
        case list():
            return Items(1, 1, [unplaced(each) for each in value])
        case str():
            return Text(1, 1, value, quoted=not value or value in _ABSENT)
        case None:
            return Text(1, 1, "null")
        case bool():
            return Text(1, 1, "true" if value else "false")
    return Text(1, 1, str(value))


def bare(node: Node) -> object:
    """A node as a JSON document: text stays text, only null written out is None."""
    match node:
        case Map():
            return {key: bare(entry.value) for key, entry in node.entries.items()}
        case Items():
            return [bare(each) for each in node.items]
    return None if node.absent else node.text
