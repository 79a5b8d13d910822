"""The examples of docs/load-balancer.md, word for word but for addresses, in front of two real routers."""

import asyncio
import os
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import aiohttp
import pytest

from tests.journal.postgres.server import databases
from tests.process.harness import Daemon, Destination, reserved_port
from tests.process.test_database import config, serving

DOCUMENT = Path(__file__).parents[2] / "docs" / "load-balancer.md"
PLACES = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
NGINX = """
user root; daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/errors;
events {{}}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
{example}
}}
"""


def example(language: str) -> str:
    """The block of the document in that language."""
    (block,) = re.findall(rf"```{language}\n(.*?)```", DOCUMENT.read_text("utf-8"), re.DOTALL)
    return str(block)


def routed(text: str, routers: list[Daemon]) -> str:
    """The example in front of these routers."""
    for port, router in zip(("8080", "8090"), routers, strict=True):
        assert f"127.0.0.1:{port}" in text
        text = text.replace(f"127.0.0.1:{port}", f"127.0.0.1:{router.port}")
        text = text.replace(f"port {int(port) + 1}", f"port {router.admin_at.rpartition(':')[2]}")
    return text


@pytest.fixture(params=["nginx", "haproxy"])
def balancer(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[list[Daemon]], str]]:
    """Starts one in front of two routers; its URL. It is handed its socket: nobody takes the port first."""
    program = shutil.which(request.param, path=PLACES)
    if program is None:
        pytest.skip(f"{request.param} is not installed")
    with ExitStack() as stack:

        def start(routers: list[Daemon]) -> str:
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=1024))
            port, file = listener.getsockname()[1], tmp_path / "balancer"
            text = routed(example(request.param), routers)
            if request.param == "nginx":
                assert "listen 80;" in text
                text = text.replace("listen 80;", f"listen 127.0.0.1:{port};")
                file.write_text(NGINX.format(folder=tmp_path, example=text), "utf-8")
                command = [program, "-p", str(tmp_path), "-c", str(file), "-e", str(tmp_path / "errors")]
            else:
                assert "bind :80\n" in text
                file.write_text(text.replace("bind :80\n", f"bind fd@{listener.fileno()}\n"), "utf-8")
                command = [program, "-db", "-f", str(file)]
            process = stack.enter_context(
                subprocess.Popen(
                    command, pass_fds=[listener.fileno()],
                    env={**os.environ, "NGINX": f"{listener.fileno()};"},
                    stderr=stack.enter_context((tmp_path / "said").open("wb")),
                )
            )  # fmt: skip
            stack.callback(process.terminate)
            return f"http://127.0.0.1:{port}/hooks/web"

        yield start


@pytest.fixture
def database() -> Iterator[str]:
    """The URL of an empty journal."""
    url = databases().create()
    yield url
    databases().drop(url)


def router(daemon: Callable[..., Daemon], url: str, text: str) -> Daemon:
    """A router on that database, whose admin listener is at a port."""
    made = daemon(text)
    made.admin_at = f"127.0.0.1:{reserved_port(made)}"
    return serving(made, url, text)


async def statuses(url: str, counts: range, patience: float = 300.0) -> list[int]:
    """Post an event for each; what each was answered. TimeoutError: not within so many seconds."""
    found = []
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=patience)) as session:
        for count in counts:
            body = b'{"event": "build", "build": {"number": %d, "status": "PENDING"}}' % count
            async with session.post(url, data=body) as answer:
                found.append(answer.status)
    return found


async def test_a_router_that_is_not_ready_costs_no_request(
    daemon: Callable[..., Daemon],
    destination: Destination,
    database: str,
    balancer: Callable[[list[Daemon]], str],
    tmp_path: Path,
) -> None:
    """Its database is away; the other one's is not."""
    text = config(destination)
    well = await router(daemon, database, text).start()
    away = await router(daemon, f"postgresql://vr@/nothing?host={tmp_path}", text).start()
    url = balancer([away, well])
    assert await statuses(f"{away.url}/hooks/web", range(1)) == [503]

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(statuses(url, range(k * 20, k * 20 + 20))) for k in range(4)]

    assert {status for task in tasks for status in task.result()} == {202}
    await destination.until(lambda: len(destination.seen) >= 80)


async def test_a_router_that_stands_still_costs_no_event(
    daemon: Callable[..., Daemon],
    destination: Destination,
    database: str,
    balancer: Callable[[list[Daemon]], str],
) -> None:
    """It answers nobody; the other one does while the least patient provider still waits: ten seconds."""
    text = config(destination)
    still, well = [await router(daemon, database, text).start() for _ in range(2)]
    url = balancer([still, well])
    assert await statuses(url, range(1)) == [202]
    still.signal(signal.SIGSTOP)
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(statuses(url, range(k, k + 1), 10.0)) for k in range(1, 5)]
    finally:
        still.signal(signal.SIGCONT)

    assert [task.result() for task in tasks] == [[202]] * 4


async def test_routers_are_restarted_one_after_the_other_under_load(
    daemon: Callable[..., Daemon],
    destination: Destination,
    database: str,
    balancer: Callable[[list[Daemon]], str],
) -> None:
    """No request fails, and nothing arrives twice."""
    text = config(destination)
    routers = [await router(daemon, database, text).start() for _ in range(2)]
    url, answered, going = balancer(routers), list[int](), True

    async def send(start: int) -> None:
        number = start
        while going:
            answered.extend(await statuses(url, range(number, number + 5)))
            number += 5

    async with asyncio.TaskGroup() as group:
        for start in (0, 1_000_000):
            group.create_task(send(start))
        for one in routers:
            before = len(destination.seen)
            await destination.until(lambda before=before: len(destination.seen) > before + 20)
            assert await one.stop() == 0
            await one.start()
        going = False

    assert set(answered) == {202}
    await destination.until(lambda: len(destination.seen) >= len(answered))
    assert len(destination.ids) == len(set(destination.ids)) == len(answered)
