"""Sockets handed in by a supervisor, as systemd does."""

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.process.harness import Daemon, post
from tests.waiting import until

pytestmark = pytest.mark.usefixtures("loop")

CONFIG = """
sources:
  web: {type: chromatic, unsigned: true}
sinks:
  log: {type: log}
rules:
  - {name: everything, to: log}
"""
BUILD = b'{"event": "build", "build": {"number": %d, "branch": "main", "status": "PENDING"}}'

ACTIVATOR = shutil.which("systemd-socket-activate")

# A supervisor in one line: the descriptors as 3 and 4, named, for this very process.
ACTIVATE = """
import os, sys
public, admin = int(sys.argv[1]), int(sys.argv[2])
os.dup2(public, 10); os.dup2(admin, 11); os.dup2(10, 3); os.dup2(11, 4)
os.set_inheritable(3, True); os.set_inheritable(4, True)
os.environ.update(LISTEN_FDS="2", LISTEN_PID=str(os.getpid()), LISTEN_FDNAMES="public:admin")
os.execv(sys.executable, [sys.executable, "-m", "router", "run", "--config", sys.argv[3]])
"""


def importing(router: Daemon) -> dict[str, str]:
    """The daemon's own environment, in which it finds the package from any folder."""
    return {**router.env, "PYTHONPATH": os.pathsep.join([router.env["PYTHONPATH"], *sys.path])}


@contextmanager
def held(router: Daemon) -> Iterator[tuple[socket.socket, socket.socket]]:
    """A public and an admin socket that listen, as systemd hands them over."""
    with socket.socket() as public, socket.socket(socket.AF_UNIX) as admin:
        public.bind(("127.0.0.1", 0))
        public.listen(64)
        admin.bind(str(router.folder / "admin.sock"))
        admin.listen(64)
        yield public, admin


def launch(router: Daemon, public: socket.socket, admin: socket.socket) -> None:
    """Start it on these sockets, whatever its configuration says."""
    fds = (public.fileno(), admin.fileno())
    with (router.folder / "stdout").open("ab") as out, (router.folder / "stderr").open("ab") as err:
        router.process = subprocess.Popen(
            [sys.executable, "-c", ACTIVATE, *map(str, fds), str(router.config)],
            pass_fds=fds,
            cwd=router.folder,
            env=importing(router),
            stdout=out,
            stderr=err,
        )


async def test_a_restart_behind_held_sockets_refuses_nobody(daemon: Callable[..., Daemon]) -> None:
    """Whoever connects while nobody listens waits in the backlog, and is answered by the next process."""
    router = daemon(CONFIG)
    with held(router) as (public, admin):
        url = f"http://127.0.0.1:{public.getsockname()[1]}/hooks/web"
        launch(router, public, admin)
        assert (await post(url, BUILD % 1))[0] == 202
        assert await router.stop() == 0
        launch(router, public, admin)
        assert (await post(url, BUILD % 2))[0] == 202
        assert len((await router.ask("events"))["events"]) == 2
        assert await router.stop() == 0


async def test_a_socket_elsewhere_than_the_configuration_says_is_told_once(
    daemon: Callable[..., Daemon],
) -> None:
    """Both addresses stand in one line: commands and people look for it where the configuration says."""
    router = daemon(CONFIG)
    with held(router) as (public, admin):
        url = f"http://127.0.0.1:{public.getsockname()[1]}"
        launch(router, public, admin)
        assert (await post(f"{url}/hooks/web", BUILD % 1))[0] == 202
        assert (await router.ask("reload"))["ok"]
        assert await router.stop() == 0

    (told,) = [line for line in map(json.loads, router.log.splitlines()) if line["level"] == "warning"]
    assert {key: told[key] for key in told if key not in ("time", "level")} == {
        "event": "socket_differs",
        "setting": "server.listen",
        "configured": f"127.0.0.1:{router.port}",
        "handed_over": url,
        "fix": "ListenStream= of the socket unit decides; write the same address in both",
    }


def activated(router: Daemon) -> None:
    """Let systemd's tool listen for the daemon; the first connection starts it."""
    listen = [f"--listen=127.0.0.1:{router.port}", f"--listen={router.folder}/admin.sock"]
    run = [sys.executable, "-m", "router", "run", "--config", str(router.config)]
    with (router.folder / "stdout").open("ab") as out, (router.folder / "stderr").open("ab") as err:
        router.process = subprocess.Popen(
            [str(ACTIVATOR), "--fdname=public:admin", *listen, "-E", "PYTHONPATH", "-E", "PATH", *run],
            cwd=router.folder,
            env=importing(router),
            stdout=out,
            stderr=err,
        )


@pytest.mark.skipif(ACTIVATOR is None, reason="needs systemd-socket-activate (Debian package systemd)")
async def test_systemds_own_activator_hands_both_sockets_over(daemon: Callable[..., Daemon]) -> None:
    """The daemon answers on the sockets it was given."""
    router = daemon(CONFIG)
    activated(router)
    await until((router.folder / "admin.sock").exists)

    assert (await post(f"{router.url}/hooks/web", BUILD % 1))[0] == 202
    assert len((await router.ask("events"))["events"]) == 1
    assert await router.stop() == 0
