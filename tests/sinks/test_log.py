"""Log: one whole line per event on standard output, whatever strangers wrote."""

import asyncio
import io
import json
import sys
import threading

import pytest

from router.delivery import Delivered, Outcome, Retry
from router.event import Event
from router.sinks.log import Log
from router.template.template import Template
from tests.sinks.samples import HOSTILE, NOW, Answers, bare, delivery, reply, sample, strange

NOWHERE = Answers(reply(500))


async def printed(
    sink: Log, event: Event, message: Template | None, capsys: pytest.CaptureFixture[str]
) -> str:
    """What an event came to on standard output."""
    result = await sink.send(event, delivery(), NOWHERE, NOW, message)
    assert (result.outcome, result.status, result.excerpt) == (Delivered(), None, None)
    told = capsys.readouterr()
    assert told.err == ""
    return told.out


async def test_a_line_tells_when_what_and_where(capsys: pytest.CaptureFixture[str]) -> None:
    """And the id, by which `show` tells the rest."""
    assert await printed(Log(), sample(), None, capsys) == (
        "2026-05-04T03:02:01.250Z build.pending web-app: 14 changes to review on feature/calmer (build 1248, "
        "pull request 88, commit 3f2a9c1 by Ada Lovelace, Chromatic) "
        "https://www.chromatic.com/build?appId=1&number=1248 evt_0f3k000000000\n"
    )
    assert await printed(Log(), bare(kind="ping"), None, capsys) == (
        "1970-01-01T00:00:00.000Z ping web: ping from Percy, the webhook works (Percy) evt_0f3k000000000\n"
    )


async def test_the_operators_text_is_the_line(capsys: pytest.CaptureFixture[str]) -> None:
    """On one line, too; the built-in line if it fails."""
    sink = Log(template=Template("{{ project }}\n{{ title }}"))

    assert await printed(sink, sample(title="a\nb"), None, capsys) == "web-app a\\nb\n"
    assert await printed(sink, sample(), Template("rule: {{ branch }}"), capsys) == "rule: feature/calmer\n"
    assert (await printed(sink, sample(), Template("{{ build + 1 }}"), capsys)).startswith("2026-05-04T")


@pytest.mark.parametrize("template", [None, Template("{{ title }} {{ payload }} {{ branch ~ '' }}")])
@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
async def test_strangers_stay_on_their_line(
    text: str, template: Template | None, capsys: pytest.CaptureFixture[str]
) -> None:
    """No line of theirs, no colour, no reversed text."""
    for form in ("text", "json"):
        line = await printed(Log(format=form), strange(text), template, capsys)

        assert line.endswith("\n")
        assert line[:-1].isprintable()


async def test_json_is_what_a_webhook_gets(capsys: pytest.CaptureFixture[str]) -> None:
    """For whatever reads the output of a container."""
    payload = b'{\n\t"a": 1.10, "b": "\xe2\x80\xae"\n}'
    line = await printed(Log(format="json"), sample(payload=payload), Template("hello"), capsys)

    assert line.count("\n") == 1
    assert '"a": 1.10, "b": "\\u202e"' in line
    assert json.loads(line)["data"]["message"] == "hello"


async def test_lines_never_run_into_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    """However many are written at once."""
    async with asyncio.TaskGroup() as group:
        for number in range(60):
            sent = Log().send(sample(build=f"n{number}n"), delivery(), NOWHERE, NOW, Template("{{ build }}"))
            group.create_task(sent)

    assert sorted(capsys.readouterr().out.splitlines()) == sorted(f"n{number}n" for number in range(60))


class _Pipe(io.BytesIO):
    """Standard output that fails, or that hangs until it is let go."""

    def __init__(self, failure: Exception | None = None) -> None:
        super().__init__()
        self.failure = failure
        self.writing, self.go = threading.Event(), threading.Event()

    def write(self, line: object) -> int:
        """Fail or hang."""
        if self.failure is not None:
            raise self.failure
        self.writing.set()
        self.go.wait(30)
        return 0


@pytest.mark.parametrize("failure", [BrokenPipeError(32, "Broken pipe"), ValueError("write to closed file")])
async def test_an_output_that_is_gone_is_a_failed_attempt(
    failure: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing was delivered to nobody."""
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(_Pipe(failure)))
    outcome: Outcome = (await Log().send(sample(), delivery(), NOWHERE, NOW)).outcome
    monkeypatch.undo()

    assert outcome == Retry(f"standard output cannot be written: {str(failure).lower()}")


async def test_an_output_that_hangs_does_not_hang_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    """The loop goes on, and threads do not pile up."""
    monkeypatch.setattr("router.sinks.log.PATIENCE", 0.01)
    pipe = _Pipe()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(pipe))

    async with asyncio.TaskGroup() as group:
        group.create_task(Log().send(sample(), delivery(), NOWHERE, NOW))
        await asyncio.to_thread(pipe.writing.wait, 30)
        outcome = (await Log().send(sample(), delivery(), NOWHERE, NOW)).outcome
        pipe.go.set()
    monkeypatch.undo()

    assert outcome == Retry("standard output is blocked")


def test_the_preview_is_the_line() -> None:
    """Nothing is printed for it."""
    assert Log(template=Template("{{ branch }}")).preview(sample(), delivery(), NOW) == "feature/calmer"
