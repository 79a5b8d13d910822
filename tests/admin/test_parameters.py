"""What an operator asked for is read exactly, or refused with the fix."""

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.admin.answers import moment
from router.admin.parameters import (
    Selection,
    Why,
    body,
    delivery_query,
    event_query,
    flag,
    identifier,
    near,
    since,
)
from router.delivery import State
from router.errors import Rejected
from router.journal.journal import DeliveryQuery, EventQuery
from router.sources import SOURCES
from router.template.template import rfc3339

EVENT = "evt_0f3k0000000a1"
DELIVERY = "dlv_0f3k0000000a1"


def refused(error: pytest.ExceptionInfo[Rejected]) -> tuple[str, str]:
    """Message and fix."""
    return str(error.value), error.value.fix


def test_every_filter_of_events_reaches_the_query() -> None:
    """Nothing is dropped, nothing is invented."""
    asked = {
        "source": "web", "provider": "chromatic", "kind": "build", "status": "pending", "branch": "main",
        "project": "app", "text": "dark mode", "before": EVENT, "limit": "7",
    }  # fmt: skip

    assert event_query(asked) == EventQuery(**{**asked, "limit": 7})  # type: ignore[arg-type]  # by name
    assert event_query({}) == EventQuery()


def test_every_filter_of_deliveries_reaches_the_query() -> None:
    """Nothing is dropped, nothing is invented."""
    asked = {"event": EVENT, "sink": "design", "state": "dead", "before": DELIVERY, "limit": "500"}

    assert delivery_query(asked) == DeliveryQuery(
        event_id=EVENT, sink="design", state=State.DEAD, before=DELIVERY, limit=500
    )
    assert delivery_query({}) == DeliveryQuery()


@pytest.mark.parametrize(
    ("asked", "message", "fix"),
    [
        ({"brunch": "main"}, "'brunch' is not a parameter of this call", "did you mean 'branch'?"),
        (
            {"x": "1"},
            "'x' is not a parameter of this call",
            "parameters are source, provider, kind, status, branch, project, text, since, before, limit",
        ),
        ({"status": "panding"}, "'panding' is not a status", "did you mean 'pending'?"),
        ({"provider": "foo"}, "'foo' is not a provider", f"providers are {', '.join(SOURCES)}"),
        (
            {"kind": "x"},
            "'x' is not a kind",
            "kinds are build, review, review-decision, comparison, flake, ping, unknown",
        ),
        (
            {"before": "dlv_0f3k0000000a1"},
            f"'{DELIVERY}' is no id",
            "an id here is evt_ and 13 letters and digits",
        ),
        ({"limit": "0"}, "'0' is not a limit", "write a number from 1 to 500"),
        ({"limit": "501"}, "'501' is not a limit", "write a number from 1 to 500"),
        ({"limit": "٣"}, "'٣' is not a limit", "write a number from 1 to 500"),
        ({"limit": "9" * 5000}, f"'{'9' * 5000}' is not a limit", "write a number from 1 to 500"),
    ],
)
def test_a_slip_in_a_filter_is_refused(asked: dict[str, str], message: str, fix: str) -> None:
    """It must not become an unfiltered answer."""
    with pytest.raises(Rejected) as error:
        event_query(asked)

    assert refused(error) == (message, fix)


def test_an_unknown_state_is_refused() -> None:
    """The states are a closed vocabulary."""
    with pytest.raises(Rejected) as error:
        delivery_query({"state": "inflight"})

    assert refused(error) == ("'inflight' is not a state", "did you mean 'in_flight'?")


def test_an_event_that_is_none_is_refused() -> None:
    """Before the journal is asked."""
    with pytest.raises(Rejected) as error:
        delivery_query({"event": "1"})

    assert refused(error) == ("'1' is no id", "an id here is evt_ and 13 letters and digits")


@pytest.mark.parametrize(
    ("text", "when"),
    [
        ("2h", 1_000_000 - 7200),
        ("1970-01-02T00:00:00Z", 86_400),
        ("1970-01-02T00:00:00+01:00", 82_800),
        ("1970-01-02 00:00:00 -0100", 90_000),
        # A plus sign in a URL that nobody encoded is a blank.
        ("1970-01-02T00:00:00 01:00", 82_800),
        ("1970-01-02T00:00:00.5 0100", 82_800.5),
    ],
)
def test_since_is_a_duration_or_a_time(text: str, when: float) -> None:
    """Back from now, or as written, as `show` and `date -Is` write it too."""
    assert since({"since": text}, 1_000_000) == when


@given(st.integers(0, 4_000_000_000_000_000))
def test_since_a_time_that_was_shown_leaves_nothing_of_it_out(microseconds: int) -> None:
    """Who polls goes on from the last time seen; it is the one that sinks write, too."""
    seconds = microseconds / 1e6
    shown = moment(seconds)
    border = since({"since": shown.isoformat()}, 0)

    assert border is not None
    assert border <= seconds
    assert shown == datetime.fromisoformat(rfc3339(seconds))


def test_without_since_everything_is_wanted() -> None:
    """None: no border."""
    assert since({}, 1_000_000) is None


@pytest.mark.parametrize("text", ["yesterday", "0001-01-01"])
def test_a_time_that_is_none_is_refused(text: str) -> None:
    """With every form there is."""
    with pytest.raises(Rejected) as error:
        since({"since": text}, 0)

    fix = "write 2h, 7d, 2026-01-31 or 2026-01-31T08:00:00Z"
    assert refused(error) == (f"'{text}' is no time", fix)


def test_a_switch_is_on_or_off() -> None:
    """`now=1`, `now=0` or nothing."""
    assert [flag({"now": "1"}, "now"), flag({"now": "0"}, "now"), flag({}, "now")] == [True, False, False]
    with pytest.raises(Rejected) as error:
        flag({"now": "yes"}, "now")

    assert refused(error) == ("'now=yes' says neither yes nor no", "write now=1 or leave it out")


def test_an_absent_body_is_an_empty_object() -> None:
    """Who has nothing to say sends nothing."""
    assert body(b"", Why, "{}") == Why()


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"{", "the body is not what this call takes: Input data was truncated"),
        (b'{"id": []}', "the body is not what this call takes: Object contains unknown field `id`"),
        (b'{"ids": "x"}', "the body is not what this call takes: Expected `array`, got `str` - at `$.ids`"),
    ],
)
def test_a_body_with_a_slip_is_refused(raw: bytes, message: str) -> None:
    """With an example of what is taken."""
    with pytest.raises(Rejected) as error:
        body(raw, Selection, '{"sink": "name"}')

    assert refused(error) == (message, 'send JSON such as {"sink": "name"}')


def test_an_id_may_be_of_several_kinds() -> None:
    """The number behind it, whichever it is."""
    assert identifier(EVENT, "dlv", "evt") == identifier(DELIVERY, "dlv", "evt")
    with pytest.raises(Rejected) as error:
        identifier("evt_1", "dlv", "evt")

    fix = "an id here is dlv_ and 13 letters and digits or evt_ and 13 letters and digits"
    assert refused(error) == ("'evt_1' is no id", fix)


def test_the_fix_for_a_name_is_the_one_meant_or_all_there_are() -> None:
    """And it says so where there are none."""
    assert near("desing", ("design", "log"), "sinks") == "did you mean 'design'?"
    assert near("x", ("design", "log"), "sinks") == "sinks are design, log"
    assert near("x", (), "sinks") == "no sinks are configured"
