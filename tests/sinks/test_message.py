"""The message: every kind and status in words that a channel can read at a glance."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.errors import Unrenderable
from router.event import KINDS, STATUSES, Event
from router.sinks.message import message_of, one_line, remark, rendered
from router.template.template import Template
from tests.sinks.samples import HOSTILE, bare, delivery, sample, strange


@pytest.mark.parametrize(
    ("status", "text", "action"),
    [
        ("running", "web-app: build running on main", "Open build"),
        ("passed", "web-app: no visual changes on main", "Open build"),
        ("pending", "web-app: 14 changes to review on main", "Review changes"),
        ("accepted", "web-app: 14 changes accepted on main", "Open build"),
        ("denied", "web-app: 14 changes denied on main", "Open build"),
        ("broken", "web-app: build broken on main", "Open build"),
        ("failed", "web-app: build failed with a system error on main", "Open build"),
        ("cancelled", "web-app: build cancelled on main", "Open build"),
        ("unknown", "web-app: build reports 'ARCHIVED' on main", "Open build"),
        (None, "web-app: build archived on main", "Open build"),
    ],
)
def test_a_build_is_told_by_its_status(status: str | None, text: str, action: str) -> None:
    """Which project, what happened, where; and what a click does about it."""
    changes = 0 if status == "passed" else 14
    message = message_of(sample(status=status, branch="main", changes=changes, provider_status="ARCHIVED"))

    assert (message.text, message.action) == (text, action)


@pytest.mark.parametrize(
    ("fields", "text", "action"),
    [
        ({"kind": "review", "status": "pending"}, "review opened on main", "Open review"),
        (
            {"kind": "review", "status": None, "provider_status": "MERGED"},
            "review merged on main",
            "Open review",
        ),
        (
            {"kind": "review", "status": None, "provider_status": None},
            "review updated on main",
            "Open review",
        ),
        ({"kind": "review", "status": "denied"}, "changes requested in review on main", "Open review"),
        (
            {"kind": "review-decision", "status": "pending"},
            "review waits for a decision on main",
            "Open review",
        ),
        ({"kind": "review-decision", "status": "accepted"}, "review approved on main", "Open review"),
        ({"kind": "comparison", "branch": None}, "14 changes to review", "Review changes"),
        (
            {"kind": "comparison", "branch": None, "status": "passed", "changes": 0},
            "no visual changes",
            "Open comparison",
        ),
        (
            {"kind": "comparison", "branch": None, "status": "passed"},
            "comparison passed",
            "Open comparison",
        ),
        (
            {"kind": "flake", "status": None, "provider_status": "reported"},
            "flake reported on main",
            "Open report",
        ),
        ({"kind": "flake", "status": None, "provider_status": None}, "flake on main", "Open report"),
        (
            {"kind": "ping", "status": None, "branch": None},
            "ping from Chromatic, the webhook works",
            "Open",
        ),
        (
            {"kind": "unknown", "event": "build_archived", "status": None, "provider_status": None},
            "build_archived updated on main",
            "Open",
        ),
        (
            {"kind": "unknown", "event": None, "status": "unknown", "provider_status": None},
            "event with an unknown status on main",
            "Open",
        ),
        ({"kind": "unknown", "event": "new", "status": "running"}, "new running on main", "Open"),
        ({"changes": 1}, "1 change to review on main", "Review changes"),
        ({"changes": 1234}, "1,234 changes to review on main", "Review changes"),
        ({"changes": None}, "changes to review on main", "Review changes"),
        ({"changes": 0}, "changes to review on main", "Review changes"),
    ],
)
def test_every_kind_has_its_own_words(fields: dict[str, object], text: str, action: str) -> None:
    """Reviews, decisions, comparisons without a branch, flakes, pings, and what we do not know yet."""
    message = message_of(sample(**{"branch": "main", **fields}))

    assert (message.text, message.action) == (f"web-app: {text}", action)


@pytest.mark.parametrize(
    ("fields", "subject"),
    [
        ({"project": "web-app"}, "web-app"),
        ({"project": None}, "chromatic-web"),
        ({"project": "7", "provider": "happo"}, "Happo project 7"),
        ({"project": "6473a1f0c2d94e5b8f01a7c3"}, "chromatic-web (6473a1f)"),
        ({"project": None, "source": " "}, "Chromatic"),
        ({"project": "\u202e"}, "chromatic-web"),
    ],
)
def test_the_subject_is_what_people_call_it(fields: dict[str, object], subject: str) -> None:
    """A number or a hash alone says nothing; the source's name was chosen by the operator."""
    assert message_of(sample(**fields)).subject == subject


@pytest.mark.parametrize(
    ("fields", "facts"),
    [
        ({}, ("build 1248", "pull request 88", "commit 3f2a9c1 by Ada Lovelace", "Chromatic")),
        ({"commit": None}, ("build 1248", "pull request 88", "by Ada Lovelace", "Chromatic")),
        ({"author": None}, ("build 1248", "pull request 88", "commit 3f2a9c1", "Chromatic")),
        ({"author": None, "commit": None, "pull_request": None}, ("build 1248", "Chromatic")),
        (
            {"commit": "dev-17c0aafc"},
            ("build 1248", "pull request 88", "commit dev-17c0aafc by Ada Lovelace", "Chromatic"),
        ),
        (
            {"build": "9b2dafaeaf35ca4764f73cadfce4f427", "pull_request": None},
            ("commit 3f2a9c1 by Ada Lovelace", "Chromatic"),
        ),
        ({"kind": "review", "build": None}, ("review 88", "commit 3f2a9c1 by Ada Lovelace", "Chromatic")),
    ],
)
def test_the_facts_are_what_is_known(fields: dict[str, object], facts: tuple[str, ...]) -> None:
    """Short, in order of interest, and without holes."""
    assert message_of(sample(**fields)).facts == facts


@pytest.mark.parametrize(
    ("title", "shown"),
    [
        ("Calmer buttons", "Calmer buttons"),
        ("Flake: Button — https://happo.io/a/1", "Flake: Button"),
        ("see http://a.example/x and this", "see and this"),
        ("https://a.example/", None),
        ("line one\nline two", "line one line two"),
        ("x" * 301, "x" * 299 + "…"),
        (None, None),
        ("\n", None),
    ],
)
def test_a_title_is_one_line_without_urls(title: str | None, shown: str | None) -> None:
    """There is a link already."""
    assert message_of(sample(title=title)).title == shown


@pytest.mark.parametrize(
    ("url", "usable"),
    [
        ("https://www.chromatic.com/build?appId=1&number=2", True),
        ("http://percy.internal/x", True),
        ("https://a.example/" + "x" * 2982, True),
        ("https://a.example/" + "x" * 2983, False),
        ("javascript:alert(1)", False),
        ("ftp://a.example/", False),
        ("https:///no-host", False),
        ("https://chromatic.com@evil.example/", False),
        ("https://a.example/a b", False),
        ("https://a.example/\u202e", False),
        ("https://[::1/", False),
        ("/relative", False),
        ("", False),
        (None, False),
    ],
)
def test_only_a_plain_http_url_may_be_clicked(url: str | None, usable: bool) -> None:
    """What strangers send must not become a script, a mask for another host, or a broken button."""
    assert message_of(sample(url=url)).link == (url if usable else None)


def test_every_status_has_a_colour_and_a_sign() -> None:
    """Seen before a word is read; good and bad are never the same colour."""
    messages = {status: message_of(sample(status=status)) for status in (*STATUSES, None)}

    assert len({message.emoji for message in messages.values()}) == len(messages)
    assert messages["passed"].colour == messages["accepted"].colour
    assert messages["denied"].colour == messages["broken"].colour
    colours = [
        messages[status].colour for status in ("passed", "pending", "denied", "failed", "running", "unknown")
    ]
    assert len(set(colours)) == len(colours)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("status", [*STATUSES, None])
def test_an_event_with_nothing_in_it_has_a_message(kind: str, status: str | None) -> None:
    """No field has to be there, and no word that we lack shows as None."""
    message = message_of(bare(kind=kind, status=status))

    assert message.text.startswith("web: ")
    assert "None" not in message.text
    assert message.facts == ("Percy",)


def is_harmless(text: str) -> bool:
    """Whether it stays on its line and in its order: joiners apart, and what is an emoji or will be."""
    return re.sub("[\u200c\u200d\U0001f000-\U0001faff]", "", text).isprintable()


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_whatever_strangers_write_stays_short_and_on_its_line(text: str) -> None:
    """Every part of a message is printable and bounded."""
    message = message_of(strange(text))
    parts = [message.text, *message.facts, message.title or "", message.branch or "", message.subject]

    assert all(is_harmless(part) for part in parts)
    assert len(message.text) < 500
    assert max(len(part) for part in parts[1:]) <= 300


@given(st.text(max_size=300), st.integers(1, 50))
@settings(max_examples=200)
def test_one_line_is_one_line(text: str, limit: int) -> None:
    """Of at most so many characters, none of which moves a cursor; or nothing at all."""
    line = one_line(text, limit)

    assert line is None or (0 < len(line) <= limit and is_harmless(line))
    assert line is None or line == line.strip(" ")


@pytest.mark.parametrize(
    "text",
    [
        "👩\u200d💻 at work",
        "علی\u200cرضا",  # a name: without the joiner it is two words
        "\U0001fa77 Pink buttons",  # of Unicode 15, which Python 3.11 does not know
        "\U0001fae9 Tired tests",  # of Unicode 16
    ],
)
def test_emoji_and_names_stay_what_they_are(text: str) -> None:
    """A zero-width joiner is no trick when it joins, and emoji are newer than the system's tables."""
    assert one_line(text, 100) == text


def test_a_template_sees_the_built_in_sentence_and_the_route() -> None:
    """So that a rule can put a mention before it."""
    text = rendered(Template("<!here> {{ message }} ({{ rule }} -> {{ sink }})"), sample(), delivery())

    assert text == "<!here> web-app: 14 changes to review on feature/calmer (main needs eyes -> a-sink)"
    with pytest.raises(Unrenderable):
        rendered(Template("{{ build + 1 }}"), sample(), delivery())


def test_a_remark_says_why_the_operators_text_is_missing() -> None:
    """And says nothing where there is nothing to say."""
    event: Event = sample()

    assert remark(None, event, delivery()) == ""
    assert remark(Template("{{ branch }}"), event, delivery()) == ""
    assert remark(Template("{{ build + 1 }}"), event, delivery()) == (
        "the template failed at line 1: InvalidOperation; the built-in text stands in for it\n\n"
    )
