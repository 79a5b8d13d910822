"""Percy: what each documented body means, and what becomes of the vendor's oddities."""

from typing import Any

import pytest

from router.sources.percy import Percy
from tests.sources.cases import CASES, decoded, document, facts, payload, source

COMMIT = "9c4e1f7ab2d85036ee917c40d5a8b3f26107d9e4"
FEATURE = "feature/checkout-redesign"
TITLE = "Tighten cart summary spacing"

# case: status, the provider's word, branch, number, changes, build id, pull request
BUILDS = {
    "build_approved-auto-branch": ("accepted", "approved", "main", "922", 4, "41872399", None),
    "build_approved-manual": ("accepted", "approved", FEATURE, "919", 9, "41872301", 1482),
    "build_approved-no-diffs": ("passed", "approved", "main", "918", 0, "41872236", None),
    "build_approved-previously": ("accepted", "approved", FEATURE, "921", 9, "41872377", None),
    "build_changes_requested": ("denied", "changes_requested", FEATURE, "919", 9, "41872301", 1482),
    "build_changes_requested-previously": (
        "denied", "changes_requested", FEATURE, "920", 9, "41872350", None,
    ),
    "build_created": ("running", "pending", "main", "918", None, "41872236", None),
    "build_finished-no-diffs": ("passed", "approved", "main", "918", 0, "41872236", None),
    "build_finished-parallel": ("passed", "approved", "main", "923", 0, "41872410", None),
    "build_finished-unreviewed-pr": ("pending", "unreviewed", FEATURE, "919", 9, "41872301", 1482),
    "build_unreviewed": ("pending", "unreviewed", FEATURE, "919", 9, "41872301", 1482),
}  # fmt: skip


def percy(event: str, sent: dict[str, Any] | None = None, **build: Any) -> dict[str, Any]:
    """A body with that event, the delivery's own attributes, and attributes of the build (`_` for `-`)."""
    found = document("percy/build_finished-unreviewed-pr")
    found["data"]["attributes"] = (sent or {}) | {"event": event}
    found["included"][0]["attributes"] = {name.replace("_", "-"): value for name, value in build.items()}
    return found


def test_every_recorded_payload_has_its_row() -> None:
    """A payload nobody wrote an expectation for proves nothing."""
    recorded = {case.partition("/")[2] for case in CASES if case.startswith("percy/")}

    assert recorded == BUILDS.keys() | {"ping"}


@pytest.mark.parametrize("case", BUILDS)
def test_a_build_gives_these_facts(case: str) -> None:
    """Build, commit and delivery come together in one event."""
    status, word, branch, number, changes, build_id, pull_request = BUILDS[case]
    expected = {
        "event": case.partition("-")[0],
        "kind": "build",
        "status": status,
        "provider_status": word,
        "branch": branch,
        "commit": COMMIT,
        "project": "storefront-web",
        "build": number,
        "changes": changes,
        "author": "Ada Byron",
        "title": TITLE if pull_request else f"{TITLE} (#1482)",
        "url": f"https://percy.io/a1b2c3d4/storefront-web/builds/{build_id}",
        "pull_request": pull_request,
    }

    found = facts(source("percy").decode(payload(f"percy/{case}"), 0.0))

    assert found == {name: value for name, value in expected.items() if value is not None}


def test_a_ping_has_no_status() -> None:
    """It says only that the webhook was set up."""
    event = source("percy").decode(payload("percy/ping"), 0.0)

    assert facts(event) == {"event": "ping", "kind": "ping"}
    assert event.subject == "70231-5f0c1d2e"


@pytest.mark.parametrize(
    ("event", "build", "status"),
    [
        # Failed and expired win over every name.
        ("build_finished", {"state": "failed", "failure_reason": "missing_resources"}, "broken"),
        ("build_finished", {"state": "failed", "failure_reason": "missing_finalize"}, "broken"),
        ("build_finished", {"state": "failed", "failure_reason": "no_snapshots"}, "broken"),
        ("build_finished", {"state": "failed", "failure_reason": "render_timeout"}, "failed"),
        ("build_finished", {"state": "failed", "failure_reason": "solar_flare"}, "failed"),
        ("build_finished", {"state": "FAILED"}, "failed"),
        ("build_created", {"state": "failed"}, "failed"),
        ("build_finished", {"state": "finished", "review_state": "failed"}, "failed"),
        ("build_approved", {"state": "expired", "review_state": "approved"}, "cancelled"),
        # Then the name: the state may lag behind.
        ("build_created", {"state": "finished", "review_state": "approved"}, "running"),
        ("build_approved", {"state": "processing"}, "accepted"),
        ("build_approved", {"state": "processing", "review_state_reason": "no_diffs"}, "passed"),
        ("BUILD_APPROVED", {"review_state_reason": "all_snapshots_approved_previously"}, "accepted"),
        ("build_changes_requested", {"state": "finished", "review_state": "approved"}, "denied"),
        ("build_unreviewed", {"state": "finished", "review_state": "changes_requested"}, "pending"),
        # build_finished asks for the review, then for the number of diffs.
        ("build_finished", {"review_state": "unreviewed", "total_comparisons_diff": 0}, "pending"),
        ("build_finished", {"review_state": "changes_requested"}, "denied"),
        ("build_finished", {"review_state": "approved", "review_state_reason": "no_diffs"}, "passed"),
        ("build_finished", {"review_state": "Approved"}, "accepted"),
        ("build_finished", {"review_state": "snoozed", "total_comparisons_diff": 0}, "unknown"),
        ("build_finished", {"state": "finished", "total_comparisons_diff": 0}, "passed"),
        ("build_finished", {"state": "processing", "total_comparisons_diff": 3}, "pending"),
        ("build_finished", {"state": "finished"}, "unknown"),
        # A new event is read by what the build says.
        ("build_archived", {"state": "pending"}, "running"),
        ("build_archived", {"state": "processing"}, "running"),
        ("build_archived", {"state": "finished", "total_comparisons_diff": 2}, "pending"),
        ("build_archived", {"review_state": "changes_requested"}, "denied"),
        ("build_archived", {"state": "shelved", "total_comparisons_diff": 2}, "unknown"),
        ("build_archived", {}, "unknown"),
    ],
)
def test_the_status_is_decided_in_this_order(event: str, build: dict[str, Any], status: str) -> None:
    """Failed and expired first, then the event's name, then review state, then the number of diffs."""
    assert decoded("percy", percy(event, **build)).status == status


def test_the_reason_of_an_approval_may_stand_in_the_delivery_alone() -> None:
    """The build's own reason can still be null while it is processing."""
    sent = {"build-review-state-reason": "no_diffs"}

    assert decoded("percy", percy("build_approved", sent, review_state_reason=None)).status == "passed"


def test_the_delivery_fills_what_the_build_does_not_say() -> None:
    """Without `included` the delivery's own attributes are all there is."""
    sent = {"event": "build_finished", "state": "finished", "total-comparisons-diff": 3, "build-number": 918}
    found = {"data": {"id": "d1", "attributes": sent}}

    assert facts(decoded("percy", found)) == {
        "event": "build_finished",
        "kind": "build",
        "status": "pending",
        "provider_status": "finished",
        "build": "918",
        "changes": 3,
    }


def test_no_diffs_in_the_build_are_not_overruled_by_the_delivery() -> None:
    """Nought is a number, not an absence."""
    found = percy("build_finished", {"total-comparisons-diff": 5}, total_comparisons_diff=0)

    assert decoded("percy", found).changes == 0


def test_numbers_may_be_written_as_text() -> None:
    """As JSON:API writes ids."""
    build = {"total_comparisons_diff": "9", "build_number": "919", "pull_request_number": "1482"}

    event = decoded("percy", percy("build_finished", review_state=None, **build))

    assert (event.status, event.changes, event.build, event.pull_request) == ("pending", 9, "919", 1482)


def test_resources_are_found_by_type_and_the_linked_id_is_preferred() -> None:
    """The order of `included` means nothing, and a base build may be among them."""
    found = document("percy/build_finished-unreviewed-pr")
    other = {"type": "builds", "id": "41869001", "attributes": {"branch": "main", "build-number": 1}}
    found["included"] = [None, "x", {"type": "users"}, other, *reversed(found["included"])]

    event = decoded("percy", found)

    assert (event.branch, event.build, event.commit) == (FEATURE, "919", COMMIT)


@pytest.mark.parametrize("link", [{"data": {"type": "commits", "id": "another"}}, {"data": None}, None, ...])
def test_where_no_id_matches_the_first_of_the_type_is_taken(link: object) -> None:
    """In the vendor's own example the commit's id does not match."""
    found = document("percy/build_created")
    found["included"].append({"type": "commits", "attributes": {"sha": "f" * 40}})
    found["data"]["relationships"]["commit"] = link
    if link is ...:
        del found["data"]["relationships"]

    event = decoded("percy", found)

    assert (event.commit, event.branch) == (COMMIT, "main")


@pytest.mark.parametrize("included", [None, [], {}, "x", [{"type": "builds", "attributes": None}]])
def test_without_resources_the_event_stands(included: object) -> None:
    """A build without a commit, or a delivery without a build, is still an event."""
    event = decoded("percy", document("percy/build_created") | {"included": included})

    assert (event.kind, event.status, event.build, event.commit) == ("build", "running", "918", None)


@pytest.mark.parametrize(
    ("url", "project"),
    [
        ("https://percy.io/org/shop/builds/12?tab=1", "shop"),
        ("https://percy.io/org/builds/builds/12", "builds"),
        ("https://percy.io/percy/example/example-project/builds/1", "example-project"),
        ("https://percy.io/org//builds/12", "178799"),
        ("https://percy.io/builds/12", "178799"),
        ("https://percy.io/org/shop", "178799"),
        ("", "178799"),
        (None, "178799"),
    ],
)
def test_the_project_is_the_slug_of_the_url_else_its_id(url: str | None, project: str) -> None:
    """Percy sends no project name."""
    assert decoded("percy", percy("build_finished", web_url=url)).project == project


def test_a_project_id_may_be_a_number() -> None:
    """An id that lost its quotes is the same id."""
    found = percy("build_finished")
    found["included"][0]["relationships"]["project"]["data"]["id"] = 178799

    assert decoded("percy", found).project == "178799"


@pytest.mark.parametrize(
    ("message", "title"),
    [("Fix it\n\nBecause.", "Fix it"), ("\n Fix it \r\nmore", "Fix it"), (" \n", None), (None, None)],
)
def test_without_a_pull_request_the_title_is_the_first_line_of_the_commit(
    message: str | None, title: str | None
) -> None:
    """A title is one line."""
    found = percy("build_finished", pull_request_title=None)
    found["included"][1]["attributes"]["message"] = message

    assert decoded("percy", found).title == title


def test_the_delivery_id_is_the_subject_for_as_long_as_events_are_kept() -> None:
    """Percy's signature has no time, so only the id tells a replay."""
    event = source("percy").decode(payload("percy/build_created"), 0.0)

    assert event.subject == "70240-a1"
    assert (Percy.subject_is_id, Percy(name="x").window) == (True, None)


@pytest.mark.parametrize("delivery_id", [None, "", [], ...])
def test_without_a_delivery_id_only_an_equal_body_is_a_duplicate(delivery_id: object) -> None:
    """Two deliveries without an id are not the same delivery."""
    found = document("percy/build_created")
    found["data"]["id"] = delivery_id
    if delivery_id is ...:
        del found["data"]["id"]
    other = document("percy/build_finished-no-diffs")
    other["data"]["id"] = None

    assert decoded("percy", found).subject == decoded("percy", found).subject
    assert decoded("percy", found).subject != decoded("percy", other).subject


def test_a_numeric_delivery_id_is_an_id_and_a_long_one_fits_the_journal() -> None:
    """Whatever Percy writes there, it is one short key."""
    found = document("percy/ping")

    found["data"]["id"] = 12
    assert decoded("percy", found).subject == "12"
    found["data"]["id"] = "x" * 251
    assert len(decoded("percy", found).subject) == 64
