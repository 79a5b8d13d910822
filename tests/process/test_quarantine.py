"""A wrong secret on day one costs nothing: with the real daemon, from the 401s to the last delivery."""

import json
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from tests.process.harness import (
    PAYLOADS,
    Daemon,
    Destination,
    chromatic_headers,
    happo_headers,
    percy_headers,
    post,
)
from tests.waiting import answered, until

SECRETS = {"chromatic": "chroma-right", "percy": "percy-right", "happo": "happo-right"}


def config(url: str, folder: Path) -> str:
    """Three signed sources, their secrets in files, and one sink."""
    sources = "\n".join(
        f"  {name}: {{type: {name}, secret: 'file:{folder}/{name}.secret'}}" for name in SECRETS
    )
    return f"""
sources:
{sources}
sinks:
  out: {{type: webhook, url: "{url}"}}
rules:
  - {{name: all, to: out}}
"""


def set_secrets(folder: Path, **secrets: str) -> None:
    """What the operator believes the secrets are."""
    for name, secret in secrets.items():
        path = folder / f"{name}.secret"
        path.write_text(secret, "utf-8")
        path.chmod(0o600)


def requests() -> list[tuple[str, bytes, dict[str, str]]]:
    """Hook, body and headers of what the providers send."""
    found = []
    for number in range(4):
        body = b'{"event": "build", "build": {"number": %d, "branch": "main", "status": "PENDING"}}' % number
        found.append(("chromatic", body, chromatic_headers(body, SECRETS["chromatic"], time.time())))
    for provider, sign in (("percy", percy_headers), ("happo", happo_headers)):
        for path in sorted((PAYLOADS / provider).glob("*.json"))[:4]:
            body = path.read_bytes()
            found.append((provider, body, sign(body, SECRETS[provider])))
    return found


async def kept(router: Daemon, count: int) -> None:
    """Wait until so many requests of Chromatic are kept: that is written while nobody waits."""
    await answered(lambda: router.ask("status"), lambda said: said["quarantined"] == {"chromatic": count})


async def test_a_wrong_secret_on_day_one_costs_nothing(
    daemon: Callable[..., Daemon], destination: Destination, tmp_path: Path
) -> None:
    """Everything that was answered 401 is delivered once the secrets are right, and nothing twice."""
    set_secrets(tmp_path, chromatic="wrong", percy="wrong", happo="wrong")
    router = await daemon(config(destination.url, tmp_path)).start()
    sent = requests()
    for hook, body, headers in sent:
        assert await post(f"{router.url}/hooks/{hook}", body, headers) == (401, {"error": "unauthorized"})
    while sum((await router.ask("status"))["quarantined"].values()) < len(sent):
        assert router.process.poll() is None

    still = await router.ask("quarantine", "--source", "percy")
    assert {row["reason"] for row in still["requests"]} == {"the signature is not by a known secret"}
    refused = json.loads(await router.command("reverify", "--all", "--json", code=1))
    assert (refused["released"], len(refused["failed"])) == ([], len(sent))

    # A crash in between loses nothing of it either.
    router.kill()
    await router.start()
    set_secrets(tmp_path, **SECRETS)
    await router.command("reload")
    # The last one of each is sent again by its provider: the duplicate is known as such.
    again = [sent[-1]]
    for hook, body, headers in again:
        assert (await post(f"{router.url}/hooks/{hook}", body, headers))[0] == 202
    done = await router.ask("reverify", "--all")

    assert [row["source"] for row in done["released"]] == [hook for hook, _, _ in sent]
    assert [row["duplicate"] for row in done["released"]] == [False] * (len(sent) - 1) + [True]
    await destination.until(lambda: len(destination.ids) >= len(sent))
    assert sorted(json.dumps(document["data"]["payload"]) for document in destination.documents) == sorted(
        json.dumps(json.loads(body)) for _, body, _ in sent
    )
    assert len(set(destination.ids)) == len(sent)
    assert (await router.ask("status"))["quarantined"] == {}
    assert await router.ask("reverify", "--all") == {"released": [], "failed": []}
    assert await router.stop() == 0
    assert "Traceback" not in router.log
    # Reason and signature stay inside; the answers said nothing.
    assert not any(secret in router.log + router.output for secret in SECRETS.values())


async def test_a_chromatic_token_is_judged_as_of_its_receipt(
    daemon: Callable[..., Daemon], destination: Destination, tmp_path: Path
) -> None:
    """Had it to be fresh at the second verification too, a repair would have to be done in five minutes."""
    set_secrets(tmp_path, chromatic="wrong", percy="wrong", happo="wrong")
    router = await daemon(config(destination.url, tmp_path)).start()
    body = b'{"event": "build", "build": {"number": 1, "branch": "main", "status": "PENDING"}}'
    while True:
        now = time.time()
        # Three seconds are left of its five minutes.
        headers = chromatic_headers(body, SECRETS["chromatic"], now - 297)
        await post(f"{router.url}/hooks/chromatic", body, headers)
        answered_at = time.time()
        await kept(router, 1)
        if answered_at < int(now) + 3:
            break
        # This machine was too slow: it may have been too old when it came.
        await router.command("quarantine", "discard", "--all", "--yes")
    set_secrets(tmp_path, **SECRETS)
    await router.command("reload")
    await until(lambda: time.time() > now + 4)

    assert (await post(f"{router.url}/hooks/chromatic", body, headers))[0] == 401
    await kept(router, 2)
    done = json.loads(await router.command("reverify", "--source", "chromatic", "--json", code=1))

    # The first was fresh when it came, the second was not: that one stays.
    await destination.until(lambda: len(destination.ids) == 1)
    assert len(done["released"]) == 1
    assert [row["reason"] for row in done["failed"]] == [
        "the token is too old or too new; is the clock right?"
    ]
    received = (await router.ask("show", done["released"][0]["event_id"]))["event"]["received_at"]
    assert abs(datetime.fromisoformat(received).timestamp() - now) < 3
