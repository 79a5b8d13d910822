"""Happo: decoding of comparisons and flake reports.

Owns Happo's words. Must not know other providers.
"""

import hashlib
import re
from collections.abc import Mapping
from typing import Any, ClassVar

import msgspec

from router.event import Event
from router.sources.field import at, first_line, items, members, numeral, replaced, text, word
from router.sources.signature import check_hex, sign_hex, sole
from router.sources.source import Source
from router.units import Size

_HEADER = "X-Happo-Signature"
_PREFIX = "sha256="
_KINDS = {"comparison": "comparison", "flake": "flake"}
# /a/<account>/p/<project>/compare/<before>/<after>: a convention of Happo's, no promise.
_COMPARE = re.compile(r"/p/([^/?#]+)/compare/[^/?#]+/([^/?#]+)")
_STATUSES = {"success": "passed", "failure": "pending"}


class Happo(Source, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Comparisons and flake reports of Happo.

    At Happo: open "Webhooks" (https://happo.io/webhooks) as an administrator of the account, enter
    `https://<host>/hooks/<source>` and a secret, and tick the event types. One webhook serves the whole
    account.

    Happo always signs: `X-Happo-Signature` holds `sha256=` and the hex HMAC-SHA256 of the body, without a
    time. A delivery repeated by hand is the same bytes again: within `dedupe` it is a duplicate, later it is
    a new event.

    A comparison gives `commit project build changes title url`: `build` is the comparison's hash, `project`
    (a number) and `commit` are read from its URL. Happo names no branch and no author: write `null` beside
    the patterns of `branch` if a rule is to match, or set `defaults`. A flake report gives `project commit
    title url`, one change, and no status. Bodies list every unchanged snapshot, hence the larger `max_body`.
    """

    max_body: Size = Size(8 << 20)
    provider: ClassVar[str] = "happo"
    events: ClassVar[tuple[str, ...]] = tuple(_KINDS)
    absent: ClassVar[tuple[str, ...]] = ("branch", "author", "pull_request")
    signature_headers: ClassVar[tuple[str, ...]] = (_HEADER,)

    def verify(self, headers: Mapping[str, str], body: bytes, now: float) -> None:  # noqa: ARG002  # no time
        """See `Source.verify`."""
        if not self.unsigned:
            check_hex(self.secret, sole(headers, _HEADER), body, _PREFIX)

    def sign(self, body: bytes, now: float) -> dict[str, str]:  # noqa: ARG002  # no time
        """See `Source.sign`."""
        return {} if self.unsigned or not self.secret else {_HEADER: sign_hex(self.secret[0], body, _PREFIX)}

    def decode(self, body: bytes, now: float) -> Event:
        """See `Source.decode`."""
        document = self.document(body)
        event = text(document.get("type"))
        kind = _KINDS.get(word(event), "unknown")
        bare = Event(
            source=self.name, provider=self.provider, event=event, kind=kind, received_at=now, payload=body
        )
        facts = members(document.get("data"))
        if kind == "flake" or (kind == "unknown" and "action" in facts):
            return self.complete(_with_flake(bare, facts, text(document.get("text"))))
        return self.complete(_with_comparison(bare, facts))

    @staticmethod
    def renumber(document: dict[str, Any], number: int) -> None:
        """See `Source.renumber`: hash and commit of a comparison, ids and commit of a flake."""
        facts = document["data"]
        path = _COMPARE.search(text(facts.get("compareUrl")) or text(facts.get("link")) or "")
        olds = [path[2] if path else None, facts.get("hash"), at(facts, "snapshot2", "id")]
        for old in filter(None, olds):
            kept = "dev-" if old.startswith("dev-") else ""
            digest = hashlib.sha256(f"{old} {number}".encode()).hexdigest()
            document.update(replaced(document, old, kept + digest[: len(old) - len(kept)]))
        if at(document, "data", "comparison", "id"):
            document["data"]["comparison"]["id"] = number


def _with_comparison(bare: Event, facts: dict[str, Any]) -> Event:
    """The event with the facts of a comparison of two reports."""
    url = text(facts.get("compareUrl"))
    path = _COMPARE.search(url) if url else None
    diffs = items(facts.get("diffs"))
    return msgspec.structs.replace(
        bare,
        status=_status(facts),
        provider_status=text(facts.get("status")),
        commit=path[2] if path else None,
        project=path[1] if path else None,
        build=text(facts.get("hash")),
        changes=None if diffs is None else len(diffs),
        title=first_line(facts.get("summary")),
        url=url,
    )


def _with_flake(bare: Event, facts: dict[str, Any], summary: str | None) -> Event:
    """The event with the facts of a flake report, made or undone: one pair of snapshots, nothing to judge."""
    return msgspec.structs.replace(
        bare,
        status=None if bare.kind == "flake" else "unknown",
        provider_status=text(facts.get("action")),
        commit=text(at(facts, "comparison", "afterSha")),
        project=text(at(facts, "project", "name")) or numeral(at(facts, "project", "id")),
        changes=1,
        title=summary,
        url=text(facts.get("link")),
    )


def _status(facts: dict[str, Any]) -> str:
    """`equal` decides; where it is missing the word for the commit status does."""
    equal = facts.get("equal")
    if type(equal) is bool:
        return "passed" if equal else "pending"
    return _STATUSES.get(word(facts.get("status")), "unknown")
