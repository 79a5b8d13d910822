"""Refused requests, as an operator sees them and decides about them."""

import json
import os
import pty
import subprocess
import sys

import anyio.to_thread

from tests.admin.test_quarantine import RIGHT, UNKNOWN, refuse, signed
from tests.commands.shell import Session


async def test_refused_requests_are_listed(session: Session) -> None:
    """With the reason; by source; page by page; on the status page as a count."""
    assert (await session.type("quarantine")).stdout == "no refused requests\n"
    first, second = await refuse(session.desk, 1), await refuse(session.desk, 2, source="gone")
    lines = (await session.type("quarantine")).stdout.splitlines()
    page = (await session.type("quarantine", "--limit", "1")).stdout.splitlines()
    document = await session.read("quarantine", "--source", "web")

    assert lines[0].split() == ["ID", "WHEN", "SOURCE", "WHY", "BYTES"]
    assert [line.split()[0] for line in lines[1:]] == [second, first]
    assert "the token is not signed by a known secret" in lines[1]
    assert page[-1] == f"more: --before {second}"
    assert [row["id"] for row in document["requests"]] == [first]
    status = (await session.type("status")).stdout
    assert "2 refused requests (gone 1, web 1); visual-router --config " in status


async def test_a_refused_request_is_shown_without_harm(session: Session) -> None:
    """What a stranger wrote cannot move the cursor."""
    hostile = await refuse(
        session.desk,
        body=b'{"a": "\x1b[2J\xe2\x80\xae"}\x07',
        size=20,
        reason="no\x1b[2J",
        labels={"t": "x\x1b"},
    )
    shown = (await session.type("quarantine", "show", hostile)).stdout
    bare = (
        await session.type("quarantine", "show", await refuse(session.desk, signature={}, verified=True))
    ).stdout

    assert shown.replace("\n", "").isprintable()
    assert f"request    {hostile}\n" in shown
    assert "signature  not verified, X-Webhook-Signature kept\n" in shown
    assert "labels.t   x\\x1b\n" in shown
    assert "signature    none, and none was asked for\n" in bare
    assert '\nbody\n  {\n    "event": "build",\n' in bare


async def test_what_passes_is_accepted_and_what_does_not_is_told(session: Session) -> None:
    """Exit code 1 while anything is still refused."""
    await signed(session.desk)
    first, again = await refuse(session.desk, 1), await refuse(session.desk, 1)
    forged = await refuse(session.desk, 2, signature={})
    told = (await session.type("reverify", "--all", code=1)).stdout.splitlines()
    event_id = (await session.read("events"))["events"][0]["id"]

    assert told == [
        f"{first} of web accepted as {event_id}",
        f"{again} of web was known as {event_id}",
        f"{forged} of web is still refused: the header 'X-Webhook-Signature' is missing",
        "1 event accepted, 1 duplicate, 1 request still refused",
    ]
    missing = await session.type("reverify", UNKNOWN, code=1)
    assert missing.stdout.splitlines()[0] == (
        f"{UNKNOWN} is still refused: it is not in quarantine (any more)"
    )
    assert await session.read("reverify", "--source", "web", code=1)
    await session.type("quarantine", "discard", forged)
    assert (await session.type("reverify", "--source", "web")).stdout == "0 events accepted, 0 duplicates\n"


async def test_more_ids_than_one_request_takes_are_sent_in_several(session: Session) -> None:
    """The answers are added up; what was done before a slip is told with it."""
    await signed(session.desk)
    refused = await refuse(session.desk)
    unknown = [f"req_00000000{number:05}" for number in range(500)]
    done = await session.read("reverify", refused, *unknown, code=1)

    assert (len(done["released"]), len(done["failed"])) == (1, 500)

    refused = await refuse(session.desk, 3)
    later = [f"req_0z000000{number:05}" for number in range(499)]
    slip = await session.type("reverify", refused, *later, "req_zzz", code=2)
    assert slip.stderr.splitlines()[0] == "error: 'req_zzz' is no id; 1 request had been accepted before"
    assert "before" not in (await session.type("reverify", "req_zzz", code=2)).stderr


async def test_refused_requests_are_discarded(session: Session) -> None:
    """By id without a question; more than that only if it is meant."""
    first = await refuse(session.desk)
    await refuse(session.desk)
    await refuse(session.desk, source="gone")

    assert (await session.type("quarantine", "discard", first)).stdout == "1 refused request discarded\n"
    refused = await session.type("quarantine", "discard", "--source", "web", code=2)
    assert "Discarding everything refused by 'web' wants --yes." in refused.stderr
    assert "everything in quarantine" in (await session.type("quarantine", "discard", "--all", code=2)).stderr
    done = await session.type("quarantine", "discard", "--source", "web", "--yes")
    assert done.stdout == "1 refused request discarded\n"
    assert await session.read("quarantine", "discard", "--all", "--yes") == {"count": 1}


async def test_a_person_is_asked_before_a_whole_quarantine_goes(session: Session) -> None:
    """No is no."""
    await refuse(session.desk)
    ours, theirs = pty.openpty()
    words = [
        sys.executable,
        "-m",
        "router",
        "quarantine",
        "discard",
        "--all",
        "--config",
        str(session.config),
    ]

    def ask() -> "subprocess.CompletedProcess[str]":
        os.write(ours, b"n\n")
        return subprocess.run(words, stdin=theirs, capture_output=True, text=True, timeout=50, check=False)

    done = await anyio.to_thread.run_sync(ask)
    os.close(ours)
    os.close(theirs)

    assert done.returncode == 1
    assert "Discard everything in quarantine? [y/N]" in done.stderr
    assert len((await session.read("quarantine"))["requests"]) == 1


async def test_one_way_of_choosing_and_no_other(session: Session) -> None:
    """Wrong usage."""
    for verb in (["reverify"], ["quarantine", "discard"]):
        for words in ([], [UNKNOWN, "--all"], ["--source", "web", "--all"]):
            result = await session.type(*verb, *words, code=2)
            assert "Name either IDs or a --source, or say --all." in result.stderr


async def test_an_option_ahead_of_the_verb_holds_for_it(session: Session) -> None:
    """`--source` bounds what is discarded wherever it stands, and `--json` is for scripts."""
    first, other = await refuse(session.desk), await refuse(session.desk, source="gone")
    shown = await session.type("quarantine", "--json", "show", first)
    result = await session.type("quarantine", "--source", "web", "discard", "--all", "--yes", code=2)

    assert json.loads(shown.stdout)["request"]["id"] == first
    assert "Name either IDs or a --source, or say --all." in result.stderr
    done = await session.type("quarantine", "--source", "web", "--json", "discard", "--yes")
    assert json.loads(done.stdout) == {"count": 1}
    assert [row["id"] for row in (await session.read("quarantine"))["requests"]] == [other]


async def test_what_bounds_the_list_alone_stands_ahead_of_no_verb(session: Session) -> None:
    """Unheard, it would let `discard --all` take what it was meant to spare."""
    first = await refuse(session.desk)
    for words in (["--before", first], ["--limit", "1"]):
        result = await session.type("quarantine", *words, "discard", "--all", "--yes", code=2)

        assert f"{words[0]} bounds the list, and is nothing to 'discard'." in result.stderr
    assert (await session.read("quarantine"))["requests"] != []


async def test_a_terminals_width_bounds_the_reason(session: Session) -> None:
    """The id is never cut."""
    refused = await refuse(session.desk, reason="x" * 300)
    shown = (await session.type("quarantine")).stdout

    assert refused in shown
    assert RIGHT.signature_headers[0] not in shown
