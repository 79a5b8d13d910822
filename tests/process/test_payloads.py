"""Every documented body, posted to the running daemon, comes out unchanged under its normal status."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.process.harness import (
    PAYLOADS,
    Daemon,
    Destination,
    chromatic_headers,
    happo_headers,
    percy_headers,
    post,
)

SECRETS = {
    "CHROMATIC": "c-secret-of-the-test",
    "PERCY": "p-secret-of-the-test",
    "HAPPO": "h-secret-of-the-test",
}

# What a file's name says about its status; the first part that occurs in the name decides.
CHROMATIC = {
    "legacy-cancelled": "failed",  # the v1 word BUILD_ERROR does not tell
    "decision-approved": "accepted",
    "review-open": "pending",
    "review-closed": None,
    "review-merged": None,
    "accepted": "accepted",
    "broken": "broken",
    "no-capture": "broken",
    "cancelled": "cancelled",
    "denied": "denied",
    "timed-out": "failed",
    "timeout": "failed",
    "failed": "failed",
    "passed": "passed",
    "in-progress": "running",
    "prepared": "running",
    "published": "running",
    "pending": "pending",
}
PERCY = {
    "ping": None,
    "build_created": "running",
    "build_approved-no-diffs": "passed",
    "build_approved": "accepted",
    "build_changes_requested": "denied",
    "build_unreviewed": "pending",
    "build_finished-unreviewed": "pending",
    "build_finished": "passed",
}
HAPPO = {
    "flake": None,
    "comparison-equal": "passed",
    "comparison-empty": "passed",
    "comparison-ignored": "passed",
    "comparison": "pending",
}
STATUSES: dict[str, dict[str, str | None]] = {"chromatic": CHROMATIC, "percy": PERCY, "happo": HAPPO}
CASES = sorted(PAYLOADS.glob("*/*.json"))

CONFIG = """
sources:
  chromatic: {{type: chromatic, secret: "env:CHROMATIC"}}
  percy: {{type: percy, secret: "env:PERCY"}}
  happo: {{type: happo, secret: "env:HAPPO"}}
sinks:
  out: {{type: webhook, url: "{url}", concurrency: 1}}
rules:
  - {{name: everything, to: out}}
"""


def signed(provider: str, body: bytes, secret: str | None = None) -> dict[str, str]:
    """The headers that a provider sends."""
    key = secret or SECRETS[provider.upper()]
    match provider:
        case "chromatic":
            return chromatic_headers(body, key, time.time())
        case "percy":
            return percy_headers(body, key)
        case _:
            return happo_headers(body, key)


def expected_status(path: Path) -> str | None:
    """What the name of a case promises."""
    table = STATUSES[path.parent.name]
    return next(status for part, status in table.items() if part in path.stem)


def test_there_are_cases() -> None:
    """The table below is not empty by accident."""
    assert len(CASES) >= 57


async def test_every_payload_comes_out_unchanged_under_its_status(
    daemon: Callable[..., Daemon], destination: Destination
) -> None:
    """202, the documented normal status, and the provider's JSON digit by digit."""
    router = await daemon(CONFIG.format(url=destination.url), SECRETS).start()
    sent = {}
    for path in CASES:
        provider, body = path.parent.name, path.read_bytes()
        status, answer = await post(f"{router.url}/hooks/{provider}", body, signed(provider, body))
        assert (status, answer["duplicate"]) == (202, False), path
        sent[answer["id"]] = path
    await destination.until(lambda: len(destination.ids) == len(CASES))

    for document in destination.documents:
        data = document["data"]
        assert isinstance(data, dict)
        path = sent.pop(data["id"])
        assert data["status"] == expected_status(path), path
        assert data["payload"] == json.loads(path.read_bytes()), path
        assert data["provider"] == path.parent.name
        assert document["type"] == (
            data["kind"] if data["status"] is None else f"{data['kind']}.{data['status']}"
        )
    assert not sent
    assert await router.stop() == 0


async def test_every_payload_with_a_wrong_signature_is_refused(
    daemon: Callable[..., Daemon], destination: Destination
) -> None:
    """Wrong, missing, truncated, foreign: 401 with one fixed body, and nothing is stored."""
    router = await daemon(CONFIG.format(url=destination.url), SECRETS).start()
    answers = set()
    for path in CASES:
        provider, body = path.parent.name, path.read_bytes()
        good = signed(provider, body)
        (name, value), *_ = good.items()
        for headers in (
            {},
            {name: value[:-1]},
            {name: ""},
            {name: value[:-4] + "AAAA"},
            signed(provider, body, "another secret"),
            signed(provider, body + b" "),
            signed("percy" if provider == "happo" else "happo", body),
        ):
            status, answer = await post(f"{router.url}/hooks/{provider}", body, headers)
            assert status == 401, (path, headers)
            answers.add(json.dumps(answer))

    assert len(answers) == 1
    assert (await router.ask("events"))["events"] == []
    assert "Traceback" not in router.log
    assert await router.stop() == 0


@pytest.mark.parametrize("provider", ["chromatic", "percy", "happo"])
async def test_a_resend_is_acknowledged_with_the_first_id(
    provider: str, daemon: Callable[..., Daemon], destination: Destination
) -> None:
    """The same body again is a duplicate, over a restart too, and is delivered once."""
    router = await daemon(CONFIG.format(url=destination.url), SECRETS).start()
    body = next(path for path in CASES if path.parent.name == provider).read_bytes()
    first, again = [
        await post(f"{router.url}/hooks/{provider}", body, signed(provider, body)) for _ in range(2)
    ]
    router.kill()
    await router.start()
    third = await post(f"{router.url}/hooks/{provider}", body, signed(provider, body))
    await destination.until(lambda: bool(destination.ids))

    assert first == (202, {"id": first[1]["id"], "duplicate": False})
    assert again == third == (202, {"id": first[1]["id"], "duplicate": True})
    assert await router.stop() == 0
    assert len(set(destination.ids)) == 1


async def test_accept_deny_accept_passes_whole(
    daemon: Callable[..., Daemon], destination: Destination
) -> None:
    """A body equal to one before the last is no resend: someone changed their mind twice."""
    router = await daemon(CONFIG.format(url=destination.url), SECRETS).start()
    bodies = [
        b'{"event": "build", "build": {"number": 7, "branch": "main", "status": "%s"}}' % word
        for word in (b"ACCEPTED", b"DENIED", b"ACCEPTED")
    ]
    answers = [
        await post(f"{router.url}/hooks/chromatic", body, signed("chromatic", body)) for body in bodies
    ]
    await destination.until(lambda: len(destination.ids) == 3)

    assert [(status, answer["duplicate"]) for status, answer in answers] == [(202, False)] * 3
    assert await router.stop() == 0
