"""Secret: a value that never prints itself, written in the configuration only as a reference.

Owns the reference syntax, the masking and the comparison with what a stranger gives. Must not read
environment or files: `config/secrets.py` does, once, when a daemon starts or reloads.
"""

import hashlib
import hmac
import re
from typing import Any, ClassVar, Self
from urllib.parse import parse_qsl, urlsplit

_FORMS = {
    "env:": re.compile(r"[A-Za-z_][A-Za-z0-9_]*"),
    "file:": re.compile(r"[^\0\r\n]+"),
    "credential:": re.compile(
        r"[A-Za-z0-9_-][A-Za-z0-9_.-]*"
    ),  # a name in a directory, never a way out of it
}
_SCHEMES = tuple(_FORMS)
_HOW = "use env:NAME, file:/path or credential:NAME"
# Hosts whose URLs are credentials by themselves: whoever knows the path may post.
_BEARER_HOSTS = (
    "hooks.slack.com",
    "discord.com",
    "discordapp.com",
    ".webhook.office.com",
    ".logic.azure.com",
    ".api.powerplatform.com",
    "chat.googleapis.com",
)
_BEARER_KEYS = (
    "token",
    "access_token",
    "api_key",
    "apikey",
    "auth",
    "secret",
    "password",
    "sig",
    "signature",
)


class Secret:
    """A reference (`env:NAME`, `file:/path`, `credential:NAME`) and, once resolved, the value behind it."""

    __slots__ = ("_value", "reference")
    schema: ClassVar[dict[str, Any]] = {
        "type": "string",
        "pattern": r"^(env:[A-Za-z_][A-Za-z0-9_]*|file:.+|credential:[A-Za-z0-9_-][A-Za-z0-9_.-]*)$",
        "description": "a reference to a secret: env:NAME, file:/path or credential:NAME (systemd)",
    }

    def __init__(self, reference: str, value: str | None = None) -> None:
        self.reference = reference
        self._value = value

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a reference; a value in plain sight is refused and never repeated in the message."""
        if not is_reference(text):
            raise ValueError(f"a secret in plain sight; {_HOW}")
        scheme, _, name = text.partition(":")
        if not name:
            raise ValueError(f"'{text}' names nothing; {_HOW}")
        if not _FORMS[f"{scheme}:"].fullmatch(name):
            # What follows may be the secret itself, pasted behind the scheme.
            raise ValueError(f"what follows '{scheme}:' is not a name; {_HOW}")
        return cls(text)

    def resolve(self, value: str) -> Self:
        """The same reference with the value behind it."""
        return type(self)(self.reference, value)

    @property
    def resolved(self) -> bool:
        """Whether the value is known."""
        return self._value is not None

    def reveal(self) -> str:
        """The value. Only verification, signing and connecting have a reason to call this."""
        if self._value is None:
            raise RuntimeError(f"{self.reference} was never resolved")
        return self._value

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.reference})"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        """Equal if reference and value are: a rotated value makes different settings."""
        return isinstance(other, Secret) and (self.reference, self._value) == (other.reference, other._value)

    def __hash__(self) -> int:
        return hash((self.reference, self._value))


class Url(Secret):
    """A destination: an http(s) URL without credentials, or a reference to one that has them."""

    __slots__ = ()
    schema: ClassVar[dict[str, Any]] = {
        "type": "string",
        "description": "an http(s) URL without credentials, or env:NAME, file:/path, credential:NAME",
    }

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a URL or a reference; a URL that is a credential is refused in plain sight."""
        if is_reference(text):
            return super().parse(text)
        check_url(text)
        if _is_credential(text):
            raise ValueError(f"a URL with credentials in plain sight; {_HOW}")
        return cls(text, text)

    def __repr__(self) -> str:
        if self.resolved:
            return f"Url({masked(self.reveal())})"
        return f"Url({self.reference})"

    __str__ = __repr__


def is_reference(text: str) -> bool:
    """Whether a text means a reference to a secret, well written or not."""
    return text.startswith(_SCHEMES)


def _is_credential(url: str) -> bool:
    """Whether whoever knows the URL may use it."""
    parts = urlsplit(url)
    host = (parts.hostname or "").removesuffix(".")
    bearer = any(host == known or (known[0] == "." and host.endswith(known)) for known in _BEARER_HOSTS)
    keys = {key.lower() for key, _ in parse_qsl(parts.query, keep_blank_values=True)}
    return bearer or "@" in parts.netloc or not keys.isdisjoint(_BEARER_KEYS)


def same(given: str, known: str) -> bool:
    """Whether a secret was known, in a time that tells neither where texts differ nor how long they are.

    Nothing is never right.
    """
    return bool(given) and hmac.compare_digest(_digest(given), _digest(known))


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()


def has_password(url: str) -> bool:
    """Whether a URL of a database holds a password."""
    try:
        parts = urlsplit(url)
        return parts.password is not None or "password" in dict(parse_qsl(parts.query))
    except ValueError:
        return False


def check_url(text: str) -> None:
    """Raise `ValueError` unless the text is an http(s) URL with a host; the text is not repeated."""
    flaw = _flaw(text)
    if flaw is not None:
        raise ValueError(f"{flaw}; write https://host/path")


def _flaw(text: str) -> str | None:
    if not text.isascii() or not text.isprintable() or " " in text or "\\" in text:
        return "the URL has a space or another character that no URL has"
    try:
        parts = urlsplit(text)
    except ValueError:
        return "not an http:// or https:// URL"
    if parts.scheme not in ("http", "https"):
        return "not an http:// or https:// URL"
    if not parts.hostname:
        return "the URL names no host"
    try:
        usable = parts.port != 0
    except ValueError:
        usable = False
    return None if usable else "the URL's port is no number from 1 to 65535"


def masked(url: str) -> str:
    """The part of a URL that may be logged: scheme, host and port."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}" + ("/…" if parts.path.strip("/") or parts.query else "")
