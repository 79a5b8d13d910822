"""Duplicates: by what two events are told to be the same, whatever they are stored in."""

import hashlib
from math import inf

_DIGEST_BYTES = 16


def digest_of(body: bytes) -> bytes:
    """What two equal bodies share."""
    return hashlib.sha256(body).digest()[:_DIGEST_BYTES]


def since(window: float | None, now: float) -> float:
    """From when on an equal makes a duplicate: `window` seconds back; None: ever, 0: never."""
    if window is None:
        return -inf
    return now - window if window > 0 else inf
