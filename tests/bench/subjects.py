"""Subjects: the programs that are compared, each a process that knows nothing of the benchmark."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.bench.bodies import SECRET, TOKEN

_ROOT = Path(__file__).parents[2]
_START_LIMIT = 60.0
_STOP_LIMIT = 20.0
_LOOK = 0.002
SUBJECTS = ("bare", "naive", "router")


@dataclass(frozen=True)
class Mix:
    """What is measured: how many connections post, how many sinks take it, how many rules judge it.

    `hanging` of the sinks never answer. `keep` is the router's `journal.keep`, `journal` its `journal.url`
    if it is not a file of its own.
    """

    connections: int = 32
    sinks: int = 1
    hanging: int = 0
    rules: int = 1
    keep: str = "30d"
    journal: str | None = None


class Subject:
    """A program that runs, and what it costs."""

    def __init__(self, process: psutil.Popen, port: int, ready: float) -> None:
        self.port = port
        self.ready = ready
        self._process = process

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    def cpu(self) -> float:
        """Seconds of CPU that the tree of processes has used."""
        total = 0.0
        for one in self._tree():
            with suppress(psutil.NoSuchProcess):
                times = one.cpu_times()
                total += times.user + times.system + times.children_user + times.children_system
        return total

    def resident(self) -> float:
        """MB that the tree holds in memory now."""
        return float(sum(one.memory_info().rss for one in self._tree())) / 2**20

    def peak(self) -> float:
        """MB that the tree held at most, each process by itself."""
        return sum(self._high_water(one.pid) for one in self._tree()) / 2**10

    def written(self) -> int:
        """Bytes that it made the kernel write to disks."""
        return int(self._process.io_counters().write_bytes)

    def _tree(self) -> list[psutil.Process]:
        return [self._process, *self._process.children(recursive=True)]

    @staticmethod
    def _high_water(pid: int) -> int:
        for line in Path(f"/proc/{pid}/status").read_text("ascii", "replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1])
        return 0


def configuration(folder: Path, port: int, sink: str, mix: Mix) -> str:
    """The router's configuration for a mix; every matching event goes to every sink."""
    names = [f"out-{number}" for number in range(mix.sinks)]
    lines = [
        f"server: {{listen: '127.0.0.1:{port}', admin: '127.0.0.1:{free_port()}', grace: 100ms}}",
        f"journal: {{url: '{mix.journal or f'sqlite:{folder}/journal.db'}', keep: {mix.keep}}}",
        "sources:",
        "  chromatic: {type: chromatic, unsigned: true, token: 'env:BENCH_TOKEN'}",
        "  percy: {type: percy, secret: 'env:BENCH_SECRET'}",
        "  happo: {type: happo, secret: 'env:BENCH_SECRET'}",
        "sinks:",
    ]
    for number, name in enumerate(names):
        hang = "/hang" if number >= mix.sinks - mix.hanging else ""
        lines.append(f"  {name}: {{type: webhook, url: '{sink}/{number}{hang}', concurrency: 64}}")
    lines.append("rules:")
    lines += [f"  - {rule}" for rule in rules(mix.rules - 1, names[0])]
    match = "[{provider: [chromatic, percy], branch: main}, {provider: happo, provider_status: failure}]"
    lines.append(f"  - {{name: what is to arrive, when: {match}, to: [{', '.join(names)}]}}")
    return "\n".join(lines) + "\n"


def rules(count: int, sink: str) -> Iterator[str]:
    """Rules of many kinds, in the flow style of YAML, of which none matches what the benchmark sends."""
    kinds = (
        "when: {{provider: chromatic, status: pending, branch: team-{0}/main}}",
        "when: {{branch: 'release-{0}/**', status: [denied, broken]}}",
        "when: {{branch: ['feature-{0}/*', '!feature-{0}/tmp*']}}",
        "when: {{status: [pending, denied], project: 'project-{0}'}}, unless: {{author: 'bot-{0}*'}}",
        "when: {{provider: chromatic, project: shop-{0}, payload.build.changeCount: 50..}}",
    )
    for number in range(count):
        yield f"{{name: rule {number}, {kinds[number % len(kinds)].format(number)}, to: {sink}}}"


def command(name: str, folder: Path, port: int, sink: str, mix: Mix) -> list[str]:
    """How a subject is started; writes what it needs."""
    if name == "router":
        path = folder / "config.yaml"
        path.write_text(configuration(folder, port, sink, mix), "utf-8")
        return ["-m", "router", "run", "--config", str(path)]
    return ["-m", f"tests.bench.{name}", str(port), *([f"{sink}/0"] if name == "naive" else [])]


@contextmanager
def running(
    name: str, folder: Path, sink: str, mix: Mix, env: Mapping[str, str] | None = None
) -> Iterator[Subject]:
    """Start a subject, wait until it listens, end it; what it says goes to `folder`/log."""
    port = free_port()
    words = [sys.executable, *command(name, folder, port, sink, mix)]
    began = time.monotonic()
    with (folder / "log").open("ab") as log:
        process = psutil.Popen(
            words,
            cwd=_ROOT,
            env={**_own(), "BENCH_SECRET": SECRET, "BENCH_TOKEN": TOKEN, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        _await_listener(process, port, folder)
        yield Subject(process, port, time.monotonic() - began)
    finally:
        _end(process)


def _own() -> dict[str, str]:
    """The environment of the benchmark without what would have a subject's lines counted."""
    return {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _await_listener(process: psutil.Popen, port: int, folder: Path) -> None:
    limit = time.monotonic() + _START_LIMIT
    while True:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1.0):
            return
        if process.poll() is not None or time.monotonic() > limit:
            raise RuntimeError(
                f"it did not start; its log ends: {(folder / 'log').read_text('utf-8')[-2000:]}"
            )
        time.sleep(_LOOK)


def _end(process: psutil.Popen) -> None:
    with suppress(psutil.NoSuchProcess):
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(_STOP_LIMIT)
    except psutil.TimeoutExpired:
        process.kill()
        process.wait()
