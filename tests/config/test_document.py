"""YAML text to nodes: every scalar stays text and keeps its place, and nothing explodes."""

from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from router.config.document import Parser, read
from router.config.nodes import Items, Map, Node, Text, bare, unplaced
from router.config.problems import Problems

PARSERS = [
    pytest.param(yaml.CSafeLoader, id="libyaml"),
    pytest.param(yaml.SafeLoader, id="without-libyaml"),
]


def reading(text: str | bytes, parser: Parser = yaml.CSafeLoader) -> tuple[Node | None, list[str]]:
    """The document, and its problems without the file's name."""
    problems = Problems("f")
    node = read(text if isinstance(text, bytes) else text.encode(), problems, parser)
    return node, [str(problem).removeprefix("f:") for problem in (*problems.errors, *problems.warnings)]


def places(node: Node) -> list[tuple[str, int, int]]:
    """Every scalar of a document with its place, keys first."""
    match node:
        case Text():
            return [(node.text, node.line, node.column)]
        case Items():
            return [place for each in node.items for place in places(each)]
        case Map():
            return [
                place
                for entry in node.entries.values()
                for place in (*places(entry.key), *places(entry.value))
            ]


@pytest.mark.parametrize("parser", PARSERS)
def test_every_key_and_value_knows_its_place(parser: Parser) -> None:
    """Line and column count from 1; quotes belong to the value, accents count once."""
    node, problems = reading("a: 1\nb:\n  - x\n  - 'y z'\nü: {c: d, \"e\": [f]}\n", parser)

    assert problems == []
    assert node is not None
    assert places(node) == [
        ("a", 1, 1), ("1", 1, 4), ("b", 2, 1), ("x", 3, 5), ("y z", 4, 5),
        ("ü", 5, 1), ("c", 5, 5), ("d", 5, 8), ("e", 5, 11), ("f", 5, 17),
    ]  # fmt: skip


@pytest.mark.parametrize("parser", PARSERS)
@pytest.mark.parametrize(
    "text",
    [
        "no",
        "on",
        "1.10",
        "012",
        "12:30:45",
        "0x1F",
        "1_000",
        ".inf",
        "2026-01-02",
        "=",
        "50..",
        "..5",
        "TRUE",
    ],
)
def test_a_scalar_stays_the_text_it_was(text: str, parser: Parser) -> None:
    """YAML's opinion of numbers, dates and booleans is not asked."""
    node, problems = reading(f"a: {text}\n", parser)

    assert problems == []
    assert isinstance(node, Map)
    assert bare(node) == {"a": text}


@pytest.mark.parametrize(("text", "absent"), [("null", True), ("~", True), ("Null", True), ("nil", False)])
def test_only_a_bare_null_is_absent(text: str, absent: bool) -> None:
    """In quotes it is a word."""
    assert bare(unwrapped(f"a: {text}")) == {"a": None if absent else text}
    assert bare(unwrapped(f"a: '{text}'")) == {"a": text}


def unwrapped(text: str) -> Node:
    """A document without problems."""
    node, problems = reading(text)
    assert problems == []
    assert node is not None
    return node


def test_nothing_written_is_neither_text_nor_null() -> None:
    """`token:` without a value must not quietly mean that there is none."""
    node = unwrapped("a:\nb: ''\n")

    assert isinstance(node, Map)
    assert [(e.value.empty, e.value.absent) for e in node.entries.values() if isinstance(e.value, Text)] == [
        (True, False),
        (False, False),
    ]


SYNTAX: list[tuple[str, list[str]]] = [
    ("a: !main", ["1:4: quote this value: \"!main\" (unquoted, '!' begins a YAML tag)"]),
    ("a: [b, !old-*]", ["1:8: quote this value: \"!old-*\" (unquoted, '!' begins a YAML tag)"]),
    ("a: [!x, !y]", [
        "1:5: quote this value: \"!x\" (unquoted, '!' begins a YAML tag)",
        "1:9: quote this value: \"!y\" (unquoted, '!' begins a YAML tag)",
    ]),
    ("a: [\n  !x,\n  !y # why\n]", [
        "2:3: quote this value: \"!x\" (unquoted, '!' begins a YAML tag)",
        "3:3: quote this value: \"!y\" (unquoted, '!' begins a YAML tag)",
    ]),
    ("a: !re:^x$", ["1:4: quote this value: \"!re:^x$\" (unquoted, '!' begins a YAML tag)"]),
    ("a: !a!b c", ["1:4: quote this value: \"!a!b c\" (unquoted, '!' begins a YAML tag)"]),
    ("a: *-hotfix", ["1:4: quote this value: \"*-hotfix\" (unquoted, '*' begins a YAML alias)"]),
    ("a: [*-hotfix, main]", ["1:5: quote this value: \"*-hotfix\" (unquoted, '*' begins a YAML alias)"]),
    ("a: *.js # all", ["1:4: quote this value: \"*.js\" (unquoted, '*' begins a YAML alias)"]),
    ("a: &b", ["1:4: quote this value: \"&b\" (unquoted, '&' begins a YAML anchor)"]),
    ("a: &!", ["1:4: quote this value: \"&!\" (unquoted, '&' begins a YAML anchor)"]),
    ("a: @b", ["1:4: quote this value: \"@b\" (unquoted, '@' may not begin a value)"]),
    ("a: `b`", ["1:4: quote this value: \"`b`\" (unquoted, '`' may not begin a value)"]),
    ("a: |x", ["1:4: quote this value: \"|x\" (unquoted, '|' begins a YAML text block)"]),
    ("a: >5", ["1:4: quote this value: \">5\" (unquoted, '>' begins a YAML text block)"]),
    ("a: ? b", ["1:4: quote this value: \"? b\" (unquoted, '?' begins a YAML key)"]),
    ("a: b: c", ["1:4: quote this value: \"b: c\" (unquoted, ': ' begins the value of a key)"]),
    ("- a: 'x': c", ["1:6: quote this value: \"'x': c\" (unquoted, ': ' begins the value of a key)"]),
    ("a: \"x\": c", ["1:4: quote this value: '\"x\": c' (unquoted, ': ' begins the value of a key)"]),
    ("a: {b: c: d}", ["1:8: quote this value: \"c: d\" (unquoted, ': ' begins the value of a key)"]),
    ("a: {b: :8080}", ["1:8: quote this value: \":8080\" (unquoted, ':' may not begin a value in brackets)"]),
    ("a: {{ b }} c", ["1:4: quote this value: \"{{ b }} c\" (unquoted, '{' begins a YAML map)"]),
    ("a: {{ b }}", ["1:4: quote this value: \"{{ b }}\" (unquoted, '{' begins a YAML map)"]),
    ("a: {b: {{ c }}, d: e}", ["1:8: quote this value: \"{{ c }}\" (unquoted, '{' begins a YAML map)"]),
    ("a: {b: c {{ d }}, e: f}", ["1:8: quote this value: \"c {{ d }}\" (unquoted, '{' begins a YAML map)"]),
    ("a: {b: :c: {{ d }} e}", [
        "1:8: quote this value: \":c: {{ d }} e\" (unquoted, ':' may not begin a value in brackets)"
    ]),
    ("a: {b: c: {{d}}}", ["1:8: quote this value: \"c: {{d}}\" (unquoted, ': ' begins the value of a key)"]),
    ("a: {b: {{ {'c': 1}}}}", ["1:8: quote this value: \"{{ {'c': 1}}}\" (unquoted, '{' begins a YAML map)"]),
    ("a: {% if b %}c{% endif %}", [
        "1:4: quote this value: \"{% if b %}c{% endif %}\" (unquoted, '{' begins a YAML map)"
    ]),
    ("a: {b: {% if c %}d{% endif %}, e: f}", [
        "1:8: quote this value: \"{% if c %}d{% endif %}\" (unquoted, '{' begins a YAML map)"
    ]),
    ("a: {url: b {{ c }}}", ["1:10: quote this value (unquoted, '{' begins a YAML map)"]),
    ("a: {b: >5, c: d}", ["1:8: quote this value: \">5\" (unquoted, '>' begins a YAML text block)"]),
    ("a: [b, |c]", ["1:8: quote this value: \"|c\" (unquoted, '|' begins a YAML text block)"]),
    ("a: ['b' >c]", [
        "1:9: more text follows a complete value; quote all of it, and write '' for a ' in single quotes"
    ]),
    ("a: |\n{{ b }}: c", [
        "2:1: ':' is missing; or indent this line if it continues the one above",
        "2:1: quote this value: \"{{ b }}: c\" (unquoted, '{' begins a YAML map)",
    ]),
    ("a: {{ b }} it's", ["1:4: quote this value: \"{{ b }} it's\" (unquoted, '{' begins a YAML map)"]),
    ("a: [b]c", ["1:4: quote this value: \"[b]c\" (unquoted, '[' begins a YAML list)"]),
    ("a: ]", ["1:4: quote this value: \"]\" (unquoted, ']' belongs to brackets)"]),
    ("a: \\d ' \" @\nb: @\\'", ["2:4: quote this value: '@\\''' (unquoted, '@' may not begin a value)"]),
    ("%YAML 3.0\n---\na: b", ["1:1: YAML directives are not read; remove this line"]),
    ("a: - b", ["1:4: a list begins in the middle of a line; begin it on a line of its own, indented"]),
    ("a:\n  b: c\n\td: e", ["3:1: a tab indents this line; indent with spaces"]),
    ("a:\n\tb: c", ["2:1: a tab indents this line; indent with spaces"]),
    ("a: |\n\tb", ["2:1: a tab indents this line; indent with spaces"]),
    ("a: 'b\n---\nc'", ["1:4: this text does not end; close it with '"]),
    ("a: \"b\n---\nc\"", ["1:4: this text does not end; close it with \""]),
    ("a: \"b", ["1:4: this text does not end; close it with \""]),
    ("a: 'b\nc: d", ["1:4: this text does not end; close it with '"]),
    ("a: \"\\d\"", ["1:5: '\\d' is no escape in double quotes; write single quotes, or '\\\\' for '\\'"]),
    ("a: \"\\u12\"", ["1:5: '\\u' is no escape in double quotes; write single quotes, or '\\\\' for '\\'"]),
    ("a: 'it's'", [
        "1:8: more text follows a complete value; quote all of it, and write '' for a ' in single quotes"
    ]),
    ("a: [b", ["1:4: this list does not end with ']', or a ',' is missing in it"]),
    ("a: {b: c", ["1:4: this map does not end with '}', or a ',' is missing in it"]),
    ("a: {b: env:}", ["1:8: quote this value: \"env:\" (unquoted, ': ' begins the value of a key)"]),
    ("a: {b: c d:, e: f}", ["1:8: quote this value: \"c d:\" (unquoted, ': ' begins the value of a key)"]),
    ("a: {b: c\n\td}", ["2:1: a tab indents this line; indent with spaces"]),
    ("a: {, }", ["1:5: a value is missing before ','"]),
    ("a: {b: c, : d}", ["1:11: the key before ':' is missing"]),
    (": b", ["1:1: the key before ':' is missing"]),
    ("a:\n  b: c\n d: e", ["3:2: this line does not line up; its keys begin in column 1, see line 1"]),
    ("- a\nb: c", ["2:1: this line does not line up; its list items begin in column 1, see line 1"]),
    ("a: b\n  c: d", ["2:3: a key may not begin here; check the indentation, and the ':' of the line above"]),
    ("a: b\nfoo", ["2:1: ':' is missing after 'foo'; or indent this line if it continues the one above"]),
    ("a: b\nto:foo\nc: d", ["2:1: a space is missing after 'to:'"]),
    ("a: b\nh4rdt0:foo\nc: d", ["2:1: a space is missing after ':'"]),
    ("a:\n  secret:\n  h4rdt0gu3ss", [
        "3:3: ':' is missing; or indent this line if it continues the one above",
    ]),
    ("a: b\n---\nc: d", ["2:1: a second document begins here; a configuration is one document"]),
    ("a: b\n...\nc: d", [
        "3:1: this does not belong to what stands above it; check its indentation, or remove a '...' above"
    ]),
    ("a: &a [*a]", ["1:8: '*a' repeats what it is a part of; write it out"]),
    ("a: b\na: c", ["2:1: duplicate key 'a'; the first is in line 1"]),
    ("[a]: b", ["1:1: a key must be text; this is a list or a map"]),
    ("? {a: b}\n: c", ["1:3: a key must be text; this is a list or a map"]),
    ("a: {<<: b}", ["1:5: merging by '<<' is not read; write the keys out here"]),
    ("a: !b {c: d}", ["1:4: YAML tags are not read; remove '!b'"]),
    ("a: [#b]", ["1:5: '#' begins a comment and hides the ']' behind it; quote what holds the '#'"]),
    ("a: {b: c, d: #e}\nf: g", [
        "1:14: '#' begins a comment and hides the '}' behind it; quote what holds the '#'",
    ]),
    ("- {a: '#', b: [c], d: e #{{ f }}, g: h}\n- {i: j}", [
        "1:25: '#' begins a comment and hides the '}' behind it; quote what holds the '#'",
    ]),
    ("a: [b # see [c]\nd: e", ["1:4: this list does not end with ']', or a ',' is missing in it"]),
    ("a: re:x # y", [
        "1:4: warning: this expression ends where ' #' begins a comment; "
        "quote it, with or without the comment"
    ]),
]  # fmt: skip


@pytest.mark.parametrize("parser", PARSERS)
@pytest.mark.parametrize(("text", "said"), SYNTAX, ids=[text for text, _ in SYNTAX])
def test_what_yaml_cannot_read_is_told_in_our_words(text: str, said: list[str], parser: Parser) -> None:
    """At its place, with the fix, and the same with and without libyaml."""
    assert reading(text, parser)[1] == said


@pytest.mark.parametrize("parser", PARSERS)
@pytest.mark.parametrize(
    "text",
    [
        "secret: @hunter2",
        "a: {token: @hunter2}",
        "secret:\n  - env:NEW\n  # the old one\n  - @hunter2",
        "secret: [env:NEW, !hunter2]",
        "admin_token: *hunter2",
        "headers: {X-Api-Key: a: hunter2}",
        "url: @hunter2",
        "a: b\nsecret hunter2\nc: d",
        "a: b\nsecret:hunter2\nc: d",
        "a: b\n- hunter2: c",
    ],
)
def test_what_may_be_a_secret_is_not_repeated(text: str, parser: Parser) -> None:
    """A secret in plain sight does not become one in the log for the sake of a hint."""
    problems = reading(text, parser)[1]

    assert problems
    assert "hunter2" not in " ".join(problems)


def test_an_item_below_another_key_is_repeated() -> None:
    """The hint is as helpful as it can be."""
    text = "secret: env:A\nbranch:\n  - main\n  - !old\n"

    assert reading(text)[1] == ["4:5: quote this value: \"!old\" (unquoted, '!' begins a YAML tag)"]


MEANT: list[tuple[str, Any]] = [
    ("a: !main", {"a": "!main"}),
    ("a: [b, !old-*, *-c]", {"a": ["b", "!old-*", "*-c"]}),
    ("a: *.js # all", {"a": "*.js"}),
    ("a: b: c", {"a": "b: c"}),
    ("a: {{ b }} c", {"a": "{{ b }} c"}),
    ("a: [{{ b }}] is {{ c }}", {"a": "[{{ b }}] is {{ c }}"}),
    ("a: [{{ b }}, x]", {"a": ["{{ b }}", "x"]}),
    ("a: >5\nb: c", {"a": ">5", "b": "c"}),
]


@pytest.mark.parametrize("parser", PARSERS)
@pytest.mark.parametrize(("text", "meant"), MEANT, ids=[text for text, _ in MEANT])
def test_a_value_that_should_be_quoted_hides_nothing_behind_it(text: str, meant: Any, parser: Parser) -> None:
    """It is taken as it was meant, so that one run tells what else is wrong."""
    node, problems = reading(f"{text}\nz: @last\n", parser)

    assert node is not None
    assert bare(node) == {**meant, "z": "@last"}
    assert problems[-1].endswith("quote this value: \"@last\" (unquoted, '@' may not begin a value)")


def test_reading_again_has_an_end() -> None:
    """Twenty unquoted values are told at once; then the reading stops at the next."""
    node, problems = reading("".join(f"k{number}: @x\n" for number in range(50)))

    assert node is None
    assert len(problems) == 20


def test_a_hash_that_is_no_comment_is_no_warning() -> None:
    """Quoted, or without the space before it."""
    assert reading("a: 're:x # y'\nb: re:x#y\nc: x # y\n")[1] == []


@pytest.mark.parametrize("parser", PARSERS)
def test_a_text_knows_whether_a_comment_cut_it_off(parser: Parser) -> None:
    """A comment with braces, or one that is a name, is hardly meant as one; whatever stands before it."""
    lines = [
        "a: x #{{ y }}\r", "b: ü😀  # {% if y %}", "c: 'x' # {{ y }}", "d: x # y", "e: x {{ # y",
        "f: x {{ y }} # z", "g: #y", "h: # y", "i: #", "j: x#}}", "k: >", "  x # }}", "l: [x, y # }}", "  ]",
        "m: x\u2028  y # }}", "n: # {{ y }}",
    ]  # fmt: skip
    node, problems = reading("\n".join(lines), parser)

    assert problems == []
    assert isinstance(node, Map)
    cut = {key: entry.value.cut for key, entry in node.entries.items() if isinstance(entry.value, Text)}
    assert [key for key in cut if cut[key]] == ["a", "b", "e", "g", "m", "n"]


def test_aliases_repeat_what_they_name() -> None:
    """Scalars, lists and maps."""
    node = unwrapped("a: &a x\nb: &b [*a, y]\nc: {d: *b}\n")

    assert bare(node) == {"a": "x", "b": ["x", "y"], "c": {"d": ["x", "y"]}}


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"a: \xff", "1:4: the byte 0xff is not UTF-8; save the file as UTF-8"),
        ("a: b\nc: ü".encode("latin-1"), "2:4: the byte 0xfc is not UTF-8; save the file as UTF-8"),
        ("a: b".encode("utf-16"), "1:1: the file is UTF-16; save it as UTF-8"),
        (b"a: \x00", "1:4: the character U+0000 may not stand here; remove it"),
        ("a: b\nc: x\ufeff".encode(), "2:5: the character U+FEFF may not stand here; remove it"),
        (b"", "1:1: the file is empty; it needs at least sources, sinks and rules"),
        (b"# nothing\n", "1:1: the file is empty; it needs at least sources, sinks and rules"),
        (b"---\n", "1:1: the file is empty; it needs at least sources, sinks and rules"),
    ],
)  # fmt: skip
def test_bytes_that_are_no_text_are_told_at_their_place(raw: bytes, said: str) -> None:
    """Whatever an editor or an accident put there."""
    assert reading(raw) == (None, [said])


def test_a_byte_order_mark_is_no_part_of_the_first_key() -> None:
    """Windows editors write one."""
    node, problems = reading(b"\xef\xbb\xbfa: b\r\nc: d\r\n")

    assert problems == []
    assert node is not None
    assert places(node) == [("a", 1, 1), ("b", 1, 4), ("c", 2, 1), ("d", 2, 4)]


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="ab:-#'\"[]{},&*!|>%@`? \n\t\\~<.0", max_size=60))
def test_any_text_is_a_document_or_a_problem(text: str) -> None:
    """No text makes the reading fail in another way, with either parser, and there is never neither."""
    for parser in (yaml.CSafeLoader, yaml.SafeLoader):
        node, problems = reading(text, parser)

        assert node is not None or problems


@settings(max_examples=100, deadline=None)
@given(
    st.recursive(
        st.none() | st.text(max_size=10),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
        max_leaves=20,
    )
)
def test_nodes_made_of_json_become_the_same_json(document: Any) -> None:
    """So that stored rules are the rules that were stored."""
    assert bare(unplaced(document)) == document


def test_numbers_and_booleans_of_json_become_their_text() -> None:
    """A ruleset edited by hand reads like the file."""
    assert bare(unplaced({"a": True, "b": False, "c": 5})) == {"a": "true", "b": "false", "c": "5"}


@pytest.mark.parametrize("parser", PARSERS)
@pytest.mark.parametrize(
    ("text", "told", "meant"),
    [
        (
            "token: env: A\nz: 1",
            "1:8: a blank behind 'env:' makes a key of it; write env:NAME in one word",
            "env:A",
        ),
        (
            "{token: file:   /a b, z: 1}",
            "1:9: a blank behind 'file:' makes a key of it; write file:/path in one word",
            "file:/a b",
        ),
    ],
)
def test_a_reference_with_a_blank_is_read_as_it_was_meant(
    text: str, told: str, meant: str, parser: Parser
) -> None:
    """And what comes behind it is found where it stands."""
    node, problems = reading(text, parser)

    assert problems == [told]
    assert node is not None
    assert bare(node) == {"token": meant, "z": "1"}
