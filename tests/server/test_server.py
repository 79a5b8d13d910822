"""The HTTP contract, on a real socket: every row, their order, and that nothing leaks."""

import asyncio
import base64
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from structlog.testing import capture_logs

from router.errors import JournalUnavailable
from router.secret import Secret
from router.server.settings import ServerSettings
from router.units import Listen, Network, Rate
from tests.server.edge import BODY, GUARDED, OPEN, SIGNED, error_of, post, serving

LOOPBACK = Listen(host="127.0.0.1", port=0)
ELSEWHERE = type(OPEN)(name="elsewhere", unsigned=True, allow_from=(Network.parse("192.0.2.0/24"),))
TOKEN = "t0ken-%C3%BC"


def basic(password: str, user: str = "any") -> dict[str, str]:
    """An HTTP Basic header."""
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


async def test_an_event_is_acknowledged_with_its_id() -> None:
    """202, the id, and whether it was there already; any query string and Content-Type will do."""
    async with serving(OPEN) as stage:
        first = await stage.ask(
            post("/hooks/open?team=web&branch=main", headers={"Content-Type": "text/html"})
        )
        second = await stage.ask(post("/hooks/open"))

        (event,) = stage.inbox.events
        assert error_of(first) == (202, b'{"id": "%s", "duplicate": false}' % event.id.encode())
        assert error_of(second) == (202, b'{"id": "%s", "duplicate": true}' % event.id.encode())
        assert event.payload == BODY
        assert event.labels == {"team": "web", "branch": "main"}
        assert stage.counted("open", 202) == 2


async def test_an_ordinary_client_gets_on_with_it() -> None:
    """Here that of aiohttp: chunked and not, over one connection."""
    async with serving(SIGNED) as stage, aiohttp.ClientSession() as session:
        for body in (BODY, b'{"a":"%s"}' % (b"x" * 300_000)):

            async def pieces(whole: bytes = body) -> Any:
                for start in range(0, len(whole), 10_000):
                    yield whole[start : start + 10_000]

            for sent in (body, pieces()):
                url = stage.url("/hooks/signed")
                async with session.post(url, data=sent, headers=SIGNED.sign(body, 0)) as reply:
                    assert reply.status == 202

        assert [event.payload for event in stage.inbox.events] == [BODY, b'{"a":"%s"}' % (b"x" * 300_000)]


@pytest.mark.parametrize(
    "path",
    ["/", "/hooks", "/hooks/", "/hooks//", "/hooks/none", "/hooks/none/", "/hooks/open//", "/hooks/open/x",
     "/hooks/open/x/", "/hooks/guarded//", "/hooks/guarded/a/b", "/hooks/guarded/a//", "/hook/open",
     "/HOOKS/open", "/hooks//open", "//hooks/open", "/hooks/open%2F", "/hooks/%FF", "/metrics", "/healthz",
     "/hooks/../hooks/open"],
)  # fmt: skip
@pytest.mark.parametrize("method", ["POST", "GET", "OPTIONS", "TRACE"])
async def test_what_is_no_hook_is_not_found(path: str, method: str) -> None:
    """One answer for every unknown path, source and token, whatever the method."""
    async with serving(OPEN, GUARDED) as stage:
        reply = await stage.ask(post(path).replace(b"POST", method.encode(), 1))

        assert error_of(reply) == (404, b'{"error": "not found"}')
        assert stage.counted("", 404) == 1


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/hooks/happoo", "/hooks/happoo"),
        ("/hooks/happoo?team=web", "/hooks/happoo"),
        ("/webhooks/happo/t0ken-%C3%BC", "/webhooks/happo/…"),
        ("/hooks/happoo/wr0ng/", "/hooks/happoo/…"),
        ("/hooks/open/", "/hooks/open"),
        ("/", "/"),
        ("/favicon.ico", "/favicon.ico"),
        ("/hooks/a%0Ab%1B", "/hooks/a\\nb\\x1b"),
        (f"/hooks/{'x' * 300}", f"/hooks/{'x' * 73}…"),
        ("/hooks/t0ken-%C3%BC", "/…"),
        ("/hooks/happo:t0ken-%C3%BC", "/…"),
        ("/t0ken-%C3%BC", "/…"),
        ("/hooks/t0ken", "/…"),
    ],
)
async def test_the_log_says_which_hook_was_asked_for(path: str, told: str) -> None:
    """A slip in the address that was pasted into a provider's form shows; what is or was a token does not."""
    async with serving(GUARDED) as stage:
        with capture_logs() as logs:
            await stage.ask(post(path))

        assert [(line["event"], line["path"]) for line in logs] == [("hook_unknown", told)]


async def test_a_slash_at_the_end_of_a_hook_is_as_none() -> None:
    """An address is pasted by people; metrics and log tell its hook by the same name."""
    async with serving(OPEN, SIGNED) as stage:
        with capture_logs() as logs:
            first = await stage.ask(post("/hooks/open/?team=web"))
            second = await stage.ask(post("/hooks/open"))
            for path in ("/hooks/signed", "/hooks/signed/"):
                assert (await stage.ask(post(path))).status == 401

        assert (first.status, second.status) == (202, 202)
        assert b'"duplicate": true' in second.body
        assert stage.inbox.events[0].labels == {"team": "web"}
        assert (stage.counted("open", 202), stage.counted("signed", 401)) == (2, 2)
        refused = [line for line in logs if line["event"] == "sender_refused"]
        assert len(refused) == 2
        assert refused[0] == refused[1]


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH"])
async def test_a_hook_takes_only_posts(method: str) -> None:
    """405 says which method would do."""
    async with serving(OPEN) as stage:
        reply = await stage.ask(post("/hooks/open").replace(b"POST", method.encode(), 1))

        assert error_of(reply) == (405, b'{"error": "method not allowed"}')
        assert reply.headers["Allow"] == "POST"


@pytest.mark.parametrize(
    "headers",
    [{"Content-Encoding": "gzip"}, {"Content-Encoding": "br"}, {"Content-Encoding": "identity, gzip"},
     {"Content-Encoding": ""}],
)  # fmt: skip
async def test_an_encoded_body_is_refused(headers: dict[str, str]) -> None:
    """Nothing is ever unpacked: no bomb, and signatures are over what was sent."""
    async with serving(OPEN) as stage:
        assert error_of(await stage.ask(post("/hooks/open", headers=headers))) == (
            415,
            b'{"error": "content encodings are not accepted"}',
        )


async def test_an_encoded_transfer_is_refused_too() -> None:
    """The other header that can say gzip."""
    async with serving(OPEN) as stage:
        headers = {"Transfer-Encoding": "gzip, chunked"}
        reply = await stage.ask(post("/hooks/open", b"2\r\n{}\r\n0\r\n\r\n", headers))

        assert reply.status == 415


async def test_identity_is_no_encoding() -> None:
    """A header that says nothing changes nothing."""
    async with serving(OPEN) as stage:
        reply = await stage.ask(post("/hooks/open", headers={"Content-Encoding": "Identity"}))

        assert reply.status == 202


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        (f"/hooks/guarded/{TOKEN}", {}, 202),
        (f"/hooks/guarded/{TOKEN}?a=b", {}, 202),
        (f"/hooks/guarded/{TOKEN}/", {}, 202),
        (f"/hooks/guarded/{TOKEN}/?a=b", {}, 202),
        ("/hooks/guarded/", basic("t0ken-ü"), 202),
        ("/hooks/guarded", basic("t0ken-ü"), 202),
        ("/hooks/guarded", basic("t0ken-ü", user=""), 202),
        ("/hooks/guarded", {}, 401),
        ("/hooks/guarded/", {}, 401),
        ("/hooks/guarded/t0ken", {}, 401),
        ("/hooks/guarded/t0ken/", {}, 401),
        ("/hooks/guarded/%FF", {}, 401),
        ("/hooks/guarded/wrong", basic("t0ken-ü"), 401),
        ("/hooks/guarded", basic(""), 401),
        ("/hooks/guarded", basic("t0ken-üx"), 401),
        ("/hooks/guarded", {"Authorization": "Bearer t0ken-ü"}, 401),
        ("/hooks/guarded", {"Authorization": "Basic t0ken"}, 401),
        ("/hooks/guarded", {"Authorization": "Basic /////w=="}, 401),
        ("/hooks/guarded", {"Authorization": "Basic"}, 401),
        ("/hooks/guarded", {"Authorization": "Basic \udcff"}, 401),
    ],
)  # fmt: skip
async def test_a_token_opens_its_hook(path: str, headers: dict[str, str], status: int) -> None:
    """In the path, or as HTTP Basic password; anything else is garbage, and never more than a 401."""
    async with serving(GUARDED) as stage:
        data = post(path).replace(b"Host: x", b"Host: x" + b"".join(
            b"\r\n%b: %b" % (name.encode(), value.encode("utf-8", "surrogateescape"))
            for name, value in headers.items()))  # fmt: skip
        reply = await stage.ask(data)

        assert reply.status == status
        if status == 401:
            assert error_of(reply) == (401, b'{"error": "unauthorized"}')
            assert reply.headers["WWW-Authenticate"] == 'Basic realm="visual-router"'
            assert stage.inbox.calls == []


async def test_a_token_shows_in_no_log_and_no_metric() -> None:
    """Neither the right one nor a wrong one."""
    async with serving(GUARDED) as stage:
        with capture_logs() as logs:
            for token in (TOKEN, "wr0ng"):
                await stage.ask(post(f"/hooks/guarded/{token}?key=wr0ng"))

        assert len(logs) == 2
        for text in (str(logs), stage.metrics.text().decode()):
            assert "t0ken" not in text
            assert "wr0ng" not in text


async def test_a_thousand_wrong_signatures_get_one_answer() -> None:
    """Nothing in it tells a guess from a better one; all are counted, few are logged."""
    good = SIGNED.sign(BODY, 0)["X-Happo-Signature"]
    guesses = [good[:-1] + "x", good[:20], "", "sha256=", good.upper(), "v1,\udce9", good + good, good[7:]]
    answers = set()
    async with serving(SIGNED) as stage:
        with capture_logs() as logs:
            async with stage.wire() as wire:
                for number in range(1000):
                    value = guesses[number % len(guesses)].encode("utf-8", "surrogateescape")
                    await wire.send(
                        post("/hooks/signed").replace(b"Host: x", b"Host: x\r\nX-Happo-Signature: " + value)
                    )
                    reply = await wire.reply()
                    headers = {name: value for name, value in reply.headers.items() if name != "Date"}
                    answers.add((reply.status, reply.body, str(headers)))

        assert len(answers) == 1
        assert {status for status, _, _ in answers} == {401}
        assert stage.counted("signed", 401) == 1000
        assert len(logs) == 10
        assert {line["event"] for line in logs} == {"sender_refused"}
        assert stage.inbox.calls == []


async def test_a_sender_from_elsewhere_is_refused() -> None:
    """`allow_from` holds for the socket's address; a header of a stranger changes nothing."""
    async with serving(ELSEWHERE) as stage:
        for headers in ({}, {"X-Forwarded-For": "192.0.2.7"}):
            assert error_of(await stage.ask(post("/hooks/elsewhere", headers=headers))) == (
                401,
                b'{"error": "unauthorized"}',
            )


async def test_a_trusted_proxy_says_whom_it_speaks_for() -> None:
    """Then `allow_from` holds for the address behind it."""
    settings = ServerSettings(listen=LOOPBACK, trusted_proxies=(Network.parse("127.0.0.0/8"),))
    async with serving(ELSEWHERE, settings=settings) as stage:
        for address, status in (("192.0.2.7", 202), ("192.0.2.7, 198.51.100.1", 401), ("x", 401)):
            reply = await stage.ask(post("/hooks/elsewhere", headers={"X-Forwarded-For": address}))
            assert reply.status == status


async def test_whoever_speaks_through_a_unix_socket_is_a_trusted_proxy(tmp_path: Path) -> None:
    """Only a process that the operator let in can connect there."""
    path = str(tmp_path / "public.sock")
    async with serving(ELSEWHERE, settings=ServerSettings(listen=Listen(path=path))) as stage:
        assert stage.address == f"unix:{path}"
        for header, status in (("192.0.2.7", 202), ("198.51.100.1", 401), ("", 401)):
            reader, writer = await asyncio.open_unix_connection(path)
            writer.write(post("/hooks/elsewhere", headers={"X-Forwarded-For": header}))
            assert int((await reader.readline()).split()[1]) == status
            writer.close()


async def test_a_source_over_its_rate_must_wait() -> None:
    """429 with the seconds until the next may come."""
    limited = type(OPEN)(name="limited", unsigned=True, rate=Rate(1, 60.0))
    async with serving(limited) as stage:
        assert (await stage.ask(post("/hooks/limited"))).status == 202

        reply = await stage.ask(post("/hooks/limited"))

        assert error_of(reply) == (429, b'{"error": "too many requests"}')
        assert reply.headers["Retry-After"] == "60"


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"nope", b"\xff", b'{"a":NaN}', b'{"a":' * 65 + b"1" + b"}" * 65]
)
async def test_what_is_no_json_object_is_refused(body: bytes) -> None:
    """400 with a fixed body: nothing of the sender's bytes comes back."""
    async with serving(OPEN) as stage:
        assert error_of(await stage.ask(post("/hooks/open", body))) == (400, b'{"error": "bad request"}')


async def test_without_a_commit_there_is_no_202() -> None:
    """503 with `Retry-After` as long as the journal cannot write, 202 as soon as it can."""
    async with serving(OPEN) as stage:
        stage.inbox.failure = JournalUnavailable("disk full")
        refused = await stage.ask(post("/hooks/open"))
        stage.inbox.failure = None
        accepted = await stage.ask(post("/hooks/open"))

        assert error_of(refused) == (503, b'{"error": "try again later"}')
        assert refused.headers["Retry-After"] == "5"
        assert accepted.status == 202


async def test_a_bug_is_a_fixed_500_and_one_log_line() -> None:
    """Nothing of it reaches the sender; its traceback reaches the operator."""
    async with serving(OPEN) as stage:
        stage.inbox.failure = ZeroDivisionError("s3cret")
        with capture_logs() as logs:
            reply = await stage.ask(post("/hooks/open"))

        assert error_of(reply) == (500, b'{"error": "internal error"}')
        assert [line["event"] for line in logs] == ["request_crashed"]
        assert isinstance(logs[0]["exc_info"], ZeroDivisionError)
        assert stage.counted("", 500) == 1


@pytest.fixture
def steps() -> list[tuple[int, dict[str, Any]]]:
    """A request that is wrong in every way, and one repair after another with the answer it then gets."""
    return [
        (404, {"path": "/hooks/none/wrong", "method": "GET", "encoding": "gzip", "length": 10**7}),
        (405, {"path": "/hooks/strict/wrong"}),
        (415, {"method": "POST"}),
        (413, {"encoding": "identity"}),
        (401, {"length": None}),
        (401, {"path": "/hooks/strict/right"}),
        (400, {"sign": True}),
        (202, {"body": BODY}),
        (429, {}),
    ]  # fmt: skip


async def test_the_checks_come_in_their_order(steps: list[tuple[int, dict[str, Any]]]) -> None:
    """Each answer is the first that applies: the cheap checks protect the dear ones."""
    strict = type(SIGNED)(
        name="strict", secret=SIGNED.secret, token=Secret("env:TOKEN", "right"), rate=Rate(2, 3600.0)
    )
    async with serving(strict) as stage:
        request: dict[str, Any] = {"sign": False, "body": b"[]"}
        for status, repair in steps:
            request |= repair
            body = request["body"]
            headers = strict.sign(body, 0) if request["sign"] else {}
            headers["Content-Encoding"] = request["encoding"]
            headers["Content-Length"] = str(request["length"] or len(body))
            data = post(request["path"], body, headers).replace(b"POST", request["method"].encode(), 1)
            assert (await stage.ask(data)).status == status, request
