"""The commands' way to the daemon: over ports and unix sockets, and what they say when nobody answers."""

import signal
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from router.client import Client, exchange
from router.errors import NoDaemon, Rejected
from router.units import Listen

CONFIG = "config.yaml"


class Daemon:
    """Answers every request alike and remembers the last one."""

    def __init__(self, status: int, body: bytes) -> None:
        self.status = status
        self.body = body
        self.seen: tuple[str, str, dict[str, str], bytes] = ("", "", {}, b"")

    def serve(self, server: type[socketserver.BaseServer], address: object) -> socketserver.BaseServer:
        """Start in a thread."""
        daemon = self

        class Answer(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                length = int(self.headers.get("Content-Length", "0"))
                daemon.seen = (self.command, self.path, dict(self.headers), self.rfile.read(length))
                self.send_response(daemon.status)
                self.send_header("Content-Length", str(len(daemon.body)))
                self.end_headers()
                self.wfile.write(daemon.body)

            do_POST = do_GET  # noqa: N815  # the name that the library calls

            def log_message(self, *_: object) -> None:
                """Silent."""

            def address_string(self) -> str:
                """A unix socket has no address."""
                return ""

        running = server(address, Answer)  # type: ignore[arg-type]  # one constructor for both families
        threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
        return running


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Callable[..., tuple[Daemon, Listen]]]:
    """Starts daemons on a port or a unix socket."""
    started: list[socketserver.BaseServer] = []

    def start(status: int = 200, body: bytes = b"{}", *, unix: bool = False) -> tuple[Daemon, Listen]:
        one = Daemon(status, body)
        if unix:
            path = str(tmp_path / "s")
            started.append(one.serve(socketserver.UnixStreamServer, path))
            return one, Listen(path=path)
        started.append(one.serve(socketserver.TCPServer, ("127.0.0.1", 0)))
        return one, Listen(host="127.0.0.1", port=started[-1].server_address[1])  # type: ignore[attr-defined]  # TCP

    yield start
    for server in started:
        server.shutdown()
        server.server_close()


def refused(error: pytest.ExceptionInfo[Rejected]) -> tuple[str, str, int]:
    """Message, fix and status."""
    return str(error.value), error.value.fix, error.value.status


def test_a_question_carries_its_filters_and_the_token(daemon: Callable[..., tuple[Daemon, Listen]]) -> None:
    """Absent filters are left out; the rest is quoted."""
    one, listen = daemon(body=b'{"a": 1}')
    answer = Client(listen, "t0k", CONFIG).get("/events", {"branch": "a&b", "text": None})

    assert answer == b'{"a": 1}'
    method, path, headers, _ = one.seen
    assert (method, path) == ("GET", "/api/v1/events?branch=a%26b")
    assert headers["Authorization"] == "Bearer t0k"
    assert headers["Host"] == str(listen)


def test_a_change_is_posted_as_json(daemon: Callable[..., tuple[Daemon, Listen]]) -> None:
    """Over a unix socket as over a port; without a token there is no header for it."""
    one, listen = daemon(unix=True)
    Client(listen, None, CONFIG).post("/reload", {"a": "b"})
    method, path, headers, body = one.seen

    assert (method, path, body) == ("POST", "/api/v1/reload", b'{"a":"b"}')
    assert headers["Content-Type"] == "application/json"
    assert headers["Host"] == "localhost"
    assert "Authorization" not in headers


def test_without_filters_there_is_no_question_mark(daemon: Callable[..., tuple[Daemon, Listen]]) -> None:
    """A plain path."""
    one, listen = daemon()
    Client(listen, None, CONFIG).get("/status")

    assert one.seen[1] == "/api/v1/status"


def test_a_refusal_is_told_with_its_fix(daemon: Callable[..., tuple[Daemon, Listen]]) -> None:
    """The daemon's own words."""
    _, listen = daemon(404, b'{"error": "no event \'evt_1\'", "fix": "look again"}')
    with pytest.raises(Rejected) as error:
        Client(listen, None, CONFIG).get("/events/evt_1")

    assert refused(error) == ("no event 'evt_1'", "look again", 404)


def test_an_expected_status_is_an_answer(daemon: Callable[..., tuple[Daemon, Listen]]) -> None:
    """A refused reload has a document of its own."""
    _, listen = daemon(422, b'{"ok": false}')

    assert Client(listen, None, CONFIG).post("/reload", expected=(422,)) == b'{"ok": false}'


def test_a_wrong_token_is_told_by_its_setting(daemon: Callable[..., tuple[Daemon, Listen]]) -> None:
    """An operator sets it in the file, not in a header."""
    _, listen = daemon(401, b'{"error": "no token, or a wrong one", "fix": "send it"}')
    with pytest.raises(Rejected) as error:
        Client(listen, None, CONFIG).get("/status")

    fix = "server.admin_token of config.yaml must be the one that the daemon started with"
    assert refused(error) == ("the daemon wants another token", fix, 401)


def test_another_program_at_the_address_is_recognised(daemon: Callable[..., tuple[Daemon, Listen]]) -> None:
    """It is not blamed for not knowing our calls."""
    _, listen = daemon(404, b"<html>not found</html>")
    with pytest.raises(Rejected) as error:
        Client(listen, None, CONFIG).get("/status")

    message = f"what answers at {listen} is not visual-router: it said 404"
    assert refused(error) == (message, "look at server.admin in config.yaml, and at what listens there", 502)


def test_nobody_at_the_port(tmp_path: Path) -> None:
    """The address, and both ways out."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        listen = Listen(host="127.0.0.1", port=probe.getsockname()[1])
    with pytest.raises(NoDaemon) as error:
        Client(listen, None, CONFIG).get("/status")

    fix = (
        "start it with 'visual-router run', restart it if its server.admin was changed, "
        "or name its configuration with --config; this is config.yaml"
    )
    assert refused(error) == (f"no daemon answers at {listen}: connection refused", fix, 503)


def test_nobody_at_the_unix_socket(tmp_path: Path) -> None:
    """Its path."""
    with pytest.raises(NoDaemon) as error:
        Client(Listen(path=str(tmp_path / "none")), None, CONFIG).get("/status")

    assert str(error.value) == f"no daemon answers at unix:{tmp_path}/none: no such file or directory"


@pytest.fixture
def closed(tmp_path: Path) -> Iterator[Path]:
    """A socket that lets nobody in."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
        server.listen()
        (tmp_path / "s").chmod(0)
        yield tmp_path / "s"


@pytest.mark.usefixtures("closed", "unprivileged")
def test_a_socket_of_another_group(tmp_path: Path) -> None:
    """Who may not connect is told how to be allowed to."""
    with pytest.raises(NoDaemon) as error:
        Client(Listen(path=str(tmp_path / "s")), None, CONFIG).get("/status")

    assert str(error.value) == f"the daemon at unix:{tmp_path}/s may not be asked: permission denied"


def test_a_daemon_that_hangs(tmp_path: Path) -> None:
    """Nobody waits for ever."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
        server.listen()
        listen = Listen(path=str(tmp_path / "s"))
        with pytest.raises(NoDaemon) as error:
            exchange(listen, "GET", "/", {}, b"", CONFIG, 0.01)

    assert str(error.value) == f"the daemon at unix:{tmp_path}/s did not answer within 0.01 s"


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_who_does_not_wait_for_a_change_hears_that_it_goes_on(tmp_path: Path, method: str) -> None:
    """Ctrl-C ends the command, not what the daemon has begun; a question is simply given up."""
    path, main = tmp_path / "admin.sock", threading.get_ident()

    class Interrupted(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.rfile.readline()
            signal.pthread_kill(main, signal.SIGINT)
            self.rfile.read()

    with socketserver.UnixStreamServer(str(path), Interrupted) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        # Whoever runs the tests in the background may have it ignored.
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            with pytest.raises((NoDaemon, KeyboardInterrupt)) as caught:
                exchange(Listen(path=str(path)), method, "/api/v1/backup", {}, b"", CONFIG)
        finally:
            signal.signal(signal.SIGINT, before)
        thread.join()

    if method == "GET":
        assert isinstance(caught.value, KeyboardInterrupt)
        return
    assert isinstance(caught.value, NoDaemon)
    assert str(caught.value) == f"interrupted before the daemon at unix:{path} had answered"
    assert (
        caught.value.fix == "what it was asked to do goes on there: look how it stands before you ask again"
    )


def test_somebody_who_does_not_speak_http(tmp_path: Path) -> None:
    """The address may belong to another program."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        listen = Listen(host="127.0.0.1", port=server.getsockname()[1])

        def greet() -> None:
            with server.accept()[0] as peer:
                peer.recv(65_536)
                peer.sendall(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")

        thread = threading.Thread(target=greet)
        thread.start()
        with pytest.raises(NoDaemon) as error:
            Client(listen, None, CONFIG).get("/status")
        thread.join()

    fix = "look at the addresses in config.yaml, and at what listens there"
    assert refused(error) == (f"what answers at {listen} does not speak HTTP", fix, 503)


def test_a_daemon_on_every_address_is_asked_on_loopback(daemon: Callable[..., tuple[Daemon, Listen]]) -> None:
    """`:8081` is a place to listen, not to connect to."""
    one, listen = daemon()
    for host in (None, "0.0.0.0"):
        Client(Listen(host=host, port=listen.port), None, CONFIG).get("/status")

        assert one.seen[2]["Host"] == str(listen)
