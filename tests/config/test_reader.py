"""Nodes to typed values: what a type takes, and what it says to everything else."""

from typing import Any, Literal

import msgspec
import pytest

from router.config.document import read
from router.config.nodes import Node
from router.config.problems import Problems
from router.config.reader import Reader
from router.secret import Secret, Url
from router.units import Duration, Network


class Inner(msgspec.Struct, frozen=True):
    """A section in a section."""

    first: Duration
    second: str = "x"


class Outer(msgspec.Struct, frozen=True, kw_only=True):
    """One field of every type."""

    name: str = ""
    flag: bool = False
    count: int = 1
    share: float = 0.5
    word: Literal["red", "green"] = "red"
    wait: Duration | None = None
    rate: Duration | None = Duration(1)
    nets: tuple[Network, ...] = ()
    waits: list[Duration] = msgspec.field(default_factory=lambda: [Duration(1)])
    labels: dict[str, str] = {}
    mixed: str | Secret = "plain"
    inner: Inner | None = None


def told(text: str, resolve: Any = None) -> tuple[Outer | None, list[str]]:
    """The struct of a document, and its problems without the file's name."""
    problems = Problems("f")
    node = read(text.encode(), problems)
    assert node is not None
    made = Reader(problems, resolve).struct(Outer, node, "the section")
    return made, [str(problem).removeprefix("f:") for problem in problems.errors]


GOOD: list[tuple[str, Outer]] = [
    ("name: 1.10", Outer(name="1.10")),
    ("flag: true", Outer(flag=True)),
    ("flag: false", Outer()),
    ("count: 012", Outer(count=12)),
    ("count: -3", Outer(count=-3)),
    ("count: '7'", Outer(count=7)),
    ("share: 2.25", Outer(share=2.25)),
    ("share: 3", Outer(share=3.0)),
    ("word: green", Outer(word="green")),
    ("wait: 5s", Outer(wait=Duration(5))),
    ("rate: null", Outer(rate=None)),
    ("nets: 192.0.2.7", Outer(nets=(Network.parse("192.0.2.7"),))),
    ("nets: [10.0.0.0/8, 'fd00::/8']", Outer(nets=(Network.parse("10.0.0.0/8"), Network.parse("fd00::/8")))),
    ("waits: []", Outer(waits=[])),
    ("waits: 5s", Outer(waits=[Duration(5)])),
    ("labels: {a: 1, b: no}", Outer(labels={"a": "1", "b": "no"})),
    ("labels: {}", Outer()),
    ("mixed: text", Outer(mixed="text")),
    ("mixed: env:NAME", Outer(mixed=Secret("env:NAME"))),
    ("inner: {first: 1m}", Outer(inner=Inner(Duration(60)))),
]


@pytest.mark.parametrize(("text", "made"), GOOD, ids=[text for text, _ in GOOD])
def test_a_value_becomes_what_its_field_declares(text: str, made: Outer) -> None:
    """The field's type reads the text; YAML's types do not exist."""
    assert told(text) == (made, [])


KEYS = "name, flag, count, share, word, wait, rate, nets, waits, labels, mixed, inner"
BAD = [
    ("name: ''", "1:7: the text is empty; write one, or leave the key out"),
    ("name:", "1:6: a value is missing; write one, or leave the key out"),
    ("name: null", "1:7: 'null' is no value here; write one, or leave the key out"),
    ("name: [a]", "1:7: one value is expected here, not a list"),
    ("name: {a: b}", "1:7: one value is expected here, not a map"),
    ("flag: yes", "1:7: 'yes' is neither true nor false; write true"),
    ("flag: Off", "1:7: 'Off' is neither true nor false; write false"),
    ("flag: perhaps", "1:7: 'perhaps' is neither true nor false; write true or false"),
    ("flag: 'true'", "1:7: 'true' is text here; write true without quotes, in lower case"),
    ("flag: TRUE", "1:7: 'TRUE' is text here; write true without quotes, in lower case"),
    ("count: 1.5", "1:8: '1.5' is not a whole number; write digits, such as 16"),
    ("count: 0x1F", "1:8: '0x1F' is not a whole number; write digits, such as 16"),
    ("count: " + "9" * 30, "1:8: '" + "9" * 30 + "' is not a whole number; write digits, such as 16"),
    ("share: half", "1:8: 'half' is not a number; write digits, such as 2 or 0.5"),
    ("word: gren", "1:7: 'gren' is not possible here; did you mean 'green'?"),
    ("word: blue", "1:7: 'blue' is not possible here; write one of red, green"),
    ("wait: null", "1:7: null changes nothing here; leave 'wait' out"),
    ("wait: soon", "1:7: 'soon' is not a duration; write 500ms, 5s, 5m, 2h or 30d"),
    ("nets: []", "1:7: this list is empty; write a value, or leave 'nets' out"),
    ("nets: [[10.0.0.0/8]]", "1:8: one value is expected here, not a list"),
    ("waits: [5s, soon]", "1:13: 'soon' is not a duration; write 500ms, 5s, 5m, 2h or 30d"),
    ("labels: text", "1:9: 'labels' is a map, not 'text'; write 'name: value' lines below it, indented"),
    ("labels: {a: [b]}", "1:13: one value is expected here, not a list"),
    ("mixed: 'env:'", "1:8: 'env:' names nothing; use env:NAME, file:/path or credential:NAME"),
    ("inner: 5s", "1:8: 'inner' is a map, not '5s'; its keys are first, second"),
    ("inner:", "1:7: 'inner' is empty; its keys are first, second"),
    ("inner: {second: x}", "1:8: 'inner' has no 'first'; add first: a duration: 500ms, 5s, 5m, 2h, 30d"),
    ("inner: {frist: 5s, first: 5s}", "1:9: unknown key 'frist'; did you mean 'first'?"),
    ("colour: red", f"1:1: unknown key 'colour'; keys are {KEYS}"),
    ("lables: {a: b}", "1:1: unknown key 'lables'; did you mean 'labels'?"),
]


@pytest.mark.parametrize(("text", "said"), BAD, ids=[text[:30] for text, _ in BAD])
def test_a_value_that_does_not_fit_is_told_at_its_place(text: str, said: str) -> None:
    """Each with what to write instead."""
    assert told(text)[1] == [said]


def test_every_problem_of_a_section_is_told() -> None:
    """One run, all of them."""
    assert told("flag: yes\ncount: x\ninner: {second: [], secnd: y}\n")[1] == [
        "1:7: 'yes' is neither true nor false; write true",
        "2:8: 'x' is not a whole number; write digits, such as 16",
        "3:8: 'inner' has no 'first'; add first: a duration: 500ms, 5s, 5m, 2h, 30d",
        "3:17: one value is expected here, not a list",
        "3:21: unknown key 'secnd'; did you mean 'second'?",
    ]


def test_a_section_that_is_no_map_is_told_with_its_keys() -> None:
    """At the value that stands in its place."""
    assert told("[a]") == (None, [f"1:1: the section is a map, not a list; its keys are {KEYS}"])


def test_a_secret_gets_its_value_while_it_is_read() -> None:
    """A struct never holds a secret that is still to be resolved, unless nobody asked for values."""
    made, problems = told("mixed: env:NAME", lambda secret: f"value of {secret.reference}")

    assert problems == []
    assert made is not None
    assert isinstance(made.mixed, Secret)
    assert made.mixed.reveal() == "value of env:NAME"


def test_a_secret_without_a_value_is_told_at_its_place() -> None:
    """The reason is the resolver's."""

    def resolve(_: Secret) -> str:
        raise ValueError("the variable is not set")

    assert told("mixed: env:NAME", resolve) == (None, ["1:8: the variable is not set"])


def test_a_type_that_no_file_can_hold_is_a_mistake_of_the_program() -> None:
    """It fails when it is read for the first time, in a test, not quietly."""
    problems = Problems("f")
    node: Node | None = read(b"x", problems)
    assert node is not None

    with pytest.raises(TypeError, match=r"^no way to read <class 'bytes'>$"):
        Reader(problems).value(bytes, node, "x")


def test_what_the_caller_gives_is_not_read_from_the_file() -> None:
    """A source's name is the key it stands under, never a field in it."""
    problems = Problems("f")
    node = read(b"type: a\nname: b\n", problems)
    assert node is not None
    part = Reader(problems).part(Outer, node, "it", skip=("type",), given={"name": "given"})

    assert part is not None
    assert part.made == Outer(name="given")
    assert [str(problem) for problem in problems.errors] == [
        "f:2:1: unknown key 'name'; keys are "
        "flag, count, share, word, wait, rate, nets, waits, labels, mixed, inner, type"
    ]


def test_what_could_be_read_of_a_section_is_kept_for_the_checks() -> None:
    """The good of a list or a map, a secret without its value; defaults stand for the rest."""

    def resolve(_: Secret) -> str:
        raise ValueError("the variable is not set")

    problems = Problems("f")
    text = "name: a\nflag: no\nnets: [10.0.0.0/8, x]\nlabels: {a: b, c: [d]}\nmixed: env:NAME\ncount: 3\n"
    node = read(text.encode(), problems)
    assert node is not None
    part = Reader(problems, resolve).part(Outer, node, "it")

    assert part is not None
    assert part.broken == {"flag", "nets", "labels", "mixed"}
    assert part.made == Outer(
        name="a", nets=(Network.parse("10.0.0.0/8"),), labels={"a": "b"}, mixed=Secret("env:NAME"), count=3
    )
    assert len(problems.errors) == 4


def test_a_missing_key_leaves_a_part_if_anything_can_stand_for_it() -> None:
    """Text and secrets have a stand-in that no check complains of; a number has none."""

    class Texts(msgspec.Struct):
        name: str
        url: Url
        flag: bool = False

    class Number(msgspec.Struct):
        number: int
        flag: bool = False

    problems = Problems("f")
    node = read(b"flag: true\n", problems)
    assert node is not None
    part = Reader(problems).part(Texts, node, "it")

    assert part is not None
    assert (part.made.flag, part.made.url.resolved, part.broken) == (True, False, {"name", "url"})
    assert Reader(problems).part(Number, node, "it") is None
