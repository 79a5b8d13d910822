"""Patterns of other programs: told what says the same here, and real names are left alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.rules.elsewhere import advice
from router.rules.pattern import Patterns, read_item

CARET = "'^' is a part of it; write"
LIST = "no choice here; write a list:"
WHOLE = "an expression is for the whole value; write"
UNKNOWN = "is a part of it; write"
DOT = "no part of a branch begins with '.'; write"


@pytest.mark.parametrize(
    ("field", "text", "hint"),
    [
        ("branch", "^dependabot/.*$", f"{CARET} 're:dependabot/.*' for an expression"),
        ("branch", "^main", f"{CARET} 're:main.*' for an expression"),
        ("branch", "^v.*", f"{CARET} 're:v.*' for an expression"),
        ("branch", "!^(main|dev)$", f"{CARET} '!re:(main|dev)' for an expression"),
        ("author", "^.*bot$", f"{CARET} 're:.*bot' for an expression"),
        ("branch", "v[0-9]+$", "'$' is a part of it; write 're:.*v[0-9]+' for an expression"),
        ("branch", r"v\d+", r"'\d' is a 'd'; write 're:v\d+' for an expression"),
        ("branch", "!release/.*", f"{DOT} '!re:release/.*' for an expression"),
        ("branch", ".*-hotfix", f"{DOT} 're:.*-hotfix' for an expression"),
        ("branch", "v[0-9]*", "no branch has a '[' in its name; write an expression, such as 're:v[0-9]+'"),
        ("branch", "{main,release}", f"braces offer {LIST} [main, release]"),
        ("branch", "!*.{js, ts}", f'braces offer {LIST} ["!*.js", "!*.ts"]'),
        ("branch", "release/{1,2,3,4,5,6,7,8,9}", f"braces offer {LIST} [release/1, release/2, release/3, "
         "release/4, release/5, release/6, release/7, release/8, …]"),
        ("branch", "main|develop", f"'|' offers {LIST} [main, develop]"),
        ("project", "!(web|app)", f'\'|\' offers {LIST} ["!web", "!app"]'),
        ("branch", "not null", "'not' is a part of it; write '!null'"),
        ("title", "not null", "'not' is a part of it; write '!null'"),
        ("labels.team", "not null", "'not' is a part of it; write '!null'"),
        ("source", "not release/*", "'not' is a part of it; write '!release/*'"),
        ("branch", "!refs/heads/main", "branches come without 'refs/heads/'; write '!main'"),
        ("title", "/fix(es)?/i", "the slashes are part of it; write 're:.*fix(es)?.*' for an expression"),
        ("branch", "main, develop", f"',' offers {LIST} [main, develop]"),
        ("event", "!a,b", f'\',\' offers {LIST} ["!a", "!b"]'),
        ("branch", "regex:v.*", f"'regex:' {UNKNOWN} 're:v.*' for an expression"),
        ("author", "!regexp:.*bot", f"'regexp:' {UNKNOWN} '!re:.*bot' for an expression"),
        ("branch", "glob:release/*", f"'glob:' {UNKNOWN} 'release/*'"),
        ("branch", "!/^release/", "the slashes are part of it; write '!re:release.*' for an expression"),
        ("changes", "..-5", "'changes' is never negative; write '..5' for at most 5"),
    ],
)  # fmt: skip
def test_a_pattern_from_elsewhere_is_told_what_to_write_here(field: str, text: str, hint: str) -> None:
    """An expression, a list, or a `!`."""
    assert advice(field, text) == f"will hardly match: {hint}"


@pytest.mark.parametrize(
    ("field", "text", "alone", "whole"),
    [
        ("branch", "re:hotfix", "hotfix", "re:.*hotfix.*"),
        ("title", "!re:skip visual", "skip visual", "!re:.*skip visual.*"),
        ("branch", "re:^release/", "release/", "re:release/.*"),
        ("payload.a", "re:-wip$", "-wip", "re:.*-wip"),
    ],
)
def test_an_expression_that_is_some_text_alone_is_told_what_it_matches(
    field: str, text: str, alone: str, whole: str
) -> None:
    """It does match: that very text. `re:main` is the branch main, and not `fix-main` as elsewhere."""
    assert advice(field, text) == f"matches only '{alone}': {WHOLE} '{whole}' for a part of it"


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("branch", "main"),
        ("branch", "re:^(main|dev)$"),
        ("branch", "!re:v[0-9]+"),
        ("branch", "re:^main$"),
        ("provider_status", "re:APPROVED"),
        ("labels.team", "!re:design"),
        ("payload.a", "re:12"),
        ("author", "Lovelace, Ada"),
        ("project", "web, old"),
        ("branch", "release/1.*"),
        ("branch", "v1.?"),
        ("branch", "owner:feature/a+b"),
        ("branch", "feature/{x}"),
        ("branch", "feature/(wip)-$cost$"),
        ("branch", "not-null"),
        ("branch", "notes"),
        ("branch", r"\!important"),
        ("branch", "dependabot/npm_and_yarn/**"),
        ("branch", "a" * 200 + "|b"),
        ("author", "renovate[bot]"),
        ("author", "Ada | Design"),
        ("author", "not a bot"),
        ("project", "not found"),
        ("title", "^ is a caret, {a,b} and a|b are text"),
        ("title", "not now"),
        ("url", "/a/"),
        ("payload.a", "^x|y$"),
        ("payload.a", "not null"),
        ("payload.a", "-5"),
        ("changes", "1..9"),
        ("labels.team", "a|b"),
    ],
)
def test_what_may_be_a_name_is_left_alone(field: str, text: str) -> None:
    """A hint that is wrong costs more than one that is missing."""
    assert advice(field, text) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("pending|denied", "'pending|denied' is not a status; write a list: [pending, denied]"),
        ("{pending,denied}", "'{pending,denied}' is not a status; write a list: [pending, denied]"),
        ("pending, denied", "'pending, denied' is not a status; write a list: [pending, denied]"),
        ("not running", "'not running' is not a status; write '!running'"),
    ],
)
def test_a_word_from_elsewhere_is_told_what_to_write_here(text: str, message: str) -> None:
    """Where only words of a list may stand, the same habits are errors."""
    with pytest.raises(ValueError, match="is not a status") as caught:
        read_item("status", text)

    assert str(caught.value) == message


@given(
    st.text(alphabet="^$|{},()[]\\dnot !./*+-ab", max_size=20), st.sampled_from(["branch", "author", "title"])
)
def test_a_pattern_without_advice_or_with_is_never_an_error_for_it(text: str, field: str) -> None:
    """The hints take any text."""
    hint = advice(field, text)

    assert hint is None or "; write " in hint


def test_what_is_advised_for_an_expression_matches_what_was_meant() -> None:
    """The advice is no second mistake."""
    hint = advice("branch", "^dependabot/.*$") or ""
    patterns = Patterns([read_item("branch", hint.split("'")[3])])

    assert patterns.matches("dependabot/npm/x")
    assert not patterns.matches("main")
