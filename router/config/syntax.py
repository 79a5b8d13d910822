"""Syntax: what YAML could not read, said in our own words, at its place, with the fix.

Owns the traps of YAML's notation. A library's message is never repeated: its place and the characters that
stand there say enough, and both of PyYAML's parsers agree on those.
"""

import re
from functools import cached_property
from typing import Protocol

import yaml

from router.errors import RouterError
from router.secret import is_reference

_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
_COMMENT = re.compile(r"\s+#")
_BLANKS_AND_COMMENT = re.compile("[ \t]+#([^\n\r\x85\u2028\u2029]*)")
_HIDING = re.compile(r"(?<=[\s\[{,])#")
# One that does not end goes on to the end: to begin anew at each mark in it takes quadratic time.
_QUOTED = re.compile(r"'[^']*'|\"(?:\\.|[^\"\\])*(?:\"|\\?\Z)")
# Up to a comma or a closing bracket that belongs to no `{{ field }}`.
_WITHIN_BRACKETS = re.compile(r"(?:[^,\]}{]++|\{\{(?:[^{}]++|\{[^{}]*+\})*+\}\}|\{%[^{}]*+\}|\{)*+")
_KEY_IN_BRACKETS = re.compile(r".*[,{] *[^\s,:{}][^,:{}]*: +(?=[^\s,{[][^,]*\Z)")
_NEXT_KEY = re.compile(r" ([a-z_]{1,24})\Z")
_KEY = re.compile(r"\s*(?:- +)*[^\s'\"{\[#:][^:]*:[ \t]+")
# Each word is read once, from its first letter: to begin anew at each `key` in it takes quadratic time.
_SECRET_KEY = re.compile(
    r"(?<![\w-])(?>[\w-]*?(?:secret|token|password|authorization|cookie|key|url))[\w-]*+"
    r"['\"]? *:(?: (?:(?!: ).)*)?\Z",
    re.IGNORECASE,
)
# A key with a value behind it that is no reference; each is tried from its first letter only.
_KEY_WITHIN = re.compile(r"(?<![\w-])([\w-]++['\"]? *+:)(?! *+(?:env|file|credential):\S)")
_REFERENCE = re.compile(r"(env:|file:|credential:)[ \t]+(\S.*)")
_MOST_ITEMS = 20
_COLON = "': ' begins the value of a key"
_BEGINS = {
    "!": "'!' begins a YAML tag",
    "&": "'&' begins a YAML anchor",
    "*": "'*' begins a YAML alias",
    "%": "'%' begins a YAML directive",
    "{": "'{' begins a YAML map",
    "[": "'[' begins a YAML list",
    "|": "'|' begins a YAML text block",
    ">": "'>' begins a YAML text block",
    "?": "'?' begins a YAML key",
}


class Mark(Protocol):
    """A place as PyYAML's parsers tell it, counted from 0."""

    line: int
    column: int


class Spot:
    """A place in a text; line and column count from 1."""

    __slots__ = ("column", "line")

    def __init__(self, line: int, column: int) -> None:
        self.line = line
        self.column = column

    @classmethod
    def of(cls, mark: Mark | None) -> "Spot":
        """The place of a mark; the beginning if there is none."""
        return cls(1, 1) if mark is None else cls(mark.line + 1, mark.column + 1)


class YamlError(RouterError):
    """From `spot` on the YAML makes no sense.

    `meant`: what to read there instead, if known, and of the text its `length`, if that is another.
    """

    def __init__(self, spot: Spot, message: str, meant: str | None = None, length: int | None = None) -> None:
        super().__init__(message)
        self.spot = spot
        self.message = message
        self.meant = meant
        self.length = len(meant or "") if length is None else length


class Written:
    """The text of a file, to look up what stands where. `original` is the text before any replacement."""

    def __init__(self, text: str, original: "Written | None" = None) -> None:
        self.text = text
        self.original = original or self

    @cached_property
    def lines(self) -> list[str]:
        """The lines as YAML counts them."""
        # splitlines() knows YAML's line breaks, and some that are refused; the sentinel keeps an empty
        # last line.
        lines = f"{self.text}.".splitlines()
        lines[-1] = lines[-1][:-1]
        return lines

    def at(self, spot: Spot) -> str:
        """The rest of the line from there."""
        if spot.line > len(self.lines):
            return ""
        return self.lines[spot.line - 1][spot.column - 1 :]

    def before(self, spot: Spot) -> str:
        """The line up to there."""
        return self.lines[spot.line - 1][: spot.column - 1] if spot.line <= len(self.lines) else ""

    def value(self, spot: Spot, *, flow: bool = False) -> str:
        """The value that begins there: up to a comment, within brackets up to a comma or the closing one."""
        rest = self.rest(spot)
        if flow or _open(self.before(spot)):
            found = _WITHIN_BRACKETS.match(rest)
            rest = "" if found is None else found[0].rstrip()
        return rest

    def rest(self, spot: Spot) -> str:
        """The rest of the line from there, without a comment."""
        return _COMMENT.split(self.at(spot), maxsplit=1)[0].rstrip()

    def after(self, spot: Spot) -> str:
        """What stands there and behind it, comments and all."""
        return "\n".join([self.at(spot), *self.lines[spot.line :]]).strip()

    @property
    def end(self) -> Spot:
        """The place behind the last character."""
        return Spot(len(self.lines), len(self.lines[-1]) + 1)

    def comment(self, index: int) -> str | None:
        """The comment that begins there, behind blanks on the same line; `index` counts characters."""
        found = _BLANKS_AND_COMMENT.match(self.text, index)
        return None if found is None else found[1]

    def compared(self, spot: Spot) -> bool:
        """Whether `>5` or `|2` stands there: an empty text block to YAML, hardly ever to its author."""
        return re.fullmatch(r"[|>][0-9+-]+", self.value(spot)) is not None

    def replaced(self, spot: Spot, length: int) -> "Written":
        """The same text with a plain word of the same length there: every other place stays where it was."""
        lines = list(self.lines)
        line = lines[spot.line - 1]
        start = spot.column - 1
        lines[spot.line - 1] = line[:start] + "x" * length + line[start + length :]
        return Written("\n".join(lines), self.original)

    def unquoted(self, spot: Spot, length: int, why: str | None = None) -> "YamlError":
        """The error that `length` characters there must stand in quotes, and how they look in them."""
        meant = self.original.at(spot)[:length]
        reference = _REFERENCE.fullmatch(meant)
        if reference is not None and self.confidential(spot):
            scheme, name = reference.groups()
            example = "/path" if scheme == "file:" else "NAME"  # what stands there may be the secret itself
            message = f"a blank behind '{scheme}' makes a key of it; write {scheme}{example} in one word"
            return YamlError(spot, message, f"{scheme}{name}", length)
        why = why or _BEGINS.get(meant[:1], f"'{meant[:1]}' may not begin a value")
        hidden = self.confidential(spot) or any(map(_SECRET_KEY.search, _KEY_WITHIN.findall(meant)))
        shown = "" if hidden else f": {quoted(meant)}"
        return YamlError(spot, f"quote this value{shown} (unquoted, {why})", meant)

    def confidential(self, spot: Spot) -> bool:
        """Whether the value there stands under a key for secrets, on its line or as an item below it."""
        lines = self.original.lines[max(0, spot.line - _MOST_ITEMS) : spot.line - 1]
        for part in (self.original.before(spot), *reversed(lines)):
            if _SECRET_KEY.search(part):
                return True
            if part.strip() and not part.strip().startswith(("-", "#")):
                return False
        return False

    def unprintable(self) -> tuple[Spot, str] | None:
        """The first character that YAML does not allow, with its place."""
        found = _UNPRINTABLE.search(self.text)
        if found is None:
            return None
        return Written(self.text[: found.start()]).end, found[0]


def _open(before: str) -> bool:
    """Whether a bracket is open at the end of this part of a line; quoted text is passed over."""
    bare = _QUOTED.sub("", before)
    return sum(map(bare.count, "[{")) > sum(map(bare.count, "]}"))


def quoted(text: str) -> str:
    """The text as YAML, in the quotes that need the fewest escapes."""
    if '"' in text or "\\" in text:
        escaped = text.replace("'", "''")
        return f"'{escaped}'"
    return f'"{text}"'


def explain(error: yaml.MarkedYAMLError, written: Written, bracket: Spot | None) -> YamlError:
    """A syntax error in our own words. `bracket`: where the brackets begin that the parser was within."""
    flow = bracket is not None
    here = Spot.of(error.problem_mark)
    start = Spot.of(error.context_mark or error.problem_mark)
    context = error.context or ""
    if context.startswith(("while scanning a tag", "while scanning an a")) or "tag handle" in (
        error.problem or ""
    ):
        return written.unquoted(start, len(written.value(start, flow=flow)))
    if context == "while scanning a directive":
        return YamlError(start, "YAML directives are not read; remove this line")
    if context == "while scanning a block scalar":
        return _block_text(start, here, written)
    if context == "while scanning a plain scalar":
        return _plain_text(start, here, written)
    if "scalar" in context:
        return _quoted_text(start, here, written)
    if context.startswith("while parsing a flow"):
        hidden = None if bracket is None else _hidden(bracket, here, written)
        if hidden is not None:
            return hidden
        if bracket is not None and not written.after(here):
            return _unclosed(bracket, written)
        return _brackets(start, here, written)
    if context.startswith("while parsing a block"):
        return _block(start, here, written, flow=flow)
    if context == "while scanning a simple key":
        return _no_colon(start, written)
    return _stray(here, written, flow=flow)


def _stray(here: Spot, written: Written, *, flow: bool) -> YamlError:
    """Something that may not stand where it stands."""
    rest = written.at(here)
    before = written.before(here)
    first = rest[:1]
    if not before.strip(" \t") and (first == "\t" or "\t" in before):
        return YamlError(here, "a tab indents this line; indent with spaces")
    if first == ":":
        return _second_colon(here, written)
    if first == "-":
        return YamlError(
            here, "a list begins in the middle of a line; begin it on a line of its own, indented"
        )
    if first == "%" and before.endswith("{"):
        start = Spot(here.line, here.column - 1)
        return written.unquoted(start, len(written.value(start)))
    if first in ("@", "`", "%", "?") and before.strip():
        return written.unquoted(here, len(written.value(here, flow=flow)))
    if first in ("|", ">") and before.rstrip().endswith((":", ",", "[", "{")):
        return written.unquoted(here, len(written.value(here, flow=True)))
    if first == "%":
        return YamlError(here, "YAML directives are not read; remove this line")
    if before.strip():
        return _after_value(here, written, flow=flow)
    return YamlError(
        here, "this does not belong to what stands above it; check its indentation, or remove a '...' above"
    )


def _second_colon(here: Spot, written: Written) -> YamlError:
    """A `: ` where no key may stand: in the middle of a value, or on a line that is indented too far."""
    key = _KEY.match(written.before(here))
    if key is not None:
        value = Spot(here.line, key.end() + 1)
        return written.unquoted(value, len(written.value(value)), _COLON)
    before = written.before(here)
    column = len(before) - len(before.lstrip()) + 1
    return YamlError(
        Spot(here.line, column),
        "a key may not begin here; check the indentation, and the ':' of the line above",
    )


def _block(start: Spot, here: Spot, written: Written, *, flow: bool) -> YamlError:
    """A map or list whose next line does not fit, or more text after a value."""
    before, rest = written.before(here), written.at(here)
    if before.strip(" -"):
        return _after_value(here, written, flow=flow)
    if rest.startswith(":"):
        return YamlError(here, "the key before ':' is missing")
    what = "list items" if written.at(start).startswith("-") else "keys"
    return YamlError(
        here,
        f"this line does not line up; its {what} begin in column {start.column}, see line {start.line}",
    )


def _after_value(here: Spot, written: Written, *, flow: bool) -> YamlError:
    """A bracket where no list or map is open, or text after a quoted value or a closing bracket."""
    rest = written.at(here)
    if rest[:1] in ("]", "}", ","):
        return written.unquoted(here, len(written.rest(here)), f"'{rest[0]}' belongs to brackets")
    key = _KEY.match(written.before(here))
    if key is not None and not flow:
        value = Spot(here.line, key.end() + 1)
        if written.at(value)[:1] in ("{", "["):
            return written.unquoted(value, len(written.rest(value)))
    return YamlError(
        here, "more text follows a complete value; quote all of it, and write '' for a ' in single quotes"
    )


def _brackets(start: Spot, here: Spot, written: Written) -> YamlError:
    """A list or map in brackets that does not end, or something in it that is no item."""
    opening, rest = written.at(start)[:1], written.at(here)
    key = _KEY_IN_BRACKETS.match(written.before(here)) if rest.startswith((":", "{{", "{%")) else None
    if key is not None:
        value = Spot(here.line, key.end() + 1)
        why = _COLON if rest.startswith(":") else _BEGINS["{"]
        word = _NEXT_KEY.search(written.before(here), value.column - 1) if rest[1:2] in ("", " ") else None
        if word is not None and (is_reference(written.at(value)) or not written.confidential(value)):
            why += f"; or a ',' is missing before '{word[1]}'"
        return written.unquoted(value, len(written.value(value, flow=True)), why)
    if opening not in ("[", "{"):
        if rest.startswith(":") and rest[1:2] not in ("", " ", ",", "]", "}"):
            length = len(written.value(here, flow=True))
            return written.unquoted(here, length, "':' may not begin a value in brackets")
        if rest.startswith(":"):
            return YamlError(here, "the key before ':' is missing")
        return YamlError(here, f"a value is missing before '{rest[:1]}'")
    return _unclosed(start, written)


def _unclosed(start: Spot, written: Written) -> YamlError:
    """A list or map in brackets without its end, as far as the parser can tell."""
    what, closing = ("map", "}") if written.at(start)[:1] == "{" else ("list", "]")
    return YamlError(start, f"this {what} does not end with '{closing}', or a ',' is missing in it")


def _hidden(start: Spot, here: Spot, written: Written) -> YamlError | None:
    """A closing bracket that stands behind a `#` on the line of the opening one, and before `here`."""
    line = _QUOTED.sub(lambda quoted: "x" * len(quoted[0]), written.at(start))
    opening, closing = line[:1], "}" if line.startswith("{") else "]"
    found = _HIDING.search(line)
    if found is None or line.count(closing, found.end()) <= line.count(opening, found.end()):
        return None
    spot = Spot(start.line, start.column + found.start())
    if (here.line, here.column) <= (spot.line, spot.column):
        return None
    return YamlError(
        spot, f"'#' begins a comment and hides the '{closing}' behind it; quote what holds the '#'"
    )


def _plain_text(start: Spot, here: Spot, written: Written) -> YamlError:
    """A text without quotes, which libyaml ends at a tab on the next line, or in brackets at a last ':'."""
    if written.at(here).startswith(":"):
        return written.unquoted(start, len(written.value(start, flow=True)), _COLON)
    return YamlError(here, "a tab indents this line; indent with spaces")


def _quoted_text(start: Spot, here: Spot, written: Written) -> YamlError:
    """A quoted text that does not end, or an escape that is none."""
    quote = written.at(start)[:1]
    if here.line > len(written.lines) or not written.at(here):
        return YamlError(start, f"this text does not end; close it with {quote}")
    if quote == '"':
        line = written.lines[here.line - 1]
        escape = line.rfind("\\", 0, here.column)
        if escape >= 0:
            spot = Spot(here.line, escape + 1)
            shown = line[escape : escape + 2]
            return YamlError(
                spot, f"'{shown}' is no escape in double quotes; write single quotes, or '\\\\' for '\\'"
            )
    return YamlError(start, f"this text does not end; close it with {quote}")


def _block_text(start: Spot, here: Spot, written: Written) -> YamlError:
    """A `|` or `>` that was not meant to begin a block, or a block with a tab."""
    if here.line == start.line:
        return written.unquoted(start, len(written.value(start)))
    return YamlError(here, "a tab indents this line; indent with spaces")


def _no_colon(start: Spot, written: Written) -> YamlError:
    """A line in a map without a key. Only what looks like one is repeated: the rest may be a secret."""
    word = (written.original.value(start).split() or [""])[0]
    key, colon, rest = word.partition(":")
    shown = f" after '{key}'" if _LIKE_A_KEY.fullmatch(key) else ""
    if colon and rest:
        return YamlError(
            start, f"a space is missing after '{key}:'" if shown else "a space is missing after ':'"
        )
    return YamlError(start, f"':' is missing{shown}; or indent this line if it continues the one above")


_LIKE_A_KEY = re.compile(r"[A-Za-z_-]{1,24}")
