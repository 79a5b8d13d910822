"""Duplicates: when two events are the same, whatever they are stored in."""

import hashlib
from math import inf

_DIGEST_BYTES = 16


def digest_of(body: bytes) -> bytes:
    """What two equal bodies share."""
    return hashlib.sha256(body).digest()[:_DIGEST_BYTES]


def since(window: float | None, now: float) -> float:
    """The time from which on an equal event counts: `window` seconds ago; None: always; 0: never."""
    if window is None:
        return -inf
    return now - window if window > 0 else inf
