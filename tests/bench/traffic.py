"""Traffic: what posts and what receives, run as the two compiled programs, and what they wrote down."""

import array
import mmap
import struct
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bench.tools import Tools

_COUNTERS = struct.Struct("6Q")
_LOOK = 0.01
_PATIENCE = 20.0


@dataclass(frozen=True)
class Posted:
    """What the generator wrote down per request: when it was due, sent, answered, in ns, and the status."""

    first: int
    due: Sequence[int]
    sent: Sequence[int]
    answered: Sequence[int]
    status: Sequence[int]

    @property
    def accepted(self) -> list[int]:
        """The events that were answered 2xx."""
        return [self.first + place for place, status in enumerate(self.status) if 200 <= status < 300]

    @property
    def seconds(self) -> float:
        """From the first request to the last answer."""
        return (max(self.answered, default=0) - self.began) / 1e9

    @property
    def began(self) -> int:
        """When the first request was sent, in ns."""
        return min(self.sent, default=0)

    def waits(self) -> list[float]:
        """From due to answered, in ms, of those that were answered 2xx."""
        return [
            (end - begin) / 1e6
            for begin, end, status in zip(self.due, self.answered, self.status, strict=True)
            if 200 <= status < 300
        ]


class Sinks:
    """The receiving program, and the memory it shares."""

    def __init__(self, process: subprocess.Popen[str], port: int, memory: mmap.mmap, events: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.port = port
        self.pid = process.pid
        self._memory = memory
        self._events = events

    def _counter(self, place: int) -> int:
        return int(_COUNTERS.unpack_from(self._memory)[place])

    @property
    def requests(self) -> int:
        """Requests that came, but for those that are left hanging."""
        return self._counter(0)

    @property
    def arrived(self) -> int:
        """Events that came, once per sink."""
        return self._counter(1)

    @property
    def repeated(self) -> int:
        """Events that came again."""
        return self._counter(2)

    @property
    def strange(self) -> int:
        """Requests without an event in them."""
        return self._counter(3)

    @property
    def last(self) -> int:
        """When the last request came, in ns."""
        return self._counter(5)

    def first(self, sink: int = 0) -> Sequence[int]:
        """When each event came to a sink first, in ns; 0: never."""
        begin = _COUNTERS.size + sink * self._events * 8
        return array.array("Q", self._memory[begin : begin + self._events * 8])

    def until(self, arrivals: int, patience: float, limit: float = 60.0) -> bool:
        """Wait for so many arrivals; False: none came for `patience` seconds, or not all within `limit`."""
        ends = time.monotonic() + limit
        before, since = -1, time.monotonic()
        while (arrived := self.arrived) < arrivals:
            now = time.monotonic()
            if arrived != before:
                before, since = arrived, now
            elif now > since + patience:
                return False
            if now > ends:
                return False
            time.sleep(_LOOK)
        return True


@contextmanager
def receiving(tools: Tools, folder: Path, events: int, sinks: int = 1) -> Iterator[Sinks]:
    """Sinks that answer at once."""
    path = folder / "arrivals"
    path.unlink(missing_ok=True)
    process = subprocess.Popen(
        [str(tools.sink), str(events), str(sinks), str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:  # which closes its standard input, and that ends it
        assert process.stdout is not None
        port = int(process.stdout.readline())
        with path.open("r+b") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as memory:
            yield Sinks(process, port, memory, events)


@dataclass(frozen=True)
class Load:
    """What is to be posted: `count` requests of a file from `first` on, for `seconds` at most.

    `rate` per second whether or not they are answered; 0: each connection posts when it was answered.
    """

    file: Path
    count: int
    seconds: float
    first: int = 0
    rate: float = 0.0
    connections: int = 32


def post(tools: Tools, port: int, load: Load) -> Posted:
    """Post it."""
    result = load.file.with_suffix(".result")
    numbers = (load.connections, load.rate, load.seconds, load.first, load.count, _PATIENCE)
    subprocess.run(
        [str(tools.load), str(port), str(load.file), str(result), *map(str, numbers)],
        check=True,
        timeout=load.seconds + 3 * _PATIENCE,
    )
    values = array.array("Q", result.read_bytes())
    return Posted(load.first, values[0::4], values[1::4], values[2::4], values[3::4])
