"""Elsewhere: patterns as other programs write them, and what says the same here.

Owns what is improbable as a real name: git allows no `^`, `[`, blank or backslash in a branch, and no part of
one that begins with a dot. Must not refuse anything: such a pattern may be meant.
"""

import re

# Names that people choose without these characters; a title, a URL or a payload may hold anything.
_NAMES = frozenset(("branch", "project", "author", "source", "event", "provider_status"))
# Values that are longer than what people look for in them; others are mostly one word, and asked for whole.
_LONGER = frozenset(("branch", "project", "author", "commit", "title", "url"))
_WITHOUT_BLANKS = frozenset(("branch", "source", "event", "provider_status", "commit"))
_NUMBERS = frozenset(("changes", "pull_request"))
_LONGEST = 200  # a longer pattern is not looked at
_MOST = 8  # patterns of a list that is shown
_HEADS = "refs/heads/"
_NOT = "not "

_ODD = re.compile(
    r"[\^|{\[\\,]|\$\Z|\Anot |\A!?(?:/|refs/heads/|regexp?:|glob:)|(?:\A!?|/)\.[*+]|(?:\A!?|\.\.)-"
)
_NEGATIVE = re.compile(r"!?(?:-?[0-9]*\.\.)?-([0-9]+)")
_SLASHED = re.compile(r"/(.+)/[gimsuy]*")
_ENDED = re.compile(r".*[*+)\]]\$")
_DOTTED = re.compile(r"(?:\A|/)\.[*+]")
_CLASS = re.compile(r"\\([dswDSW])")
_BRACES = re.compile(r"([^{}]*)\{([^{}]*)\}([^{}]*)")
_BARS = re.compile(r"\(?([^|\s()]+(?:\|[^|\s()]+)+)\)?")
_COMMAS = re.compile(r"[^,\s]+(?:, *[^,\s]+)+")
_PART = re.compile(r"re:(\^?)([\w /:@#,-]+)(\$?)", re.ASCII)
_PREFIX = re.compile(r"(regexp?:|glob:)(.+)", re.DOTALL)
_PLAIN = re.compile(r"[\w./-]+", re.ASCII)


def advice(field: str, text: str) -> str | None:
    """What a pattern hardly means to match, and what to write instead; None: it is not one of these."""
    if len(text) > _LONGEST:
        return None
    sign, plain = ("!", text[1:]) if text.startswith("!") else ("", text)
    if plain.startswith("re:"):
        return _part(field, sign, plain)
    hint = _improbable(field, sign, plain) if _ODD.search(text) else None
    return hint and f"will hardly match: {hint}"


def _improbable(field: str, sign: str, plain: str) -> str | None:
    """Why nothing is called so."""
    text = f"{sign}{plain}"
    if field in _NUMBERS:
        negative = _NEGATIVE.fullmatch(text)
        return negative and f"'{field}' is never negative; write '..{negative[1]}' for at most {negative[1]}"
    if field.startswith("payload."):
        return None
    slashed = _SLASHED.fullmatch(plain)
    if slashed and field != "url":
        return f"the slashes are part of it; write '{sign}re:{_whole(slashed[1])}' for an expression"
    if field == "branch" and plain.startswith(_HEADS):
        return f"branches come without '{_HEADS}'; write '{sign}{plain.removeprefix(_HEADS)}'"
    negation = negated(plain)
    if negation and not sign and (field in _WITHOUT_BLANKS or negation == "!null"):
        return f"'not' is a part of it; write '{negation}'"
    if field not in _NAMES:
        return None
    return _prefixed(sign, plain) or _expression(field, sign, plain) or _choice(field, sign, plain)


def negated(text: str) -> str | None:
    """What `not x` is here, or None."""
    return f"!{text.removeprefix(_NOT)}" if text.startswith(_NOT) and text != _NOT else None


def choices(text: str, sign: str = "") -> str | None:
    """The list that `a|b`, `(a|b)`, `x{a,b}y` or `a, b` is here, or None."""
    bars, braces, commas = _BARS.fullmatch(text), _BRACES.fullmatch(text), _COMMAS.fullmatch(text)
    if bars is not None:
        parts = bars[1].split("|")
    elif braces is not None and "," in braces[2]:
        parts = [f"{braces[1]}{part.strip()}{braces[3]}" for part in braces[2].split(",")]
    elif commas is not None:
        parts = [part.strip() for part in text.split(",")]
    else:
        return None
    shown = [_shown(f"{sign}{part}") for part in parts[:_MOST]]
    return f"[{', '.join(shown + ['…'] * (len(parts) > _MOST))}]"


def _part(field: str, sign: str, plain: str) -> str | None:
    """The advice for an expression that is some text alone: it matches this and nothing else."""
    part = _PART.fullmatch(plain)
    if part is None or (part[1] and part[3]) or not (part[1] or part[3] or field in _LONGER):
        return None
    source = _whole(plain.removeprefix("re:"))
    whole = f"an expression is for the whole value; write '{sign}re:{source}' for a part of it"
    return f"matches only '{part[2]}': {whole}"


def _prefixed(sign: str, plain: str) -> str | None:
    """The advice for a text that names its kind of pattern in other words."""
    found = _PREFIX.fullmatch(plain)
    if found is None:
        return None
    prefix, rest = found.groups()
    meant = f"'{sign}{rest}'" if prefix == "glob:" else f"'{sign}re:{rest}' for an expression"
    return f"'{prefix}' is a part of it; write {meant}"


def _choice(field: str, sign: str, plain: str) -> str | None:
    """The advice for a text in which braces, bars or commas stand for a choice."""
    found = choices(plain, sign)
    signs = "'|' offers" if "|" in plain else "braces offer" if "{" in plain else "',' offers"
    if found is None or (signs == "',' offers" and field not in _WITHOUT_BLANKS):
        return None
    return f"{signs} no choice here; write a list: {found}"


def _expression(field: str, sign: str, plain: str) -> str | None:
    """The advice for a text that is a regular expression."""
    if plain.startswith("^") or _ENDED.fullmatch(plain):
        anchor = "^" if plain.startswith("^") else "$"
        return f"'{anchor}' is a part of it; write '{sign}re:{_whole(plain)}' for an expression"
    letter = _CLASS.search(plain)
    if letter is not None:
        return f"'{letter[0]}' is a '{letter[1]}'; write '{sign}re:{plain}' for an expression"
    if field == "branch" and _DOTTED.search(plain):
        return f"no part of a branch begins with '.'; write '{sign}re:{plain}' for an expression"
    if field == "branch" and "[" in plain:
        return "no branch has a '[' in its name; write an expression, such as 're:v[0-9]+'"
    return None


def _whole(source: str) -> str:
    """The expression for the whole value, as it must be here, that one is which elsewhere is searched for."""
    begin = "" if source.startswith(("^", ".*")) else ".*"
    end = "" if source.endswith(("$", ".*")) else ".*"
    return f"{begin}{source.removeprefix('^').removesuffix('$')}{end}"


def _shown(text: str) -> str:
    """A pattern as YAML takes it within a list."""
    return text if _PLAIN.fullmatch(text) else f'"{text}"'
