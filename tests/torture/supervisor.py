"""The supervisor: starts and kills the router as systemd would, and holds its sockets meanwhile.

Knows the program by its outside only: command line, environment, configuration, signals, admin API. Nothing
here shares a loop with sender or sinks: they are processes of their own.
"""

import http.client
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

from tests.canaries import betrayed
from tests.hardening import wanted
from tests.torture.rules import HANGING, RULES, SINKS
from tests.torture.workload import PROVIDERS, SECRETS, SINK_SECRET

ROOT = Path(__file__).parents[2]
START_LIMIT = 60.0
_BACKLOG = 4096
# What systemd does between fork and exec: descriptors from 3 on, and whom they are for.
_ACTIVATE = """
import fcntl, os, sys
public, admin = (fcntl.fcntl(int(fd), fcntl.F_DUPFD, 16) for fd in sys.argv[1:3])
os.dup2(public, 3); os.dup2(admin, 4)
os.environ.update(LISTEN_FDS="2", LISTEN_PID=str(os.getpid()), LISTEN_FDNAMES="public:admin")
os.execv(sys.argv[3], sys.argv[3:])
"""


class Ended(Exception):
    """The router ended by itself: no scenario asks for that."""


class Companion:
    """Sender, sinks or proxy: a process that takes orders on its standard input until that ends."""

    def __init__(self, module: str, orders: Mapping[str, object], *, talks: bool = False) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", f"tests.torture.{module}", json.dumps(orders)],
            cwd=ROOT,
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE if talks else None,
            text=True,
        )
        self.port = int(self._process.stdout.readline()) if self._process.stdout else 0

    def order(self, line: str) -> None:
        """Send one line."""
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def said(self, seconds: float) -> bool:
        """Whether it says a line within so many seconds."""
        out = self._process.stdout
        assert out is not None
        return bool(select.select([out], [], [], seconds)[0] and out.readline())

    def end(self) -> None:
        """End its input, and wait until it has written its journal."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        if self._process.stdout:
            self._process.stdout.close()
        if self._process.wait(2 * START_LIMIT) != 0:
            raise Ended(f"a companion ended with {self._process.returncode}")

    def kill(self) -> None:
        """End it at once, if it still runs."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


def environment() -> dict[str, str]:
    """The environment without what would measure coverage in killed children, or compile them every time."""
    unwanted = ("COV", "PYTHONDONTWRITEBYTECODE")
    return {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}


class Router:
    """The program under test in a folder of its own, from start to start.

    `journal`: the URL of one that it shares. `generations`: the numbers of the runs, of all that share it.
    `HARDENED=1` runs it under what the unit forbids: executable memory, and calls that it does not list.
    """

    def __init__(
        self,
        folder: Path,
        sink_port: int,
        package: Path | None = None,
        *,
        journal: str | None = None,
        program: Sequence[str] = ("-m", "router"),
        generations: Iterator[int] | None = None,
    ) -> None:
        self.folder = folder
        self.generation = 0
        self._generations = generations or count(1)
        self._program = program
        self.stray: list[str] = []
        self.starts: list[float] = []
        self._process: subprocess.Popen[bytes] | None = None
        self._config = folder / "config.yaml"
        self._config.write_text(_config(folder, sink_port, journal or f"sqlite:{folder}/journal.db"), "utf-8")
        self._public = socket.create_server(("127.0.0.1", 0), backlog=_BACKLOG)
        self._admin = socket.socket(socket.AF_UNIX)
        self._admin.bind(str(folder / "admin.sock"))
        self._admin.listen(64)
        self._notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notify.bind(str(folder / "notify.sock"))
        self._env = environment() | {"NOTIFY_SOCKET": str(folder / "notify.sock"), "WHSEC": SINK_SECRET}
        self._secrets = {provider.upper(): secret for provider, secret in SECRETS.items()}
        self._env |= self._secrets
        self._secrets["WHSEC"] = SINK_SECRET
        self._prefix = wanted(folder)
        inherited = filter(None, [os.environ.get("PYTHONPATH")])
        self._env["PYTHONPATH"] = os.pathsep.join([str(package or ROOT), str(ROOT), *inherited])

    @property
    def port(self) -> int:
        """Where providers post, whether or not anybody runs."""
        return int(self._public.getsockname()[1])

    @property
    def pid(self) -> int:
        """The process of this run."""
        assert self._process is not None
        return self._process.pid

    def launch(self) -> None:
        """Start without waiting."""
        while select.select([self._notify], [], [], 0)[0]:
            self._notify.recv(4096)
        self.generation = next(self._generations)
        fds = (self._public.fileno(), self._admin.fileno())
        run = [*self._prefix, sys.executable, *self._program, "run", "--config", str(self._config)]
        with (self.folder / "stderr").open("wb") as err:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _ACTIVATE, *map(str, fds), *run],
                pass_fds=fds,
                cwd=self.folder,
                env=self._env | {"GENERATION": str(self.generation)},
                stdout=err,
                stderr=err,
            )

    def start(self) -> None:
        """Start, and return when it says that it is ready."""
        began = time.monotonic()
        self.launch()
        assert self._process is not None
        while time.monotonic() < began + START_LIMIT:
            # Short looks: a router that dies before it is ready says nothing here.
            if select.select([self._notify], [], [], 0.5)[0] and b"READY=1" in self._notify.recv(4096):
                self.starts.append(time.monotonic() - began)
                return
            if self._process.poll() is not None:
                raise self._ended()
        raise Ended(f"the router was not ready within {START_LIMIT:g} s")

    def run_for(self, seconds: float) -> None:
        """Let it run; raises `Ended` if it does not."""
        assert self._process is not None
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return
        raise self._ended()

    def kill(self) -> None:
        """The power switch, as far as the process is concerned."""
        assert self._process is not None
        if self._process.poll() is not None:
            raise self._ended()
        self._process.kill()
        self._process.wait()
        self._read_log()

    def stop(self) -> None:
        """SIGTERM, and an orderly end; raises `Ended` if it is none."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        if self._process.wait(START_LIMIT) != 0:
            raise self._ended()
        self._read_log()

    def close(self) -> None:
        """Leave nothing behind."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        for held in (self._public, self._admin, self._notify):
            held.close()

    def ask(self, path: str, method: str = "GET") -> Any:
        """The admin API's answer."""
        return json.loads(self._admin_answer(f"/api/v1{path}", method))

    def metrics(self) -> dict[str, float]:
        """What this run of the router has counted, by series."""
        lines = self._admin_answer("/metrics").decode().splitlines()
        series = (line.rpartition(" ") for line in lines if line and not line.startswith("#"))
        return {name: float(value) for name, _, value in series}

    def is_ready(self) -> bool:
        """What a load balancer is told."""
        return self._exchange("/readyz", "GET")[0] == 200

    def _admin_answer(self, path: str, method: str = "GET") -> bytes:
        status, body = self._exchange(path, method)
        if status != 200:
            raise Ended(f"the admin API answered {status} to {path}: {body.decode()}")
        return body

    def _exchange(self, path: str, method: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("router", timeout=START_LIMIT)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(START_LIMIT)
        connection.sock.connect(str(self.folder / "admin.sock"))
        try:
            connection.request(method, path)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def _ended(self) -> Ended:
        self._read_log()
        assert self._process is not None
        said = (self.folder / "stderr").read_text("utf-8", "replace")[-2000:]
        return Ended(f"the router ended by itself with {self._process.returncode}: {said}")

    def _read_log(self) -> None:
        """Keep what nothing in a scenario accounts for: lines of this run's log, and secrets in it."""
        said = (self.folder / "stderr").read_bytes()
        self.stray += (f"a secret: {leak}" for leak in betrayed(self._secrets, {"the log": said}))
        for line in said.decode("utf-8", "replace").splitlines():
            # The last line of a killed process may be torn.
            record = _json(line) if line.endswith("}") else {}
            if record is None or "traceback" in line.lower() or record.get("level") == "critical":
                self.stray.append(line[:500])


def _json(line: str) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _config(folder: Path, sink_port: int, journal: str) -> str:
    sources = "".join(
        f"  {provider}: {{type: {provider}, secret: 'env:{provider.upper()}'}}\n" for provider in PROVIDERS
    )
    # A schedule that outlasts every scenario: what dies of it would hide what dies of a fault.
    schedule = ", ".join(["1s"] * 100)
    # Only a sink that hangs is to be given up; a slow machine is not.
    sinks = "".join(
        f"  {name}: {{type: webhook, url: 'http://127.0.0.1:{sink_port}/{name}', secret: 'env:WHSEC', "
        f"headers: {{x-generation: 'env:GENERATION'}}, timeout: {'8s' if name == HANGING else '30s'}, "
        f"retry: {{schedule: [{schedule}]}}}}\n"
        for name in SINKS
    )
    return (
        f"server: {{admin: 'unix:{folder}/admin.sock', grace: 20s}}\n"
        f"journal: {{url: '{journal}'}}\n"
        f"sources:\n{sources}sinks:\n{sinks}{RULES}"
    )
