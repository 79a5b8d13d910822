"""Answer: an answer of HTTP/1.1 as its bytes come: what it says, how much of it is read, and where it ends.

Pure: no connection, no time. The grammar is that of llhttp (by httptools), as lenient towards odd servers as
aiohttp's client is. Must not know what was asked.
"""

from collections.abc import Iterator, Mapping

import httptools

from router.errors import Unreachable

REPLY_BYTES = 64 << 10
HEAD_BYTES = 64 << 10  # interim answers included
ANSWER_BYTES = 512 << 10  # on the wire: 64 KiB in chunks of one byte are 384
_FIELD_BYTES = 8190
_FIELDS = 128
_NO_HTTP = "the answer is not HTTP, or its head is too large"


class Fields(Mapping[str, str]):
    """The headers of an answer, decoded when asked for; names have no case, of several the first counts."""

    __slots__ = ("_pairs",)

    def __init__(self, pairs: list[tuple[bytes, bytes]]) -> None:
        self._pairs = pairs

    def __getitem__(self, name: str) -> str:
        """The value of a header."""
        wanted = name.lower().encode("utf-8", "surrogateescape")
        for found, value in self._pairs:
            if found.lower() == wanted:
                return value.rstrip(b" \t").decode("utf-8", "surrogateescape")
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        """The names, in the order in which they came."""
        return (name.decode("utf-8", "surrogateescape") for name, _ in self._pairs)

    def __len__(self) -> int:
        """How many there are."""
        return len(self._pairs)


class _ExcessError(Exception):
    """More came than is read."""


class Answer:
    """One answer after the other; of each the beginning of its body.

    `over`: nothing more is expected, be it that it came or, by `failure`, that it will not. `keep`: as far as
    it tells, its connection may be used again. `heard` counts its bytes. To a HEAD it is `bodiless`.
    """

    __slots__ = (
        "_headed", "_parser", "_size", "_whole",
        "bodiless", "failure", "fields", "heard", "keep", "over", "pieces", "status",
    )  # fmt: skip

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._parser.set_dangerous_leniencies(
            lenient_headers=True,
            lenient_optional_cr_before_lf=True,
            lenient_spaces_after_chunk_size=True,
        )
        self.expect()

    def expect(self) -> None:
        """Begin anew."""
        self.heard = 0
        self.status = 0
        self.fields: list[tuple[bytes, bytes]] = []
        self.pieces: list[bytes] = []
        self.bodiless = False
        self.over = False
        self.keep = False
        self.failure: Unreachable | None = None
        self._size = 0
        self._headed = False  # the head is complete
        self._whole = False  # the answer is

    def feed(self, data: bytes) -> bool:
        """Read on; whether it is over now."""
        self.heard += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self.keep = False
        except httptools.HttpParserError:
            # Behind a whole answer, or one that is cut, anything may stand: it ends the connection only.
            self.keep = False
            if not self._whole and self._size <= REPLY_BYTES:
                self._fail(Unreachable(_NO_HTTP))
        if self._whole or self._size >= REPLY_BYTES:
            self.over = True
        elif self.heard > (ANSWER_BYTES if self._headed else HEAD_BYTES):
            self._fail(Unreachable(_NO_HTTP))
        return self.over

    def close(self, why: Unreachable) -> None:
        """Nothing more will come; some answers end by that."""
        if not self.over:
            if not self._headed:
                self._fail(why)
            elif self._ends_with_connection():
                self.over = True
            else:
                self._fail(Unreachable("the answer broke off"))
        del self._parser  # it holds this as well

    def _fail(self, why: Unreachable) -> None:
        self.over, self.failure = True, why

    def _ends_with_connection(self) -> bool:
        """Whether neither a length nor chunks say where the body ends (RFC 9112, 6.3)."""
        codings = [value for name, value in self.fields if name.lower() == b"transfer-encoding"]
        if codings:
            return b",".join(codings).rpartition(b",")[2].strip().lower() != b"chunked"
        return not any(name.lower() == b"content-length" for name, _ in self.fields)

    # What the parser calls.

    def on_message_begin(self) -> None:
        """An answer begins; behind a whole one that would be an answer to nothing."""
        if self._whole:
            raise _ExcessError
        self.fields = []

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header; one behind the body says nothing that anybody reads."""
        if self._headed:
            return
        if len(name) > _FIELD_BYTES or len(value) > _FIELD_BYTES or b"\0" in value:
            raise _ExcessError
        if len(self.fields) == _FIELDS:
            raise _ExcessError
        self.fields.append((name, value))

    def on_headers_complete(self) -> None:
        """The head is complete; after one that is interim, another follows."""
        self.status = status = self._parser.get_status_code()
        self._headed = status == 101 or not 100 <= status <= 199
        if self.bodiless and self._headed:
            self._whole = True

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        self._size += len(body)
        self.pieces.append(body)
        if self._size > REPLY_BYTES:
            raise _ExcessError

    def on_message_complete(self) -> None:
        """The answer is whole."""
        if self._headed:
            self._whole = True
            self.keep = self._parser.should_keep_alive()
