"""Rules: when they match, and what their verdicts tell."""

import msgspec
import pytest

from router.rules.rule import Checked, Condition, Finding, Verdict
from tests.rules.making import Undecoded, Written, condition, event, patterns, rule


@pytest.mark.parametrize(
    ("when", "unless", "matched"),
    [
        ([], [], True),
        ({}, [], True),
        ({"branch": "main"}, [], True),
        ({"branch": "main", "status": "denied"}, [], True),
        ({"branch": "main", "status": "broken"}, [], False),
        ([{"branch": "dev"}, {"status": "denied"}], [], True),
        ([{"branch": "dev"}, {"status": "broken"}], [], False),
        ({"branch": "main"}, {"author": "renovate*"}, False),
        ({"branch": "main"}, {"author": "renovate*", "status": "passed"}, True),
        ({"branch": "main"}, [{"author": "x"}, {"status": "denied"}], False),
        ([], {"status": "passed"}, True),
        ({"branch": "dev"}, {"status": "denied"}, False),
        ({"payload.tags.*": "b"}, [], True),
        ({"payload.tags.*": "c"}, [], False),
        ({"payload.tags.*": "!a"}, [], True),
        ({"labels.team": "design"}, {"labels.none": "!null"}, True),
    ],
)
def test_a_rule_matches_if_any_when_holds_and_no_unless(
    when: dict[str, Written] | list[dict[str, Written]],
    unless: dict[str, Written] | list[dict[str, Written]],
    matched: bool,
) -> None:
    """A map holds if all of its fields do; no `when` always holds; the brief answer is the same."""
    given = event(
        {"tags": ["a", "b"]},
        branch="main",
        status="denied",
        author="renovate[bot]",
        labels={"team": "design"},
    )
    asked = rule("r", when, unless, to="s")

    assert asked.evaluate(given).matched == matched
    assert asked.evaluate(given, brief=True) == Verdict(rule="r", matched=matched, final=False, to=("s",))


def test_a_verdict_names_every_field_that_held_or_failed() -> None:
    """Even those after the first that failed, of every condition."""
    asked = rule(
        "r",
        [{"branch": ["main", "release/**"], "changes": "50.."}, {"status": "broken"}],
        {"author": ["renovate*", None]},
        to=["a", "b"],
        final=True,
    )

    assert asked.evaluate(event(branch="dev", changes=7, status="denied")) == Verdict(
        rule="r",
        matched=False,
        final=True,
        to=("a", "b"),
        when=(
            Checked(
                held=False,
                findings=(
                    Finding("branch", "main, release/**", "dev", held=False),
                    Finding("changes", "50..", 7, held=False),
                ),
            ),
            Checked(held=False, findings=(Finding("status", "broken", "denied", held=False),)),
        ),
        unless=(Checked(held=True, findings=(Finding("author", "renovate*, null", None, held=True),)),),
    )


@pytest.mark.parametrize(
    ("when", "unless", "reason"),
    [
        ({"branch": "main"}, {"status": "passed"}, "matched"),
        ({"branch": "dev"}, [], "branch is 'main', wanted dev"),
        (
            {"branch": "dev", "status": "denied", "changes": "50.."},
            [],
            "branch is 'main', wanted dev and changes is 7, wanted 50..",
        ),
        (
            [{"branch": "dev"}, {"author": "!null"}],
            {"status": "denied"},
            "branch is 'main', wanted dev; or author is absent, wanted !null",
        ),
        (
            {"branch": "main"},
            [{"status": "denied", "branch": "main"}, {"author": "x"}, {"changes": "7"}],
            "unless status is 'denied', wanted denied and branch is 'main', wanted main; "
            "or changes is 7, wanted 7",
        ),
        ({"payload.ok": "false"}, [], "payload.ok is true, wanted false"),
    ],
)
def test_the_reason_is_one_line_with_what_was_seen(
    when: dict[str, Written] | list[dict[str, Written]],
    unless: dict[str, Written] | list[dict[str, Written]],
    reason: str,
) -> None:
    """The fields that failed, or those of the `unless` that held."""
    verdict = rule("r", when, unless).evaluate(event({"ok": True}, branch="main", status="denied", changes=7))

    assert verdict.reason == reason
    assert verdict.reached


def test_the_reason_names_what_ended_the_evaluation_or_came_first() -> None:
    """Both are the matcher's knowledge, told by the verdict."""
    behind = Verdict(rule="r", matched=False, final=False, to=("s",), ended_by="first")
    again = Verdict(rule="r", matched=True, final=False, to=("s", "t"), repeated=("s",))

    assert (behind.reason, behind.reached) == ("not reached: 'first' is final", False)
    assert (again.reason, again.reached) == ("matched; an earlier rule already named s", True)


def test_a_reason_stays_on_one_line_whatever_was_sent() -> None:
    """Line feeds, escape sequences and writing direction are shown, not obeyed."""
    verdict = rule("r", {"branch": "main"}).evaluate(event(branch="a\nb\x1b[31m\u202e"))

    assert verdict.reason == r"branch is 'a\nb\x1b[31m\u202e', wanted main"


@pytest.mark.parametrize(
    ("path", "wanted", "seen"),
    [
        ("text", "x", "y" * 200 + "…"),
        ("object", "x", "(object)"),
        ("list", "x", "(list)"),
        ("missing", "x", None),
        ("number", "x", 1.5),
        ("great", "x", str(1 << 80)),
        ("list.*", "x", "a, , null, true, (list), …"),
        ("list.*", "7", 7),
        ("few.*", "x", "a, (object)"),
    ],
)
def test_seen_is_a_scalar_of_bounded_length(path: str, wanted: str, seen: object) -> None:
    """Of several values the one that was meant, or the first few."""
    document = {
        "text": "y" * 300,
        "object": {"a": 1},
        "list": ["a", "", None, True, [1], 7],
        "few": ["a", {}],
        "number": 1.5,
        "great": 0,
    }
    body = msgspec.json.encode(document).replace(b'"great":0', b'"great":%d' % (1 << 80))
    given = msgspec.structs.replace(event(), payload=body)

    verdict = rule("r", {f"payload.{path}": wanted}).evaluate(given)

    assert verdict.when[0].findings[0].seen == seen
    assert msgspec.json.decode(msgspec.json.encode(verdict), type=Verdict) == verdict


def test_a_verdict_is_ready_for_json() -> None:
    """Nested maps and lists with plain names."""
    verdict = rule("r", {"changes": "1.."}, to="s").evaluate(event(changes=3))

    assert msgspec.to_builtins(verdict) == {
        "rule": "r",
        "matched": True,
        "final": False,
        "to": ("s",),
        "when": (
            {"held": True, "findings": ({"field": "changes", "wanted": "1..", "seen": 3, "held": True},)},
        ),
        "unless": (),
        "repeated": (),
        "ended_by": None,
    }


def test_the_payload_is_not_decoded_when_another_field_fails() -> None:
    """Even if the payload's condition is written first."""
    given = Undecoded(source="web", provider="chromatic", branch="dev", received_at=1.0, payload=b"{}")
    asked = rule("r", {"payload.a": "x", "branch": "main"}, {"payload.b": "y"})

    assert not asked.evaluate(given, brief=True).matched
    with pytest.raises(AssertionError, match="the payload was decoded"):
        asked.evaluate(given)


def test_a_condition_on_an_unknown_field_is_an_error() -> None:
    """It does not wait for the first event."""
    with pytest.raises(ValueError, match=r"^'brnch' is not a field; did you mean 'branch'\?$"):
        Condition(fields=(("brnch", patterns("branch", "x")),))


def test_conditions_written_alike_are_equal() -> None:
    """So that two loads of one file compare equal."""
    assert condition({"branch": ["a", "!b"]}) == condition({"branch": ["a", "!b"]})
    assert condition({"branch": "a"}) != condition({"branch": "b"})
