"""Chromatic: what each documented body means, and what becomes of the vendor's oddities."""

from typing import Any

import pytest

from tests.sources.cases import CASES, decoded, document, facts, payload, source

APP = "6473a1f0c2d94e5b8f01a7c3"
COMMIT = "9c4e1f7ab2d85036ee917c40d5a8b3f26107d9e4"
NAME = "design-system"
FEATURE = "feature/checkout-redesign"

# case: status, the provider's word, branch, project, number, changes
BUILDS = {
    "v1-2020-accepted": ("accepted", "BUILD_ACCEPTED", "tech/refactor", APP, "12", 0),
    "v1-2021-no-capture": ("broken", "BUILD_NO_CAPTURE", "tech/refactor", APP, "13", 0),
    "v1-2021-timed-out": ("failed", "BUILD_TIMED_OUT", "tech/refactor", APP, "13", 0),
    "v1-legacy-accepted": ("accepted", "BUILD_ACCEPTED", "main", NAME, "323", 14),
    "v1-legacy-broken": ("broken", "BUILD_FAILED", "main", NAME, "325", 0),
    "v1-legacy-cancelled": ("failed", "BUILD_ERROR", "main", NAME, "326", 0),
    "v1-legacy-denied": ("denied", "BUILD_DENIED", "main", NAME, "324", 14),
    "v1-legacy-failed": ("failed", "BUILD_ERROR", "main", NAME, "327", 0),
    "v1-legacy-passed": ("passed", "BUILD_PASSED", "main", NAME, "322", 0),
    "v1-legacy-pending": ("pending", "BUILD_PENDING", "main", NAME, "321", 14),
    "v1-legacy-timeout": ("failed", "BUILD_ERROR", "main", NAME, "328", 0),
    "v1-plain-accepted": ("accepted", "ACCEPTED", "main", APP, "303", 14),
    "v1-plain-broken": ("broken", "BROKEN", "main", APP, "305", 0),
    "v1-plain-cancelled": ("cancelled", "CANCELLED", FEATURE, APP, "306", 0),
    "v1-plain-denied": ("denied", "DENIED", FEATURE, APP, "304", 14),
    "v1-plain-failed": ("failed", "FAILED", "main", APP, "307", 0),
    "v1-plain-passed": ("passed", "PASSED", FEATURE, APP, "302", 0),
    "v1-plain-pending": ("pending", "PENDING", "main", APP, "301", 14),
    "v1-plain-timeout": ("failed", "FAILED", FEATURE, APP, "308", 0),
    "v2-build-accepted": ("accepted", "ACCEPTED", FEATURE, NAME, "413", 14),
    "v2-build-broken": ("broken", "BROKEN", FEATURE, NAME, "415", 0),
    "v2-build-cancelled": ("cancelled", "CANCELLED", "main", NAME, "416", 0),
    "v2-build-denied": ("denied", "DENIED", "main", NAME, "414", 14),
    "v2-build-failed": ("failed", "FAILED", FEATURE, NAME, "417", 0),
    "v2-build-in-progress": ("running", "IN_PROGRESS", FEATURE, NAME, "401", 0),
    "v2-build-passed": ("passed", "PASSED", "main", NAME, "412", 0),
    "v2-build-pending": ("pending", "PENDING", FEATURE, NAME, "411", 14),
    "v2-build-prepared": ("running", "PREPARED", FEATURE, NAME, "401", 0),
    "v2-build-published": ("running", "PUBLISHED", FEATURE, NAME, "401", 0),
    "v2-build-timeout": ("failed", "FAILED", "main", NAME, "418", 0),
    "v2-unversioned-accepted": ("accepted", "ACCEPTED", "main", NAME, "433", 2),
}
# case: kind, status, the provider's word, project
REVIEWS = {
    "v2-review-open": ("review", "pending", "OPEN", APP),
    "v2-review-merged": ("review", None, "MERGED", APP),
    "v2-review-closed": ("review", None, "CLOSED", APP),
    "v2-review-decision-pending": ("review-decision", "pending", "PENDING", NAME),
    "v2-review-decision-approved": ("review-decision", "accepted", "APPROVED", NAME),
}


def build(**changes: Any) -> dict[str, Any]:
    """A v2 build with some fields changed; `...` takes one away."""
    found = document("chromatic/v2-build-pending")
    found["build"] = {k: v for k, v in (found["build"] | changes).items() if v is not ...}
    return found


def test_every_recorded_payload_has_its_row() -> None:
    """A payload nobody wrote an expectation for proves nothing."""
    recorded = {case.partition("/")[2] for case in CASES if case.startswith("chromatic/")}

    assert recorded == BUILDS.keys() | REVIEWS.keys()


@pytest.mark.parametrize("case", BUILDS)
def test_a_build_gives_these_facts(case: str) -> None:
    """Both generations and every spelling come to the same words."""
    status, word, branch, project, number, changes = BUILDS[case]
    expected = {
        "event": "build" if case.startswith("v2") else "build-status-changed",
        "kind": "build",
        "status": status,
        "provider_status": word,
        "branch": branch,
        "commit": COMMIT,
        "project": project,
        "build": number,
        "changes": changes,
        "author": "Ada Byron",
        "url": f"https://www.chromatic.com/build?appId={APP}&number={number}",
    }
    if case.startswith("v1-202"):
        del expected["commit"]

    assert facts(source("chromatic").decode(payload(f"chromatic/{case}"), 0.0)) == expected


@pytest.mark.parametrize("case", REVIEWS)
def test_a_review_gives_these_facts(case: str) -> None:
    """A review has a pull request and a title, and no build."""
    kind, status, word, project = REVIEWS[case]
    expected = {
        "event": kind,
        "kind": kind,
        "status": status,
        "provider_status": word,
        "branch": FEATURE,
        "project": project,
        "author": "Ada Byron",
        "title": "Checkout redesign",
        "url": f"https://www.chromatic.com/review?appId={APP}&number=18",
        "pull_request": 18,
    }

    found = facts(source("chromatic").decode(payload(f"chromatic/{case}"), 0.0))

    assert found == {name: value for name, value in expected.items() if value is not None}


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("ANNOUNCED", "running"),
        ("pending", "pending"),
        ("Build_Accepted", "accepted"),
        ("QUARANTINED", "unknown"),
        ("OPEN", "unknown"),
    ],
)
def test_the_status_is_looked_up_whatever_its_case_and_kept_as_it_came(word: str, status: str) -> None:
    """A word we do not know is unknown, and still there for rules on `provider_status`."""
    event = decoded("chromatic", build(status=word))

    assert (event.status, event.provider_status) == (status, word)


@pytest.mark.parametrize(
    ("result", "status"),
    [
        ("CAPTURE_ERROR", "broken"),
        ("SYSTEM_ERROR", "failed"),
        ("TIMEOUT", "failed"),
        ("SUCCESS", "unknown"),
        (..., "unknown"),
        (7, "unknown"),
    ],
)
@pytest.mark.parametrize("missing", [..., None, "", 5])
def test_the_result_counts_only_where_the_word_is_missing(
    result: object, status: str, missing: object
) -> None:
    """SUCCESS says nothing: a denied build has it too."""
    event = decoded("chromatic", build(status=missing, result=result))

    assert (event.status, event.provider_status) == (status, None)


def test_an_unknown_word_is_not_explained_by_the_result() -> None:
    """A new status means something new, whatever its result."""
    assert decoded("chromatic", build(status="PAUSED", result="TIMEOUT")).status == "unknown"


def test_the_branch_of_a_fork_keeps_its_owner() -> None:
    """`owner:branch` is matched and shown as it came."""
    assert decoded("chromatic", build(branch="mallory:main")).branch == "mallory:main"


@pytest.mark.parametrize("field", ["branch", "commit", "committerName", "webUrl"])
def test_an_empty_text_is_absent(field: str) -> None:
    """Absent is None, never an empty string."""
    name = {"committerName": "author", "webUrl": "url"}.get(field, field)

    assert getattr(decoded("chromatic", build(**{field: ""})), name) is None


def test_an_early_build_without_counts_and_url_decodes() -> None:
    """A published build need not have been counted yet."""
    document = build(status="PUBLISHED", changeCount=..., webUrl=..., result=None, specCount=None)

    event = decoded("chromatic", document)

    assert (event.status, event.changes, event.url, event.project) == ("running", None, None, NAME)


@pytest.mark.parametrize(
    ("count", "changes"),
    [
        *[(14, 14), ("14", 14), ("0", 0), (str(2**63 - 1), 2**63 - 1)],
        *[(count, None) for count in ("", "-1", "1.5", "²", " 14", "many", 14.5, True, [14], str(2**63))],
        ("9" * 5000, None),
    ],
)
def test_changes_are_counted_by_an_integer_or_digits(count: object, changes: int | None) -> None:
    """A number that became a text is the same number: a rule on `changes` must not miss it."""
    assert decoded("chromatic", build(changeCount=count)).changes == changes


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (411, "411"),
        ("411", "411"),
        ("007", "007"),
        ("4a", None),
        (4.0, None),
        (True, None),
        (2**63, None),
        ("9" * 20, None),
    ],
)
def test_a_build_number_is_an_integer_or_digits(number: object, expected: str | None) -> None:
    """Written either way it is the same build."""
    assert decoded("chromatic", build(number=number)).build == expected


@pytest.mark.parametrize(
    ("url", "project"),
    [
        ("https://www.chromatic.com/build?number=3&appId=abc#x", "abc"),
        ("https://www.chromatic.com/build?appId=&number=3", None),
        ("https://www.chromatic.com/build", None),
        ("http://[", None),
    ],
)
def test_without_a_name_the_project_is_the_app_of_the_url(url: str, project: str | None) -> None:
    """The app id is all that the oldest payloads and the reviews have."""
    assert decoded("chromatic", build(project=None, webUrl=url)).project == project


def test_the_author_of_a_review_without_a_name_is_the_user_name() -> None:
    """Some accounts have no display name."""
    found = document("chromatic/v2-review-open")
    found["review"]["author"]["name"] = None

    assert decoded("chromatic", found).author == "adab"


@pytest.mark.parametrize("word", ["REOPENED", None])
def test_an_unknown_review_status_is_unknown(word: str | None) -> None:
    """Only MERGED and CLOSED are known to need nothing."""
    found = document("chromatic/v2-review-open")
    found["review"]["status"] = word

    event = decoded("chromatic", found)

    assert (event.status, event.provider_status) == ("unknown", word)


@pytest.mark.parametrize(
    ("case", "status"),
    [
        ("v2-build-denied", "denied"),
        ("v2-review-open", "pending"),
        ("v2-review-merged", None),
        ("v2-review-decision-approved", "accepted"),
    ],
)
def test_an_unknown_event_is_read_as_far_as_it_is_known(case: str, status: str | None) -> None:
    """A new event about a build can be routed by its branch on the day it appears."""
    found = document(f"chromatic/{case}") | {"event": "build-archived"}
    known = facts(decoded("chromatic", document(f"chromatic/{case}")))

    event = decoded("chromatic", found)

    assert facts(event) == known | {"event": "build-archived", "kind": "unknown"}
    assert event.status == status


@pytest.mark.parametrize("name", [None, 7, "", ["build"]])
def test_an_event_without_a_name_has_none(name: object) -> None:
    """`event` is the vendor's text or nothing."""
    event = decoded("chromatic", {"event": name})

    assert facts(event) == {"kind": "unknown", "status": "unknown"}


def test_the_name_of_an_event_is_known_in_any_case() -> None:
    """The vendor's spelling is kept, its meaning found."""
    event = decoded("chromatic", build() | {"event": "Build"})

    assert (event.event, event.kind) == ("Build", "build")


def test_two_builds_two_projects_and_a_review_have_subjects_of_their_own() -> None:
    """Build numbers are counted per project, reviews apart from builds."""
    subjects = {
        decoded("chromatic", build()).subject,
        decoded("chromatic", build(number=18)).subject,
        decoded("chromatic", build(number=18, project={"name": "other"})).subject,
        decoded("chromatic", document("chromatic/v2-review-open")).subject,
        decoded("chromatic", document("chromatic/v2-review-decision-pending")).subject,
    }

    assert len(subjects) == 5


def test_every_status_of_a_build_is_about_the_same_subject() -> None:
    """Accept, deny, accept: the last body decides what a resend is."""
    accepted = decoded("chromatic", build(status="ACCEPTED"))
    denied = decoded("chromatic", build(status="DENIED"))

    assert accepted.subject == denied.subject == "build\ndesign-system\n411"
