"""Patterns: every written form, the order of a list, and every message of what cannot match."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.event import KINDS, STATUSES
from router.rules.pattern import Patterns, Reach, read_item, text_of
from tests.rules.making import patterns


@pytest.mark.parametrize(
    ("field", "written", "value"),
    [
        ("branch", ["main"], "main"),
        ("branch", ["release/**"], "release/1.0"),
        ("branch", ["re:v[0-9]+"], "v12"),
        ("branch", ["1..9"], "1..9"),
        ("branch", ["10.."], "10.."),
        ("branch", [r"\!x"], "!x"),
        ("branch", [r"\re:x"], "re:x"),
        ("branch", ["null"], "null"),
        ("branch", [None], None),
        ("branch", ["main", None], None),
        ("branch", ["!null"], "main"),
        ("branch", ["!main"], "dev"),
        ("branch", ["!main"], None),
        ("branch", ["!re:v.*"], None),
        ("branch", ["release/**", "!release/old-*", "release/old-9"], "release/old-9"),
        ("branch", ["!**", "main"], "main"),
        ("author", ["renovate*"], "renovate/bot[x]"),
        ("title", ["*[skip]*"], "a/b [skip] c"),
        ("url", ["https://*"], "https://x/y"),
        ("status", ["pending", "denied"], "denied"),
        ("status", [None], None),
        ("status", ["!running", "!passed"], "broken"),
        ("status", ["!running", "!passed"], None),
        ("status", ["!null", "!running"], "passed"),
        ("kind", ["!flake"], "build"),
        ("provider", ["chrom*"], "chromatic"),
        ("changes", ["50"], 50),
        ("changes", ["-1"], -1),
        ("changes", ["50.."], 50),
        ("changes", ["..5"], 0),
        ("changes", ["..5", "9.."], 10),
        ("changes", ["1..9"], 9),
        ("changes", ["5..5"], 5),
        ("changes", ["!10.."], 9),
        ("changes", ["!10.."], None),
        ("changes", ["5?"], 57),
        ("changes", ["re:[0-4]"], 3),
        ("pull_request", ["100..200"], 150),
        ("build", ["100..200"], "150"),
        ("build", ["100..200"], "0150"),
        ("build", ["abc*"], "abcdef"),
        ("payload.a", ["true"], True),
        ("payload.a", ["false"], False),
        ("payload.a", ["1.5"], 1.5),
        ("payload.a", ["1000.0"], 1e3),
        ("payload.a", ["-2..-1"], -1.5),
        ("payload.a", ["..0.1"], 0.1),
        ("payload.a", ["1.."], "2.5"),
        ("payload.a", ["1.."], 1e22),
        ("payload.a", ["1.."], math.inf),
        ("payload.a", ["..1"], -math.inf),
        ("payload.a", ["a..b"], "a..b"),
        ("payload.a", [r"1\..9"], "1..9"),
        ("payload.a", ["!null"], {"b": 1}),
        ("payload.a", ["!x"], [1]),
    ],
)
def test_a_pattern_matches_what_it_says(field: str, written: list[str | None], value: object) -> None:
    """Each written form, alone and in lists."""
    assert patterns(field, *written).matches(value)


@pytest.mark.parametrize(
    ("field", "written", "value"),
    [
        ("branch", ["main"], "Main"),
        ("branch", ["main"], "main2"),
        ("branch", ["main"], None),
        ("branch", ["release/**"], "release"),
        ("branch", ["release/**"], None),
        ("branch", ["*"], "a/b"),
        ("branch", ["re:v[0-9]"], "v12"),
        ("branch", ["re:.*"], None),
        ("branch", ["null"], None),
        ("branch", [None], "null"),
        ("branch", ["!null"], None),
        ("branch", ["!main"], "main"),
        ("branch", ["main", "!dev"], "feature"),
        ("branch", ["main", "!dev"], None),
        ("branch", ["release/**", "!release/old-*"], "release/old-9"),
        ("branch", ["!main", "main", "!main"], "main"),
        ("status", ["!running", "!null"], None),
        ("changes", ["50.."], 49),
        ("changes", ["50.."], None),
        ("changes", ["..5"], 6),
        ("changes", ["1..9"], 10),
        ("changes", ["1..9"], 0),
        ("changes", ["5?"], 5),
        ("build", ["1..9"], "9f"),
        ("build", ["1..9"], ""),
        ("build", ["1..9"], "٣"),
        ("build", ["1..999999"], "1e3"),
        ("payload.a", ["..9"], math.inf),
        ("payload.a", [r"\null"], math.inf),
        ("payload.a", ["..9"], math.nan),
        ("payload.a", ["0..9"], True),
        ("payload.a", ["True"], True),
        ("payload.a", ["1"], True),
        ("payload.a", ["1"], 1.0),
        ("payload.a", ["0..9"], [5]),
        ("payload.a", ["*"], {"b": 1}),
        ("payload.a", ["re:.*"], [1]),
        ("payload.a", [None], {}),
        ("payload.a", ["..9"], "x" * 9),
    ],
)
def test_a_pattern_matches_nothing_else(field: str, written: list[str | None], value: object) -> None:
    """Near misses of each form."""
    assert not patterns(field, *written).matches(value)


STATUS_WORDS = "running, passed, pending, accepted, denied, broken, failed, cancelled, unknown"
OWN_WORD = "a provider's own word goes under provider_status"


@pytest.mark.parametrize(
    ("field", "text", "message"),
    [
        ("branch", "", "'' is no pattern; write null for a value that is absent"),
        ("branch", "!", "'!' takes nothing out; write a pattern after it, or '\\!' for the character"),
        ("branch", "!!x", "'!!x' is negated twice; write 'x', or '!\\!x' for text that begins with '!'"),
        ("branch", "***", "'***' has three stars in a row; write '*' or '**'"),
        ("title", "!a***", "'a***' has three stars in a row; write '*' or '**'"),
        (
            "branch",
            "a**b",
            "'a**b' has '**' beside other characters of a path segment; write '*' or '/**/'",
        ),
        ("branch", "a\\", "'a\\' ends in a backslash that escapes nothing; write '\\\\' for a backslash"),
        (
            "branch",
            "re:",
            "'re:' is empty; write a regular expression after it, or null for a value that is absent",
        ),
        (
            "branch",
            "re:(",
            "'re:(' is not a usable regular expression: missing ): (; correct it or write a glob",
        ),
        (
            "title",
            "!re:(?=x)",
            "'re:(?=x)' is not a usable regular expression: it looks ahead or behind, which cannot run in "
            "linear time; correct it or write a glob",
        ),
        ("changes", "9..1", "'9..1' is an empty range; did you mean '1..9'?"),
        ("build", "!9..1.5", "'9..1.5' is an empty range; did you mean '1.5..9'?"),
        ("changes", "..", "'..' is not a range; write 10.., ..5 or 1..9"),
        ("payload.a", "..", "'..' is not a range; write 10.., ..5 or 1..9"),
        ("pull_request", "1...5", "'1...5' is not a range; write 10.., ..5 or 1..9"),
        ("changes", "1 .. 5", "'1 .. 5' is not a range; write 10.., ..5 or 1..9"),
        ("changes", "many", "'many' is not a whole number; write 50, or a range: 50.., ..5 or 1..9"),
        ("changes", "050", "'050' is not a whole number; write 50, or a range: 50.., ..5 or 1..9"),
        ("pull_request", "!#5", "'#5' is not a whole number; write 50, or a range: 50.., ..5 or 1..9"),
        ("status", "pendng", "'pendng' is not a status; did you mean 'pending'?"),
        ("status", "!Denied", "'Denied' is not a status; did you mean 'denied'?"),
        ("status", "*", f"'*' is not a status; write one of {STATUS_WORDS}; {OWN_WORD}"),
        ("status", "approved", f"'approved' is not a status; write one of {STATUS_WORDS}; {OWN_WORD}"),
        ("kind", "re:b.*", f"'re:b.*' is not a kind; write one of {', '.join(KINDS)}"),
        ("kind", None, "'null' says nothing: 'kind' is never absent; leave it out"),
        ("provider", "!null", "'!null' says nothing: 'provider' is never absent; leave it out"),
        ("source", None, "'null' says nothing: 'source' is never absent; leave it out"),
    ],
)
def test_a_pattern_that_cannot_match_is_an_error(field: str, text: str | None, message: str) -> None:
    """The message names what was written and what to write instead."""
    with pytest.raises(ValueError) as caught:  # noqa: PT011  # the whole message is compared
        read_item(field, text)

    assert str(caught.value) == message


def test_words_that_are_known_are_all_a_field_can_be() -> None:
    """A provider's typo is found where the providers are known."""
    assert Patterns([read_item("provider", "!percy", ["chromatic", "percy"])]).matches("chromatic")
    with pytest.raises(ValueError) as caught:  # noqa: PT011  # the whole message is compared
        read_item("provider", "cromatic", ["chromatic", "percy"])
    assert str(caught.value) == "'cromatic' is not a provider; did you mean 'chromatic'?"
    with pytest.raises(ValueError) as caught:  # noqa: PT011  # the whole message is compared
        read_item("provider", "*", ["chromatic", "percy"])
    assert str(caught.value) == "'*' is not a provider; write one of chromatic, percy"


@pytest.mark.parametrize(("field", "words"), [("status", STATUSES), ("kind", KINDS)])
def test_every_word_of_the_vocabulary_is_a_pattern(field: str, words: tuple[str, ...]) -> None:
    """And means itself alone."""
    for word in words:
        assert [other for other in words if patterns(field, word).matches(other)] == [word]


def test_the_list_of_the_manual_reads_as_it_is_meant() -> None:
    """`[main, "release/**", "!release/old-*", null]`."""
    wanted = patterns("branch", "main", "release/**", "!release/old-*", None)

    assert [
        value
        for value in ("main", "release/1", "release/old-1", "release", "dev", None)
        if wanted.matches(value)
    ] == ["main", "release/1", None]
    assert wanted.text == "main, release/**, !release/old-*, null"


def test_the_text_tells_null_from_the_word() -> None:
    """An explanation shows which of them was written."""
    assert patterns("branch", None, "!null", "null").text == 'null, !null, "null"'
    assert repr(patterns("branch", "main")) == "Patterns(main)"


def test_no_patterns_match_nothing() -> None:
    """An empty list is nobody's wish for everything."""
    assert not Patterns([]).matches("main")
    assert not Patterns([]).matches(None)


def test_patterns_are_equal_if_they_are_written_alike() -> None:
    """So that two loads of one file compare equal."""
    assert patterns("branch", "a", "b*") == patterns("branch", "a", "b*")
    assert hash(patterns("branch", "a", "b*")) == hash(patterns("branch", "a", "b*"))
    assert patterns("branch", "a", "b") != patterns("branch", "a, b")
    assert patterns("branch", "a") != "a"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("x", "x"),
        (True, "true"),
        (False, "false"),
        (12, "12"),
        (1.5, "1.5"),
        (1e22, "1e22"),
        (None, None),
        ({}, None),
        ([], None),
    ],
)
def test_scalars_read_as_json_writes_them(value: object, text: str | None) -> None:
    """What is no scalar has no text."""
    assert text_of(value) == text


@pytest.mark.parametrize(
    ("field", "written", "texts", "prefixes"),
    [
        ("branch", ["main", None], {"main", None}, set()),
        ("branch", ["main", "release/**", "!release/x"], {"main"}, {"release/"}),
        ("branch", [], set(), set()),
        ("changes", ["5"], {"5"}, set()),
    ],
)
def test_the_reach_of_patterns_is_texts_and_beginnings(
    field: str, written: list[str | None], texts: set[str | None], prefixes: set[str]
) -> None:
    """What an index needs to know."""
    assert patterns(field, *written).reach == Reach(frozenset(texts), frozenset(prefixes))


@pytest.mark.parametrize(
    ("field", "written"),
    [
        ("branch", ["!main"]),
        ("branch", ["main", "*-fix"]),
        ("branch", ["main", "re:v.*"]),
        ("changes", ["5", "10.."]),
    ],
)
def test_the_reach_of_patterns_may_be_anything(field: str, written: list[str | None]) -> None:
    """Negation, expressions, ranges and stars at the beginning have no bounds."""
    assert patterns(field, *written).reach is None


ITEM = st.sampled_from([None, "!null", "a", "!a", "a*", "!a*", "b", "!b", "re:a|b", "!re:.", "*", "!*"])


@given(st.lists(ITEM, max_size=5), st.sampled_from([None, "a", "b", "aa", "c"]))
@settings(max_examples=300, deadline=None)
def test_the_last_item_that_matches_decides(written: list[str | None], value: str | None) -> None:
    """Read forwards, as GitHub's documentation tells it."""
    holds = bool(written) and written[0] is not None and written[0].startswith("!")
    for text in written:
        plain = None if text in (None, "!null") else str(text).removeprefix("!")
        hit = patterns("title", plain).matches(value)
        if hit:
            holds = text is None or not text.startswith("!")

    assert patterns("title", *written).matches(value) == holds


@given(st.lists(ITEM, max_size=4), st.none() | st.text("abc", max_size=3))
@settings(max_examples=300, deadline=None)
def test_what_matches_is_within_reach(written: list[str | None], value: str | None) -> None:
    """An index that follows the reach leaves nothing out."""
    wanted = patterns("title", *written)
    if wanted.matches(value) and wanted.reach is not None:
        assert value in wanted.reach.texts or (
            value is not None and value.startswith(tuple(wanted.reach.prefixes))
        )


@given(st.text(max_size=12))
@settings(max_examples=300, deadline=None)
def test_any_text_is_a_pattern_or_a_message(text: str) -> None:
    """Nothing else comes out, and a message is one an operator can use."""
    for field in ("branch", "title", "changes", "status", "payload.a"):
        try:
            told = read_item(field, text).text
        except ValueError as error:
            told = str(error).partition("; ")[2]
        assert told
