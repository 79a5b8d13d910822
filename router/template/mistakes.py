"""Mistakes: why a template does not parse, or says something else than was meant, with the fix.

minijinja names the token at which it gave up; its author knows braces, quotes and an `if` without its end.
Must not know the language's library: whether a tag is right by itself is asked of the caller.
"""

import re
from collections.abc import Callable, Collection, Iterator

from router.template.grammar import DASHED, QUOTED, STATEMENTS, TAG, at_line, foreign, said_by, subtraction

_OPENING = re.compile(r"\{[{%#]")
_CLOSING = {"{{": "}}", "{%": "%}", "{#": "#}"}
_WORD = re.compile(r"\{%[-+]?\s*(\w*)")
_BLOCKS = ("for", "if", "with")
# Behind the statement: `set x` without a value begins a block, which is none of ours.
_OPEN_SET = re.compile(r"\{%[-+]?\s*set\b[^=]*%\}")
_SHOWN = 60
# Not with blanks: so GraphQL writes what it selects.
_SINGLE = re.compile(r"\$?\{([a-z_]+)\}")
_PART = re.compile(r"(?<![\w.\])])([a-z_]+)\.(\w+)")
_BOUND = re.compile(r"\bfor\b([\w\s,()]{1,100}?)\bin\b|\b(\w+)\s*=(?!=)")
# What other languages write, and what this one does.
_FOREIGN = (
    (re.compile("['\"]"), "close its quotes; a text with ' in it stands in double quotes"),
    (re.compile(r"&&|\|\|"), "write 'and' and 'or'"),
    (re.compile(r"!(?!=)"), "write 'not'"),
    (re.compile(r"\?"), "write {{ 'this' if changes else 'that' }}"),
    (re.compile(r"\{%[-+]?\s*(?:el)?if\b[^=!<>]*=[^=]"), "compare with '=='"),
)


def mistake(text: str, parses: Callable[[str], bool]) -> str:
    """What is wrong with a template that does not parse."""
    tags = list[tuple[int, str]]()
    for start, tag in list(_tags(text)):
        line = text.count("\n", 0, start) + 1
        if tag in _CLOSING:
            return _unclosed(text[start:], tag, at_line(line))
        tags.append((line, tag))
    return _unbalanced(tags) or _wrong(tags, parses)


def doubts(text: str, fields: Collection[str], maps: Collection[str]) -> Iterator[str]:
    """What a template that parses hardly means, each once. `fields` are one value each but for `maps`."""
    said = dict[str, str]()
    bare = TAG.sub(lambda tag: " " + "\n" * tag[0].count("\n"), text)
    for found in _SINGLE.finditer(bare):
        if found[1] in fields and found[0] not in said:
            line = at_line(bare.count("\n", 0, found.start()) + 1)
            said[found[0]] = f"'{found[0]}' is sent as it stands{line}; write {{{{ {found[1]} }}}}"
    inside = _inside(text)
    bound = {word for names in _BOUND.findall(inside) for word in re.findall(r"\w+", "".join(names))}
    for found in _PART.finditer(inside):
        name, part = found.groups()
        if name in fields and name not in maps and name not in bound:
            meant = (
                f"write '{part}'" if part in fields else f"write 'payload.{found[0]}' for the provider's own"
            )
            said[found[0]] = f"'{found[0]}' is always absent, as '{name}' is one value; {meant}"
    yield from said.values()
    # Of a variable of its own a template means to subtract.
    keys = [key for key in DASHED.findall(inside) if bound.isdisjoint(key.split("-")[1:])]
    yield from dict.fromkeys(map(subtraction, keys))


def reads(text: str, name: str) -> bool:
    """Whether a template that parses uses a variable."""
    return re.search(rf"\b{name}\b", _inside(text)) is not None


def _inside(text: str) -> str:
    """What stands in the tags of a template, without what stands in quotes."""
    return "\n".join(map(said_by, TAG.finditer(text)))


def _tags(text: str) -> Iterator[tuple[int, str]]:
    """Every tag with its place; the last is its opening braces alone if it never ends."""
    place = 0
    while found := _OPENING.search(text, place):
        start, opening = found.start(), found[0]
        place = _end(text, found.end(), opening)
        if place < 0:
            yield start, opening
            return
        tag = text[start:place]
        if _WORD.match(tag) and _word(tag) == "raw":
            ending = re.compile(r"\{%[-+]?\s*endraw\s*[-+]?%\}").search(text, place)
            if ending is None:
                yield start, tag
                return
            place = ending.end()
        elif opening != "{#":
            yield start, tag


def _end(text: str, place: int, opening: str) -> int:
    """The place behind a tag's closing braces, or -1: quotes hide them, another tag begins before them."""
    if opening == "{#":
        found = text.find("#}", place)
        return -1 if found < 0 else found + 2
    rest = QUOTED.sub(lambda quoted: "x" * len(quoted[0]), text[place:])
    found = rest.find(_CLOSING[opening])
    another = _OPENING.search(rest)
    if found < 0 or (another is not None and another.start() < found):
        return -1
    return place + found + 2


def _unclosed(rest: str, opening: str, place: str) -> str:
    """Why a tag does not end: `rest` is the text from its opening braces on."""
    closing = _CLOSING[opening]
    tag = rest.partition("\n")[0]
    return f"the template does not close '{opening}'{place}; write '{closing}' behind it: {_shown(tag)}"


def _unbalanced(tags: list[tuple[int, str]]) -> str | None:
    """The first statement that does not exist, ends nothing or is not ended; None if there is none."""
    open_: list[tuple[int, str]] = []
    for line, tag in tags:
        word = _word(tag) if tag.startswith("{%") else None
        if word == "raw":
            return f"the template does not end '{{% raw %}}'{at_line(line)}; write {{% endraw %}} behind it"
        if word in _BLOCKS:
            open_.append((line, word))
        elif word in ("else", "elif") and not open_:
            return f"the template has '{word}' without an if{at_line(line)}; write {{% if … %}} before it"
        elif word is not None and word.startswith("end"):
            begun = open_.pop()[1] if open_ else None
            if word != f"end{begun}":
                meant = f"write {{% end{begun} %}}" if begun else "remove it"
                return f"the template has '{word}' where nothing of that kind is open{at_line(line)}; {meant}"
        elif word is not None and (word not in STATEMENTS or _OPEN_SET.fullmatch(tag)):
            return foreign(word, line)
    if open_:
        line, word = open_[-1]
        return f"the template does not end '{word}'{at_line(line)}; write {{% end{word} %}} behind it"
    return None


def _wrong(tags: list[tuple[int, str]], parses: Callable[[str], bool]) -> str:
    """The tag that is wrong by itself."""
    for line, tag in tags:
        word = _word(tag) if tag.startswith("{%") else ""
        closed = f"{tag}{{% end{word} %}}" if word in _BLOCKS else tag
        if word in ("else", "elif"):
            closed = f"{{% if 1 %}}{tag}{{% endif %}}"
        if word.startswith("end") or parses(closed):
            continue
        inside = QUOTED.sub("", tag)
        advice = next((advice for sign, advice in _FOREIGN if sign.search(inside)), _usual(word))
        return f"the template does not understand {_shown(tag)}{at_line(line)}; {advice}"
    return "the template does not parse; write it anew, bit by bit, beginning with {{ branch }}"


def _usual(word: str) -> str:
    """What a tag looks like."""
    match word:
        case "if" | "elif":
            return f"write {{% {word} status == 'denied' %}}"
        case "for":
            return "write {% for name in labels %}"
        case "set" | "with":
            return f"write {{% {word} x = branch %}}"
        case _:
            return "write {{ branch }}, or with a filter {{ branch|upper }}"


def _word(tag: str) -> str:
    """The statement in `{% … %}`."""
    found = _WORD.match(tag)
    return found[1] if found else ""


def _shown(tag: str) -> str:
    return f"'{tag}'" if len(tag) <= _SHOWN else f"'{tag[: _SHOWN - 1]}…'"
