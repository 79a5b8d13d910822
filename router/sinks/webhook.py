"""Webhook: the event as JSON to any URL, signed by Standard Webhooks.

Owns the signature, the headers, and bodies of the operator's own. Must not know what a receiver does with it.
"""

import base64
import binascii
import hmac
import re
from functools import cached_property
from typing import Literal

import msgspec

from router.delivery import Delivery
from router.errors import Unrenderable
from router.event import Event
from router.secret import Secret, Url, masked
from router.sinks.envelope import envelope, said
from router.sinks.message import remark
from router.sinks.sink import USER_AGENT, Flaw, Request, Sink
from router.template.jinja import json_escape
from router.template.template import Template, trial, variables_of
from router.text import readable_json

_PREFIX = "whsec_"
_HOW = "write whsec_ and the base64 of 24 to 64 bytes, as `openssl rand -base64 32` makes it"
_JSON = "application/json"
_BODY_LIMIT = 16 << 20
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2: token
_VALUE = re.compile(r"[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?")
# Who frames the request sets these.
_FRAMING = frozenset({
    "connection", "content-encoding", "content-length", "expect", "host", "keep-alive", "te", "trailer",
    "transfer-encoding", "upgrade",
})  # fmt: skip
_OURS = re.compile(r"webhook-.*|visual-router-.*")
_CREDENTIAL = re.compile(r"(proxy-)?authorization|cookie|.*(token|secret|api-?key|password).*")


class Webhook(Sink, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A request to a URL of your own.

    Sends `{"id": …, "type": "build.pending", "timestamp": …, "data": {…}}`: `data` has every field of the
    event (null where absent), its `id`, the `rule`, the text of a `template` or of the rule's `message` as
    `message`, and the provider's own JSON as `payload`. `id` is equal on every retry, so that a receiver can
    drop what it knows already.

    With `secret` it is signed by Standard Webhooks (`webhook-id`, `webhook-timestamp`, `webhook-signature`);
    list the new and the old secret while rotating. `visual-router-attempt` counts the attempts. `headers` are
    sent too; a value may be a reference (`env:`, `file:`, `credential:`), and must be if it is a credential.

    `body` is for services with a JSON of their own: `{"state": "{{ status }}", "n": {{ changes|tojson }}}`.
    Between quotes a field is escaped by itself; a whole value is printed by `|tojson`; `{{ message }}` is the
    text. A body that turns out not to be JSON is a dead letter.
    """

    url: Url
    secret: tuple[Secret, ...] = ()
    headers: dict[str, str | Secret] = msgspec.field(default_factory=dict)
    method: Literal["POST", "PUT", "PATCH"] = "POST"
    body: Template | None = None

    @property
    def destination(self) -> Url:
        """See `Sink.destination`."""
        return self.url

    def problems(self) -> list[Flaw]:
        """See `Sink.problems`."""
        flaws = super().problems()
        for secret in self.secret:
            try:
                _ = signing_key(secret) if secret.resolved else None
            except ValueError as error:
                flaws.append(Flaw("secret", str(error)))
        flaws += _check_headers(self.headers)
        if self.body is not None:
            try:
                trial(self.body, json_escape, _check_json)
            except ValueError as error:
                flaws.append(Flaw("body", str(error)))
        return flaws

    def request(
        self, event: Event, delivery: Delivery, now: float, message: Template | None = None
    ) -> Request:
        """See `Sink.request`. `now` is the time that is signed."""
        body = self._compose(event, delivery, message)
        headers = self._headers(delivery, now)
        for name, value in self.headers.items():
            headers[name.lower()] = value.reveal() if isinstance(value, Secret) else value
        if self.secret:
            signed = f"{delivery.id}.{headers['webhook-timestamp']}.".encode() + body
            headers["webhook-signature"] = " ".join([signature(key, signed) for key in self._keys])
        return Request(self.method, self.url.reveal(), headers, body)

    def preview(self, event: Event, delivery: Delivery, now: float, message: Template | None = None) -> str:
        """See `Sink.preview`."""
        # What people look for stands first; on the wire the sender's name has always come first.
        headers = {"content-type": _JSON, **self._headers(delivery, now)}
        for name, value in self.headers.items():
            headers[name.lower()] = value.reference if isinstance(value, Secret) else value
        if self.secret:
            headers["webhook-signature"] = " ".join(f"v1,<{secret.reference}>" for secret in self.secret)
        plain = self.url.resolved and self.url.reveal() == self.url.reference
        lines = [f"{self.method} {masked(self.url.reveal()) if plain else self.url.reference}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        body = readable_json(self._compose(event, delivery, message))
        return remark(message or self.template, event, delivery) + "\n".join([*lines, "", body])

    @cached_property
    def _keys(self) -> tuple[bytes, ...]:
        """What signs, read out of the secrets once: they are as frozen as all settings."""
        return tuple(signing_key(secret) for secret in self.secret)

    def _headers(self, delivery: Delivery, now: float) -> dict[str, str]:
        return {
            "user-agent": USER_AGENT,
            "content-type": _JSON,
            "webhook-id": delivery.id,
            "webhook-timestamp": str(int(now)),
            "visual-router-attempt": str(delivery.claim),
        }

    def _compose(self, event: Event, delivery: Delivery, message: Template | None) -> bytes:
        template = message or self.template
        if self.body is None:
            return envelope(event, delivery, template)
        text = said(event, delivery, template)
        variables = variables_of(event, delivery.rule, delivery.sink, text)
        made = self.body.render(variables, json_escape, _BODY_LIMIT)
        try:
            _check_json(made)
        except ValueError as error:
            raise Unrenderable(f"the body cannot be sent: {error}") from None
        return made.encode()


def signing_key(secret: Secret) -> bytes:
    """The key in a secret of Standard Webhooks 1.0.0; `ValueError` says what is wrong, not what it is."""
    text = secret.reveal()
    try:
        key = base64.b64decode(text.removeprefix(_PREFIX), validate=True) if text.startswith(_PREFIX) else b""
    except (binascii.Error, ValueError):
        key = b""
    if not 24 <= len(key) <= 64:
        raise ValueError(f"{secret.reference} holds no secret of Standard Webhooks; {_HOW}")
    return key


def signature(key: bytes, signed: bytes) -> str:
    """`v1,` and the base64 of HMAC-SHA256 over `<id>.<timestamp>.<body>` (Standard Webhooks 1.0.0)."""
    return f"v1,{base64.b64encode(hmac.digest(key, signed, 'sha256')).decode()}"


def _check_headers(headers: dict[str, str | Secret]) -> list[Flaw]:
    flaws = []
    known: set[str] = set()
    for name, value in headers.items():
        reason = _check_header(name.lower(), value)
        if reason is None and name.lower() in known:
            reason = "it stands there twice; names of headers have no case"
        if reason is not None:
            flaws.append(Flaw("headers", f"header '{name}' cannot be sent: {reason}", name))
        known.add(name.lower())
    return flaws


def _check_header(name: str, value: str | Secret) -> str | None:
    """Why a header is refused, or None."""
    if not _NAME.fullmatch(name):
        return "a name has letters, digits and -"
    if name in _FRAMING:
        return "it belongs to the connection; remove it"
    if _OURS.fullmatch(name):
        return "visual-router sets it itself; remove it"
    if isinstance(value, Secret):
        if value.resolved and not _VALUE.fullmatch(value.reveal()):
            return f"{value.reference} holds more than one line of printable ASCII"
    elif not _VALUE.fullmatch(value):
        return "a value is one line of printable ASCII"
    elif _CREDENTIAL.fullmatch(name):
        return "a credential in plain sight; use env:NAME, file:/path or credential:NAME"
    return None


def _check_json(text: str) -> None:
    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise ValueError(f"it is not JSON ({error}); print a whole value by |tojson") from None
