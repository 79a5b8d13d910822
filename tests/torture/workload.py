"""What is sent: event number n of a seed, as each provider would send it, signed; and what it means.

Written from the providers' documents, apart from the product: both sides being wrong in the same way would
hide it.
"""

import base64
import hashlib
import hmac
import json
import random
from dataclasses import dataclass

PROVIDERS = ("chromatic", "percy", "happo")
SECRETS = {provider: f"correct horse battery staple of {provider}" for provider in PROVIDERS}
# The key with which the webhook sinks' requests are signed (Standard Webhooks).
SINK_SECRET = "whsec_" + base64.b64encode(b"thirty-two bytes of a known key!").decode()

_BRANCHES = ("main", "release/7", "release/7/fix", "feature/checkout", "dependabot/npm/left-pad")
_CHROMATIC = {"pending": "PENDING", "denied": "DENIED", "passed": "PASSED", "running": "IN_PROGRESS"}
_PERCY = {
    "pending": ("build_unreviewed", "unreviewed", "unreviewed_snapshots"),
    "denied": ("build_changes_requested", "changes_requested", "changes_requested"),
    "passed": ("build_approved", "approved", "no_diffs"),
    "running": ("build_created", None, None),
}


@dataclass(frozen=True)
class Sent:
    """One event: what is posted, and the facts in it that rules look at."""

    number: int
    provider: str
    body: bytes
    status: str
    changes: int
    branch: str | None

    @property
    def digest(self) -> str:
        """Tells bodies apart."""
        return digest_of(self.body)


def digest_of(body: bytes) -> str:
    """The first half of the body's SHA-256."""
    return hashlib.sha256(body).hexdigest()[:32]


def sent(seed: int, number: int) -> Sent:
    """Event `number` of a seed: the same bytes whenever it is asked for."""
    dice = random.Random(f"{seed}/{number}")
    provider = PROVIDERS[number % len(PROVIDERS)]
    status = dice.choice(("pending", "passed") if provider == "happo" else tuple(_CHROMATIC))
    branch = None if provider == "happo" else dice.choice(_BRANCHES)
    changes = dice.randrange(0, 30)
    build = {"chromatic": _chromatic, "percy": _percy, "happo": _happo}[provider]
    document = build(number, status, changes, branch)
    # Numbers and characters that a careless re-encoding would change, and bodies of different sizes.
    document["x-torture"] = {"float": 1.10, "text": 'é\u2028"\\', "pad": "p" * _size(dice)}
    spaces = (", ", ": ") if number % 2 else (",", ":")
    body = json.dumps(document, separators=spaces, ensure_ascii=bool(number % 4)).encode()
    return Sent(number, provider, body.replace(b"1.1,", b"1.10,"), status, changes, branch)


def number_of(commit: str | None) -> int | None:
    """The event's number, which its commit tells."""
    return int(commit, 16) if commit else None


def headers(event: Sent, now: float) -> dict[str, str]:
    """The provider's signature over the body, made at `now`."""
    secret = SECRETS[event.provider].encode()
    if event.provider == "chromatic":
        return {"X-Webhook-Signature": _token(secret, event.body, now)}
    mac = hmac.new(secret, event.body, hashlib.sha256).hexdigest()
    return {"X-Percy-Digest": mac} if event.provider == "percy" else {"X-Happo-Signature": f"sha256={mac}"}


def sink_signature(delivery: str, timestamp: str, body: bytes) -> str:
    """What the header `webhook-signature` must say."""
    key = base64.b64decode(SINK_SECRET.removeprefix("whsec_"))
    mac = hmac.new(key, f"{delivery}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    return "v1," + base64.b64encode(mac).decode()


def _size(dice: random.Random) -> int:
    return dice.choice((10, 200, 200, 1000, 4000)) if dice.random() < 0.99 else 100_000


def _chromatic(number: int, status: str, changes: int, branch: str | None) -> dict[str, object]:
    build = {"number": number, "branch": branch, "commit": f"{number:040x}", "committerName": "Ada"}
    build |= {"status": _CHROMATIC[status], "changeCount": changes, "project": {"name": "design"}}
    build["webUrl"] = f"https://www.chromatic.com/build?appId=6473&number={number}"
    return {"version": 2, "event": "build", "build": build}


def _percy(number: int, status: str, changes: int, branch: str | None) -> dict[str, object]:
    event, review, reason = _PERCY[status]
    build = {"branch": branch, "build-number": number, "state": "finished", "review-state": review}
    build |= {"total-comparisons-diff": changes, "review-state-reason": reason}
    build["web-url"] = f"https://percy.io/a1/storefront/builds/{number}"
    links = {
        "build": {"data": {"type": "builds", "id": f"{number}"}},
        "commit": {"data": {"type": "commits", "id": f"{number}"}},
    }
    return {
        "data": {
            "type": "webhook-deliveries", "id": f"{number}-1",
            "attributes": {"event": event, "build-review-state-reason": reason}, "relationships": links,
        },
        "included": [
            {"type": "builds", "id": f"{number}", "attributes": build},
            {"type": "commits", "id": f"{number}", "attributes": {"sha": f"{number:040x}"}},
        ],
    }  # fmt: skip


def _happo(number: int, status: str, changes: int, branch: str | None) -> dict[str, object]:
    url = f"https://happo.io/a/42/p/7/compare/{0:040x}/{number:040x}"
    facts = {"diffs": [[] for _ in range(changes)], "hash": f"{number:032x}", "equal": status == "passed"}
    return {"type": "comparison", "data": {**facts, "compareUrl": url, "summary": "Compared."}}


def _token(secret: bytes, body: bytes, now: float) -> str:
    claims = {"iss": "chromatic", "iat": int(now), "sha256": hashlib.sha256(body).hexdigest()}
    signed = (
        _part(json.dumps({"alg": "HS256", "typ": "JWT"}).encode()) + b"." + _part(json.dumps(claims).encode())
    )
    return (signed + b"." + _part(hmac.new(secret, signed, hashlib.sha256).digest())).decode()


def _part(raw: bytes) -> bytes:
    return base64.urlsafe_b64encode(raw).rstrip(b"=")
