"""Samples: one of every documented event, and fresh ones that are no resend."""

import json

import pytest

from router.event import FIELDS
from router.sources import SOURCES, samples
from tests.sources.cases import NOW, facts, source

NAMES = samples.names()
each_sample = pytest.mark.parametrize("name", NAMES)
# The event names, and the words for a status, that the vendors document.
EVENTS = {
    "chromatic": {"build-status-changed", "build", "review", "review-decision"},
    "percy": {
        "ping", "build_created", "build_finished", "build_approved", "build_changes_requested",
        "build_unreviewed",
    },
    "happo": {"comparison", "flake"},
}  # fmt: skip
WORDS = {
    "chromatic": {
        "PUBLISHED", "PREPARED", "IN_PROGRESS", "PENDING", "PASSED", "ACCEPTED", "DENIED", "BROKEN",
        "CANCELLED", "FAILED", "BUILD_PENDING", "BUILD_PASSED", "BUILD_ACCEPTED", "BUILD_DENIED",
        "BUILD_FAILED", "BUILD_ERROR", "BUILD_TIMED_OUT", "BUILD_NO_CAPTURE", "OPEN", "MERGED",
        "CLOSED", "APPROVED",
    },
    "percy": {None, "pending", "unreviewed", "approved", "changes_requested"},
    "happo": {"failure", "success", "reported", "undone"},
}  # fmt: skip


def split(name: str) -> tuple[str, bytes]:
    """Provider and body of a sample."""
    provider, _, short = name.partition("/")
    return provider, samples.load(provider, short)


@pytest.mark.parametrize("provider", SOURCES)
def test_there_is_a_sample_of_every_documented_event_and_word(provider: str) -> None:
    """Whatever a provider can send can be tried."""
    found = [source(provider).decode(body, NOW) for owner, body in map(split, NAMES) if owner == provider]

    assert {event.event for event in found} == EVENTS[provider]
    assert {event.provider_status for event in found} == WORDS[provider]


@pytest.mark.parametrize("provider", SOURCES)
def test_what_a_provider_is_said_not_to_name_stands_in_none_of_its_events(provider: str) -> None:
    """Whoever waits for such a field is warned; what a provider does name must not be among them."""
    found = [source(provider).decode(body, NOW) for owner, body in map(split, NAMES) if owner == provider]
    given = {field for field in FIELDS for event in found if getattr(event, field) is not None}

    assert {*SOURCES[provider].absent} == {*FIELDS} - given


@each_sample
def test_a_sample_is_understood(name: str) -> None:
    """None of them is of an unknown kind or status."""
    provider, body = split(name)
    event = source(provider).decode(body, NOW)

    assert event.kind != "unknown"
    assert event.status != "unknown"


@each_sample
def test_a_fresh_sample_is_the_same_fact_about_something_new(name: str) -> None:
    """Only ids change: kind, status, branch and the like stay, and it is no duplicate."""
    provider, body = split(name)
    found = source(provider)
    plain = found.decode(body, NOW)
    fresh = [found.decode(samples.fresh(provider, body, number), NOW) for number in (1, 2, 987_654_321)]

    assert len({event.subject for event in [plain, *fresh]}) == 4
    changing = {"build", "pull_request", "commit", "url", "title"}
    for event in fresh:
        same = {key: value for key, value in facts(event).items() if key not in changing}
        assert same == {key: value for key, value in facts(plain).items() if key not in changing}
        assert facts(event).keys() == facts(plain).keys()


@each_sample
def test_the_urls_of_a_fresh_sample_are_in_step(name: str) -> None:
    """What was replaced is gone everywhere, so that no link leads to another build."""
    provider, body = split(name)
    found = source(provider)
    plain, fresh = found.decode(body, NOW), found.decode(samples.fresh(provider, body, 31_337), NOW)
    text = fresh.payload.decode()

    if plain.url:
        assert fresh.url != plain.url
        assert plain.url not in text
    if provider == "chromatic":
        assert (fresh.url or "").endswith("&number=31337")
        assert 31_337 in (int(fresh.build or 0), fresh.pull_request)
    if plain.kind == "build" and provider == "percy":
        resource = json.loads(text)["included"][0]
        assert (fresh.url or "").endswith(f"/builds/{resource['id']}")
        assert json.loads(text)["data"]["relationships"]["build"]["data"]["id"] == resource["id"]
        assert fresh.build == "31337"
    if provider == "happo" and plain.commit:
        assert (fresh.commit or "?") in (fresh.url or "")
        assert plain.commit not in text


def test_a_fresh_sample_depends_on_its_number_alone() -> None:
    """The same number gives the same bytes."""
    body = samples.load("percy", "build_finished")

    assert samples.fresh("percy", body, 5) == samples.fresh("percy", body, 5)


@pytest.mark.parametrize(
    ("provider", "event", "name"),
    [
        ("chromatic", "build", "v2-build-pending"),
        ("chromatic", "build-status-changed", "v1-legacy-pending"),
        ("chromatic", "review", "v2-review-open"),
        ("chromatic", "review-decision", "v2-review-decision-pending"),
    ],
)
def test_the_vendors_name_of_an_event_stands_for_a_pending_sample_of_it(
    provider: str, event: str, name: str
) -> None:
    """Nobody has to know our names to send a vendor's event."""
    assert samples.load(provider, event) == samples.load(provider, name)


@pytest.mark.parametrize(
    ("provider", "name"),
    [(provider, event) for provider, events in EVENTS.items() for event in sorted(events)],
)
def test_every_event_can_be_sent_by_the_vendors_name(provider: str, name: str) -> None:
    """The name in the vendor's documentation is enough."""
    assert source(provider).decode(samples.load(provider, name), NOW).event == name


def test_an_unknown_sample_is_refused_with_the_nearest_one() -> None:
    """A slip costs one look."""
    with pytest.raises(ValueError, match=r"^'build_finish' is not a sample of percy; ") as caught:
        samples.load("percy", "build_finish")

    assert str(caught.value) == "'build_finish' is not a sample of percy; did you mean 'build_finished'?"


def test_an_unknown_sample_like_no_other_is_refused_without_a_guess() -> None:
    """How to list them is the caller's to say."""
    with pytest.raises(ValueError, match=r"^'zzz' is not a sample of happo$"):
        samples.load("happo", "zzz")


def test_an_unknown_provider_is_refused() -> None:
    """The message says which there are."""
    with pytest.raises(ValueError, match=rf"^'nobody' is not a provider; there are {', '.join(SOURCES)}$"):
        samples.load("nobody", "build")


@pytest.mark.parametrize("name", ["../percy/ping", "..", "", "ping.json", "/etc/passwd", "ping\0"])
def test_a_sample_is_never_a_path(name: str) -> None:
    """Only listed names are opened."""
    with pytest.raises(ValueError, match="is not a sample of percy"):
        samples.load("percy", name)
