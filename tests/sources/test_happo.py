"""Happo: what each documented body means, and what becomes of the vendor's oddities."""

from typing import Any

import pytest

from router.sources.happo import Happo
from tests.sources.cases import CASES, decoded, document, facts, payload, source

BEFORE = "1f0c9be27a4d5e6831c2f7a9d04be8c6551ad3e7"
AFTER = "9c4e1f7ab2d85036ee917c40d5a8b3f26107d9e4"
COMPARE = f"https://happo.io/a/42/p/7/compare/{BEFORE}/{AFTER}"
LOCAL = "https://happo.io/a/42/p/7/compare/dev-5b8733872b18c9dcf58c/dev-17c0aafc?t=diffs"
CHANGED, EMPTY = "37e0212e16c163d0275a6a99a67515a3", "f0b17c3c829c4a9d6114df41b867d8e5"

# case: status, the provider's word, commit, hash, changes, URL
COMPARISONS = {
    "comparison-diffs": ("pending", "failure", AFTER, CHANGED, 1, f"{COMPARE}?t=diffs"),
    "comparison-diffs-and-added": ("pending", "failure", AFTER, CHANGED, 1, f"{COMPARE}?t=added"),
    "comparison-added-only": (
        "pending", "failure", AFTER, "5d81a151860f5a958e4ab1e1ed5c7e3d", 0, f"{COMPARE}?t=added",
    ),
    "comparison-local-dev": ("pending", "failure", "dev-17c0aafc", CHANGED, 1, LOCAL),
    "comparison-equal": ("passed", "success", AFTER, EMPTY, 0, COMPARE),
    "comparison-empty": ("passed", "success", AFTER, EMPTY, 0, COMPARE),
    "comparison-ignored-diffs": ("passed", "success", AFTER, EMPTY, 0, COMPARE),
}  # fmt: skip
SNAPSHOT = (
    "https://happo.io/a/42/p/7/snapshot/9b2dafaeaf35ca4764f73cadfce4f427"
    "/compare/1a59dc9b5502d79d611df4b268ff3c93"
)
# case: action, commit, link, how the text begins
FLAKES = {
    "flake-reported": ("reported", AFTER, COMPARE, "Flake report [Acme Web]"),
    "flake-undone-no-comparison": ("undone", None, SNAPSHOT, "Flake report undone [Acme Web]"),
}


def changed(case: str, **changes: Any) -> dict[str, Any]:
    """A recorded body with fields of its `data` changed; `...` takes one away."""
    found = document(f"happo/{case}")
    found["data"] = {k: v for k, v in (found["data"] | changes).items() if v is not ...}
    return found


def test_every_recorded_payload_has_its_row() -> None:
    """A payload nobody wrote an expectation for proves nothing."""
    recorded = {case.partition("/")[2] for case in CASES if case.startswith("happo/")}

    assert recorded == COMPARISONS.keys() | FLAKES.keys()


@pytest.mark.parametrize("case", COMPARISONS)
def test_a_comparison_gives_these_facts(case: str) -> None:
    """Project and commit come from the URL; branch and author are not told."""
    status, word, commit, digest, changes, url = COMPARISONS[case]

    assert facts(source("happo").decode(payload(f"happo/{case}"), 0.0)) == {
        "event": "comparison",
        "kind": "comparison",
        "status": status,
        "provider_status": word,
        "commit": commit,
        "project": "7",
        "build": digest,
        "changes": changes,
        "title": "No differences were found." if status == "passed" else "Differences were found.",
        "url": url,
    }


@pytest.mark.parametrize("case", FLAKES)
def test_a_flake_gives_these_facts(case: str) -> None:
    """A flake report is about one pair of snapshots; there is nothing to judge."""
    action, commit, link, beginning = FLAKES[case]
    expected = {
        "event": "flake",
        "kind": "flake",
        "provider_status": action,
        "commit": commit,
        "project": "Acme Web",
        "changes": 1,
        "title": f"{beginning}: Button / primary (chrome-desktop) — {link}",
        "url": link,
    }

    found = facts(source("happo").decode(payload(f"happo/{case}"), 0.0))

    assert found == {name: value for name, value in expected.items() if value is not None}


@pytest.mark.parametrize(
    ("equal", "word", "status"),
    [
        (True, "failure", "passed"),
        (False, "success", "pending"),
        (..., "success", "passed"),
        (..., "Failure", "pending"),
        (None, "failure", "pending"),
        (1, "running", "unknown"),
        ("true", ..., "unknown"),
        (..., None, "unknown"),
    ],
)
def test_equal_decides_and_the_word_only_where_it_is_missing(
    equal: object, word: object, status: str
) -> None:
    """The word is that of a commit status; an accepted comparison flips it while the images still differ."""
    assert decoded("happo", changed("comparison-diffs", equal=equal, status=word)).status == status


@pytest.mark.parametrize(
    ("url", "project", "commit"),
    [
        ("https://happo.example/a/1/p/12/compare/a/b#top", "12", "b"),
        ("https://happo.io/a/1/p/12/compare/a", None, None),
        ("https://happo.io/a/1/p/12/snapshot/a/compare/b", None, None),
        ("nonsense", None, None),
        (None, None, None),
    ],
)
def test_project_and_commit_are_read_from_the_url_as_far_as_it_has_that_form(
    url: str | None, project: str | None, commit: str | None
) -> None:
    """The path is a convention: where it changes, the facts are absent and the event stands."""
    event = decoded("happo", changed("comparison-equal", compareUrl=url))

    assert (event.project, event.commit) == (project, commit)


@pytest.mark.parametrize("diffs", [..., None, 3, {"0": []}])
def test_without_a_list_of_diffs_the_number_is_absent(diffs: object) -> None:
    """Not counted is not none."""
    assert decoded("happo", changed("comparison-equal", diffs=diffs)).changes is None


def test_fields_that_the_example_does_not_have_are_tolerated() -> None:
    """`deleted` and a richer `data` are seen in Happo's own client."""
    found = changed("comparison-diffs", deleted=[{}], sha1="a", project="web", author="x")

    assert facts(decoded("happo", found)) == facts(decoded("happo", changed("comparison-diffs")))


@pytest.mark.parametrize(("name", "project"), [("Web", "Web"), ("", "7"), (None, "7"), (9, "7")])
def test_a_flake_without_a_project_name_has_its_id(name: object, project: str) -> None:
    """The id is a number, the project a text."""
    found = changed("flake-reported", project={"id": 7, "name": name})

    assert decoded("happo", found).project == project


def test_a_flake_whose_snapshot_is_gone_decodes() -> None:
    """Only the id of such a snapshot is sent."""
    event = decoded("happo", changed("flake-reported", snapshot1={"id": "x"}, snapshot2=None))

    assert (event.kind, event.changes, event.commit) == ("flake", 1, AFTER)


@pytest.mark.parametrize(
    ("case", "status"),
    [("comparison-equal", "passed"), ("comparison-diffs", "pending"), ("flake-reported", "unknown")],
)
def test_an_unknown_event_is_read_as_far_as_it_is_known(case: str, status: str) -> None:
    """Happo adds event types: a new one can be routed by its project on the day it appears."""
    known = facts(decoded("happo", changed(case)))

    event = decoded("happo", changed(case) | {"type": "report"})

    assert facts(event) == known | {"event": "report", "kind": "unknown", "status": status}


@pytest.mark.parametrize("name", [None, 7, "", {}])
def test_an_event_without_a_name_has_none(name: object) -> None:
    """`event` is the vendor's text or nothing."""
    assert facts(decoded("happo", {"type": name})) == {"kind": "unknown", "status": "unknown"}


def test_a_comparison_is_known_by_its_hash_and_a_flake_by_its_body() -> None:
    """A flake has no number: equal bodies are duplicates whatever came between."""
    comparison = decoded("happo", changed("comparison-diffs"))
    again = decoded("happo", changed("comparison-diffs", equal=True))
    reported = decoded("happo", changed("flake-reported"))
    undone = decoded("happo", changed("flake-reported", action="undone"))

    assert comparison.subject == again.subject == f"comparison\n7\n{CHANGED}"
    assert reported.subject != undone.subject
    assert reported.subject == decoded("happo", changed("flake-reported")).subject


def test_bodies_may_be_eight_times_as_large_as_elsewhere() -> None:
    """Every unchanged snapshot is in them."""
    assert Happo(name="x").max_body == 8 << 20
