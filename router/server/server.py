"""Server: the HTTP edge, what strangers reach.

Owns the order of checks, their limits and the status codes; sockets are `listener.py`'s. Must not know what
an event is or where it is kept.
"""

import base64
import socket
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from urllib.parse import parse_qsl, unquote

import anyio
import structlog
from aiohttp import hdrs

from router.errors import BadToken, EncodedBody, IntakeError, MethodNotAllowed, TooLarge, UnknownSource
from router.intake import Intake
from router.journal.journal import Receipt
from router.logs import Sparing
from router.metrics import Metrics
from router.secret import same
from router.server.body import read
from router.server.budget import Budget
from router.server.listener import PATIENCE, Listener
from router.server.pace import Pace
from router.server.peer import Address, allowed, origin
from router.server.request import Request
from router.server.settings import ServerSettings
from router.server.wire import Reply, accepted, refusal
from router.sources.source import Source
from router.text import visible

log = structlog.get_logger(__name__)

# The log events of refusals; each has its own budget of lines, so that one flood does not hide another kind.
_REFUSALS = {
    400: "body_undecodable",
    401: "sender_refused",
    404: "hook_unknown",
    405: "method_refused",
    408: "body_late",
    413: "body_too_large",
    415: "body_encoded",
    429: "rate_exceeded",
    503: "request_postponed",
}
_FAILURES = {400: "request_malformed", 503: "connection_refused"}
_TRUTH = {True: b"true", False: b"false"}
_LONGEST_PATH = 80  # characters of it that are logged
# What nginx writes for a client that went away before its answer.
_GONE = 499


class Server:
    """The public listener: `POST /hooks/<source>`, from the first byte to the answer."""

    def __init__(
        self,
        intake: Intake,
        settings: ServerSettings,
        metrics: Metrics,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._intake = intake
        self._settings = settings
        self._metrics = metrics
        self._now = now
        self._log = Sparing(now)
        self._budget = Budget(settings.in_flight, metrics, settings.body_timeout, now)
        self._pace = Pace()
        self._listener = Listener(self._answer, self._failed)

    @asynccontextmanager
    async def listening(self, sockets: Sequence[socket.socket] | None = None) -> AsyncIterator[str]:
        """Answer at `settings.listen`, or on sockets that were handed in; yields the addresses for people.

        Raises:
            RouterError: the address cannot be bound.
        """
        async with self._listener.listening(self._settings.listen, sockets or ()):
            yield ", ".join(self._listener.addresses)

    async def drain(self, patience: float = PATIENCE) -> None:
        """Stop accepting and answer what was sent, for at most `grace`; see `Listener.drain`."""
        with anyio.move_on_after(self._settings.grace):
            await self._listener.drain(patience)

    async def _answer(self, request: Request) -> Reply:
        """One request's answer, counted and, where it is a refusal, logged."""
        began = self._now()
        name: str | None = None
        try:
            source, token = self._hook(request)
            name = source.name
            reply = _receipt(await self._accept(request, source, token))
            status = reply.status
        except IntakeError as error:
            self._refused(request, name, error)
            reply = refusal(error.status, error.retry_after)
            status = reply.status
        except ConnectionError:
            # Nobody is there to read an answer.
            reply, status = refusal(400), _GONE
        self._metrics.request(name, status, self._now() - began)
        return reply

    def _hook(self, request: Request) -> tuple[Source, str | None]:
        """The source that a path names, and the token behind it; one slash at the end is as none."""
        match request.path.removesuffix("/").split("/"):
            case ["", "hooks", name]:
                return self._intake.source(unquote(name)), None
            case ["", "hooks", name, token] if token:
                source = self._intake.source(unquote(name))
                if source.token is not None:
                    return source, unquote(token)
        raise UnknownSource

    async def _accept(self, request: Request, source: Source, token: str | None) -> Receipt:
        """The checks in their order, the cheap ones first."""
        if request.method != hdrs.METH_POST:
            raise MethodNotAllowed
        if _encoded(request):
            raise EncodedBody
        announced = request.announced
        if announced > source.max_body:
            raise TooLarge
        if source.allow_from and not allowed(self._origin(request), source.allow_from):
            raise BadToken("the sender is not in allow_from")
        if source.token is not None and not same(token or _password(request), source.token.reveal()):
            raise BadToken
        self._budget.expect(announced)
        with self._budget.portion(source.max_body, announced) as portion:
            body = await read(request, portion, self._pace, self._settings.body_timeout)
            asked = request.query
            query = dict(parse_qsl(asked)) if asked else {}
            return await self._intake.accept(source, request.headers, body, query)

    def _origin(self, request: Request) -> Address | None:
        forwarded = request.headers.getall(hdrs.X_FORWARDED_FOR, ())
        return origin(request.peer, forwarded, self._settings.trusted_proxies)

    def _refused(self, request: Request, source: str | None, error: IntakeError) -> None:
        self._log.warning(
            _REFUSALS[error.status],
            source,
            status=error.status,
            reason=str(error),
            sender=self._origin(request),
            **({"path": self._asked(request.path)} if isinstance(error, UnknownSource) else {}),
        )

    def _asked(self, path: str) -> str:
        """The beginning of a path that is no hook's, for its operator; what may be a token is left out."""
        parts = path.split("/", 3)
        names = [unquote(name) for name in parts[:3]]
        if any(self._intake.betrayed(name) for name in names):
            return "/…"
        text = visible("/".join(names)) + ("/…" if any(parts[3:]) else "")
        return text if len(text) <= _LONGEST_PATH else f"{text[:_LONGEST_PATH]}…"

    def _failed(self, status: int, peer: object, error: BaseException | None) -> None:
        """Count and log an answer that did not come from `_answer`: turned away, no HTTP, or a bug."""
        self._metrics.request(None, status, 0.0)
        if status == 500:
            log.error("request_crashed", exc_info=error)
        else:
            sender = origin(peer, (), ())
            reason = "too many connections" if error is None else type(error).__name__
            self._log.warning(_FAILURES[status], None, status=status, reason=reason, sender=sender)


def _receipt(receipt: Receipt) -> Reply:
    return accepted(b'{"id": "%s", "duplicate": %s}' % (receipt.id.encode(), _TRUTH[receipt.duplicate]))


def _encoded(request: Request) -> bool:
    """Whether the bytes on the wire are not the body itself: signatures and limits hold for what is sent."""
    contents = request.headers.getall(hdrs.CONTENT_ENCODING, ())
    transfers = request.headers.getall(hdrs.TRANSFER_ENCODING, ())
    if not contents and not transfers:
        return False
    return any(value.strip().lower() != "identity" for value in contents) or any(
        value.strip().lower() != "chunked" for value in transfers
    )


def _password(request: Request) -> str:
    """The password of HTTP Basic (RFC 7617), or an empty text."""
    scheme, _, credentials = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(credentials.strip(), validate=True).decode().partition(":")[2]
    except ValueError:
        return ""
