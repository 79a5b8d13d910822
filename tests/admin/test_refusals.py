"""What cannot be answered is refused in one form: JSON, with the status that says whose fault it is."""

import gzip

import pytest

from tests.admin.desk import Desk, Door

Caplog = pytest.LogCaptureFixture


@pytest.mark.parametrize(
    ("path", "raw", "headers", "document"),
    [
        (
            "/sinks/log/pause",
            b'{"reason": "\xff"}',
            {},
            {
                "error": "the body is not what this call takes: 'utf-8' codec can't decode byte 0xff in "
                "position 0: invalid start byte",
                "fix": 'send JSON such as {"reason": "…"}',
            },
        ),
        (
            "/backup",
            b'{"path": "/a\\u0000b"}',
            {},
            {
                "error": "the body is not what this call takes: a path has no NUL in it",
                "fix": 'send JSON such as {"path": "/path/journal-copy.db"}',
            },
        ),
        (
            "/deliveries/requeue",
            b"no gzip",
            {"Content-Encoding": "gzip"},
            {"error": "the body is not encoded as its headers say", "fix": "send plain JSON"},
        ),
    ],
    ids=["not UTF-8", "a path with NUL", "not gzip"],
)
async def test_a_body_that_cannot_be_read_is_a_refusal(
    door: Door, path: str, raw: bytes, headers: dict[str, str], document: object, caplog: Caplog
) -> None:
    """In JSON with its fix, as every other; and no stranger's body puts a traceback into the log."""
    assert await door.posted(path, raw, headers) == (400, document)
    assert await door.ask("/healthz") == (200, "ok\n")
    assert caplog.records == []


async def test_a_gzipped_body_is_read(door: Door) -> None:
    """Some programs send every body so."""
    raw = gzip.compress(b'{"reason": "tired"}')

    assert (await door.posted("/sinks/log/pause", raw, {"Content-Encoding": "gzip"}))[0] == 200


async def test_a_bug_is_told_as_json_and_logged_with_its_traceback(
    desk: Desk, door: Door, caplog: Caplog
) -> None:
    """Whoever asks is not told that something else answers; whoever mends it has where to look."""
    desk.program.failure = RuntimeError("a bug")
    document = {
        "error": "the daemon failed to answer, by a mistake of its own",
        "fix": "its log has the traceback: report it",
    }
    answered = await door.refused("/reload", "POST")
    headers = await door.headers("/api/v1/reload", "POST")

    assert answered == (500, document)
    assert (headers["Content-Type"], headers["Cache-Control"]) == ("application/json", "no-store")
    assert [str(record.exc_info[1]) for record in caplog.records if record.exc_info] == ["a bug"] * 2


async def test_what_the_library_refuses_is_told_as_json(door: Door) -> None:
    """In its words: here an expectation that nobody can meet."""
    document = {"error": "the request is refused: unknown expect: tea", "fix": ""}

    assert await door.ask("/api/v1/reload", {"Expect": "tea"}, "POST") == (417, document)
