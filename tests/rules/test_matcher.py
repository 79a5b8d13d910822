"""The matcher: order, `final`, each sink once; and that its index leaves nothing out."""

import hashlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.delivery import Route
from router.event import STATUSES, Event
from router.rules.matcher import Matcher
from router.rules.rule import Rule, Verdict
from router.template.template import Template
from tests.rules.making import Undecoded, Written, event, rule


def test_every_matching_rule_fires_in_file_order() -> None:
    """And none that does not match."""
    matcher = Matcher(
        [
            rule("z", {"branch": "main"}, to="one"),
            rule("y", {"branch": "dev"}, to="two"),
            rule("a", to=["three", "four"]),
        ]
    )

    assert matcher.match(event(branch="main")) == [
        Route("z", "one"),
        Route("a", "three"),
        Route("a", "four"),
    ]


def test_a_sink_gets_an_event_once_under_the_first_rule_that_names_it() -> None:
    """However many rules name it, and however often one does."""
    matcher = Matcher([rule("a", to=["x", "x", "y"]), rule("b", to=["y", "z"]), rule("c", to="x")])

    assert matcher.match(event()) == [Route("a", "x"), Route("a", "y"), Route("b", "z")]
    assert [verdict.repeated for verdict in matcher.explain(event())] == [(), ("y",), ("x",)]


def test_a_final_rule_ends_the_evaluation_where_it_matches() -> None:
    """And only there; its own sinks still count."""
    matcher = Matcher(
        [
            rule("first", to="a"),
            rule("stop", {"branch": "dev"}, to="b", final=True),
            rule("after", {"branch": "dev"}, to="c"),
        ]
    )

    assert matcher.match(event(branch="dev")) == [Route("first", "a"), Route("stop", "b")]
    assert matcher.match(event(branch="main")) == [Route("first", "a")]
    assert [verdict.reason for verdict in matcher.explain(event(branch="dev"))] == [
        "matched",
        "matched",
        "not reached: 'stop' is final",
    ]
    assert matcher.explain(event(branch="dev"))[2] == Verdict(
        rule="after", matched=False, final=False, to=("c",), ended_by="stop"
    )


def test_no_rules_match_nothing() -> None:
    """A matcher without rules is one."""
    assert Matcher([]).match(event()) == []
    assert Matcher([]).explain(event()) == []


def test_the_digest_is_of_the_text() -> None:
    """The journal keeps the text under it."""
    matcher = Matcher([], "rules: []")

    assert matcher.text == "rules: []"
    assert matcher.digest == hashlib.sha256(b"rules: []").hexdigest()


def test_a_rules_message_is_found_by_its_name() -> None:
    """A rule without one, or one that is gone, has none."""
    message = Template.parse("{{ branch }}!")
    matcher = Matcher([rule("with", message=message), rule("without")])

    assert matcher.message("with") is message
    assert matcher.message("without") is None
    assert matcher.message("gone") is None


def test_the_payload_is_decoded_only_for_a_rule_that_could_match() -> None:
    """A rule for another branch does not cost a decoding."""
    unread = Undecoded(source="web", provider="chromatic", branch="dev", received_at=1.0, payload=b"{}")
    matcher = Matcher([rule("r", {"branch": "main", "payload.a": "x"}, to="s"), rule("all", to="t")])

    assert matcher.match(unread) == [Route("all", "t")]


def test_few_rules_are_not_looked_up_by_the_payload() -> None:
    """Not where another field tells, and not a few: to look there means to decode it for every event."""
    unread = Undecoded(source="web", provider="chromatic", branch="dev", received_at=1.0, payload=b"{}")
    matcher = Matcher(
        [rule(f"r{x}", {"branch": "main", "payload.a.*": x}, to=x) for x in "xyz"]
        + [rule("any", {"payload.a.*": "v"}, {"branch": "dev"}, to="any")]
    )

    assert [found.name for found in matcher.candidates(unread)] == ["any"]
    assert matcher.match(event({"a": ["w", "v", "y"]}, branch="main")) == [
        Route("ry", "y"),
        Route("any", "any"),
    ]


@pytest.mark.parametrize(
    ("written", "fields"),
    [
        ({"status": "denied", "branch": "b{}"}, {"status": "denied", "branch": "b700"}),
        ({"status": "!running", "branch": "team-{}/**"}, {"branch": "team-700/x"}),
        ({"provider": "chromatic", "project": "p{}"}, {"project": "p700"}),
        ({"labels.team": "t{}", "kind": "build"}, {"labels": {"team": "t700"}}),
        ({"pull_request": "{}", "status": "denied"}, {"pull_request": 700, "status": "denied"}),
        ({"branch": "b{}", "payload.x": "y"}, {"branch": "b700"}),
        ({"author": "a{}-*", "title": "*x*"}, {"author": "a700-1"}),
    ],
)
def test_of_many_rules_only_those_with_the_events_text_are_looked_at(
    written: dict[str, str], fields: dict[str, Any]
) -> None:
    """A thousand rules alike but for one text: an event meets the one with its own."""
    matcher = Matcher(
        [
            rule(f"r{number}", {field: text.format(number) for field, text in written.items()}, to="s")
            for number in range(1000)
        ]
    )

    assert [found.name for found in matcher.candidates(event(**fields))] == ["r700"]
    assert matcher.candidates(event()) == []


def test_many_rules_that_only_the_payload_tells_apart_are_looked_up_by_it() -> None:
    """Any value of a path may be meant; a rule for another provider or status costs no decoding."""
    rules = [
        rule(f"r{number}", {"provider": "chromatic", "status": "denied", "payload.a.*": f"v{number}"}, to="s")
        for number in range(1000)
    ]
    rules.append(rule("none", {"status": "denied", "payload.a.*": None}, to="s"))
    matcher = Matcher(rules)
    unread = Undecoded(
        source="web", provider="percy", status="pending", received_at=1.0, payload=b'{"a": ["v3"]}'
    )

    def found(document: dict[str, Any]) -> list[str]:
        return [each.name for each in matcher.candidates(event(document, status="denied"))]

    assert matcher.candidates(unread) == []
    assert found({"a": ["v3", "x", 7, "v700"]}) == ["r3", "r700", "none"]
    assert found({"a": ["x"]}) == found({"a": []}) == found({}) == ["none"]


def test_a_rule_that_names_several_providers_and_statuses_is_found_under_each() -> None:
    """And under no other."""
    listed: dict[str, Written] = {"provider": ["chromatic", "percy"], "status": ["denied", None]}
    matcher = Matcher([rule("r", [listed, {"branch": "x"}], to="s")])

    def found(provider: str, status: str | None) -> bool:
        return bool(matcher.candidates(event(provider=provider, status=status)))

    assert [found("chromatic", "denied"), found("percy", None), found("chromatic", None)] == [True] * 3
    assert [found("happo", "denied"), found("percy", "pending")] == [False] * 2
    assert matcher.match(event(provider="happo", branch="x")) == [Route("r", "s")]


NAMES = ["a", "b", "a/b", "ab", "b/a/b"]
GLOBS = ["a", "b", "a/b", "a*", "*", "**", "a/**", "b/**", "?", "re:a.*", None, "!null"]
FIELDS = {
    "provider": st.sampled_from(["chromatic", "percy", "!happo", "p*"]),
    "status": st.sampled_from([*STATUSES[:4], "!running", None, "!null"]),
    "branch": st.sampled_from([*GLOBS, *(f"!{glob}" for glob in GLOBS if glob and glob[0] != "!")]),
    "project": st.sampled_from(["a", "a*", "!b", None]),
    "changes": st.sampled_from(["1", "5..", "..3", "!2", None, "1*"]),
    "labels.team": st.sampled_from(["a", "b*", "!a", None]),
    "payload.x.*": st.sampled_from(["a", "1..", "true", "!a", None]),
}
MAPS = st.dictionaries(st.sampled_from(sorted(FIELDS)), st.integers(1, 2), max_size=3).flatmap(
    lambda sizes: st.fixed_dictionaries(
        {field: st.lists(FIELDS[field], min_size=1, max_size=size) for field, size in sizes.items()}
    )
)
RULES = st.lists(
    st.builds(
        rule,
        st.sampled_from(["r1", "r2", "r3"]),
        st.lists(MAPS, max_size=2),
        st.lists(MAPS, max_size=1),
        to=st.lists(st.sampled_from(["s", "t", "u"]), max_size=2),
        final=st.sampled_from([False, False, False, True]),
    ),
    max_size=6,
)
EVENTS = st.builds(
    event,
    st.fixed_dictionaries({}, optional={"x": st.lists(st.sampled_from(["a", "b", 1, True, None, [], {}]))}),
    provider=st.sampled_from(["chromatic", "percy", "happo"]),
    status=st.sampled_from([*STATUSES[:4], None]),
    branch=st.sampled_from([*NAMES, None]),
    project=st.sampled_from(["a", "ab", "b", None]),
    changes=st.sampled_from([0, 1, 2, 5, 12, None]),
    labels=st.dictionaries(st.just("team"), st.sampled_from(["a", "b", "bc"])),
)


@given(RULES, st.sampled_from([1, 10]), EVENTS)
@settings(max_examples=400, deadline=None)
def test_the_candidates_contain_all_matches(rules: list[Rule], times: int, given_event: Event) -> None:
    """The index may leave out only what cannot match; of few rules, and of many."""
    candidates = Matcher(rules * times).candidates(given_event)

    assert all(each in candidates for each in rules if each.evaluate(given_event).matched)


def naive(rules: list[Rule], given_event: Event) -> list[Route]:
    """What the manual says, without an index."""
    routes: list[Route] = []
    for each in rules:
        held = not each.when or any(when.holds(given_event) for when in each.when)
        if not held or any(unless.holds(given_event) for unless in each.unless):
            continue
        for sink in each.to:
            if sink not in [route.sink for route in routes]:
                routes.append(Route(each.name, sink))
        if each.final:
            break
    return routes


@given(RULES, EVENTS)
@settings(max_examples=400, deadline=None)
def test_match_agrees_with_the_naive_reading(rules: list[Rule], given_event: Event) -> None:
    """The index and the brief evaluation change nothing."""
    assert Matcher(rules).match(given_event) == naive(rules, given_event)


@given(RULES, EVENTS)
@settings(max_examples=400, deadline=None)
def test_match_and_explain_are_one_evaluation(rules: list[Rule], given_event: Event) -> None:
    """The routes follow from the verdicts; every rule has one, and it says why."""
    matcher = Matcher(rules)
    verdicts = matcher.explain(given_event)
    routes = [
        Route(verdict.rule, sink)
        for verdict in verdicts
        if verdict.matched
        for sink in dict.fromkeys(verdict.to)
        if sink not in verdict.repeated
    ]

    assert matcher.match(given_event) == routes
    assert [verdict.rule for verdict in verdicts] == [each.name for each in rules]
    assert all(verdict.reason for verdict in verdicts)
    assert all(not verdict.reason.startswith("matched") for verdict in verdicts if not verdict.matched)
