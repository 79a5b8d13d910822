"""Chromatic: decoding of both generations of its webhook, v1 and v2, in every spelling.

Owns Chromatic's words. Must not know other providers.
"""

import re
from collections.abc import Mapping
from typing import Any, ClassVar

import msgspec

from router.event import Event
from router.sources.field import at, members, number, numeral, text, word
from router.sources.signature import check_token, sign_token, sole
from router.sources.source import Source

_HEADER = "X-Webhook-Signature"
_ISSUER = "chromatic"
_APP = re.compile(r"[?&]appId=([^&#\s]+)")

_KINDS = {
    "build-status-changed": "build",
    "build": "build",
    "review": "review",
    "review-decision": "review-decision",
}
# Source: "Build result and status codes" of the custom webhooks page, its revision of 2021, and the public
# GraphQL schema (ANNOUNCED). The legacy words are coarser: BUILD_FAILED is what v2 calls BROKEN.
_BUILD_STATUSES = {
    "announced": "running",
    "published": "running",
    "prepared": "running",
    "in_progress": "running",
    "passed": "passed",
    "build_passed": "passed",
    "pending": "pending",
    "build_pending": "pending",
    "accepted": "accepted",
    "build_accepted": "accepted",
    "denied": "denied",
    "build_denied": "denied",
    "broken": "broken",
    "build_failed": "broken",
    "build_no_capture": "broken",
    "failed": "failed",
    "build_error": "failed",
    "build_timed_out": "failed",
    "cancelled": "cancelled",
}
# Asked only where the word is missing: a denied build has SUCCESS, a cancelled one SYSTEM_ERROR.
_RESULTS = {"capture_error": "broken", "system_error": "failed", "timeout": "failed"}
_REVIEW_STATUSES = {"open": "pending", "merged": None, "closed": None}
_DECISION_STATUSES = {"pending": "pending", "approved": "accepted"}


class Chromatic(Source, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Builds and reviews of Chromatic, for Storybook, Playwright and Cypress.

    At Chromatic: open the project, "Manage", scroll to "Integrations", press "Add webhook" under "Custom
    webhooks" and paste `https://<host>/hooks/<source>`. One project per webhook; each may have a source of
    its own.

    Chromatic signs only on request: ask its support for signed webhooks and give the shared secret as
    `secret`. Each request then carries a token (JWT, HS256) in `X-Webhook-Signature`, which must be at most
    five minutes old: the host's clock matters. Without it write `unsigned: true` and guard the URL by
    `token`.

    Both formats are read, v1 (`build-status-changed`) and v2 (`build`, `review`, `review-decision`). A build
    gives `branch commit project build changes author url`; a review gives `pull_request`, `title`, its head
    branch and its author, and no build. Where Chromatic sends no project name, `project` is the app id of its
    URL. A branch of a fork may read `owner:branch`. Up to three `running` events come before the outcome of a
    build.
    """

    provider: ClassVar[str] = "chromatic"
    events: ClassVar[tuple[str, ...]] = tuple(_KINDS)
    signature_headers: ClassVar[tuple[str, ...]] = (_HEADER,)

    def verify(self, headers: Mapping[str, str], body: bytes, now: float) -> None:
        """See `Source.verify`."""
        if not self.unsigned:
            check_token(self.secret, sole(headers, _HEADER), body, now, _ISSUER)

    def sign(self, body: bytes, now: float) -> dict[str, str]:
        """See `Source.sign`."""
        if self.unsigned or not self.secret:
            return {}
        return {_HEADER: sign_token(self.secret[0], body, now, _ISSUER)}

    def decode(self, body: bytes, now: float) -> Event:
        """See `Source.decode`."""
        document = self.document(body)
        event = text(document.get("event"))
        kind = _KINDS.get(word(event), "unknown")
        bare = Event(
            source=self.name, provider=self.provider, event=event, kind=kind, received_at=now, payload=body
        )
        build = members(document.get("build"))
        if kind == "build" or (kind == "unknown" and build):
            return self.complete(_with_build(bare, build))
        return self.complete(_with_review(bare, document))

    @staticmethod
    def renumber(document: dict[str, Any], number: int) -> None:
        """See `Source.renumber`: the number of the build or the review, in its URL too."""
        decision = members(document.get("reviewDecision"))
        for found in filter(None, (document.get("build"), document.get("review"), decision.get("review"))):
            found["webUrl"] = found["webUrl"].replace(f"number={found['number']}", f"number={number}")
            found["number"] = number


def _with_build(bare: Event, build: dict[str, Any]) -> Event:
    """The event with the facts of a build: a project is named by a text in v1, in v2 by an object."""
    url = text(build.get("webUrl"))
    status = text(build.get("status"))
    found = _RESULTS.get(word(build.get("result"))) if status is None else _BUILD_STATUSES.get(word(status))
    return msgspec.structs.replace(
        bare,
        status=found or "unknown",
        provider_status=status,
        branch=text(build.get("branch")),
        commit=text(build.get("commit")),
        project=text(build.get("projectName")) or text(at(build, "project", "name")) or _app(url),
        build=numeral(build.get("number")),
        changes=number(build.get("changeCount")),
        author=text(build.get("committerName")),
        url=url,
    )


def _with_review(bare: Event, document: dict[str, Any]) -> Event:
    """The event with the facts of a review. A decision wraps one, and its own status counts."""
    decision = members(document.get("reviewDecision"))
    review = members(document.get("review")) or members(decision.get("review"))
    is_decision = bare.kind == "review-decision" or (bare.kind == "unknown" and bool(decision))
    status = text((decision if is_decision else review).get("status"))
    statuses = _DECISION_STATUSES if is_decision else _REVIEW_STATUSES
    url = text(review.get("webUrl"))
    return msgspec.structs.replace(
        bare,
        status=statuses.get(word(status), "unknown"),
        provider_status=status,
        branch=text(review.get("headRefName")),
        project=text(at(decision, "project", "name")) or _app(url),
        author=text(at(review, "author", "name")) or text(at(review, "author", "username")),
        title=text(review.get("title")),
        url=url,
        pull_request=number(review.get("number")),
    )


def _app(url: str | None) -> str | None:
    """The app id in a URL of Chromatic's site, the only name of the project in some events."""
    found = _APP.search(url) if url else None
    return found[1] if found else None
