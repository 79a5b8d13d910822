"""Signature: over raw bytes. Keyed digests and Chromatic's token.

Total: whatever a stranger sends, the only exception is `BadSignature`. Digests are compared in constant time.
Must not know what a body means.
"""

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from router.errors import BadSignature
from router.secret import Secret

_HEX_LENGTH = 64  # of a SHA-256 digest
_MAC_LENGTH = 43  # of a SHA-256 digest in base64url without padding
_TOKEN_LIMIT = 4096
# Exactly three parts and no padding: the third is compared as text, so that one digest has one spelling.
_TOKEN = re.compile(rf"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]{{{_MAC_LENGTH}}})")
TOLERANCE = 300.0


def sole(headers: Mapping[str, str], name: str) -> str:
    """The value of a header that stands there exactly once.

    Whoever can add a second signature header must not be able to choose which one counts. A multidict
    tells by `getall`; another mapping holds repetitions joined, and a joined value matches no digest.
    """
    getall = getattr(headers, "getall", None)
    values: list[str] = getall(name, []) if getall else [headers[name]] if name in headers else []
    if not values:
        raise BadSignature(f"the header '{name}' is missing")
    if len(values) > 1:
        raise BadSignature(f"the header '{name}' is there {len(values)} times")
    return values[0]


def check_hex(secrets: Sequence[Secret], value: str, body: bytes, prefix: str = "") -> None:
    """Raise `BadSignature` unless the value is the prefix and what one of the secrets makes of the body."""
    digest = value.removeprefix(prefix)
    if len(digest) != _HEX_LENGTH or len(value) != len(prefix) + _HEX_LENGTH or not digest.isascii():
        raise BadSignature("the signature is not a digest")
    for secret in secrets:
        if hmac.compare_digest(digest, _mac(secret, body).hex()):
            return
    raise BadSignature("the signature is not by a known secret")


def sign_hex(secret: Secret, body: bytes, prefix: str = "") -> str:
    """Prefix and lower-case hex HMAC-SHA256 of the body."""
    return prefix + _mac(secret, body).hex()


def check_token(secrets: Sequence[Secret], token: str, body: bytes, now: float, issuer: str) -> None:
    """Raise `BadSignature` unless one of the secrets signed a token for these bytes around `now`.

    The token is a JWT in compact form, algorithm HS256 only, with the claims `iss`, `iat` (seconds, within
    TOLERANCE) and `sha256` (hex digest of the body). A header that names a key or an extension is refused;
    further claims are ignored. Source: README of chromaui/signed-webhook-examples.
    """
    found = _TOKEN.fullmatch(token) if len(token) <= _TOKEN_LIMIT else None
    if found is None:
        raise BadSignature("the signature is not a token")
    head, claims, given = found.groups()
    signed = f"{head}.{claims}".encode()
    if not any(hmac.compare_digest(given.encode(), _base64url(_mac(secret, signed))) for secret in secrets):
        raise BadSignature("the token is not signed by a known secret")
    _check_head(_part(head))
    _check_claims(_part(claims), body, now, issuer)


def sign_token(secret: Secret, body: bytes, now: float, issuer: str) -> str:
    """The token that `check_token` accepts."""
    claims = {"iss": issuer, "iat": int(now), "sha256": hashlib.sha256(body).hexdigest()}
    parts = ({"alg": "HS256", "typ": "JWT"}, claims)
    signed = b".".join(_base64url(json.dumps(part, separators=(",", ":")).encode()) for part in parts)
    return (signed + b"." + _base64url(_mac(secret, signed))).decode()


def _check_head(head: dict[str, Any]) -> None:
    """Exactly the documented algorithm; the sender must not choose how it is checked."""
    if head.get("alg") != "HS256" or not head.keys() <= {"alg", "typ"}:
        raise BadSignature("the token's header is not that of HS256")


def _check_claims(claims: dict[str, Any], body: bytes, now: float, issuer: str) -> None:
    """The token was made by this issuer, just now, for this body."""
    if claims.get("iss") != issuer:
        raise BadSignature("the token is by another issuer")
    issued = claims.get("iat")
    # True is no time. Compared, not subtracted: an integer may be too large to become a float.
    if type(issued) is not int or not now - TOLERANCE <= issued <= now + TOLERANCE:
        raise BadSignature("the token is too old or too new; is the clock right?")
    digest = claims.get("sha256")
    if type(digest) is not str or len(digest) != _HEX_LENGTH or not digest.isascii():
        raise BadSignature("the token holds no digest of the body")
    if not hmac.compare_digest(digest, hashlib.sha256(body).hexdigest()):
        raise BadSignature("the token is for another body")


def _part(segment: str) -> dict[str, Any]:
    """The JSON object in one segment; a key that stands twice is refused, as readers differ on it."""
    try:
        decoded = base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
        part = _decode(decoded.decode())
    except (ValueError, RecursionError):
        raise BadSignature("the token does not decode") from None
    if type(part) is not dict:
        raise BadSignature("the token does not decode")
    return part


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose keys all differ."""
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a key stands twice")
    return members


_decode = json.JSONDecoder(object_pairs_hook=_unique).decode


def _mac(secret: Secret, signed: bytes) -> bytes:
    mac = _keyed(secret.reveal()).copy()
    mac.update(signed)
    return mac.digest()


@lru_cache(maxsize=64)
def _keyed(key: str) -> hmac.HMAC:
    """An HMAC that has taken in its key, to be copied: that is half of the work on a small body.

    `hmac.digest` would also let other threads run for every body, and wait for its turn after them.
    """
    # An environment variable that is not UTF-8 arrives with its bytes escaped; they are the key.
    return hmac.new(key.encode("utf-8", "surrogateescape"), digestmod="sha256")


def _base64url(raw: bytes) -> bytes:
    return base64.urlsafe_b64encode(raw).rstrip(b"=")
