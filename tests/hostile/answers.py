"""What the daemon may say on the wire: a strict reader of its answers, written apart from the product."""

import re
from typing import NamedTuple

FIXED = {
    400: b'{"error": "bad request"}',
    401: b'{"error": "unauthorized"}',
    404: b'{"error": "not found"}',
    405: b'{"error": "method not allowed"}',
    408: b'{"error": "the body did not arrive in time"}',
    413: b'{"error": "the body is too large"}',
    415: b'{"error": "content encodings are not accepted"}',
    429: b'{"error": "too many requests"}',
    503: b'{"error": "try again later"}',
}
RECEIPT = re.compile(rb'\{"id": "evt_[0-9a-z]+", "duplicate": (true|false)\}')
NAMES = {
    "Server",
    "Content-Type",
    "Content-Length",
    "Date",
    "Connection",
    "Retry-After",
    "Allow",
    "WWW-Authenticate",
}
GO_ON = b"HTTP/1.1 100 Continue\r\n\r\n"


class Answer(NamedTuple):
    """One answer that is as it should be."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def closes(self) -> bool:
        """Whether it announces the end of the connection, or never promised that there is more."""
        return self.headers.get("Connection") == "close" or "HTTP/1.0" in self.headers["version"]


class Malformed(Exception):
    """The daemon said something that it never may."""


def read_all(stream: bytes) -> list[Answer]:
    """The answers in everything that came until the end of a connection.

    Raises:
        Malformed: one of them breaks a rule: framing, headers, a body that is not the fixed one.
    """
    found = []
    rest = stream
    while rest:
        if rest.startswith(GO_ON):
            rest = rest.removeprefix(GO_ON)
            continue
        answer, rest = _read_one(rest)
        found.append(answer)
    return found


def _read_one(stream: bytes) -> tuple[Answer, bytes]:
    head, end, rest = stream.partition(b"\r\n\r\n")
    line, *lines = head.split(b"\r\n")
    first = re.fullmatch(rb"HTTP/1\.([01]) ([1-5]\d\d) [A-Za-z ]+", line)
    if not end or first is None:
        raise Malformed(f"no head of an answer: {stream[:80]!r}")
    headers = _headers(lines)
    headers["version"] = f"HTTP/1.{first[1].decode()}"
    status = int(first[2])
    length = int(headers["Content-Length"])
    body = rest[:length]
    if status in (404, 405) and not rest.startswith(b"{"):
        body = b""  # the answer to HEAD has a length and no body
    elif status == 202:
        if not RECEIPT.fullmatch(body):
            raise Malformed(f"no receipt: {body!r}")
    elif body != FIXED.get(status):
        raise Malformed(f"not the fixed body of a {status}: {body!r}")
    if status in (429, 503) and not re.fullmatch(r"[1-9]\d*", headers.get("Retry-After", "")):
        raise Malformed(f"a {status} without Retry-After")
    return Answer(status, headers, body), rest[len(body) :]


def _headers(lines: list[bytes]) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in lines:
        parts = re.fullmatch(rb"([A-Za-z-]+): ([\x20-\x7e]*)", line)
        if parts is None:
            raise Malformed(f"no header: {line!r}")
        name, value = parts[1].decode(), parts[2].decode()
        if name in found or name not in NAMES:
            raise Malformed(f"a header too much: {line!r}")
        found[name] = value
    if found.get("Server") != "visual-router" or not found.get("Content-Length", "").isdigit():
        raise Malformed(f"headers are missing: {sorted(found)}")
    return found
