"""The bounds of a document: what is too much is refused before it is built, and as much as may be is read."""

import pytest
import yaml

from router.config.document import DEEPEST, LONGEST, MOST_KEYS, MOST_NODES, MOST_REPEATED, Parser, read
from router.config.nodes import Items, Node, bare
from router.config.problems import Problems


def reading(raw: bytes, parser: Parser = yaml.CSafeLoader) -> tuple[Node | None, list[str]]:
    """The document, and its problems without the file's name."""
    problems = Problems("f")
    node = read(raw, problems, parser)
    return node, [str(problem).removeprefix("f:") for problem in problems.errors]


def laughs(depth: int) -> bytes:
    """A billion laughs: every line repeats the one above nine times."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, depth)]
    return "\n".join(lines).encode()


NESTED = f"this is nested too deeply; the limit is {DEEPEST}"
REPEATED = f"aliases repeat more than {MOST_REPEATED} values up to here; write less"
MANY = f"more than {MOST_NODES} values up to here, each alias counted in full; write less"
BOMBS = [
    ("billion laughs", laughs(12), f"5:15: {REPEATED}"),
    ("a list again and again", b"a: &a [b, c, d]\nz: [" + b"*a, " * 6_000, f"2:20005: {REPEATED}"),
    (
        "many keys",
        b"a: b\nc:\n" + b"".join(b"  k%d: x\n" % n for n in range(MOST_KEYS + 1)),
        f"{MOST_KEYS + 3}:3: more than {MOST_KEYS} keys in one map; write fewer",
    ),
    ("lists in a line", b"[" * 5_000, f"1:{DEEPEST + 1}: {NESTED}"),
    ("16 MiB of lists", b"[" * LONGEST, f"1:{DEEPEST + 1}: {NESTED}"),
    ("lists below lists", b"- " * 5_000, f"1:{2 * DEEPEST + 1}: {NESTED}"),
    ("maps in maps", b"{a: " * 5_000, f"1:{4 * DEEPEST + 1}: {NESTED}"),
    ("17 MiB", b"#" * (17 << 20), "1:1: the file is over 16 MiB; that is the limit"),
    ("too many values", b"- a\n" * (MOST_NODES + 5), f"{MOST_NODES}:3: {MANY}"),
    ("an open quote", b"a: '" + b"\n" * 4_000_000, "1:4: this text does not end; close it with '"),
    ("a tab", b"\t" * 1_000_000, "1:1: a tab indents this line; indent with spaces"),
]  # fmt: skip


@pytest.mark.unmeasured
@pytest.mark.parametrize(("bomb", "said"), [bomb[1:] for bomb in BOMBS], ids=[bomb[0] for bomb in BOMBS])
def test_a_bomb_is_refused_before_it_is_built(bomb: bytes, said: str) -> None:
    """By size, depth and number of values, at the place where it goes over."""
    node, problems = reading(bomb)

    # First what was said: to show a node that should not be there would take for ever.
    assert problems == [said]
    assert node is None


HOPELESS = {
    "one key": (b"a: b\n" * 5_000, "1002:1"),
    "no key": (b"- {? , b: c}\n" * 5_000, "1001:6"),
    "lists as keys": (b"[a]: b\n" * 5_000, "1001:1"),
    "merging": (b"<<: b\n" * 5_000, "1001:1"),
    "tags on texts": (b"- !a b\n" * 5_000, "1001:3"),
    "tags on lists": (b"- !a [b]\n" * 5_000, "1001:3"),
}


@pytest.mark.parametrize(("text", "place"), HOPELESS.values(), ids=HOPELESS)
def test_where_no_more_problems_are_shown_reading_ends(text: bytes, place: str) -> None:
    """A thousand are told, and where the rest begins; the rest may be long."""
    node, problems = reading(text)

    assert node is None
    assert len(problems) == 1_001
    assert problems[-1] == f"{place}: there are more problems than can be shown; fix these first"


def test_a_thousand_problems_are_all_shown_and_hide_nothing() -> None:
    """Only the one after them ends the reading."""
    node, problems = reading(b"a: b\n" * 1_001 + b"c: d\n")

    assert node is not None
    assert bare(node) == {"a": "b", "c": "d"}
    assert len(problems) == 1_000


@pytest.mark.unmeasured
def test_what_stands_behind_a_value_is_looked_for_once() -> None:
    """Not in all of a long line for each of its values, and a comment only for the value that it follows."""
    line = b"[" + b"re:a, " * (MOST_NODES - 1) + b"]"
    comments = b"- a # {{ b #\n" * (MOST_NODES - 1)

    assert [reading(text)[1] for text in (line, comments)] == [[], []]


def test_whether_a_value_is_a_secret_is_told_by_one_look_at_its_line() -> None:
    """Not by one for each `url` that a long word in it has."""
    said = reading(b"{a: " + b"url" * 100_000 + b" , b: |c}\n")[1]

    assert said == ["1:300011: quote this value: \"|c\" (unquoted, '|' begins a YAML text block)"]


def test_as_much_as_may_be_is_read() -> None:
    """Keys of one map, and values behind aliases."""
    keys = b"".join(b"k%d: x\n" % n for n in range(MOST_KEYS))
    again = b"a: &a [b, c, d]\nz: [" + b"*a, " * (MOST_REPEATED // 4) + b"]"

    assert [reading(text)[1] for text in (keys, again)] == [[], []]


def test_without_libyaml_depth_is_bounded_too() -> None:
    """PyYAML's own parser recurses nowhere before the limit is seen."""
    assert reading(b"[" * 5_000, yaml.SafeLoader)[1] == ["1:33: this is nested too deeply; the limit is 32"]


def test_many_values_are_fine() -> None:
    """A hundred thousand scalars are a large configuration, not an attack."""
    node, problems = reading(b"- a\n" * 100_000)

    assert problems == []
    assert isinstance(node, Items)
    assert len(node.items) == 100_000
