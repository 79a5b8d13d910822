"""TLS of the running daemon: what is not trusted gets not one byte of a request."""

import asyncio
import datetime as dt
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import trustme

from tests.hostile.target import Target
from tests.hostile.test_outgoing import attempted, routed

YESTERDAY = dt.datetime.now(dt.UTC) - dt.timedelta(days=1)


class Ear:
    """A TLS server that remembers every request it was told after a handshake."""

    def __init__(self) -> None:
        self.port = 0
        self.heard: list[bytes] = []

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Listen, and answer whoever said something."""
        said = await reader.read(1 << 16)
        if said:
            self.heard.append(said)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
        writer.close()


@asynccontextmanager
async def listening(certificate: trustme.LeafCert) -> AsyncIterator[Ear]:
    """A server with that certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    ear = Ear()
    async with await asyncio.start_server(ear.answer, "127.0.0.1", 0, ssl=context) as server:
        ear.port = server.sockets[0].getsockname()[1]
        yield ear


async def test_only_a_trusted_destination_of_the_right_name_is_told_anything(
    target: Callable[..., Target], tmp_path: Path
) -> None:
    """Unknown authority, wrong name, expired: the sink is paused and says why; with its `ca` it is served."""
    authority, stranger = trustme.CA(), trustme.CA()
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    async with (
        listening(authority.issue_cert("localhost")) as good,
        listening(stranger.issue_cert("localhost")) as foreign,
        listening(authority.issue_cert("other.example")) as renamed,
        listening(authority.issue_cert("localhost", not_after=YESTERDAY)) as expired,
    ):
        ears = {"good": good, "foreign": foreign, "renamed": renamed, "expired": expired}
        urls = {name: f"https://localhost:{ear.port}/x" for name, ear in ears.items()}
        daemon = await target(routed(urls, f", ca: {path}")).start()

        reasons = await attempted(daemon, list(urls))

        states = {sink["name"]: sink["state"] for sink in (await daemon.ask("status"))["sinks"]}
        assert states == {"good": "ready", "foreign": "paused", "renamed": "paused", "expired": "paused"}
        assert all(
            reasons[name].startswith("the certificate is not trusted") for name in urls if name != "good"
        )
        assert len(good.heard) == 1
        assert foreign.heard + renamed.heard + expired.heard == []
        assert await daemon.stop() == 0
