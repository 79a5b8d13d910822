"""Bodies: a third each of Chromatic, Percy and Happo, every one with a number of its own, signed.

They are the recorded payloads of the tests of sources. What is sent is written to a file beforehand, so that
the generator has nothing to do but to send.
"""

import hashlib
import hmac
import json
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_PAYLOADS = Path(__file__).parents[1] / "sources" / "payloads"
_DIGITS = 8
# A JSON number has no leading zero, hence the 1; the sink finds an event by the text `bench-1` before it.
_NUMBER = 1 * 10**_DIGITS
_MARK = f"bench-{_NUMBER}"
_SIGNATURE = "5" * 64
SECRET = "correct horse battery staple"
TOKEN = "a-token-that-only-the-provider-knows"


def _chromatic(document: dict[str, Any], *, match: bool) -> None:
    build = document["build"]
    build |= {"number": _NUMBER, "branch": "main" if match else "feature/none"}
    build["webUrl"] = f"https://www.chromatic.com/build?appId=6473a1f0c2d9&number={_NUMBER}&at={_MARK}"


def _percy(document: dict[str, Any], *, match: bool) -> None:
    document["data"]["id"] = _MARK
    build = document["included"][0]["attributes"]
    build |= {"build-number": _NUMBER, "branch": "main" if match else "feature/none"}


def _happo(document: dict[str, Any], *, match: bool) -> None:
    document["data"] |= {"hash": _MARK, "status": "failure" if match else "success", "equal": not match}


@dataclass(frozen=True)
class _Provider:
    """How one provider posts."""

    path: str
    sample: str
    mark: Callable[..., None]
    headers: tuple[str, ...]
    signed: bool


# As they usually post: Chromatic without a signature, so with a token in the URL.
_PROVIDERS = (
    _Provider(f"/hooks/chromatic/{TOKEN}", "chromatic/v1-plain-pending", _chromatic, (), signed=False),
    _Provider(
        "/hooks/percy",
        "percy/build_changes_requested-previously",
        _percy,
        (f"X-Percy-Digest: {_SIGNATURE}",),
        signed=True,
    ),
    _Provider(
        "/hooks/happo",
        "happo/comparison-local-dev",
        _happo,
        (f"X-Happo-Signature: sha256={_SIGNATURE}",),
        signed=True,
    ),
)


class _Prototype:
    """A request whose numbers and signature are still to be filled in."""

    def __init__(self, provider: _Provider, *, match: bool) -> None:
        document = json.loads((_PAYLOADS / f"{provider.sample}.json").read_bytes())
        provider.mark(document, match=match)
        body = json.dumps(document, indent=2).encode()
        lines = [
            f"POST {provider.path} HTTP/1.1",
            "Host: 127.0.0.1",
            "User-Agent: bench",
            "Content-Type: application/json",
            f"Content-Length: {len(body)}",
            *provider.headers,
        ]
        head = ("\r\n".join(lines) + "\r\n\r\n").encode()
        self.text = head + body
        self._pieces = body.split(str(_NUMBER).encode())
        self._signed = provider.signed
        pattern = f"{_NUMBER}|{_SIGNATURE}".encode()
        self._slots = [(found.start(), found.end()) for found in re.finditer(pattern, self.text)]

    def described(self) -> bytes:
        """As the generator reads it."""
        slots = [number for start, end in self._slots for number in (start, end - start)]
        return struct.pack(f"{2 + len(slots)}I", len(self.text), len(self._slots), *slots) + self.text

    def record(self, event: int) -> bytes:
        """What one event fills in: the signature stands in the headers, before all numbers."""
        number = str(_NUMBER + event).encode()
        numbers = number * (len(self._pieces) - 1)
        if not self._signed:
            return numbers
        body = number.join(self._pieces)
        return hmac.digest(SECRET.encode(), body, hashlib.sha256).hex().encode() + numbers


def write_load(path: Path, events: int, *, match: bool = True) -> Path:
    """Write so many requests; all match the rule of the benchmark, or none does."""
    prototypes = [_Prototype(provider, match=match) for provider in _PROVIDERS]
    with path.open("wb") as file:
        file.write(struct.pack("2I", len(prototypes), events))
        for prototype in prototypes:
            file.write(prototype.described())
        for event in range(events):
            kind = event % len(prototypes)
            file.write(struct.pack("I", kind) + prototypes[kind].record(event))
    return path
