"""Against nginx, which most receivers stand behind."""

import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator

import pytest
import trustme

from router.errors import Unreachable
from router.sinks.sink import Request, Sink
from router.transport.transport import Lanes
from router.units import Duration

Post = Callable[..., Request]
NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
SETTINGS = """
user root; daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/errors;
events {{}}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  default_type text/plain; keepalive_requests 3; client_max_body_size 1m;
  gzip on; gzip_min_length 1; gzip_types text/plain; gzip_http_version 1.0;
  server {{
    listen 127.0.0.1:{plain}; listen 127.0.0.1:{tls} ssl;
    ssl_certificate {folder}/certificate.pem; ssl_certificate_key {folder}/certificate.pem;
    location /ok {{ add_header X-Request $connection_requests; return 200 "taken"; }}
    location /nothing {{ return 204; }}
    location /moved {{ return 307 http://127.0.0.1:1/; }}
    location /later {{ add_header Retry-After 7 always; return 503 "later"; }}
    location /gone {{ return 444; }}
    location /page {{ root {folder}; }}
    location /proxy {{ proxy_pass http://127.0.0.1:{plain}/page; proxy_method GET; proxy_buffering off; }}
  }}
}}
"""
pytestmark = pytest.mark.skipif(NGINX is None, reason="nginx is not installed")


class Nginx:
    """A server: where it listens, and its authority."""

    def __init__(self, ca: str, plain: int, tls: int) -> None:
        self.ca = ca
        self.plain = f"http://127.0.0.1:{plain}"
        self.tls = f"https://127.0.0.1:{tls}"


@pytest.fixture(scope="module")
def nginx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nginx]:
    """One for all tests; it is handed its sockets, so that nobody else can take the ports before it."""
    assert NGINX is not None
    folder = tmp_path_factory.mktemp("nginx")
    folder.chmod(0o755)
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(
        str(folder / "certificate.pem")
    )
    (folder / "page").write_bytes(b"p" * 100_000)
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    plain, tls = (one.getsockname()[1] for one in sockets)
    (folder / "nginx.conf").write_text(SETTINGS.format(folder=folder, plain=plain, tls=tls))
    with subprocess.Popen(
        [NGINX, "-p", folder, "-c", folder / "nginx.conf", "-e", folder / "errors"],
        env={"NGINX": "".join(f"{one.fileno()};" for one in sockets)},
        pass_fds=[one.fileno() for one in sockets],
    ) as process:
        for one in sockets:
            one.close()
        yield Nginx(str(folder / "ca.pem"), plain, tls)
        process.terminate()


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
async def test_nginx_is_served_over_as_few_connections_as_it_allows(
    secure: bool, nginx: Nginx, post: Post
) -> None:
    """It says when it will close one, after three requests here."""
    url = f"{nginx.tls if secure else nginx.plain}/ok"
    sink = Sink(name="nginx", timeout=Duration(10), ca=nginx.ca)
    async with Lanes() as transports:
        replies = [await transports.lane(sink).send(post(url)) for _ in range(7)]

    assert [(reply.status, reply.body) for reply in replies] == [(200, b"taken")] * 7
    assert replies[0].headers.get("content-encoding") is None
    assert [reply.headers["x-request"] for reply in replies] == ["1", "2", "3", "1", "2", "3", "1"]


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        ("/nothing", 204, b""),
        ("/moved", 307, None),
        ("/later", 503, b"later"),
        ("/missing", 404, None),
        ("/page", 405, None),
        ("/proxy", 200, b"p" * 65_536),
    ],
)
async def test_what_nginx_answers_is_what_came(
    path: str, status: int, body: bytes | None, nginx: Nginx, transports: Lanes, post: Post
) -> None:
    """No redirect is followed, and of a long page the beginning is read."""
    sink = Sink(name="nginx", timeout=Duration(10))

    replies = [await transports.lane(sink).send(post(nginx.plain + path)) for _ in range(2)]

    assert [reply.status for reply in replies] == [status] * 2
    assert body is None or {reply.body for reply in replies} == {body}
    assert replies[0].headers.get("retry-after") == ("7" if status == 503 else None)


@pytest.mark.parametrize("size", [1_000_000, 3_000_000])
async def test_a_body_that_nginx_finds_too_large_is_answered(
    size: int, nginx: Nginx, transports: Lanes, post: Post
) -> None:
    """It answers before the end of it, and closes: the answer counts, if it arrives before the reset."""
    sink = Sink(name="nginx", timeout=Duration(10))

    try:
        answered = str((await transports.lane(sink).send(post(nginx.plain + "/ok", bytes(size)))).status)
    except Unreachable as error:
        answered = error.reason

    assert answered in (["200"] if size < 1 << 20 else ["413", "connection reset by peer", "broken pipe"])


async def test_a_connection_that_nginx_drops_is_a_failure(
    nginx: Nginx, transports: Lanes, post: Post
) -> None:
    """Without an answer nothing is delivered."""
    sink = Sink(name="nginx", timeout=Duration(10))

    with pytest.raises(Unreachable) as error:
        await transports.lane(sink).send(post(nginx.plain + "/gone"))

    assert error.value.reason == "the connection was closed without an answer"
