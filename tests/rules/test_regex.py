"""Regular expressions: linear time or a clear refusal."""

import pytest

from router.rules.regex import LIMIT, Regex


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("a|ab", "ab"),
        ("^main$", "main"),
        ("v[0-9]+", "v12"),
        (r"\d+", "12"),
        ("(?i)MAIN", "main"),
        ("é.", "éü"),
    ],
)
def test_an_expression_matches_the_whole_value(source: str, value: str) -> None:
    """Anchors are not needed, and an alternative may be the longer one."""
    assert Regex(source).matches(value)
    assert not Regex(source).matches(f"{value}!")
    assert not Regex(source).matches(f"!{value}")


def test_a_line_end_is_not_overlooked() -> None:
    """`$` is the end of the value, not the end before a last line feed."""
    assert not Regex("main$").matches("main\n")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("(?=a)b", "it looks ahead or behind, which cannot run in linear time"),
        ("(?!a)b", "it looks ahead or behind, which cannot run in linear time"),
        ("(?<=a)b", "it looks ahead or behind, which cannot run in linear time"),
        ("(?<!a)b", "it looks ahead or behind, which cannot run in linear time"),
        (r"(a)\1", "it refers back to a group, which cannot run in linear time"),
        ("(?P<x>a)(?P=x)", "it refers back to a group, which cannot run in linear time"),
        ("(", "missing ): ("),
        ("a{2000}", "invalid repetition size: {2000}"),
        (
            "\ud800",
            "'utf-8' codec can't encode character '\\ud800' in position 0: surrogates not allowed",
        ),
    ],
)
def test_what_cannot_run_in_linear_time_is_refused(source: str, message: str) -> None:
    """It is never handed to an engine that backtracks."""
    with pytest.raises(ValueError) as caught:  # noqa: PT011  # the whole message is compared
        Regex(source)

    assert str(caught.value) == message


@pytest.mark.parametrize("source", ["(a+)+b", "(a|a)*b", "(a*)*b", "(.*a){20}b", "(a|aa)+b", "([a-z]+)*b"])
def test_expressions_that_ruin_others_end_in_time(source: str) -> None:
    """Backtracking would not end before the suite's time limit."""
    assert not Regex(source).matches("a" * LIMIT)


def test_a_value_over_the_limit_matches_nothing() -> None:
    """4 KiB of UTF-8 are still matched, one byte more is not."""
    assert Regex("a*").matches("a" * LIMIT)
    assert not Regex("a*").matches("a" * (LIMIT + 1))
    assert Regex("é*").matches("é" * (LIMIT // 2))
    assert not Regex("é*").matches("é" * (LIMIT // 2) + "é")


def test_a_value_that_is_no_unicode_matches_nothing() -> None:
    """It is not an error either."""
    assert not Regex(".*").matches("\ud800")
