"""Globs: what they match, that they are linear, and that they agree with a naive matcher."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from router.rules.glob import LIMIT, Glob, PathGlob, compile_glob, literal_prefix


def matches(pattern: str, value: str, *, path: bool) -> bool:
    """Whether a pattern, which may be literal, matches."""
    glob = compile_glob(pattern, path=path)
    return glob == value if isinstance(glob, str) else glob.matches(value)


@pytest.mark.parametrize(
    ("pattern", "value"),
    [
        ("*", ""),
        ("*", "feature/x"),
        ("**", "feature/x"),
        ("fix*", "fix"),
        ("fix*", "fix/a/b"),
        ("*bot*", "renovate[bot]"),
        ("a?c", "abc"),
        ("a?c*", "a/c/d"),
        ("*?", "x"),
        ("??", "ab"),
        ("*a?a*", "xxaxaxx"),
        ("*?b", "aab"),
        ("a*a", "aa"),
        ("*a*b*", "--a--b--"),
        (r"\*", "*"),
        (r"a\?*", "a?b"),
        (r"\!x", "!x"),
        (r"a\\*", r"a\b"),
        ("[ab]*", "[ab]c"),
    ],
)
def test_a_star_spans_anything_outside_branches(pattern: str, value: str) -> None:
    """`*` is any text, `?` one character, a backslash takes the next character as it is."""
    assert matches(pattern, value, path=False)


@pytest.mark.parametrize(
    ("pattern", "value"),
    [
        ("fix*", "Fix"),
        ("a?c", "ac"),
        ("a?c", "abbc"),
        ("a*a", "a"),
        ("*?", ""),
        ("*a?a", "aa"),
        ("*ab*b", "ab"),
        (r"\*", "a"),
        ("ab", "abc"),
        ("*a*b*", "b a"),
        ("ab*", "a"),
        ("*?a?*", "xa"),
        ("a*b?d*e", "a bc e"),
    ],
)
def test_a_glob_matches_only_whole_values(pattern: str, value: str) -> None:
    """Every character of the value is accounted for, in its case."""
    assert not matches(pattern, value, path=False)


@pytest.mark.parametrize(
    ("pattern", "value"),
    [
        ("*", "main"),
        ("**", "main"),
        ("**", "a/b/c"),
        ("release/**", "release/1.0"),
        ("release/**", "release/1/2"),
        ("release/*", "release/1.0"),
        ("**/x", "x"),
        ("**/x", "a/b/x"),
        ("a/**/b", "a/b"),
        ("a/**/b", "a/x/y/b"),
        ("a/**/b/**", "a/b/c"),
        ("**/**", "a"),
        ("**/fix-*/**/end", "u/fix-1/end"),
        ("*/*", "a/b"),
        ("dependabot/**", "dependabot/npm_and_yarn/x-1.2"),
        ("release/v?.*", "release/v1.2"),
        (r"a\*/*", "a*/b"),
        ("**/a/b/**/c", "a/x/a/b/y/c"),
    ],
)
def test_in_a_branch_two_stars_span_whole_segments(pattern: str, value: str) -> None:
    """`**` is any number of segments, at the end at least one; `*` and `?` stay in theirs."""
    assert matches(pattern, value, path=True)


@pytest.mark.parametrize(
    ("pattern", "value"),
    [
        ("*", "a/b"),
        ("release/**", "release"),
        ("release/**", "release-1/x"),
        ("release/*", "release/1/2"),
        ("**/x", "ax"),
        ("a/**/b", "a/xb"),
        ("a/**/b", "ab"),
        ("a/**/b/**", "a/b"),
        ("a?b", "a/b"),
        ("**/**/x/**", "x"),
        ("**/a/**/a/**", "a/b"),
        ("main*", "main/x"),
    ],
)
def test_in_a_branch_one_star_stops_at_a_slash(pattern: str, value: str) -> None:
    """A pattern for one level does not reach below it, and `release/**` is not `release`."""
    assert not matches(pattern, value, path=True)


@pytest.mark.parametrize(
    ("pattern", "path", "message"),
    [
        ("a\\", False, "'a\\' ends in a backslash that escapes nothing; write '\\\\' for a backslash"),
        ("*\\", True, "'*\\' ends in a backslash that escapes nothing; write '\\\\' for a backslash"),
        ("***", False, "'***' has three stars in a row; write '*' or '**'"),
        ("a/***/b", True, "'a/***/b' has three stars in a row; write '*' or '**'"),
        ("a****", True, "'a****' has three stars in a row; write '*' or '**'"),
        ("a**b", True, "'a**b' has '**' beside other characters of a path segment; write '*' or '/**/'"),
        ("x/**b", True, "'x/**b' has '**' beside other characters of a path segment; write '*' or '/**/'"),
        (r"\***", True, r"'\***' has '**' beside other characters of a path segment; write '*' or '/**/'"),
    ],
)
def test_a_glob_that_cannot_mean_what_it_says_is_an_error(pattern: str, path: bool, message: str) -> None:
    """The message names the pattern and the fix."""
    with pytest.raises(ValueError) as caught:  # noqa: PT011  # the whole message is compared
        compile_glob(pattern, path=path)

    assert str(caught.value) == message


def test_a_pattern_without_wildcards_is_its_text() -> None:
    """Escapes are resolved; brackets and braces mean themselves."""
    assert compile_glob(r"a\*b[c]{d}", path=True) == "a*b[c]{d}"


@pytest.mark.parametrize(
    ("pattern", "prefix"),
    [("main", "main"), ("release/**", "release/"), ("*x", ""), (r"a\*b?c", "a*b")],
)
def test_a_literal_prefix_ends_at_the_first_wildcard(pattern: str, prefix: str) -> None:
    """An index may rely on it."""
    assert literal_prefix(pattern) == prefix


class Counted(str):
    """A text that counts how often it is searched."""

    __slots__ = ("searches",)
    searches: int

    def find(self, *arguments: object) -> int:
        """Count, and search."""
        self.searches += 1
        return super().find(*arguments)  # type: ignore[arg-type]  # only passes on


def test_many_stars_search_a_long_value_once_each() -> None:
    """Twenty stars on 5,000 characters that never end right: one search for each, no going back."""
    glob = compile_glob("*a" * 20 + "*b*", path=False)
    value = Counted("a" * 5000)
    value.searches = 0

    assert isinstance(glob, Glob)
    assert not glob.matches(value)
    assert value.searches <= 21


@pytest.mark.parametrize("pattern", ["*a?" * 10 + "*b*", "?" * 50 + "*a" * 20 + "b", "*" + "a?" * 30 + "b*"])
def test_question_marks_between_stars_end_in_time(pattern: str) -> None:
    """The naive way would not end before the suite's time limit."""
    assert not matches(pattern, "a" * 5000, path=False)


def test_many_deep_stars_end_in_time() -> None:
    """The naive way would not end before the suite's time limit."""
    assert not matches("**/a/" * 20 + "b", "/".join("a" * 5000), path=True)


@pytest.mark.parametrize("path", [False, True])
def test_a_value_over_the_limit_matches_no_glob(path: bool) -> None:
    """16 Ki characters are still matched, one more is not."""
    assert matches("a*", "a" * LIMIT, path=path)
    assert not matches("a*", "a" * (LIMIT + 1), path=path)


def naive(pattern: str, value: str) -> bool:
    """The textbook way: try everything. No escapes."""
    if not pattern:
        return not value
    if pattern[0] == "*":
        return naive(pattern[1:], value) or (bool(value) and naive(pattern, value[1:]))
    return bool(value) and pattern[0] in ("?", value[0]) and naive(pattern[1:], value[1:])


def naive_path(pattern: list[str], value: list[str]) -> bool:
    """The textbook way over segments, with GitHub's meaning of `**`."""
    if not pattern:
        return not value
    head, rest = pattern[0], pattern[1:]
    if head == "**":
        if not rest:
            return bool(value)
        return naive_path(rest, value) or (bool(value) and naive_path(pattern, value[1:]))
    return bool(value) and naive(head, value[0]) and naive_path(rest, value[1:])


@given(st.text("ab?*", min_size=1, max_size=9), st.text("ab", max_size=9))
@example("*a?b*", "aaab")
@settings(max_examples=400, deadline=None)
def test_a_glob_agrees_with_the_naive_way(pattern: str, value: str) -> None:
    """On small inputs trying everything is the truth."""
    try:
        compile_glob(pattern, path=False)
    except ValueError:
        assert "***" in pattern
        return
    assert matches(pattern, value, path=False) == naive(pattern, value)


SEGMENT = st.sampled_from(["**", "**", "*", "a", "b", "?", "a*", "*b", "?b", ""])


@given(st.lists(SEGMENT, min_size=1, max_size=6), st.lists(st.text("ab", max_size=3), min_size=1, max_size=6))
@settings(max_examples=400, deadline=None)
def test_a_path_glob_agrees_with_the_naive_way(segments: list[str], value: list[str]) -> None:
    """On small inputs trying everything is the truth."""
    assert matches("/".join(segments), "/".join(value), path=True) == naive_path(segments, value)


@given(st.text("ab/?*\\", min_size=1, max_size=8), st.text("ab/", max_size=8), st.booleans())
@settings(max_examples=300, deadline=None)
def test_what_matches_begins_with_the_literal_prefix(pattern: str, value: str, path: bool) -> None:
    """The index leaves nothing out."""
    try:
        glob = compile_glob(pattern, path=path)
    except ValueError:
        return
    if isinstance(glob, Glob | PathGlob) and glob.matches(value):
        assert value.startswith(literal_prefix(pattern))
