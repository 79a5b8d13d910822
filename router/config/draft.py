"""Draft: what could be read of a file, and the nodes it was read from.

For the checks that look at more than one field. Must not judge anything.
"""

from typing import TypeVar

import msgspec

from router.config.nodes import Entry, Items, Map, Node, Text
from router.config.reader import Part
from router.journal.journal import JournalSettings
from router.rules.rule import Rule
from router.server.settings import ServerSettings
from router.sinks.sink import Sink
from router.sources.source import Source
from router.units import Network

S = TypeVar("S", bound=msgspec.Struct)


class Draft(msgspec.Struct):
    """A configuration in the making, and the nodes that tell where things stand.

    A section with a problem is there as far as it could be read: `sound` says what of it can be trusted.
    """

    root: Map
    server: ServerSettings = ServerSettings()
    journal: JournalSettings = JournalSettings()
    sources: dict[str, Source] = {}
    sinks: dict[str, Sink] = {}
    rules: list[Rule] = []
    allow_networks: tuple[Network, ...] = ()
    broken: set[tuple[str, ...]] = set()

    def take(self, part: Part[S] | None, *path: str) -> S | None:
        """What could be read of the section at a path; what could not is remembered."""
        if part is None:
            return None
        self.broken |= {(*path, key) for key in part.broken}
        return part.made

    def sound(self, *path: str) -> bool:
        """Whether the value at a path is what the file says, or the default if it says nothing."""
        return path not in self.broken

    def entries(self, section: str) -> dict[str, Entry]:
        """The entries of a section, by name; those with problems too."""
        return entries_of(self.root, section)

    def place(self, section: str, *keys: str) -> Node:
        """Where the value of a key stands; if it is not in the file, where what should hold it does."""
        node: Node = self.root
        place: Node = self.root
        for key in (section, *keys):
            if not isinstance(node, Map) or key not in node.entries:
                return place
            entry = node.entries[key]
            node, place = entry.value, entry.value if not isinstance(entry.value, Map) else entry.key
        return place

    @property
    def rule_nodes(self) -> list[Map]:
        """The rules as written, in order."""
        rules = self.root.entries.get("rules")
        items = rules.value.items if rules is not None and isinstance(rules.value, Items) else []
        return [item for item in items if isinstance(item, Map)]


def entries_of(node: Node, key: str) -> dict[str, Entry]:
    """The entries of the map under a key, or none."""
    entry = node.entries.get(key) if isinstance(node, Map) else None
    return entry.value.entries if entry is not None and isinstance(entry.value, Map) else {}


def texts_of(node: Node, key: str) -> list[Text]:
    """The texts under a key that holds one or a list, or none."""
    entry = node.entries.get(key) if isinstance(node, Map) else None
    if entry is None:
        return []
    nodes = entry.value.items if isinstance(entry.value, Items) else [entry.value]
    return [each for each in nodes if isinstance(each, Text)]
