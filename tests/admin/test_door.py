"""Who is let in at the admin listener, and how every answer is dressed."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp
import apsw
import pytest

from router.admin.admin import Admin
from router.admin.guesses import Guesses
from router.clock import Clock
from router.errors import RouterError
from router.secret import Secret
from router.server.settings import ServerSettings
from router.units import Listen
from tests.admin.desk import Desk, Door


@contextmanager
def locked(desk: Desk) -> Iterator[None]:
    """Somebody else writes the journal's file for a while."""
    connection = apsw.Connection(str(desk.folder / "journal.db"))
    connection.execute("BEGIN IMMEDIATE")
    yield
    connection.execute("ROLLBACK")
    connection.close()


REFUSED = {"error": "no token, or a wrong one", "fix": "send 'Authorization: Bearer …', server.admin_token"}
FOREIGN = {
    "error": "a page of another site may not change anything",
    "fix": "use visual-router, curl or a script",
}
PATHS = [
    ("GET", "/metrics"),
    ("GET", "/api/v1/status"),
    ("GET", "/api/v1/events"),
    ("GET", "/api/v1/events/evt_0000000000001"),
    ("POST", "/api/v1/events/evt_0000000000001/replay"),
    ("GET", "/api/v1/deliveries"),
    ("GET", "/api/v1/deliveries/dlv_0000000000001"),
    ("POST", "/api/v1/deliveries/requeue"),
    ("POST", "/api/v1/deliveries/discard"),
    ("GET", "/api/v1/sinks"),
    ("POST", "/api/v1/sinks/log/pause"),
    ("POST", "/api/v1/sinks/log/resume"),
    ("POST", "/api/v1/reload"),
    ("POST", "/api/v1/backup"),
    ("GET", "/api/v1/quarantine"),
    ("POST", "/api/v1/quarantine/reverify"),
    ("POST", "/api/v1/quarantine/discard"),
    ("GET", "/api/v1/quarantine/req_0000000000001"),
    ("GET", "/nothing"),
]


def test_the_list_of_paths_is_complete(desk: Desk) -> None:
    """A new call must not be forgotten below."""
    known = {(route.method, route.resource.canonical) for route in desk.admin.application().router.routes()}
    listed = {
        (
            method,
            path.replace("evt_0000000000001", "{id}")
            .replace("dlv_0000000000001", "{id}")
            .replace("req_0000000000001", "{id}")
            .replace("/log/", "/{name}/"),
        )
        for method, path in PATHS
        if path != "/nothing"
    } | {("GET", "/healthz"), ("GET", "/readyz")}

    assert {each for each in known if each[0] != "HEAD"} == listed


@pytest.mark.parametrize(("method", "path"), PATHS)
async def test_without_the_token_nothing_but_health_is_told(desk: Desk, method: str, path: str) -> None:
    """Neither with no token, nor a wrong one, nor a part of it, nor in another scheme."""
    async with desk.open("t0k-ü") as door:
        for header in (None, "Bearer wrong", "Bearer t0k-", "Bearer", "Basic t0k-ü", "t0k-ü"):
            headers = {} if header is None else {"Authorization": header}

            assert await door.ask(path, headers, method) == (401, REFUSED)


async def test_an_address_that_guesses_waits_a_minute_at_most(desk: Desk) -> None:
    """A thousand wrong tokens: ten are looked at; then not even the right one, until some time has passed."""
    time = [1000.0]
    clock = Clock(lambda: time[0], lambda: time[0])
    admin = Admin(desk.journal, desk.dispatcher, desk.metrics, desk.program, clock)
    settings = ServerSettings(
        admin=Listen(host="127.0.0.1", port=0), admin_token=Secret("env:TOKEN", "t0k-ü")
    )
    other = aiohttp.TCPConnector(local_addr=("127.0.0.2", 0))
    async with (
        admin.listening(settings) as url,
        aiohttp.ClientSession(url) as session,
        aiohttp.ClientSession(url, connector=other) as elsewhere,
    ):
        guesser, operator = Door(session), Door(elsewhere)
        path, right = "/api/v1/status", {"Authorization": "Bearer t0k-ü"}
        assert [(await guesser.ask(path))[0] for _ in range(20)] == [401] * 20  # none is no guess
        seen = [(await guesser.ask(path, {"Authorization": f"Bearer {number}"}))[0] for number in range(1000)]
        late = await guesser.ask(path, right)
        health = (await guesser.ask("/healthz"))[0]
        unaffected = (await operator.ask(path, right))[0]
        after = (await guesser.headers(path))["Retry-After"]
        time[0] += float(after)
        in_time = (await guesser.ask(path, right))[0]

    assert seen == [401] * 10 + [429] * 990
    fix = "ask again in 6 s"
    assert late == (429, {"error": "too many wrong tokens came from this address", "fix": fix})
    assert (health, unaffected, after, in_time) == (200, 200, "6", 200)


async def test_at_a_unix_socket_nobody_locks_the_others_out(desk: Desk, tmp_path: Path) -> None:
    """Its permissions are its guard; whoever asks there has no address to be told by."""
    path = tmp_path / "admin.sock"
    settings = ServerSettings(admin=Listen(path=str(path)), admin_token=Secret("env:TOKEN", "t0k"))
    async with desk.admin.listening(settings):
        connector = aiohttp.UnixConnector(str(path))
        async with aiohttp.ClientSession("http://x", connector=connector) as session:
            door = Door(session)
            for number in range(30):
                assert (await door.ask("/metrics", {"Authorization": f"Bearer {number}"}))[0] == 401
            assert (await door.ask("/metrics", {"Authorization": "Bearer t0k"}))[0] == 200


def test_guessers_beyond_number_do_not_fill_the_memory() -> None:
    """The quietest is forgotten; whoever guesses on is not."""
    guesses = Guesses(lambda: 0.0)
    for number in range(1100):
        if number < 10:
            guesses.wrong("quiet")
        guesses.wrong(f"address {number}")
        guesses.wrong("busy")

    assert (guesses.wait("busy") > 0, guesses.wait("quiet"), guesses.wait("address 0")) == (True, 0, 0)


async def test_with_the_token_everything_is_told(desk: Desk) -> None:
    """The scheme's case does not matter."""
    async with desk.open("t0k-ü") as door:
        for scheme in ("Bearer", "bearer"):
            status, _ = await door.ask("/api/v1/status", {"Authorization": f"{scheme} t0k-ü"})

            assert status == 200


async def test_health_needs_no_token(desk: Desk) -> None:
    """Whoever watches over the process has none."""
    async with desk.open("t0k") as door:
        assert await door.ask("/healthz") == (200, "ok\n")
        assert await door.ask("/readyz") == (200, {"ready": True, "reasons": []})


async def test_not_ready_says_why(desk: Desk, door: Door) -> None:
    """503 with every reason."""
    desk.program.reasons = ["starting"]

    assert await door.ask("/readyz") == (503, {"ready": False, "reasons": ["starting"]})
    assert await door.ask("/healthz") == (200, "ok\n")


async def test_a_journal_that_cannot_write_is_not_ready(desk: Desk, door: Door) -> None:
    """Asked at that very moment, not remembered; a change is refused, and when to come back is said."""
    event_id = await desk.event()
    with locked(desk):
        code, unready = await door.ask("/readyz")
        status, document = await door.refused(f"/events/{event_id}/replay", "POST")
        reason = document["error"]  # type: ignore[index]  # a document

        assert reason.startswith("the journal cannot be written now: database is locked")
        assert (code, unready) == (503, {"ready": False, "reasons": [reason]})
        assert status == 503
        fix = "look at its disk or its server, then ask again: what is done already is not done twice"
        assert document == {"error": reason, "fix": fix}
        headers = await door.headers(f"/api/v1/events/{event_id}/replay", "POST")
        assert headers["Retry-After"] == "5"
    assert (await door.ask("/readyz"))[0] == 200


async def test_a_journal_that_does_not_answer_is_not_ready(desk: Desk) -> None:
    """Whoever asks is not kept waiting."""
    admin = Admin(desk.journal, desk.dispatcher, desk.metrics, desk.program, Clock(), patience=0.01)
    settings = ServerSettings(admin=Listen(host="127.0.0.1", port=0))
    async with admin.listening(settings) as url, aiohttp.ClientSession(url) as session:
        with locked(desk):
            status, document = await Door(session).ask("/readyz")

    assert status == 503
    assert document == {"ready": False, "reasons": ["the journal did not answer within 0.01 s"]}


async def test_metrics_are_prometheus_text(desk: Desk, door: Door) -> None:
    """Everything that is counted."""
    status, text = await door.ask("/metrics")

    assert status == 200
    assert "visual_router_build_info" in str(text)
    assert (await door.headers("/metrics"))["Content-Type"] == desk.metrics.content_type


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://[broken"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
async def test_a_page_of_another_site_changes_nothing(
    desk: Desk, door: Door, headers: dict[str, str]
) -> None:
    """An operator's browser must not be a stranger's hand."""
    assert await door.ask("/api/v1/sinks/log/pause", headers, "POST") == (403, FOREIGN)
    assert {sink.name: sink.state for sink in desk.dispatcher.sinks()}["log"] == "ready"


async def test_our_own_page_may_change_things(desk: Desk) -> None:
    """Same origin, by its address and by what the browser says."""
    settings = ServerSettings(admin=Listen(host="127.0.0.1", port=0))
    async with desk.admin.listening(settings) as url, aiohttp.ClientSession(url) as session:
        own = Door(session)
        for headers in ({"Origin": url}, {"Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}):
            status, _ = await own.ask("/api/v1/sinks/log/resume", headers, "POST")

            assert status == 200


async def test_without_a_token_only_addresses_and_localhost_are_answered(door: Door) -> None:
    """A page may give its own name this host's address; then the browser takes us for its site."""
    document = {
        "error": "without a token nothing is answered under the name 'evil.example'",
        "fix": "ask by address or as localhost, or set server.admin_token",
    }

    assert await door.ask("/api/v1/status", {"Host": "evil.example:8081"}) == (403, document)
    assert await door.ask("/metrics", {"Host": "evil.example"}) == (403, document)
    for name in ("localhost:8081", "127.0.0.1", "[::1]:8081"):
        assert (await door.ask("/api/v1/status", {"Host": name}))[0] == 200
    assert (await door.ask("/api/v1/status", {"Host": "[broken"}))[0] == 403
    assert (await door.ask("/healthz", {"Host": "evil.example"}))[0] == 200


async def test_with_a_token_names_are_answered(desk: Desk) -> None:
    """Prometheus asks by name."""
    async with desk.open("t0k") as door:
        headers = {"Host": "router.internal", "Authorization": "Bearer t0k"}

        assert (await door.ask("/metrics", headers))[0] == 200


async def test_every_answer_is_dressed(desk: Desk) -> None:
    """Not cached, not sniffed, not framed; errors too."""
    async with desk.open("t0k") as door:
        for method, path in [*PATHS, ("GET", "/healthz"), ("PUT", "/healthz")]:
            headers = await door.headers(path, method)

            assert headers["Cache-Control"] == "no-store"
            assert headers["X-Content-Type-Options"] == "nosniff"
            assert headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
            assert headers["Server"] == "visual-router"


async def test_changes_are_posted(door: Door) -> None:
    """A GET changes nothing: a link or a picture could be one."""
    for method, path in PATHS:
        if method == "POST":
            status, _ = await door.ask(path)

            assert status in (400, 405), path
    document = {"error": "'/api/v1/reload' does not take GET", "fix": "use POST"}
    assert await door.ask("/api/v1/reload") == (405, document)
    assert (await door.headers("/api/v1/reload"))["Allow"] == "POST"


def kept(desk: Desk) -> dict[str, list[object]]:
    """All that the journal holds, but for the sign of life that looking at its readiness leaves."""
    connection = apsw.Connection(str(desk.folder / "journal.db"), flags=apsw.SQLITE_OPEN_READONLY)
    tables = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND name <> 'pulse'")
    names = [str(name) for (name,) in tables.fetchall()]
    found = {name: list(connection.execute(f'SELECT * FROM "{name}"').fetchall()) for name in names}
    connection.close()
    return found


async def test_a_question_changes_nothing(desk: Desk, door: Door) -> None:
    """Neither to the journal nor to a sink, whoever is made to ask it."""
    event = await desk.event()
    before, sinks = kept(desk), desk.dispatcher.sinks()
    for method in ("GET", "HEAD"):
        for _, path in [*PATHS, ("GET", "/healthz"), ("GET", "/readyz")]:
            await door.headers(path.replace("evt_0000000000001", event), method)

    assert any(before.values())
    assert (kept(desk), desk.dispatcher.sinks()) == (before, sinks)


async def test_an_unknown_path_is_told_as_json(door: Door) -> None:
    """With where to look."""
    document = {"error": "no such path '/nothing'", "fix": "calls are under /api/v1/"}

    assert await door.ask("/nothing") == (404, document)


async def test_a_body_without_end_is_refused(door: Door) -> None:
    """A list of ids is never a mebibyte."""
    document = {"error": "the body is over 1 MiB", "fix": "send fewer ids at a time"}

    assert await door.refused("/backup", "POST", {"path": "x" * (1 << 20)}) == (413, document)


async def test_a_unix_socket_is_answered_under_any_name(desk: Desk, tmp_path: Path) -> None:
    """No page reaches it; it is open to owner and group, and gone afterwards."""
    path = tmp_path / "admin.sock"
    async with desk.admin.listening(ServerSettings(admin=Listen(path=str(path)))) as address:
        assert address == f"unix:{path}"
        assert path.stat().st_mode & 0o777 == 0o660
        connector = aiohttp.UnixConnector(str(path))
        async with aiohttp.ClientSession("http://x", connector=connector) as session:
            assert (await Door(session).ask("/api/v1/status"))[0] == 200
    assert not path.exists()


async def test_a_unix_socket_of_a_successor_stays(desk: Desk, tmp_path: Path) -> None:
    """Whoever ends later takes only what is its own."""
    path = tmp_path / "admin.sock"
    with socket.socket(socket.AF_UNIX) as successor:
        async with desk.admin.listening(ServerSettings(admin=Listen(path=str(path)))):
            path.unlink()
            successor.bind(str(path))
        assert path.is_socket()


async def test_sockets_that_were_handed_in_are_used(desk: Desk) -> None:
    """By systemd, for example; the address is theirs."""
    sock = socket.create_server(("127.0.0.1", 0))
    async with desk.admin.listening(ServerSettings(), [sock]) as url, aiohttp.ClientSession(url) as session:
        assert url == f"http://127.0.0.1:{sock.getsockname()[1]}"
        assert (await Door(session).ask("/healthz"))[0] == 200


async def test_a_socket_open_to_the_network_wants_a_token(desk: Desk) -> None:
    """The configuration says loopback, whoever made the socket did not."""
    with socket.create_server(("0.0.0.0", 0)) as sock:
        address = f"http://0.0.0.0:{sock.getsockname()[1]}"
        with pytest.raises(RouterError) as error:
            async with desk.admin.listening(ServerSettings(), [sock]):
                pass

        assert str(error.value) == (
            f"the admin socket listens on '{address}' and server.admin_token is not set; "
            "set it, or listen on 127.0.0.1"
        )
        settings = ServerSettings(admin_token=Secret("env:TOKEN", "t0k"))
        async with desk.admin.listening(settings, [sock]) as url:
            assert url == address
