"""Grammar: what a template may say. Its words, checked before the first event.

minijinja finds an unknown filter only while it renders, and only where a branch comes to it. It also knows
words that fill the memory, or stop the process, given a large number. Must not know what an event is.
"""

import re
from collections.abc import Collection, Iterator, Sequence

from router.spelling import near
from router.units import Reasons

FILTERS = (
    "abs", "capitalize", "count", "d", "default", "first", "float", "groupby", "int", "items", "join",
    "last", "length", "list", "lower", "map", "max", "min", "pluralize", "reject", "rejectattr",
    "replace", "reverse", "round", "select", "selectattr", "sort", "split", "string", "title", "tojson",
    "trim", "truncate", "unique", "upper", "urlencode",
)  # fmt: skip
TESTS = (
    "boolean", "defined", "divisibleby", "endingwith", "eq", "equalto", "even", "false", "float", "ge",
    "greaterthan", "gt", "in", "integer", "iterable", "le", "lessthan", "lower", "lt", "ne", "none",
    "number", "odd", "sequence", "startingwith", "string", "true", "undefined", "upper",
)  # fmt: skip
FUNCTIONS = ("range",)
STATEMENTS = (
    "break", "continue", "elif", "else", "endfor", "endif", "endwith", "for", "if", "set", "with",
)  # fmt: skip

# A comment, a raw block, an expression or a statement; quotes may hold anything, the end of a tag included.
_INSIDE = r"""((?:'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|[^'"])*?)"""
TAG = re.compile(
    r"\{#.*?#\}|\{%[-+]?\s*raw\s*[-+]?%\}.*?\{%[-+]?\s*endraw\s*[-+]?%\}"
    rf"|\{{\{{{_INSIDE}\}}\}}|\{{%[-+]?{_INSIDE}%\}}",
    re.DOTALL,
)
QUOTED = re.compile(r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*\"""", re.DOTALL)
_FILTER = re.compile(r"\|\s*(\w+)")
_TEST = re.compile(r"\bis\s+(?:not\s+)?(\w+)")
_METHOD = re.compile(r"(?<!\bloop)\.\s*(\w+)\s*\(")
_REPEATED = re.compile(r'""\s*\*|\*\s*""')
# Behind a dot: in a rule such a name is one step of a path, and so some providers call their keys.
DASHED = re.compile(r"(?<=[\w\])])(?<!\bloop)\.([A-Za-z_]\w*(?:-(?!payload\b|labels\b)[A-Za-z_]\w*)+)")


def check_words(text: str, names: Collection[str], fields: Sequence[str]) -> None:
    """Raise `Reasons` for all words that are none of ours, with their lines where there are several.

    `text` parses; `names` are the variables that it reads and does not set, `fields` the ones there are.
    """
    tags = list(_expressions(text))
    # What a foreign statement sets would be taken for unknown fields: those have to wait.
    used = {word: line for line, word, _ in reversed(tags) if word is not None and word not in STATEMENTS}
    flaws = [foreign(word, line) for word, line in used.items() if _beginning(word) not in used]
    if not flaws:
        taken = {
            part: key for *_, said in tags for key in DASHED.findall(said) for part in key.split("-")[1:]
        }
        for name in sorted({*names} - {*fields, *FUNCTIONS}):
            place = at_line(_line_of(name, tags))
            flaws.append(
                subtraction(taken[name], place) if name in taken else _unknown("field", name, fields, place)
            )
    flaws += [flaw for line, _, said in tags for flaw in _flaws_in(said, at_line(line))]
    if flaws:
        raise Reasons(*dict.fromkeys(flaws))


def foreign(word: str, line: int) -> str:
    """The message that a statement is none of ours."""
    statements = "statements are if, for, set x = …, with and raw"
    return f"the template uses '{word}'{at_line(line)}; {statements}"


def subtraction(key: str, place: str = "") -> str:
    """The message that a name with `-` behind a dot is none."""
    return f"the template subtracts in '.{key}'{place}; write ['{key}'] for a name with '-'"


def _beginning(word: str) -> str | None:
    """The statement that this one ends, by its name; None if it ends none."""
    return word.removeprefix("end") if word.startswith("end") else None


def at_line(line: int) -> str:
    """The place, where there is more than one line to look at."""
    return f" in line {line}" if line > 1 else ""


def _flaws_in(said: str, place: str) -> Iterator[str]:
    """What is wrong with the words of one tag."""
    for kind, pattern, known in (("filter", _FILTER, FILTERS), ("test", _TEST, TESTS)):
        for name in pattern.findall(said):
            if name not in known:
                yield _unknown(kind, name, known, place)
    for name in _METHOD.findall(said):
        yield f"the template calls a method '{name}'{place}; use a filter, as in {{{{ branch|upper }}}}"
    if _REPEATED.search(said):
        yield f"the template repeats text by '*'{place}; a stranger's number could fill the memory"


def _expressions(text: str) -> Iterator[tuple[int, str | None, str]]:
    """Of every tag its line, its statement if it is one, and its inside without what stands in quotes."""
    for tag in TAG.finditer(text):
        line = text.count("\n", 0, tag.start()) + 1
        word = None if tag[2] is None else tag[2].split(maxsplit=1)[0]
        yield line, word, said_by(tag)


def said_by(tag: re.Match[str]) -> str:
    """What a tag says, without what stands in quotes; nothing if it is a comment or a raw block."""
    return QUOTED.sub('""', tag[1] or tag[2] or "")


def _line_of(name: str, tags: Sequence[tuple[int, str | None, str]]) -> int:
    """The line in which a variable is first read."""
    return next((line for line, _, said in tags if re.search(rf"\b{name}\b", said)), 1)


def _unknown(kind: str, name: str, known: Sequence[str], place: str) -> str:
    return f"the template names an unknown {kind} '{name}'{place}; {near(name, known, f'{kind}s')}"
