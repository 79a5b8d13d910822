"""No secret comes out: twenty canaries through everything that the daemon and its commands say."""

import asyncio
import base64
import json
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from urllib.parse import quote

import pytest
from aiohttp import web

from tests.canaries import canary, canary_in_url, canary_key, found
from tests.hostile.senders import post
from tests.hostile.target import Target
from tests.process.harness import (
    PAYLOADS,
    chromatic_headers,
    free_port,
    happo_headers,
    percy_headers,
)

CANARIES = {
    **{
        name: canary(name)
        for name in ("C1", "C2", "TOKEN", "ADMIN", "API_KEY", "COOKIE", "BEARER", "BYSTANDER")
    },
    **{name: canary(name) for name in ("percy", "rotated", "happo", "plain", "header", "guess")},
    **{name: canary_in_url(name) for name in ("slack", "word", "query", "path", "hushed", "lookup", "alias")},
    **{name: canary_key(name) for name in ("W1", "W2")},
}
CONFIG = """
sources:
  chromatic: {{type: chromatic, secret: ["env:C1", "env:C2"]}}
  percy: {{type: percy, secret: "file:{folder}/percy.secret", dedupe: 0s}}
  happo: {{type: happo, secret: "credential:happo", rate: 30/m}}
  open: {{type: chromatic, unsigned: true, token: "env:TOKEN"}}
sinks:
  slack: {{type: slack, url: "env:SLACK"}}
  hook: {{type: webhook, url: "env:HOOK", secret: ["env:W1", "env:W2"],
    headers: {{X-Api-Key: "env:API_KEY", Cookie: "env:COOKIE"}}}}
  bearer: {{type: webhook, url: "http://127.0.0.1:{port}/bearer", headers: {{Authorization: "env:BEARER"}}}}
  closed: {{type: webhook, url: "env:CLOSED"}}
  tls: {{type: webhook, url: "env:TLS", timeout: 2s}}
  nowhere: {{type: webhook, url: "env:NOWHERE", timeout: 2s}}
  lines: {{type: log}}
  archive: {{type: file, path: archive.jsonl}}
rules:
  - {{name: everything, to: [slack, hook, bearer, closed, tls, nowhere, lines, archive]}}
"""
# Each of these lines is wrong, and holds a secret in plain sight.
BROKEN = """
sources:
  chromatic: {{type: chromatic, secret: "{plain}"}}
  percy: {{type: percy, secret: [ "env:{plain}", "{plain}" ], tokn: "{plain}"}}
  open: {{type: chromatic, unsigned: true, token: "{plain}"}}
sinks:
  slack: {{type: slack, url: "https://hooks.slack.com/services/T0/B0/{slack}"}}
  hook: {{type: webhook, url: "https://user:{word}@example.com/x", headers: {{Authorization: "{header}"}}}}
  query: {{type: webhook, url: "https://example.com/x?token={query}", secret: "{W1}"}}
  odd: {{type: webhook, url: "ht!tp://user:{word}@example.com", secret: {{a: "{plain}"}}}}
rules:
  - {{name: everything, to: [slack, hook, query, odd]}}
"""
# These are no YAML; the reader stops at the secret itself.
TORN = [
    'sources:\n  a: {{type: percy, secret: "{plain}',
    "sources:\n  a:\n    type: percy\n    secret: *{alias}\n",
    "sources:\n  a:\n    type: percy\n    secret: !{alias} x\n",
    "sources:\n  a:\n    type: percy\n    secret: @{alias}\n",
    "sources:\n  a:\n    type: percy\n    secret: %{alias}\n",
    "sources:\n  a:\n    type: percy\n    secret: {alias}: x\n",
    "sources:\n  a:\n    type: percy\n    secret: {alias}\n   x\n",
    "sources:\n  a:\n    type: percy\n    {alias}\n",
    "sources:\n  a:\n    type: percy\n    secret: [{alias}\n",
    "sources:\n  a:\n    type: percy\n    secret: |{alias}\n",
]


# Where a journal is to be moved to: nobody answers, a password in plain sight, no journal at all.
ENDS = ["env:DATABASE", f"postgresql://me:{CANARIES['word']}@127.0.0.1/db", "env:C1", "credential:happo"]


class Echo:
    """A destination that says everything back that it was told, in several ways."""

    def __init__(self) -> None:
        self.port = 0
        self.status = 200
        self.asked = 0

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """All of the request's head as text, and again as JSON."""
        self.asked += 1
        head = [f"{request.method} {request.rel_url}", *(f"{k}: {v}" for k, v in request.headers.items())]
        which = request.headers.get("visual-router-attempt", "1")
        body = json.dumps(head) if which == "2" else "\n".join(reversed(head))
        return web.Response(status=self.status, text=body, headers={"Location": str(request.rel_url)})


@pytest.fixture
async def echo() -> AsyncIterator[Echo]:
    """An echo on loopback."""
    one = Echo()
    runner = web.ServerRunner(web.Server(one.answer))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    one.port = runner.addresses[0][1]
    yield one
    await runner.cleanup()


class Story:
    """One daemon through everything that may happen to it; `outputs` is all that was said."""

    def __init__(self, daemon: Target, folder: Path, echo: Echo) -> None:
        self.daemon = daemon
        self.folder = folder
        self.echo = echo
        self.outputs: dict[str, bytes] = {}
        self.bearer = {"Authorization": f"Bearer {CANARIES['ADMIN']}"}

    async def posts(self) -> None:
        """Accepted, refused in every way, malformed."""
        now = time.time()
        for provider, headers in (
            ("chromatic", lambda body: chromatic_headers(body, CANARIES["C2"], now)),
            ("percy", lambda body: percy_headers(body, CANARIES["percy"])),
            ("happo", lambda body: happo_headers(body, CANARIES["happo"])),
        ):
            for path in sorted((PAYLOADS / provider).glob("*.json"))[:2]:
                body = path.read_bytes()
                (name, value), *_ = headers(body).items()
                await self.say(post(f"/hooks/{provider}", body, f"{name}: {value}"))
                await self.say(post(f"/hooks/{provider}", body, f"{name}: {value}x"))
                await self.say(post(f"/hooks/{provider}", body, f"{name}: a guess"))
                await self.say(post(f"/hooks/{provider}", body, f"Cookie: {CANARIES['guess']}"))
                await self.say(post(f"/hooks/{provider}", body[1:], f"{name}: {value}"))
        token, build = CANARIES["TOKEN"].replace("/", "%2F"), b'{"event": "build", "build": {"number": 1}}'
        basic = base64.b64encode(f"x:{CANARIES['TOKEN']}".encode()).decode()
        right = f"/hooks/open/{token}"
        for request in (
            post(right, build),
            post("/hooks/open", build, f"Authorization: Basic {basic}"),
            post(right + "/", build),
            post(right + "x", build),
            post(right, b"no json"),
            post(right, build, "Content-Encoding: gzip"),
            post(right, build).replace(b"POST", b"GET"),
            post(right, build).replace(b"HTTP/1.1", b"HTTP/9.1"),
            post(right, build).replace(b"Host: x", b"Host: x\r\nHost: y"),
            post(right, build).replace(b"\r\n", b"\n"),
            post(right, build).replace(b"Content-Length: ", b"Content-Length: x" + token.encode()),
            post(right, build).replace(b"Content-Length: 43", b"Content-Length: 99999999999"),
            post(f"/hooks/chromatic/{token}", build),
            post(f"/{token}", build, f"Cookie: {CANARIES['guess']}", f"Authorization: {CANARIES['guess']}"),
            b"POST /hooks/open/" + token.encode() + b"\x00 HTTP/1.1\r\n\r\n",
        ):
            await self.say(request)

    async def say(self, data: bytes) -> None:
        """Send bytes; keep the answer."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.daemon.port)
        writer.write(data)
        try:
            async with asyncio.timeout(60):
                self.outputs[f"answer {len(self.outputs)}"] = await reader.read()
        finally:
            writer.transport.abort()

    async def calls(self) -> str:
        """The admin listener, with and without its token; returns the id of an event."""
        paths = ["status", "events", "deliveries", "sinks", "events/evt_0", "deliveries/dlv_0"]
        for path in ["/metrics", "/healthz", "/readyz", *(f"/api/v1/{path}" for path in paths)]:
            for headers in (self.bearer, {}, {"Authorization": f"Bearer {CANARIES['guess']}"}):
                status, body = await self.daemon.admin(path, headers=headers)
                self.outputs[f"{path} {status} {len(self.outputs)}"] = body
        _, body = await self.daemon.admin("/api/v1/events?limit=100", headers=self.bearer)
        ids = [event["id"] for event in json.loads(body)["events"]]
        for event in ids:
            for query in ("", "?now=1"):
                _, body = await self.daemon.admin(f"/api/v1/events/{event}{query}", headers=self.bearer)
                self.outputs[f"{event}{query}"] = body
        return str(ids[0])

    async def commands(self, event: str) -> None:
        """Every command, for people and for scripts."""
        _, body = await self.daemon.admin("/api/v1/quarantine", headers=self.bearer)
        refused = [each["id"] for each in json.loads(body)["requests"]]
        sample = str(PAYLOADS / "chromatic" / "v2-build-pending.json")
        for words in (
            ["status"],
            ["events"],
            ["show", event],
            ["deliveries"],
            ["dead"],
            ["pause", "lines"],
            ["resume", "lines"],
            ["replay", event],
            ["requeue", "--sink", "bearer"],
            ["discard", "--sink", "closed"],
            ["explain", "--source", "chromatic", sample],
            *(["render", "--sink", sink, sample] for sink in ("slack", "hook", "bearer")),
            ["send", "--source", "percy", "percy/build_finished-no-diffs"],
            ["send", "--source", "open", "chromatic/v2-build-pending"],
            ["send", "--source", "chromatic", "chromatic/v2-build-pending"],
            ["schema"],
            ["backup", str(self.folder / "backup.db")],
            ["verify", str(self.folder / "backup.db")],
            *(["migrate-journal", f"sqlite:{self.folder}/backup.db", end] for end in ENDS),
            ["quarantine"],
            *(["quarantine", "show", each] for each in refused[:3]),
            ["quarantine", "discard", refused[0]],
            ["quarantine", "discard", "--source", "happo", "--yes"],
            ["reverify", "--all"],
            ["quarantine", "discard", "--all", "--yes"],
            ["reload"],
            ["check", str(self.daemon.config)],
        ):
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self.command(*words))
                tasks.create_task(self.command(*words, "--json"))

    async def command(self, *words: str) -> None:
        """Run it; keep what it says, whether it works or not."""
        place = [] if words[0] == "check" else ["--config", str(self.daemon.config)]
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "router", *words, *place),
            cwd=self.folder,
            env=self.daemon.env,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await process.communicate()
        assert b"Traceback" not in said, said
        self.outputs[f"{' '.join(words)} -> {process.returncode}"] = said

    async def reloads(self) -> None:
        """A rotated secret, and files that are refused with secrets in them."""
        (self.folder / "percy.secret").write_text(CANARIES["rotated"], "utf-8")
        await self.command("reload")
        good = self.daemon.config.read_text("utf-8")
        head = good.partition("sources:")[0]
        plain, url = CANARIES["plain"], f"postgresql://me:{CANARIES['word']}@127.0.0.1/db"
        settings = f"server: {{admin_token: '{plain}'}}\njournal: {{url: '{url}'}}\n"
        texts = [before + BROKEN.format(**CANARIES) for before in (head, settings)]
        texts += [head + torn.format(**CANARIES) for torn in TORN]
        (self.folder / "broken").mkdir()
        for number, text in enumerate(texts):
            (self.folder / "broken" / f"{number}.yaml").write_text(text, "utf-8")
            self.daemon.config.write_text(text, "utf-8")
            status, said = await self.daemon.admin("/api/v1/reload", "POST", headers=self.bearer)
            self.outputs[f"reload {number} -> {status}"] = said
            assert json.loads(said)["problems"], text
        files = [str(path) for path in (self.folder / "broken").iterdir()]
        await self.command("check", *files)
        await self.command("check", *files, "--json")
        self.daemon.config.write_text(good, "utf-8")

    def files(self) -> None:
        """What it wrote: both outputs, the archive, the journal, its command line."""
        assert self.daemon.process is not None
        command_line = Path(f"/proc/{self.daemon.process.pid}/cmdline").read_bytes()
        self.outputs["command line"] = command_line
        for path in self.folder.iterdir():
            if path.is_file() and path.name not in ("config.yaml", "percy.secret"):
                self.outputs[path.name] = path.read_bytes()


@pytest.mark.timeout(240)
async def test_no_secret_comes_out_of_anything(target: Callable[..., Target], echo: Echo) -> None:
    """Accept, refuse, deliver, fail, pause, reload, every command: no canary in any output or encoding."""
    here = f"127.0.0.1:{echo.port}"
    env = {name: value for name, value in CANARIES.items() if name.isupper()} | {
        "W1": CANARIES["W1"],
        "W2": CANARIES["W2"],
        "SLACK": f"http://{here}/services/T0/B0/{CANARIES['slack']}",
        "HOOK": f"http://user:{CANARIES['word']}@{here}/hook/{CANARIES['path']}?key={CANARIES['query']}",
        "CLOSED": f"http://user:{CANARIES['word']}@127.0.0.1:{free_port()}/{CANARIES['path']}",
        "TLS": f"https://user:{CANARIES['word']}@{here}/{CANARIES['hushed']}",
        "DATABASE": f"postgresql://me:{CANARIES['word']}@127.0.0.1:{free_port()}/db",
        "NOWHERE": f"https://user:{CANARIES['word']}@nowhere.invalid/{CANARIES['lookup']}",
    }
    daemon = target("", env, 'admin_token: "env:ADMIN"')
    folder = daemon.folder
    daemon.write(CONFIG.format(folder=folder, port=echo.port))
    credentials = folder / "credentials"
    credentials.mkdir(mode=0o700)
    for path, name in ((folder / "percy.secret", "percy"), (credentials / "happo", "happo")):
        path.write_text(CANARIES[name] + "\n", "utf-8")
        path.chmod(0o600)
    daemon.env["CREDENTIALS_DIRECTORY"] = str(credentials)
    story = Story(await daemon.start(), folder, echo)

    for status in (200, 500, 400, 401, 302):
        echo.status = status
        await story.posts()
        event = await story.calls()
        await story.command("resume", "slack")
        await story.command("resume", "hook")
        await story.command("resume", "bearer")
    await story.commands(event)
    await story.reloads()
    story.files()
    assert await daemon.stop() == 0
    # Without a supervisor it tells more of itself.
    daemon.launch()
    await daemon.ready()
    story.files()
    assert await daemon.stop() == 0
    story.outputs["stderr"] = daemon.log.encode()

    assert echo.asked > 20
    assert len(CANARIES) >= 20
    heard = found(CANARIES, story.outputs)
    assert heard == [], "\n".join(heard)


def test_the_search_hears_a_canary_in_every_encoding() -> None:
    """A deaf search would prove nothing."""
    value = canary("x")
    for spoken in (
        value.encode(),
        value.encode().hex().encode(),
        base64.b64encode(b"user:" + value.encode()),
        base64.urlsafe_b64encode(b"me:" + value.encode() + b"!"),
        quote(value, safe="").encode(),
        quote(value, safe="+").encode(),
        value.replace("/", r"\/").encode(),
        value[::-1].encode(),
        base64.b32encode(value.encode() + b"more"),
        quote(quote(value, safe=""), safe="").encode(),
        value.replace("/", "&#47;").replace("+", "&#43;").encode(),
    ):
        assert found({"x": value}, {"place": b"..." + spoken + b"..."}), spoken
    assert found({"x": value}, {"place": b"nothing"}) == []
