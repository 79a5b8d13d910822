"""Problems: collected, bounded, told by place."""

import msgspec
import pytest

from router.config.problems import Problems, clip, one_line
from router.config.syntax import Spot
from router.errors import ConfigError, Problem
from router.sinks.sink import Flaw


def test_problems_are_told_by_place_and_each_once() -> None:
    """Whatever found them first; an alias leads to the same place twice."""
    problems = Problems("f")
    problems.add(Spot(2, 1), "b")
    problems.add(Spot(1, 9), "a")
    problems.add(Spot(2, 1), "b")

    assert problems.errors == [Problem("f", 1, 9, "a"), Problem("f", 2, 1, "b")]


def test_a_flaw_of_a_sink_can_be_told_as_json() -> None:
    """A message that knows its place is a kind of text that JSON does not take."""
    problems = Problems("f")
    problems.add(Spot(1, 1), Flaw("url", "no URL"))

    assert msgspec.json.encode(problems.errors[0].message) == b'"no URL"'


def test_warnings_alone_raise_nothing() -> None:
    """With an error they come along."""
    problems = Problems("f")
    problems.warn(Spot(1, 1), "look")
    problems.raise_errors()
    problems.add(Spot(2, 1), "wrong")

    with pytest.raises(ConfigError) as caught:
        problems.raise_errors()

    assert str(caught.value) == "f:1:1: warning: look\nf:2:1: wrong"


def test_a_hopeless_file_does_not_flood_the_terminal() -> None:
    """After a thousand problems one line says that there are more."""
    problems = Problems("f")
    for line in range(1, 3_000):
        problems.add(Spot(line, 1), "wrong")
        problems.warn(Spot(line, 1), "odd")

    assert len(problems.errors) + len(problems.warnings) == 1_001
    assert str(problems.errors[-1]) == "f:501:1: there are more problems than can be shown; fix these first"


def test_taking_over_problems_keeps_what_they_are() -> None:
    """Errors stay errors and warnings warnings."""
    inner, outer = Problems("f"), Problems("f")
    inner.add(Spot(1, 1), "wrong")
    inner.warn(Spot(2, 1), "odd")
    outer.take(inner)

    assert outer.errors == inner.errors
    assert outer.warnings == inner.warnings


@pytest.mark.parametrize(
    ("word", "near"),
    [
        ("chanel", "channel"),
        ("CHANEL", "channel"),
        ("allow-from", "allow_from"),
        ("z", None),
        ("c" * 200, None),
    ],
)
def test_the_nearest_word_is_guessed(word: str, near: str | None) -> None:
    """Case and the kind of hyphen do not count; what is not near is not guessed."""
    assert Problems("f").guess(word, ["channel", "allow_from", "token"]) == near


def test_guessing_has_an_end() -> None:
    """A file of ten thousand misspelt names is not compared for an hour."""
    problems = Problems("f")
    guesses = [problems.guess("desing", ["design"]) for _ in range(200)]

    assert guesses == ["design"] * 100 + [None] * 100


def test_an_unknown_word_is_told_with_what_there_is() -> None:
    """The nearest one, else all of them, as far as they fit."""
    problems = Problems("f")
    problems.unknown(Spot(1, 1), "unknown key", "nmae", ["name", "to"], plural="keys")
    problems.unknown(Spot(2, 1), "unknown key", "xyz", ["name", "to"], plural="keys")
    problems.unknown(Spot(3, 1), "unknown key", "xyz", [f"k{n}" for n in range(40)], plural="keys")
    problems.unknown(Spot(4, 1), "unknown key", "xyz", [], plural="keys")

    assert [problem.message for problem in problems.errors] == [
        "unknown key 'nmae'; did you mean 'name'?",
        "unknown key 'xyz'; keys are name, to",
        f"unknown key 'xyz'; keys are {', '.join(f'k{n}' for n in range(30))}, …",
        "unknown key 'xyz'; there are no keys",
    ]


def test_an_unknown_word_that_would_not_be_shown_is_not_looked_up() -> None:
    """The words there are may be many, and so may be the unknown ones."""
    problems = Problems("f")
    for line in range(1, 1_001):
        problems.add(Spot(line, 1), "wrong")
    known = iter(["name"])
    problems.unknown(Spot(1_001, 1), "unknown key", "nmae", known, plural="keys")

    assert list(known) == ["name"]
    assert str(problems.errors[-1]) == "f:1001:1: there are more problems than can be shown; fix these first"


def test_a_message_stays_on_one_line() -> None:
    """A value from the file cannot draw on the terminal."""
    assert one_line("a\nb\x1b[31m\u202e") == "a\\nb\\x1b[31m\\u202e"
    assert one_line("ä 'b' …") == "ä 'b' …"
    assert len(one_line("x" * 10_000)) == 600


def test_a_long_value_is_cut() -> None:
    """With a mark that it was."""
    assert clip("x" * 80) == "x" * 80
    assert clip("x" * 81) == "x" * 79 + "…"
