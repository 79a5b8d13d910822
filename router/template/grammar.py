"""Grammar: what a template may say. Its words, checked before the first event.

minijinja finds an unknown filter only while it renders, and only where a branch comes to it. It also knows
words that fill the memory, or stop the process, given a large number. Must not know what an event is.
"""

import re
from collections.abc import Collection, Iterator, Sequence

from router.spelling import near

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
_STATEMENTS = (
    "break", "continue", "elif", "else", "endfor", "endif", "endwith", "for", "if", "set", "with",
)  # fmt: skip

# A comment, a raw block, an expression or a statement; quotes may hold anything, the end of a tag included.
_INSIDE = r"""((?:'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|[^'"])*?)"""
_TAG = re.compile(
    r"\{#.*?#\}|\{%[-+]?\s*raw\s*[-+]?%\}.*?\{%[-+]?\s*endraw\s*[-+]?%\}"
    rf"|\{{\{{{_INSIDE}\}}\}}|\{{%[-+]?{_INSIDE}%\}}",
    re.DOTALL,
)
_QUOTED = re.compile(r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*\"""", re.DOTALL)
_FILTER = re.compile(r"\|\s*(\w+)")
_TEST = re.compile(r"\bis\s+(?:not\s+)?(\w+)")
_METHOD = re.compile(r"(?<!\bloop)\.\s*(\w+)\s*\(")
_REPEATED = re.compile(r'""\s*\*|\*\s*""')


def check_words(text: str, names: Collection[str], fields: Sequence[str]) -> None:
    """Raise `ValueError` at the first word that is none of ours, with its line where there are several.

    `text` parses; `names` are the variables that it reads and does not set, `fields` the ones there are.
    """
    expressions = list(_expressions(text))
    for name in sorted(names):
        if name not in fields and name not in FUNCTIONS:
            line = next((at for at, said in expressions if re.search(rf"\b{name}\b", said)), 1)
            raise ValueError(_unknown("field", name, fields, _at(line)))
    for line, said in expressions:
        _check_expression(said, _at(line))


def _check_expression(said: str, place: str) -> None:
    for kind, pattern, known in (("filter", _FILTER, FILTERS), ("test", _TEST, TESTS)):
        for name in pattern.findall(said):
            if name not in known:
                raise ValueError(_unknown(kind, name, known, place))
    if method := _METHOD.search(said):
        raise ValueError(
            f"the template calls a method '{method[1]}'{place}; use a filter, as in {{{{ branch|upper }}}}"
        )
    if _REPEATED.search(said):
        raise ValueError(
            f"the template repeats text by '*'{place}; a stranger's number could fill the memory"
        )


def _expressions(text: str) -> Iterator[tuple[int, str]]:
    """Line and inside of every tag, without what stands in quotes; `ValueError` at a foreign statement."""
    for tag in _TAG.finditer(text):
        line = text.count("\n", 0, tag.start()) + 1
        if tag[2] is not None:
            word = tag[2].split(maxsplit=1)[0]
            if word not in _STATEMENTS:
                raise ValueError(
                    f"the template uses '{word}'{_at(line)}; statements are if, for, set x = …, with and raw"
                )
        yield line, _QUOTED.sub('""', tag[1] or tag[2] or "")


def _unknown(kind: str, name: str, known: Sequence[str], place: str) -> str:
    return f"the template names an unknown {kind} '{name}'{place}; {near(name, known, f'{kind}s')}"


def _at(line: int) -> str:
    """The place, where there is more than one line to look at."""
    return f" in line {line}" if line > 1 else ""
