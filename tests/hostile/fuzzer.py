"""Sends hostile requests to a daemon and judges every answer; one seed repeats a run."""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from typing import NamedTuple

from tests.hostile.answers import Answer, Malformed, read_all
from tests.hostile.mutations import Case, case

PROBE = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
BATCH = 12
# Seconds until a sender gives up: on a case with broken framing, where the daemon may rightly wait for the
# rest of a head or a body, and on cases that it must answer.
SHORT, LONG = 0.8, 30.0


class Numbered(NamedTuple):
    """A case with its number, by which it can be repeated."""

    number: int
    case: Case


class Fuzzer:
    """Many senders that share one stream of cases.

    `complaints` are broken promises, each with the number of its case. `statuses` counts answers by kind and
    status; `unanswered` those cases with broken framing for whose end the daemon waited.
    """

    def __init__(self, port: int, seed: int, count: int, senders: int = 16, first: int = 0) -> None:
        self.port = port
        self.seed = seed
        self.senders = senders
        self.statuses: Counter[tuple[str, int]] = Counter()
        self.unanswered: Counter[str] = Counter()
        self.sent = 0
        self.complaints: list[str] = []
        self._numbers = iter(range(first, first + count))
        self._again: deque[Numbered] = deque()

    async def run(self, progress: Callable[[int], None] | None = None) -> None:
        """Send everything; returns when every case was judged."""
        async with asyncio.TaskGroup() as tasks:
            for _ in range(self.senders):
                tasks.create_task(self._send(progress))

    def _cases(self) -> Iterator[Numbered]:
        while self._again:
            yield self._again.popleft()
        for number in self._numbers:
            yield Numbered(number, case(self.seed, number))
            while self._again:
                yield self._again.popleft()

    async def _send(self, progress: Callable[[int], None] | None) -> None:
        batch: list[Numbered] = []
        cases = self._cases()
        while True:
            numbered = next(cases, None)
            if numbered is None:
                if not batch:
                    return
                await self._together(batch)
                batch, cases = [], self._cases()
                continue
            if progress is not None:
                progress(numbered.number)
            if numbered.case.alone:
                await self._alone(numbered)
                continue
            batch.append(numbered)
            if len(batch) == BATCH:
                await self._together(batch)
                batch = []

    async def _alone(self, numbered: Numbered) -> None:
        """A case that may break the framing: whatever comes back, up to the end, is well-formed and known."""
        one = numbered.case
        self.sent += 1
        wire = one.wire if one.cut else one.wire + PROBE
        stream, ended = await self._exchange(wire, SHORT, cut=one.cut)
        if one.cut:
            return
        if not ended:
            self.unanswered[one.kind] += 1
            stream = b"" if b"\r\n\r\n" not in stream else stream
        for answer in self._read(stream, [numbered]):
            self._judge(numbered, answer, strictly=False)

    async def _together(self, batch: list[Numbered]) -> None:
        """Cases with right framing, sent ahead on one connection: one answer each, in order."""
        stream, ended = await self._exchange(b"".join(each.case.wire for each in batch) + PROBE, LONG)
        answers = self._read(stream, batch)
        if not ended:
            self.complaints.append(f"no end of the connection after {self._names(batch)}")
            return
        for numbered, answer in zip(batch, answers, strict=False):
            self.sent += 1
            self._judge(numbered, answer, strictly=True)
        left = batch[len(answers) :]
        if not left:
            # Who is refused before the whole body came has the connection closed behind the answer.
            if len(answers) > len(batch) or not answers[-1].closes:
                self._judge_probe(answers[len(batch) :], batch)
        elif not answers or not answers[-1].closes:
            self.complaints.append(f"no answer to {self._names(left)}")
        else:
            self._again.extend(left)

    def _judge(self, numbered: Numbered, answer: Answer, *, strictly: bool) -> None:
        self.statuses[numbered.case.kind, answer.status] += 1
        allowed = numbered.case.allowed
        if answer.status not in allowed:
            self.complaints.append(
                f"case {numbered.number} ({numbered.case.kind}): {answer.status}, "
                f"allowed {sorted(allowed)}: {numbered.case.wire[:300]!r}"
            )
        if strictly and answer.status == 400 and 400 not in allowed:
            self.complaints.append(f"case {numbered.number}: the framing was right")

    def _judge_probe(self, answers: list[Answer], batch: list[Numbered]) -> None:
        if [answer.status for answer in answers] != [404]:
            self.complaints.append(f"the probe after {self._names(batch)} got {answers}")

    def _read(self, stream: bytes, batch: list[Numbered]) -> list[Answer]:
        try:
            return read_all(stream)
        except Malformed as error:
            self.complaints.append(f"after {self._names(batch)}: {error}")
            return []

    def _names(self, batch: list[Numbered]) -> str:
        return ", ".join(f"case {each.number} ({each.case.kind})" for each in batch)

    async def _exchange(self, data: bytes, patience: float, *, cut: bool = False) -> tuple[bytes, bool]:
        """Everything that came back, and whether the daemon ended the connection."""
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=1 << 24)
        except OSError as error:
            self.complaints.append(f"no connection: {error}")
            return b"", True
        stream = bytearray()
        try:
            async with asyncio.timeout(patience):
                writer.write(data)
                if cut:
                    writer.transport.abort()
                    return b"", True
                while chunk := await reader.read(1 << 16):
                    stream += chunk
        except ConnectionError:
            return bytes(stream), True
        except TimeoutError:
            return bytes(stream), False
        finally:
            writer.transport.abort()
        return bytes(stream), True


def table(fuzzer: Fuzzer, seconds: float) -> str:
    """What was sent and answered, for people."""
    kinds = sorted({kind for kind, _ in fuzzer.statuses})
    statuses = sorted({status for _, status in fuzzer.statuses})
    lines = ["kind      " + "".join(f"{status:>9}" for status in statuses) + "  waiting"]
    lines += [
        f"{kind:<10}"
        + "".join(f"{fuzzer.statuses[kind, status]:>9}" for status in statuses)
        + f"{fuzzer.unanswered[kind]:>9}"
        for kind in kinds
    ]
    lines.append(f"{fuzzer.sent} cases in {seconds:.0f} s, {fuzzer.sent / max(seconds, 0.001):.0f}/s")
    return "\n".join(lines)


def stopwatch() -> Callable[[], float]:
    """Seconds since it was made."""
    began = time.monotonic()
    return lambda: time.monotonic() - began
