"""TLS: verified always, by the system's authorities and the sink's own; nothing is sent before it stands."""

import asyncio
import datetime as dt
import ssl
import warnings
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import trustme

from router.errors import Unreachable
from router.sinks.sink import Request, Sink
from router.transport.transport import Lanes
from router.units import Duration, Network
from tests.transport.servers import Names, Peer, Script, Talk

Listening = Callable[[Peer], Awaitable[Peer]]
Post = Callable[..., Request]
YESTERDAY = dt.datetime.now(dt.UTC) - dt.timedelta(days=1)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """An authority that no system knows."""
    return trustme.CA()


@pytest.fixture
def ca(authority: trustme.CA, tmp_path: Path) -> str:
    """Its certificate as a file."""
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


def context(certificate: trustme.LeafCert) -> ssl.SSLContext:
    """A server's settings with that certificate."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(made)
    return made


def sink(ca: str | None = None) -> Sink:
    """A sink with those authorities."""
    return Sink(name="peer", timeout=Duration(5), ca=ca, allow_networks=(Network.parse("127.0.0.0/8"),))


async def failure(transports: Lanes, to: Sink, request: Request) -> Unreachable:
    """Why a request failed."""
    with pytest.raises(Unreachable) as error:
        await transports.lane(to).send(request)
    return error.value


async def test_an_authority_of_the_sink_is_trusted(
    authority: trustme.CA, ca: str, listening: Listening, post: Post
) -> None:
    """By name and by address; the connection is kept."""
    peer = await listening(Peer(tls=context(authority.issue_cert("sink.example", "127.0.0.1"))))

    async with Lanes(Names("127.0.0.1")) as transports:
        for host in ("sink.example", "sink.example", "127.0.0.1", "127.0.0.1"):
            reply = await transports.lane(sink(ca)).send(post(peer.url(host=host, scheme="https")))
            assert reply.body == b"ok"

    assert peer.connections == 2


HINT = "if its authority is yours, name it by ca"


@pytest.mark.parametrize(
    ("host", "until", "trusted", "why"),
    [
        ("sink.example", None, False, f"unable to get local issuer certificate; {HINT}"),
        ("other.example", None, True, "hostname mismatch, certificate is not valid for 'sink.example'"),
        ("sink.example", YESTERDAY, True, "certificate has expired"),
    ],
    ids=["unknown authority", "another host", "expired"],
)
async def test_a_certificate_that_does_not_fit_gets_nothing(
    host: str, until: dt.datetime | None, trusted: bool, why: str, authority: trustme.CA, ca: str, post: Post
) -> None:
    """Not a byte of the request is sent, and it is the sink's fault: it is paused until somebody acts."""
    begin = YESTERDAY - dt.timedelta(days=9) if until else None
    certificate = authority.issue_cert(host, not_before=begin, not_after=until)

    async with Peer(tls=context(certificate)) as peer, Lanes(Names("127.0.0.1")) as transports:
        request = post(peer.url(host="sink.example", scheme="https"))
        error = await failure(transports, sink(ca if trusted else None), request)

    assert error.reason == f"the certificate is not trusted: {why}"
    assert error.tls
    assert peer.requests == []


async def test_an_address_that_is_not_in_the_certificate_is_refused(
    authority: trustme.CA, ca: str, transports: Lanes, listening: Listening, post: Post
) -> None:
    """A literal needs a certificate for the address."""
    peer = await listening(Peer(tls=context(authority.issue_cert("sink.example"))))

    error = await failure(transports, sink(ca), post(peer.url(scheme="https")))

    assert error.reason == (
        "the certificate is not trusted: IP address mismatch, certificate is not valid for '127.0.0.1'"
    )


async def test_a_self_signed_certificate_is_refused(
    authority: trustme.CA, transports: Lanes, listening: Listening, post: Post, tmp_path: Path
) -> None:
    """There is no switch for that; `ca` takes the certificate itself."""
    path = tmp_path / "own.pem"
    authority.private_key_pem.write_to_path(str(path))
    authority.cert_pem.write_to_path(str(path), append=True)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(path)
    peer = await listening(Peer(tls=server))

    error = await failure(transports, sink(), post(peer.url(scheme="https")))

    assert error.reason == f"the certificate is not trusted: self-signed certificate; {HINT}"
    assert error.tls
    assert peer.requests == []


def alerting(server: ssl.SSLContext) -> Script:
    """A script that shakes hands and says why not, as servers do (the event loop's own just hang up)."""

    async def script(talk: Talk) -> None:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        hands = server.wrap_bio(incoming, outgoing, server_side=True)
        refused = False
        while not refused:
            try:
                hands.do_handshake()
            except ssl.SSLWantReadError:
                await talk.say(outgoing.read())
                incoming.write(await talk.take())
            except ssl.SSLError:
                refused = True
        await talk.say(outgoing.read())
        await talk.gone()

    return script


async def test_an_old_version_of_tls_is_refused(
    authority: trustme.CA, ca: str, transports: Lanes, listening: Listening, post: Post
) -> None:
    """1.2 is the least."""
    server = context(authority.issue_cert("127.0.0.1"))
    server.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        server.minimum_version = ssl.TLSVersion.TLSv1
        server.maximum_version = ssl.TLSVersion.TLSv1_1
    peer = await listening(Peer(alerting(server)))

    error = await failure(transports, sink(ca), post(peer.url(scheme="https")))

    assert (error.reason, error.tls) == ("TLS failed: tlsv1 alert protocol version", True)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_server_that_wants_a_certificate_of_ours_is_the_sinks_fault(
    version: ssl.TLSVersion,
    authority: trustme.CA,
    ca: str,
    transports: Lanes,
    listening: Listening,
    post: Post,
) -> None:
    """TLS 1.3 says so only after the handshake."""
    server = context(authority.issue_cert("127.0.0.1"))
    server.maximum_version = version
    server.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(server)
    peer = await listening(Peer(alerting(server)))

    error = await failure(transports, sink(ca), post(peer.url(scheme="https")))

    assert error.reason.startswith("TLS failed: ")
    assert error.tls


async def plain(talk: Talk) -> None:
    """Speak HTTP where TLS is spoken."""
    await talk.say(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
    await talk.gone()


async def leave(talk: Talk) -> None:
    """Hang up on the client's hello."""
    talk.close()


async def reset(talk: Talk) -> None:
    """Hang up with a reset."""
    talk.reset()


@pytest.mark.parametrize(
    ("script", "tls"), [(plain, True), (leave, False), (reset, False)], ids=["plain", "leave", "reset"]
)
async def test_a_broken_handshake_is_told_from_a_wrong_port(
    script: Script, tls: bool, transports: Lanes, listening: Listening, post: Post
) -> None:
    """A restart of the server passes by itself; a port that speaks no TLS does not."""
    peer = await listening(Peer(script))

    error = await failure(transports, sink(), post(peer.url(scheme="https")))

    assert error.tls is tls
    assert error.reason.startswith("TLS failed: ") is tls
    assert peer.connections == 1


async def test_a_handshake_that_hangs_is_cut_off_sooner_than_the_whole_attempt(
    listening: Listening, post: Post
) -> None:
    """A connection has its own limit, so that an answer may take its time."""
    peer = await listening(Peer(Talk.gone))

    async with Lanes(connect=1.0) as transports:
        error = await failure(transports, sink(), post(peer.url(scheme="https")))

    assert (error.reason, error.tls) == ("no connection within 1 s", False)
    await asyncio.wait_for(peer.closed.wait(), 5)


async def test_authorities_that_cannot_be_read_are_named(
    transports: Lanes, listening: Listening, post: Post, tmp_path: Path
) -> None:
    """The path is the operator's to mend."""
    peer = await listening(Peer())
    missing, junk = tmp_path / "missing.pem", tmp_path / "junk.pem"
    junk.write_text("not a certificate")

    errors = [
        await failure(transports, sink(str(path)), post(peer.url(scheme="https"))) for path in (missing, junk)
    ]

    assert errors[0].reason == (f"the authorities in '{missing}' cannot be used: no such file or directory")
    assert errors[1].reason.startswith(f"the authorities in '{junk}' cannot be used: ")
    assert [error.tls for error in errors] == [True, True]
    assert peer.connections == 0


async def test_a_file_of_authorities_that_was_replaced_is_read_again_at_a_reload(
    authority: trustme.CA, transports: Lanes, listening: Listening, post: Post, tmp_path: Path
) -> None:
    """The settings are the same, the authority is not."""
    peer = await listening(Peer(tls=context(authority.issue_cert("127.0.0.1"))))
    path = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(str(path))
    of_it = sink(str(path))
    lane = transports.lane(of_it)
    assert (await failure(transports, of_it, post(peer.url(scheme="https")))).tls

    authority.cert_pem.write_to_path(str(path))
    await transports.retain({of_it.name: of_it})

    assert (await lane.send(post(peer.url(scheme="https")))).status == 200
