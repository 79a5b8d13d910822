"""Target: where a request goes, read from its URL, and the head that a request has there.

Owns what is written before a body. Must not connect. Errors never show a URL: it may be a credential.
"""

import base64
from typing import Self

import msgspec
from yarl import URL

from router.addresses import HostKind, canonical_host
from router.errors import ForbiddenAddress
from router.sinks.sink import USER_AGENT, Request

_BREAKS = "a header of the request holds a line break; a secret or a setting has one"


class Target(msgspec.Struct, frozen=True):
    """A URL, taken apart: who to connect to, and what a request says first.

    `kind` is who answers for the address, `path` what stands in the request line, `authority` the header
    `Host`, `authorization` a header made of user and password, if the URL has them.
    """

    tls: bool
    host: str
    port: int
    kind: HostKind
    path: str
    authority: str
    authorization: str | None

    @classmethod
    def of(cls, text: str) -> Self:
        """Read a URL byte for byte.

        Raises:
            ForbiddenAddress: the URL cannot be read, or its host is none.
        """
        try:
            url = URL(text, encoded=True)
            port = url.port
        except ValueError:
            port = None
        if port is None or url.scheme not in ("http", "https"):
            raise ForbiddenAddress("the URL cannot be read; write http:// or https://, a host and a path")
        host = url.raw_host or ""
        try:
            kind = canonical_host(host)
        except ValueError as error:
            raise ForbiddenAddress(str(error)) from None
        authority = url.host_port_subcomponent or ""
        return cls(url.scheme == "https", host, port, kind, url.raw_path_qs, authority, _authorization(url))

    def head(self, request: Request) -> bytes:
        """The request up to its body, in UTF-8: the sink's headers in their order, and what HTTP needs.

        Raises:
            ForbiddenAddress: a header holds a line break, or what cannot be written.
        """
        lines = [f"{name}: {value}\r\n" for name, value in request.headers.items()]
        if "user-agent" not in request.headers and not _has(request, "user-agent"):
            lines.insert(0, f"User-Agent: {USER_AGENT}\r\n")
        if self.authorization is not None and not _has(request, "authorization"):
            lines.append(f"Authorization: {self.authorization}\r\n")
        text = "".join(lines)
        if text.count("\n") != len(lines) or text.count("\r") != len(lines) or "\0" in text:
            raise ForbiddenAddress(_BREAKS)
        if request.body or request.method not in ("GET", "HEAD"):
            text += f"Content-Length: {len(request.body)}\r\n"
        whole = f"{request.method} {self.path} HTTP/1.1\r\nHost: {self.authority}\r\n{text}\r\n"
        try:
            return whole.encode()
        except UnicodeEncodeError:
            pass
        # Raised out here so that it does not carry the other error, which holds the text.
        raise ForbiddenAddress(
            "a header or the URL of the request holds half a surrogate pair; write plain text"
        )


def _has(request: Request, header: str) -> bool:
    return any(name.lower() == header for name in request.headers)


def _authorization(url: URL) -> str | None:
    if url.raw_user is None and url.raw_password is None:
        return None
    pair = f"{url.user or ''}:{url.password or ''}".encode()
    return f"Basic {base64.b64encode(pair).decode()}"
