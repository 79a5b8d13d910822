"""The rules of the manual, word by word."""

import pytest

from router.rules.matcher import Matcher
from router.rules.rule import Verdict
from router.template.template import Template
from tests.rules.making import event, rule

MESSAGE = Template.parse(":rotating_light: {{ project }} on {{ branch }}: {{ changes }} changes")


@pytest.fixture
def matcher() -> Matcher:
    """The four rules of the example configuration."""
    return Matcher(
        [
            rule("dependabot goes nowhere", {"branch": "dependabot/**"}, final=True),
            rule(
                "main needs eyes",
                {
                    "status": ["pending", "denied", "broken"],
                    "branch": ["main", "release/**", "!release/old-*", None],
                },
                {"author": "renovate*"},
                to="design-review",
            ),
            rule(
                "big or broken",
                [{"changes": "50.."}, {"status": "broken", "branch": "main"}],
                to=["release-bot", "design-review"],
                message=MESSAGE,
            ),
            rule("keep everything", to="archive"),
        ]
    )


ARCHIVE = ("keep everything", "archive")
EYES = ("main needs eyes", "design-review")
BOT = ("big or broken", "release-bot")


@pytest.mark.parametrize(
    ("fields", "routes"),
    [
        ({"branch": "dependabot/npm/x", "status": "broken", "changes": 99}, []),
        ({"branch": "dependabot", "status": "passed"}, [ARCHIVE]),
        ({"branch": "main", "status": "pending", "changes": 3}, [EYES, ARCHIVE]),
        ({"branch": "main", "status": "passed"}, [ARCHIVE]),
        ({"branch": "main", "status": "pending", "author": "renovate[bot]"}, [ARCHIVE]),
        ({"branch": "release/2.0", "status": "denied"}, [EYES, ARCHIVE]),
        ({"branch": "release/old-1", "status": "denied"}, [ARCHIVE]),
        ({"branch": "release", "status": "denied"}, [ARCHIVE]),
        ({"provider": "happo", "kind": "comparison", "status": "pending"}, [EYES, ARCHIVE]),
        ({"provider": "happo", "kind": "flake"}, [ARCHIVE]),
        ({"branch": "main", "status": "broken"}, [EYES, BOT, ARCHIVE]),
        (
            {"branch": "feature", "status": "pending", "changes": 50},
            [BOT, ("big or broken", "design-review"), ARCHIVE],
        ),
        ({"branch": "feature", "status": "pending", "changes": 49}, [ARCHIVE]),
    ],
)
def test_the_example_rules_route_as_the_manual_says(
    matcher: Matcher, fields: dict[str, object], routes: list[tuple[str, str]]
) -> None:
    """Every rule of the example configuration, on both sides of each of its conditions."""
    assert [(route.rule, route.sink) for route in matcher.match(event(**fields))] == routes


def test_the_example_explains_itself(matcher: Matcher) -> None:
    """Rule by rule: matched, or the condition that failed and the value it saw."""

    def told(verdicts: list[Verdict]) -> list[str]:
        return [f"{verdict.rule}: {verdict.reason}" for verdict in verdicts]

    assert told(matcher.explain(event(branch="main", status="broken", author="ann"))) == [
        "dependabot goes nowhere: branch is 'main', wanted dependabot/**",
        "main needs eyes: matched",
        "big or broken: matched; an earlier rule already named design-review",
        "keep everything: matched",
    ]
    assert told(matcher.explain(event(branch="feature", status="passed", changes=2))) == [
        "dependabot goes nowhere: branch is 'feature', wanted dependabot/**",
        "main needs eyes: status is 'passed', wanted pending, denied, broken and branch is 'feature', "
        "wanted main, release/**, !release/old-*, null",
        "big or broken: changes is 2, wanted 50..; or status is 'passed', wanted broken and branch is "
        "'feature', wanted main",
        "keep everything: matched",
    ]
    assert told(matcher.explain(event(branch="dependabot/x"))) == [
        "dependabot goes nowhere: matched",
        "main needs eyes: not reached: 'dependabot goes nowhere' is final",
        "big or broken: not reached: 'dependabot goes nowhere' is final",
        "keep everything: not reached: 'dependabot goes nowhere' is final",
    ]


def test_a_rules_own_message_goes_with_it(matcher: Matcher) -> None:
    """The text of `big or broken` overrides the sinks'."""
    assert matcher.message("big or broken") == MESSAGE


@pytest.mark.parametrize(
    ("branch", "sinks"), [("main", ["design"]), ("main2", []), ("feature/main", []), (None, [])]
)
def test_only_main_to_design(branch: str | None, sinks: list[str]) -> None:
    """One rule with one branch."""
    matcher = Matcher([rule("only main", {"branch": "main"}, to="design")])

    assert [route.sink for route in matcher.match(event(branch=branch))] == sinks


@pytest.mark.parametrize(
    ("status", "sinks"),
    [("denied", ["release-bot"]), ("broken", ["release-bot"]), ("passed", []), ("failed", []), (None, [])],
)
def test_denied_or_broken_to_the_release_bot(status: str | None, sinks: list[str]) -> None:
    """One vocabulary for all providers."""
    matcher = Matcher([rule("red", {"status": ["denied", "broken"]}, to="release-bot")])

    for provider in ("chromatic", "percy", "happo"):
        found = matcher.match(event(provider=provider, status=status))
        assert [route.sink for route in found] == sinks


@pytest.mark.parametrize(
    ("branch", "sinks"),
    [
        ("dependabot/npm_and_yarn/x", []),
        ("dependabot/x", []),
        ("dependabot", ["all"]),
        ("fix/dependabot/x", ["all"]),
        ("main", ["all"]),
        (None, ["all"]),
    ],
)
def test_dependabot_branches_nowhere(branch: str | None, sinks: list[str]) -> None:
    """A final rule without a sink."""
    matcher = Matcher([rule("bots", {"branch": "dependabot/**"}, final=True), rule("rest", to="all")])

    assert [route.sink for route in matcher.match(event(branch=branch))] == sinks
