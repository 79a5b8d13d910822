"""What goes out: the request as the sink made it, and nothing else."""

import asyncio
import traceback
from base64 import b64encode
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from router import __version__
from router.errors import DeliveryError, ForbiddenAddress, Unreachable
from router.sinks.sink import Request, Sink
from router.transport.transport import Lanes
from router.units import Duration
from tests.transport.servers import Peer, Talk, saying, saying_goodbye

Listening = Callable[[Peer], Awaitable[Peer]]
Post = Callable[..., Request]
SINK = Sink(name="peer", timeout=Duration(5))


async def test_a_request_goes_out_as_the_sink_made_it(
    transports: Lanes, listening: Listening, post: Post
) -> None:
    """Method, headers and body are the sink's; only what HTTP needs and a name for us is added."""
    peer = await listening(Peer())

    reply = await transports.lane(SINK).send(post(peer.url("/hook"), b"{}", webhook_id="dlv_7"))

    assert (reply.status, reply.body) == (200, b"ok")
    assert reply.headers["CONTENT-LENGTH"] == "2"
    (heard,) = peer.requests
    assert heard.line == "POST /hook HTTP/1.1"
    assert heard.body == b"{}"
    assert sorted(heard.headers) == [
        ("Content-Length", "2"),
        ("Content-Type", "application/json"),
        ("Host", f"127.0.0.1:{peer.port}"),
        ("User-Agent", f"visual-router/{__version__}"),
        ("webhook-id", "dlv_7"),
    ]


async def test_a_request_is_written_as_it_always_was(
    transports: Lanes, listening: Listening, post: Post
) -> None:
    """Byte for byte: receivers are used to it."""
    written: list[bytes] = []

    async def note(talk: Talk) -> None:
        written.append(await talk.take())
        await talk.say(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")

    peer = await listening(Peer(note))
    lane = transports.lane(SINK)
    where = f"127.0.0.1:{peer.port}"
    headers = {"user-agent": "visual-router/9", "webhook-id": "dlv_7"}

    await lane.send(Request("POST", f"http://u:p@{where}/a?b=c#d", headers, b"{}"))
    await lane.send(Request("PUT", f"http://{where}", {"X": "\xe9"}, b""))
    await lane.send(Request("GET", f"http://{where}/", {}, b""))

    ours = f"User-Agent: visual-router/{__version__}"
    assert [text.decode() for text in written] == [
        f"POST /a?b=c HTTP/1.1\r\nHost: {where}\r\nuser-agent: visual-router/9\r\nwebhook-id: dlv_7\r\n"
        "Authorization: Basic dTpw\r\nContent-Length: 2\r\n\r\n{}",
        f"PUT / HTTP/1.1\r\nHost: {where}\r\n{ours}\r\nX: \xe9\r\nContent-Length: 0\r\n\r\n",
        f"GET / HTTP/1.1\r\nHost: {where}\r\n{ours}\r\n\r\n",
    ]


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/a%2Fb//c/../d", "/a%2Fb//c/../d"),
        ("/T0/B0/x%zz?q=%7E&r=a+b&s=[1]|{}", "/T0/B0/x%zz?q=%7E&r=a+b&s=[1]|{}"),
        ("/%e2%82%ac;p='x'", "/%e2%82%ac;p='x'"),
        ("?only=query", "/?only=query"),
        ("", "/"),
        ("/page#fragment", "/page"),
    ],
)
async def test_the_url_goes_out_byte_for_byte(
    path: str, target: str, transports: Lanes, listening: Listening, post: Post
) -> None:
    """A signature or a token in it survives; a fragment stays at home."""
    peer = await listening(Peer())

    await transports.lane(SINK).send(post(peer.url(path)))

    assert peer.requests[0].line == f"POST {target} HTTP/1.1"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "GET", "DELETE"])
async def test_every_method_carries_its_body(
    method: str, transports: Lanes, listening: Listening, post: Post
) -> None:
    """The webhook sink may choose its method."""
    peer = await listening(Peer())

    await transports.lane(SINK).send(post(peer.url(), b"x", method=method))
    await transports.lane(SINK).send(post(peer.url(), b"", method=method))

    assert [(one.line.split()[0], one.body) for one in peer.requests] == [(method, b"x"), (method, b"")]


async def test_a_large_body_arrives_whole(transports: Lanes, listening: Listening, post: Post) -> None:
    """Happo's comparisons may be megabytes."""
    peer = await listening(Peer())
    body = bytes(range(256)) * 12_288  # 3 MiB

    await transports.lane(SINK).send(post(peer.url(), body))

    assert peer.requests[0].header("Content-Length") == [str(len(body))]
    assert peer.requests[0].body == body


async def test_user_and_password_in_the_url_become_basic_authorization(
    transports: Lanes, listening: Listening, post: Post
) -> None:
    """They are decoded, and no longer part of the address."""
    peer = await listening(Peer())
    url = peer.url("/x").replace("http://", "http://ci%40corp:p%C3%A4ss%3A1@")

    await transports.lane(SINK).send(post(url))
    await transports.lane(SINK).send(post(url, authorization="Bearer t"))
    await transports.lane(SINK).send(post(peer.url("/y").replace("http://", "http://token@")))

    assert [one.header("Authorization") for one in peer.requests] == [
        [f"Basic {b64encode('ci@corp:päss:1'.encode()).decode()}"],
        ["Bearer t"],
        [f"Basic {b64encode(b'token:').decode()}"],
    ]
    assert {host for one in peer.requests for host in one.header("Host")} == {f"127.0.0.1:{peer.port}"}


async def test_a_cookie_is_never_sent_back(transports: Lanes, listening: Listening, post: Post) -> None:
    """Deliveries have nothing in common but the sink."""
    peer = await listening(
        Peer(saying(b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b; Path=/\r\nContent-Length: 0\r\n\r\n"))
    )

    for _ in range(2):
        await transports.lane(SINK).send(post(peer.url(host="localhost")))

    assert [one.header("Cookie") for one in peer.requests] == [[], []]


async def test_a_proxy_or_a_netrc_in_the_environment_is_ignored(
    listening: Listening, post: Post, canary: Peer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Events go where the configuration says."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, canary.url())
        monkeypatch.setenv(name.lower(), canary.url())
    (tmp_path / "netrc").write_text("default login stranger password guess\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    peer = await listening(Peer())

    async with Lanes() as transports:
        await transports.lane(SINK).send(post(peer.url()))

    assert peer.requests[0].header("Authorization") == []


@pytest.mark.parametrize(
    "headers", [{"x": "a\r\nInjected: 1"}, {"x": "a\nb"}, {"x": "a\0b"}, {"x\r\nInjected": "1"}]
)
async def test_a_header_with_a_line_break_is_not_sent(
    headers: dict[str, str], transports: Lanes, canary: Peer
) -> None:
    """A secret that ends in a newline must not become two headers."""
    request = Request("POST", canary.url(), headers, b"")

    with pytest.raises(ForbiddenAddress) as error:
        await transports.lane(SINK).send(request)

    assert error.value.reason == "a header of the request holds a line break; a secret or a setting has one"


async def test_what_cannot_be_written_is_not_sent(transports: Lanes, canary: Peer) -> None:
    """Half a surrogate pair has no bytes; the message does not show what it stood in."""
    request = Request("POST", canary.url(), {"x": "c4n4ry\ud800"}, b"")

    with pytest.raises(ForbiddenAddress) as error:
        await transports.lane(SINK).send(request)

    assert error.value.reason == (
        "a header or the URL of the request holds half a surrogate pair; write plain text"
    )
    assert error.value.__context__ is None


@pytest.mark.parametrize(
    "url",
    [
        "",
        "hook",
        "ftp://127.0.0.1/",
        "//127.0.0.1/",
        "http:///path",
        "http://:80/",
        "http://127.0.0.1:99999/",
    ],
)
async def test_what_is_no_url_is_refused(url: str, transports: Lanes, post: Post) -> None:
    """The message does not repeat it: it may be a secret pasted into the wrong place."""
    with pytest.raises(ForbiddenAddress) as error:
        await transports.lane(SINK).send(post(url))

    assert error.value.reason in (
        "the URL cannot be read; write http:// or https://, a host and a path",
        "'' is not a host name; use letters, digits, hyphens and dots, and xn--… for other letters",
    )


async def test_no_error_shows_the_url_or_a_secret(
    transports: Lanes, listening: Listening, post: Post
) -> None:
    """A URL is a credential at Slack: not in a message, not in what a traceback prints, not in a repr."""

    async def cut(talk: Talk) -> None:
        await talk.hear()
        talk.reset()

    peer = await listening(Peer(cut))
    junk = await listening(Peer(saying(b"SSH-2.0\r\n\r\n")))
    half = await listening(Peer(saying_goodbye(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n")))
    lane = transports.lane(Sink(name="s", timeout=Duration(0.2)))
    texts = [repr(lane), repr(transports)]
    secret = "c4n4ry"
    for url in (
        peer.url(f"/T0/{secret}?k={secret}").replace("http://", f"http://u:{secret}@"),
        peer.url(f"/{secret}").replace("http:", "https:"),
        junk.url(f"/{secret}"),
        half.url(f"/{secret}"),
        f"http://127.1/{secret}",
        f"http://host:{secret}/",
    ):
        with pytest.raises(DeliveryError) as error:
            await lane.send(post(url, authorization=secret))
        texts += [str(error.value), repr(error.value), *traceback.format_exception(error.value)]
        seen: BaseException | None = error.value
        while seen is not None:
            texts.append(repr(seen))
            seen = seen.__context__

    assert not [text for text in texts if secret in text]


async def test_an_attempt_that_is_cancelled_lets_go_of_its_connection(
    transports: Lanes, listening: Listening, post: Post
) -> None:
    """Shutdown does not wait for a slow sink."""
    peer = await listening(Peer(Talk.gone))
    lane = transports.lane(SINK)

    async with asyncio.TaskGroup() as group:
        task = group.create_task(lane.send(post(peer.url())))
        await asyncio.wait_for(peer.opened.wait(), 5)
        task.cancel()

    assert task.cancelled()
    await asyncio.wait_for(peer.closed.wait(), 5)
    peer.script = saying(b"HTTP/1.1 204 No Content\r\n\r\n")
    assert (await lane.send(post(peer.url()))).status == 204


async def test_a_host_that_listens_not_refuses_the_connection(transports: Lanes, post: Post) -> None:
    """The reason is the system's, in plain words."""
    async with Peer() as peer:
        url = peer.url()

    with pytest.raises(Unreachable) as error:
        await transports.lane(SINK).send(post(url))

    assert (error.value.reason, error.value.tls) == ("connection refused", False)
