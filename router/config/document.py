"""Document: YAML text to nodes that know their place.

Owns YAML's notation and its bounds. Every scalar stays text: what it means is decided by the field that reads
it. Must not know any field. Nothing is constructed by the library: its events are read one by one, so that a
bomb is seen before it is built.
"""

from typing import Final

import msgspec
import yaml

from router.config.nodes import Entry, Items, Map, Node, Text
from router.config.problems import Place, Problems, clip
from router.config.syntax import Spot, Written, YamlError, explain
from router.errors import RouterError

LONGEST: Final = 16 << 20
# A large configuration of ten thousand rules has 260,000; each costs some three microseconds to read.
MOST_NODES: Final = 300_000
# What an alias repeats is read and judged again each time, at up to 50 microseconds for a pattern.
MOST_REPEATED: Final = 20_000
MOST_KEYS: Final = 50_000
DEEPEST: Final = 32
# Each value that should have been quoted costs one more reading of the text.
_MOST_READINGS = 20
_LONGEST_REREAD = 1 << 20

_EXPRESSION = ("re:", "!re:")
_BRACES = ("{{", "}}", "{%", "%}")

# libyaml is ten times as fast; without it PyYAML is slow, not different.
Parser = type[yaml.CSafeLoader] | type[yaml.SafeLoader]
PARSER: Parser = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader


def read(raw: bytes, problems: Problems, parser: Parser = PARSER) -> Node | None:
    """The only document of a file, or None if it could not be read to its end; why goes to `problems`.

    A value that YAML cannot read unquoted does not hide what comes after it: it is reported, taken as it was
    meant, and the text is read again.
    """
    written = _decoded(raw, problems)
    if written is None:
        return None
    meant: dict[tuple[int, int], str] = {}
    readings = 0
    while True:
        found = Problems(problems.path)
        try:
            node = _Reading(written, found, meant, parser).document()
        except _Hopeless as error:
            problems.take(found)
            problems.skip(error.place)
            return None
        except YamlError as error:
            problems.add(error.spot, error.message)
            readings += 1
            if not error.meant or readings == _MOST_READINGS or len(written.text) > _LONGEST_REREAD:
                problems.take(found)
                return None
            meant[error.spot.line, error.spot.column] = error.meant
            written = written.replaced(error.spot, error.length)
        else:
            problems.take(found)
            return node


class _Hopeless(RouterError):
    """From `place` on no problem would be shown any more, so that reading on is of no use."""

    def __init__(self, place: Place) -> None:
        super().__init__()
        self.place = place


def _decoded(raw: bytes, problems: Problems) -> Written | None:
    """The text of a file, or None with a problem."""
    if len(raw) > LONGEST:
        problems.add(Spot(1, 1), f"the file is over {LONGEST >> 20} MiB; that is the limit")
        return None
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        problems.add(Spot(1, 1), "the file is UTF-16; save it as UTF-8")
        return None
    try:
        written = Written(raw.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        spot = Written(raw[: error.start].decode("utf-8-sig")).end
        problems.add(spot, f"the byte 0x{raw[error.start]:02x} is not UTF-8; save the file as UTF-8")
        return None
    found = written.unprintable()
    if found is not None:
        spot, character = found
        problems.add(spot, f"the character U+{ord(character):04X} may not stand here; remove it")
        return None
    return written


def _is_cut(text: str, comment: str) -> bool:
    """Whether a comment was hardly meant as one: `#name`, or one that has a part of a template in it."""
    if any(brace in comment for brace in _BRACES):
        return True
    return text.rfind("{{") > text.rfind("}}") if text else comment[:1].strip() != ""


class _Frame(msgspec.Struct):
    """A list or map that is being read; `key` waits for its value, and is dropped with it if `barred`."""

    node: Items | Map
    flow: bool
    anchor: str | None
    size: int = 1
    key: Text | None = None
    barred: bool = False


class _Reading:
    """One reading of a text."""

    def __init__(
        self, written: Written, problems: Problems, meant: dict[tuple[int, int], str], parser: Parser
    ) -> None:
        self._written = written
        self._problems = problems
        self._meant = meant
        self._events = parser(written.text)
        self._stack: list[_Frame] = []
        self._anchors: dict[str, tuple[Node, int] | None] = {}  # with sizes; None: not complete yet
        self._count = 0
        self._repeated = 0
        self._root: Node | None = None

    def document(self) -> Node:
        """Read it all.

        Raises:
            YamlError: it makes no sense from some place on, or is over a bound.
            _Hopeless: more is wrong up to some place than can be shown.
        """
        try:
            while True:
                event = self._events.get_event()
                if event is None or isinstance(event, yaml.StreamEndEvent):
                    break
                self._take(event)
        except yaml.MarkedYAMLError as error:
            raise explain(error, self._written, self._bracket) from None
        finally:
            self._events.dispose()
        if self._root is None or (isinstance(self._root, Text) and self._root.empty):
            raise YamlError(Spot(1, 1), "the file is empty; it needs at least sources, sinks and rules")
        return self._root

    @property
    def _flow(self) -> bool:
        return self._bracket is not None

    @property
    def _bracket(self) -> Spot | None:
        """Where the brackets begin that are being read."""
        if not self._stack or not self._stack[-1].flow:
            return None
        return Spot(self._stack[-1].node.line, self._stack[-1].node.column)

    def _take(self, event: yaml.Event) -> None:
        """Build one event in."""
        match event:
            case yaml.ScalarEvent():
                self._put(self._scalar(event), 1, event.anchor)
            case yaml.AliasEvent():
                self._repeat(event)
            case yaml.SequenceStartEvent() | yaml.MappingStartEvent():
                self._open(event)
            case yaml.SequenceEndEvent() | yaml.MappingEndEvent():
                frame = self._stack.pop()
                self._put(frame.node, frame.size, frame.anchor)
            case yaml.DocumentStartEvent() if self._root is not None:
                raise YamlError(
                    Spot.of(event.start_mark),
                    "a second document begins here; a configuration is one document",
                )

    def _open(self, event: yaml.SequenceStartEvent | yaml.MappingStartEvent) -> None:
        """Begin a list or a map."""
        spot = Spot.of(event.start_mark)
        if len(self._stack) == DEEPEST:
            raise YamlError(spot, f"this is nested too deeply; the limit is {DEEPEST}")
        self._refuse_template(spot)
        if event.tag is not None:
            tag = self._written.at(spot).split(maxsplit=1)[0]
            self._wrong(spot, f"YAML tags are not read; remove '{clip(tag)}'")
        self._counted(spot, 1)
        if event.anchor is not None:
            self._anchors[event.anchor] = None
        node: Items | Map = (
            Items(spot.line, spot.column, [])
            if isinstance(event, yaml.SequenceStartEvent)
            else Map(spot.line, spot.column, {})
        )
        self._stack.append(_Frame(node, bool(event.flow_style), event.anchor))

    def _refuse_template(self, spot: Spot) -> None:
        """`{{ branch }}` without quotes: to YAML a map whose first key is a map, brace at brace."""
        opening = self._bracket
        if (
            opening is not None
            and isinstance(self._stack[-1].node, Map)
            and (spot.line, spot.column) == (opening.line, opening.column + 1)
        ):
            flow = len(self._stack) > 1 and self._stack[-2].flow
            raise self._written.unquoted(opening, len(self._written.value(opening, flow=flow)))

    def _scalar(self, event: yaml.ScalarEvent) -> Text:
        """A scalar, as it was meant."""
        spot = Spot.of(event.start_mark)
        self._counted(spot, 1)
        meant = self._meant.get((spot.line, spot.column)) if self._meant else None
        if meant is not None:
            return Text(spot.line, spot.column, meant, quoted=True)
        quoted = event.style not in ("", None)
        if event.tag is not None and self._flow:
            # PyYAML without libyaml takes the brackets behind it for a part of the tag.
            raise self._written.unquoted(spot, len(self._written.value(spot, flow=True)))
        nothing = not event.value and (event.anchor is not None or event.style in ("|", ">"))
        if event.tag is not None or (nothing and (not quoted or self._written.compared(spot))):
            return self._unquoted(spot)
        end = event.end_mark
        comment = None if quoted or end is None else self._written.comment(end.index)
        if comment is None:
            return Text(spot.line, spot.column, event.value, quoted)
        if event.value.startswith(_EXPRESSION):
            self._problems.warn(
                spot,
                "this expression ends where ' #' begins a comment; quote it, with or without the comment",
            )
        return Text(spot.line, spot.column, event.value, cut=_is_cut(event.value, comment))

    def _unquoted(self, spot: Spot) -> Text:
        """A value that YAML reads as something else; it is reported and then taken as it was meant."""
        error = self._written.unquoted(spot, len(self._written.value(spot, flow=self._flow)))
        self._wrong(spot, error.message)
        return Text(spot.line, spot.column, error.meant or "", quoted=True)

    def _alias(self, event: yaml.AliasEvent) -> tuple[Node, int]:
        """What an alias repeats, and how many nodes that are."""
        spot = Spot.of(event.start_mark)
        if event.anchor not in self._anchors:
            self._counted(spot, 1)
            return self._unquoted(spot), 1
        target = self._anchors[event.anchor]
        if target is None:
            raise YamlError(spot, f"'*{clip(event.anchor)}' repeats what it is a part of; write it out")
        self._counted(spot, target[1])
        self._repeated += target[1]
        if self._repeated > MOST_REPEATED:
            raise YamlError(spot, f"aliases repeat more than {MOST_REPEATED} values up to here; write less")
        return target

    def _repeat(self, event: yaml.AliasEvent) -> None:
        """Put what an alias repeats in its place; a list remembers where."""
        above = self._stack[-1].node if self._stack else None
        if isinstance(above, Items):
            spot = Spot.of(event.start_mark)
            above.aliases[len(above.items)] = Text(spot.line, spot.column, f"*{event.anchor}")
        self._put(*self._alias(event), None)

    def _wrong(self, place: Place, message: str) -> None:
        """Note a problem that does not end the reading by itself."""
        if self._problems.full:
            raise _Hopeless(place)
        self._problems.add(place, message)

    def _counted(self, spot: Spot, size: int) -> None:
        """Count nodes, those behind aliases each time."""
        self._count += size
        if self._count > MOST_NODES:
            raise YamlError(
                spot, f"more than {MOST_NODES} values up to here, each alias counted in full; write less"
            )

    def _put(self, node: Node, size: int, anchor: str | None) -> None:
        """Give a complete node its place in what is being read."""
        if anchor is not None:
            self._anchors[anchor] = (node, size)
        if not self._stack:
            self._root = node
            return
        frame = self._stack[-1]
        frame.size += size
        if isinstance(frame.node, Items):
            frame.node.items.append(node)
        elif frame.key is None:
            frame.key, frame.barred = self._key(frame.node, node)
        else:
            if not frame.barred:
                frame.node.entries[frame.key.text] = Entry(frame.key, node)
            frame.key = None

    def _key(self, map_: Map, node: Node) -> tuple[Text, bool]:
        """A key, and whether it may not be used."""
        if not isinstance(node, Text):
            self._wrong(node, "a key must be text; this is a list or a map")
            return Text(node.line, node.column, ""), True
        if node.empty:
            self._wrong(node, "the key before ':' is missing")
            return node, True
        if node.text == "<<" and not node.quoted:
            self._wrong(node, "merging by '<<' is not read; write the keys out here")
            return node, True
        first = map_.entries.get(node.text)
        if first is not None:
            self._wrong(node, f"duplicate key '{clip(node.text)}'; the first is in line {first.key.line}")
            return node, True
        if len(map_.entries) == MOST_KEYS:
            raise YamlError(
                Spot(node.line, node.column), f"more than {MOST_KEYS} keys in one map; write fewer"
            )
        return node, False
