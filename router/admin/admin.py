"""Admin: the listener for health, metrics and the API, for operators only.

Owns the door: who is let in (token, no foreign page) and how every answer is dressed. Must not know what the
calls of the API mean: `api.py` does.
"""

import asyncio
import functools
import ipaddress
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import ExitStack, asynccontextmanager
from typing import cast
from urllib.parse import SplitResult, urlsplit

import msgspec
from aiohttp import hdrs, web

from router.admin.answers import Readiness, Refusal
from router.admin.api import Api, Controls, Records, Sinks, answer
from router.admin.guesses import Guesses
from router.admin.quarantine import Refusals
from router.admin.reloads import Reload
from router.admin.room import Room, most
from router.clock import Clock
from router.errors import JournalBroken, JournalUnavailable, Rejected, RouterError, Unknown
from router.metrics import Metrics
from router.secret import Secret, same
from router.server.settings import ServerSettings
from router.server.sockets import held, shown

__all__ = ["Admin", "Controls", "Reload"]

_BODY_LIMIT = 1 << 20
_CLOSE_LIMIT = 2.0
_OPEN_TO_ALL = ("/healthz", "/readyz")
_JSON = "application/json"
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Server": "visual-router",
    "X-Content-Type-Options": "nosniff",
}

_Call = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Admin:
    """What operators and monitoring reach."""

    def __init__(
        self,
        journal: Records,
        dispatcher: Sinks,
        metrics: Metrics,
        controls: Controls,
        clock: Clock,
        *,
        patience: float = 5.0,
    ) -> None:
        """`patience`: seconds until a journal that does not answer counts as not ready."""
        self._journal = journal
        self._patience = patience
        self._metrics = metrics
        self._controls = controls
        self._api = Api(journal, dispatcher, controls, clock)
        self._quarantine = Refusals(journal, controls)
        self._token: Secret | None = None
        self._guesses = Guesses(clock.now)
        self._room = Room(most())

    @asynccontextmanager
    async def listening(
        self, settings: ServerSettings, sockets: Sequence[socket.socket] | None = None
    ) -> AsyncIterator[str]:
        """Answer at `settings.admin`, or on sockets that were handed in; yields the address for people.

        Raises:
            RouterError: a socket that was handed in is open to the network, and no token is set.
        """
        self._token = settings.admin_token
        runner = web.AppRunner(self.application(), access_log=None, shutdown_timeout=_CLOSE_LIMIT)
        await runner.setup()
        with held(settings.admin, sockets or ()) as bound:
            try:
                if self._token is None:
                    _refuse_the_network(bound)
                with ExitStack() as serving:
                    for sock in bound:
                        serving.callback((await self._serve(runner, sock)).close)
                    yield ", ".join(shown(sock) for sock in bound)
            finally:
                await runner.cleanup()

    async def _serve(self, runner: web.AppRunner, sock: socket.socket) -> asyncio.Server:
        admit = functools.partial(self._room.admit, cast(web.Server, runner.server))
        return await asyncio.get_running_loop().create_server(admit, sock=sock)

    def application(self) -> web.Application:
        """The application by itself."""
        app = web.Application(middlewares=[self._refusals, self._guard], client_max_size=_BODY_LIMIT)
        app.on_response_prepare.append(_dress)
        app.add_routes(
            [
                web.get("/healthz", self.healthz),
                web.get("/readyz", self.readyz),
                web.get("/metrics", self.metrics),
                *self._api.routes(),
                *self._quarantine.routes(),
            ]
        )
        return app

    async def healthz(self, _: web.Request) -> web.Response:
        """200: the loop turns."""
        return web.Response(text="ok\n")

    async def readyz(self, _: web.Request) -> web.Response:
        """200: the journal writes and the listeners are up; else 503 with the reasons."""
        reasons = list(self._controls.unready())
        if not reasons:
            try:
                async with asyncio.timeout(self._patience):
                    await self._journal.ping()
            except (JournalUnavailable, JournalBroken) as error:
                reasons.append(str(error))
            except TimeoutError:
                reasons.append(f"the journal did not answer within {self._patience:g} s")
        return answer(Readiness(not reasons, reasons), 503 if reasons else 200)

    async def metrics(self, _: web.Request) -> web.Response:
        """Every metric in Prometheus' text format."""
        return web.Response(
            body=self._metrics.text(), headers={hdrs.CONTENT_TYPE: self._metrics.content_type}
        )

    @web.middleware
    async def _refusals(self, request: web.Request, handler: _Call) -> web.StreamResponse:
        """Every error that has a meaning becomes JSON with its fix; what has none is a bug."""
        try:
            with self._room.asking(request.protocol):
                return await handler(request)
        except (RouterError, web.HTTPException, web.RequestPayloadError) as error:
            return _refused(request, error)

    @web.middleware
    async def _guard(self, request: web.Request, handler: _Call) -> web.StreamResponse:
        """Let in who has the token; never a page of another site in an operator's browser."""
        _refuse_foreign_pages(request)
        if request.path in _OPEN_TO_ALL:
            return await handler(request)
        if self._token is None:
            _refuse_foreign_names(request)
        elif (refused := self._unproved(request, self._token)) is not None:
            return refused
        return await handler(request)

    def _unproved(self, request: web.Request, token: Secret) -> web.Response | None:
        """The answer to a request without the token, or from an address that guessed too often; else None."""
        address, given = request.remote or "", _bearer(request)
        seconds = self._guesses.wait(address)
        if seconds:
            refusal = Refusal("too many wrong tokens came from this address", f"ask again in {seconds} s")
            return _with(answer(refusal, 429), hdrs.RETRY_AFTER, str(seconds))
        if same(given, token.reveal()):
            return None
        # A unix socket has no address, and is for its owner's group alone: nobody there locks others out.
        if given and address:
            self._guesses.wrong(address)
        refusal = Refusal("no token, or a wrong one", "send 'Authorization: Bearer …', server.admin_token")
        return _with(answer(refusal, 401), hdrs.WWW_AUTHENTICATE, "Bearer")


def _refused(
    request: web.Request, error: RouterError | web.HTTPException | web.RequestPayloadError
) -> web.Response:
    """An error as an answer: its status, what is wrong, what to do."""
    match error:
        case Rejected():
            return answer(Refusal(str(error), error.fix), error.status)
        case Unknown():
            return answer(Refusal(str(error)), 404)
        case JournalUnavailable() | JournalBroken():
            # Not that nothing was changed: part of it may be, and of a server that went away nobody can say.
            fix = "look at its disk or its server, then ask again: what is done already is not done twice"
            return _with(answer(Refusal(str(error), fix), 503), hdrs.RETRY_AFTER, "5")
        case web.HTTPMethodNotAllowed():
            allowed = ", ".join(sorted(error.allowed_methods))
            refusal = Refusal(f"'{request.path}' does not take {request.method}", f"use {allowed}")
            return _with(answer(refusal, 405), hdrs.ALLOW, allowed)
        case web.HTTPNotFound():
            return answer(Refusal(f"no such path '{request.path}'", "calls are under /api/v1/"), 404)
        case web.HTTPRequestEntityTooLarge():
            return answer(Refusal("the body is over 1 MiB", "send fewer ids at a time"), 413)
        case web.RequestPayloadError():
            # Else the library reads on, and logs a traceback of what a stranger sent.
            request.content.feed_eof()
            response = answer(Refusal("the body is not encoded as its headers say", "send plain JSON"), 400)
            response.force_close()
            return response
    return answer(Refusal(str(error)), 409)


def _with(response: web.Response, header: str, value: str) -> web.Response:
    response.headers[header] = value
    return response


async def _dress(_: web.Request, response: web.StreamResponse) -> None:
    """Every answer: not cached, not sniffed, not framed; a refusal is JSON, also one of the library's own."""
    if response.status >= 400 and response.content_type != _JSON and isinstance(response, web.Response):
        response.body = body = msgspec.json.encode(_of_the_library(response))
        response.headers.update({hdrs.CONTENT_TYPE: _JSON, hdrs.CONTENT_LENGTH: str(len(body))})
    response.headers.update(_HEADERS)


def _of_the_library(response: web.Response) -> Refusal:
    """A refusal that nothing here wrote: a bug's, whose traceback is in the log, or of odd headers."""
    if response.status >= 500:
        fix = "its log has the traceback: report it"
        return Refusal("the daemon failed to answer, by a mistake of its own", fix)
    return Refusal(f"the request is refused: {(response.text or response.reason).lower()}")


def _bearer(request: web.Request) -> str:
    scheme, _, token = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _refuse_foreign_pages(request: web.Request) -> None:
    """A browser says where a page that posts comes from; no page but our own has business here."""
    if request.method in (hdrs.METH_GET, hdrs.METH_HEAD):
        return
    site = request.headers.get("Sec-Fetch-Site", "none")
    origin = request.headers.get(hdrs.ORIGIN)
    if site not in ("none", "same-origin") or (origin is not None and _host(origin).netloc != request.host):
        raise Rejected(
            "a page of another site may not change anything", "use visual-router, curl or a script", 403
        )


def _refuse_foreign_names(request: web.Request) -> None:
    """DNS rebinding: without a token a page could ask through a name of its own that leads to this host."""
    name = _host(f"//{request.host}").hostname or ""
    if not isinstance(request.get_extra_info("sockname"), tuple) or name == "localhost" or _is_ip(name):
        return
    fix = "ask by address or as localhost, or set server.admin_token"
    raise Rejected(f"without a token nothing is answered under the name '{name}'", fix, 403)


def _refuse_the_network(sockets: Sequence[socket.socket]) -> None:
    for sock in sockets:
        if sock.family != socket.AF_UNIX and not ipaddress.ip_address(sock.getsockname()[0]).is_loopback:
            raise RouterError(
                f"the admin socket listens on '{shown(sock)}' and server.admin_token is not set; "
                "set it, or listen on 127.0.0.1"
            )


def _host(url: str) -> SplitResult:
    """The parts of a URL; what is none has no host."""
    try:
        return urlsplit(url)
    except ValueError:
        return SplitResult("", "", "", "", "")


def _is_ip(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
