"""Where the daemon connects to: never where a name, a redirect or its environment would lead it."""

import asyncio
import json
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from ipaddress import ip_address
from pathlib import Path

import pytest

from tests.address_vectors import NEVER, SPECIAL
from tests.hostile.senders import BODY, ask, post
from tests.hostile.target import Target
from tests.process.harness import Destination

DISGUISES = [
    "0x7f000001",
    "0x7f.0.0.1",
    "0177.0.0.1",
    "2130706433",
    "127.1",
    "127.0.1",
    "0",
    "0.0",
    "0x0",
    "127.0.0.1.",
    "[::1%25lo]",
    "[fe80::1%25eth0]",
    "a..b",
    "evil.example%00.good.example",
    "ⓛocalhost",
    "127。0。0。1",
]
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "FTP_PROXY", "http_proxy", "https_proxy", "all_proxy")
SOURCES = "sources:\n  web: {type: chromatic, unsigned: true}\n"


class Canary:
    """A listener on every address of this host that must never see a connection."""

    def __init__(self) -> None:
        self.port = 0
        self.bytes: list[bytes] = []
        self.connections = 0

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Sing."""
        self.connections += 1
        self.bytes.append(await reader.read(1 << 16))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
        writer.close()


@asynccontextmanager
async def singing() -> AsyncIterator[Canary]:
    """A canary, by IPv4 and, where the host has it, by IPv6."""
    canary = Canary()
    async with AsyncExitStack() as stack:
        server = await asyncio.start_server(canary.answer, "0.0.0.0", 0)
        canary.port = server.sockets[0].getsockname()[1]
        await stack.enter_async_context(server)
        with suppress(OSError):  # a host may have no IPv6
            await stack.enter_async_context(await asyncio.start_server(canary.answer, "::", canary.port))
        yield canary


@pytest.fixture
async def canary() -> AsyncIterator[Canary]:
    """A canary."""
    async with singing() as one:
        yield one


def routed(urls: dict[str, str], more: str = "") -> str:
    """Everything goes to all of these webhooks, which may take their time: what they answer is looked at."""
    sinks = "".join(
        f"  {name}: {{type: webhook, url: '{url}', timeout: 20s{more}}}\n" for name, url in urls.items()
    )
    return f"{SOURCES}sinks:\n{sinks}rules:\n  - {{name: everything, to: [{', '.join(urls)}]}}\n"


async def attempted(daemon: Target, names: list[str]) -> dict[str, str]:
    """Post one event; the reason of the first attempt of each sink."""
    answers = await ask(daemon.port, post("/hooks/web", BODY % 1))
    event = json.loads(answers[0].body)["id"]
    async with asyncio.timeout(60):
        while True:
            _, body = await daemon.admin(f"/api/v1/events/{event}")
            deliveries = json.loads(body)["deliveries"]
            found = {one["sink"]: one["attempts"][0] for one in deliveries if one["attempts"]}
            if set(found) == set(names):
                return {name: one["reason"] for name, one in found.items()}


def in_url(text: str) -> str:
    """An address as the host of a URL."""
    return f"[{text}]" if ":" in text else text


@pytest.mark.parametrize("hidden", [False, True])
async def test_literals_nobody_means_and_disguises_never_get_into_force(
    target: Callable[..., Target], canary: Canary, hidden: bool
) -> None:
    """Each is a problem with its line, in plain sight and behind a reference; the daemon does not start."""
    hosts = [in_url(text) for text in NEVER] + DISGUISES
    urls = {f"s{number}": f"http://{host}:{canary.port}/x" for number, host in enumerate(hosts)}
    shown = {name: f"env:URL_{name}" for name in urls} if hidden else urls
    daemon = target(routed(shown), {f"URL_{name}": url for name, url in urls.items()})

    daemon.launch()

    assert await daemon.wait() == 2
    lines = [
        int(line.removeprefix(f"{daemon.config}:").partition(":")[0]) for line in daemon.log.splitlines()
    ]
    first = daemon.config.read_text("utf-8").splitlines().index("sinks:") + 2
    assert set(lines) == set(range(first, first + len(hosts)))
    assert canary.connections == 0


@pytest.mark.skipif(shutil.which("unshare") is None, reason="needs unshare, for a host table of its own")
async def test_no_name_leads_to_a_special_address(
    target: Callable[..., Target], canary: Canary, tmp_path: Path
) -> None:
    """Every special address under a name of its own: refused by its address, the canary hears nothing."""
    vectors = list(SPECIAL | NEVER)
    names = {f"s{number}": text for number, text in enumerate(vectors)}
    table = tmp_path / "hosts"
    table.write_text("".join(f"{text} {name}.example\n" for name, text in names.items()), "utf-8")
    prefix = _with_hosts(table)
    daemon = target(routed({name: f"http://{name}.example:{canary.port}/x" for name in names}))
    daemon.prefix = prefix
    await daemon.start()

    reasons = await attempted(daemon, list(names))

    titles = SPECIAL | NEVER
    for name, text in names.items():
        expected = f"'{ip_address(text)}' is {titles[text]}; list it in allow_networks"
        # A host without IPv6 does not resolve to it.
        assert reasons[name] == expected or (":" in text and reasons[name].startswith("could not resolve"))
    assert canary.connections == 0
    assert await daemon.stop() == 0


@pytest.mark.skipif(shutil.which("unshare") is None, reason="needs unshare, for a host table of its own")
async def test_a_name_reaches_what_allow_networks_lists(
    target: Callable[..., Target], canary: Canary, tmp_path: Path
) -> None:
    """The control of the test above: the canary does hear what is let through."""
    table = tmp_path / "hosts"
    table.write_text("127.0.0.1 inner.example\n", "utf-8")
    prefix = _with_hosts(table)
    url = f"http://inner.example:{canary.port}/x"
    daemon = target(routed({"inner": url}, ", allow_networks: 127.0.0.0/8"))
    daemon.prefix = prefix
    await daemon.start()

    await attempted(daemon, ["inner"])

    assert canary.connections == 1
    assert await daemon.stop() == 0


def _with_hosts(table: Path) -> list[str]:
    """A command that runs another under this host table; skips where the kernel allows no namespaces."""
    script = f'mount --bind {table} /etc/hosts && exec "$@"'
    prefix = ["unshare", "--map-root-user", "--mount", "sh", "-c", script, "sh"]
    tried = subprocess.run([*prefix, "true"], capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"no mount namespace here: {tried.stderr.strip()}")
    return prefix


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_leads_nowhere(
    status: int, target: Callable[..., Target], canary: Canary, destination: Destination
) -> None:
    """It is a failed attempt; neither body nor signature goes where it points."""
    destination.status = status
    destination.headers = {"Location": f"http://127.0.0.1:{canary.port}/x"}
    daemon = await target(routed({"out": destination.url})).start()

    reasons = await attempted(daemon, ["out"])

    remedy = "set url to where it leads"
    assert reasons == {"out": f"answered {status}, a redirect, and none is followed; {remedy}"}
    assert canary.connections == 0
    assert await daemon.stop() == 0


async def test_proxies_of_the_environment_are_not_asked(
    target: Callable[..., Target], canary: Canary, destination: Destination
) -> None:
    """All variables that name one point to the canary, and a .netrc offers a password: both are ignored."""
    env = dict.fromkeys(PROXIES, f"http://user:word@127.0.0.1:{canary.port}")
    daemon = target(routed({"out": destination.url}), env)
    daemon.env.update({"HOME": str(daemon.folder), "NO_PROXY": "", "no_proxy": ""})
    (daemon.folder / ".netrc").write_text("machine 127.0.0.1 login me password hush\n", "utf-8")
    await daemon.start()

    await attempted(daemon, ["out"])

    assert canary.connections == 0
    assert len(destination.seen) == 1
    assert "authorization" not in destination.seen[0][0]
    assert await daemon.stop() == 0
