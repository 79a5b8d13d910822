"""Percy: decoding of its JSON:API webhook.

Owns Percy's words. Must not know other providers.
"""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any, ClassVar

from router.event import Event
from router.sources.field import at, first_line, items, members, number, numeral, replaced, text, word
from router.sources.signature import check_hex, sign_hex, sole
from router.sources.source import Source, body_subject, short

_HEADER = "X-Percy-Digest"
# Source: the table of events of the webhooks page.
_KINDS = {
    "ping": "ping",
    "build_created": "build",
    "build_finished": "build",
    "build_approved": "build",
    "build_changes_requested": "build",
    "build_unreviewed": "build",
}
_EVENT_STATUSES = {
    "build_created": "running",
    "build_changes_requested": "denied",
    "build_unreviewed": "pending",
}
_REVIEW_STATUSES = {"unreviewed": "pending", "changes_requested": "denied"}
_UNFINISHED = ("pending", "processing")
# Failures of the build's own making; every other reason, known or new, is Percy's.
_BROKEN = ("missing_resources", "missing_finalize", "no_snapshots")


class Percy(Source, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Builds of Percy (BrowserStack).

    At Percy: open the project's settings, "Integrations", press "Add Webhook", enter
    `https://<host>/hooks/<source>`, tick the events (a new webhook sends only `ping`) and keep the secret
    that the form offers. A project may have five webhooks.

    Percy signs if a secret is set: `X-Percy-Digest` holds the hex HMAC-SHA256 of the body. There is no time
    in it, but every delivery has an id, so a replay is a duplicate for as long as events are kept; a known id
    with another body is stored and marked `reused`.

    Gives `branch commit project build changes author title url pull_request`. `project` is the slug in the
    build's URL: Percy sends no name. `build_approved` comes before `build_finished` for a build without
    changes, and no event is documented for a build that fails.
    """

    provider: ClassVar[str] = "percy"
    events: ClassVar[tuple[str, ...]] = tuple(_KINDS)
    signature_headers: ClassVar[tuple[str, ...]] = (_HEADER,)
    default_dedupe: ClassVar[float | None] = None
    subject_is_id: ClassVar[bool] = True

    def verify(self, headers: Mapping[str, str], body: bytes, now: float) -> None:  # noqa: ARG002  # no time
        """See `Source.verify`."""
        if not self.unsigned:
            check_hex(self.secret, sole(headers, _HEADER), body)

    def sign(self, body: bytes, now: float) -> dict[str, str]:  # noqa: ARG002  # no time
        """See `Source.sign`."""
        return {} if self.unsigned or not self.secret else {_HEADER: sign_hex(self.secret[0], body)}

    def decode(self, body: bytes, now: float) -> Event:
        """See `Source.decode`."""
        document = self.document(body)
        delivery = members(document.get("data"))
        sent = members(delivery.get("attributes"))
        build_resource = _resource(document, "builds", at(delivery, "relationships", "build", "data", "id"))
        linked_commit = at(delivery, "relationships", "commit", "data", "id")
        commit = members(_resource(document, "commits", linked_commit).get("attributes"))
        build = members(build_resource.get("attributes"))
        event = text(sent.get("event"))
        name = word(event)
        state, review = _either("state", build, sent), _either("review-state", build, sent)
        url = text(build.get("web-url"))
        delivery_id = text(delivery.get("id")) or numeral(delivery.get("id"))
        changes = _changes(build, sent)
        return self.complete(
            Event(
                source=self.name,
                provider=self.provider,
                event=event,
                kind=_KINDS.get(name, "unknown"),
                status=_status(name, word(state), word(review), build, sent, changes),
                provider_status=review or state,
                branch=text(build.get("branch")),
                commit=text(commit.get("sha")),
                project=_slug(url) or _project_id(build_resource),
                build=numeral(build.get("build-number")) or numeral(sent.get("build-number")),
                changes=changes,
                author=text(commit.get("author-name")),
                title=text(build.get("pull-request-title")) or first_line(commit.get("message")),
                url=url,
                pull_request=number(build.get("pull-request-number")),
                received_at=now,
                payload=body,
                subject=short(delivery_id) if delivery_id else body_subject("delivery", body),
            )
        )

    @staticmethod
    def renumber(document: dict[str, Any], number: int) -> None:
        """See `Source.renumber`: the delivery's id, and the build's id and number wherever they stand."""
        delivery = document["data"]
        build = _resource(document, "builds", None)
        if build:
            document.update(replaced(document, build["id"], f"4{number}"))
            for holder in (document["data"], *document["included"]):
                if "build-number" in holder["attributes"]:
                    holder["attributes"]["build-number"] = number
        document["data"]["id"] = f"{number}-{delivery['id'].rpartition('-')[2]}"


def _resource(document: dict[str, Any], kind: str, wanted: object) -> dict[str, Any]:
    """The included resource of that type with that id, else the first of the type, else an empty one.

    The ids do not always agree: in the documented `build_created` the commit's does not.
    """
    first: dict[str, Any] = {}
    for each in items(document.get("included")) or ():
        if type(each) is dict and each.get("type") == kind:
            if wanted is not None and each.get("id") == wanted:
                return each
            first = first or each
    return first


def _either(name: str, build: dict[str, Any], sent: dict[str, Any]) -> str | None:
    """A text of the build, else of the delivery's own attributes."""
    return text(build.get(name)) or text(sent.get(name))


def _changes(build: dict[str, Any], sent: dict[str, Any]) -> int | None:
    """How many comparisons differ; none differing is a number too."""
    name = "total-comparisons-diff"
    found = number(build.get(name))
    return number(sent.get(name)) if found is None else found


def _status(
    event: str, state: str, review: str, build: dict[str, Any], sent: dict[str, Any], changes: int | None
) -> str | None:
    """The common status: a failed or expired build first, then the event's name, then what the build says.

    The event's name comes before the state, because a `build_approved` may find its build still `processing`.
    """
    if event == "ping":
        return None
    if "failed" in (state, review):
        return "broken" if word(build.get("failure-reason")) in _BROKEN else "failed"
    if state == "expired":
        return "cancelled"
    if event in _EVENT_STATUSES:
        return _EVENT_STATUSES[event]
    if event == "build_approved" or review == "approved":
        reason = word(sent.get("build-review-state-reason")) or word(build.get("review-state-reason"))
        return "passed" if reason == "no_diffs" else "accepted"
    if review:
        return _REVIEW_STATUSES.get(review, "unknown")
    if event != "build_finished" and state in _UNFINISHED:
        return "running"
    if changes is None or (event != "build_finished" and state != "finished"):
        return "unknown"
    return "pending" if changes else "passed"


def _slug(url: str | None) -> str | None:
    """The project in `https://percy.io/<organisation>/<project>/builds/<id>`: what stands before `builds`."""
    path = (url or "").partition("?")[0].split("/")[3:]
    found = [before for before, name in pairwise(path) if name == "builds"]
    return text(found[-1]) if found else None


def _project_id(build: dict[str, Any]) -> str | None:
    """The number of the build's project, where its URL names none."""
    found = at(build, "relationships", "project", "data", "id")
    return text(found) or numeral(found)
