"""`send`: a provider's event, posted as that provider would post it."""

import json
import os
import socket
import sys
import threading

import anyio
import pytest

from router.config.load import load
from router.sources import samples
from tests.admin.desk import RULES
from tests.commands.shell import Session, Shell

GUARDED = """
sources:
  open: {type: chromatic, unsigned: true}
  guarded: {type: percy, unsigned: true, token: env:TOKEN}
  signed: {type: happo, secret: [env:SECRET, env:OLD_SECRET]}
  limited: {type: chromatic, unsigned: true, rate: 1/d}
sinks: {log: {type: log}}
rules: [{name: all, to: log}]
"""
ENV = {"TOKEN": "t0k/en ü", "SECRET": "s3cret"}


async def use(session: Session, env: dict[str, str] = ENV) -> None:
    """Put sources with secrets into force, the daemon's values from `env`."""
    path = session.write(session.head + GUARDED)
    config = load(path, resolve={**env, "OLD_SECRET": "old"})
    session.desk.intake.use(config.sources, config.matcher)


@pytest.mark.parametrize(
    ("source", "sample"),
    [
        ("open", "chromatic/v2-build-pending"),
        ("guarded", "percy/build_finished"),
        ("signed", "happo/comparison-diffs-and-added"),
    ],
)
async def test_a_sample_is_accepted_as_if_the_provider_had_sent_it(
    session: Session, source: str, sample: str
) -> None:
    """Signed, with the token in its URL; only what this source needs is read."""
    await use(session)
    result = await session.type("send", "--source", source, sample, env=ENV)
    event_id = result.stdout.split()[0]
    judged = await session.desk.journal.event(event_id)

    assert result.stdout == f"{event_id} accepted by {source}\n"
    assert judged is not None
    assert judged.event.source == source


async def test_labels_go_with_it_as_the_hooks_query(session: Session) -> None:
    """Whatever is in them; with a token in the URL, too."""
    await use(session)
    words = [
        "--source",
        "guarded",
        "--label",
        "team=a&b=ü+?#",
        "--label",
        "größe=1 2",
        "percy/build_finished",
    ]
    event_id = (await session.type("send", *words, env=ENV)).stdout.split()[0]
    judged = await session.desk.journal.event(event_id)

    assert judged is not None
    assert judged.event.labels == {"team": "a&b=ü+?#", "größe": "1 2"}


async def test_the_same_sample_again_is_no_duplicate(session: Session) -> None:
    """Its ids are fresh; a file goes out byte for byte, so that a second time it is one."""
    file = session.write(samples.load("chromatic", "v2-build-pending").decode(), "event.json")
    first = await session.read("send", "v2-build-pending")
    second = await session.read("send", "chromatic/v2-build-pending")
    third = await session.read("send", file)
    fourth = await session.type("send", file)

    assert first["id"] != second["id"]
    assert [each["duplicate"] for each in (first, second, third)] == [False, False, False]
    assert fourth.stdout == f"{third['id']} accepted by web, a duplicate: it was there already\n"


async def test_what_to_do_next_can_be_pasted(session: Session) -> None:
    """At a terminal: the configuration that was named is named in it, too."""
    reader, terminal = os.openpty()
    words = ["send", "v2-build-pending", "--config", str(session.config)]
    await anyio.run_process([sys.executable, "-m", "router", *words], stdout=terminal)
    os.close(terminal)
    first, second = os.read(reader, 65_536).decode().splitlines()
    os.close(reader)

    assert second == (
        f"what becomes of it: python -m router --config {session.config} show {first.partition(' ')[0]}"
    )


async def test_another_secret_than_the_daemons_is_told(session: Session) -> None:
    """401, and where to look."""
    await use(session, {**ENV, "SECRET": "another"})
    result = await session.type(
        "send", "--source", "signed", "happo/comparison-diffs-and-added", env=ENV, code=1
    )

    assert result.stderr == (
        "error: 'signed' answered 401: unauthorized\n"
        "  fix: the router has another secret or token, or allow_from keeps this host out\n"
    )


async def test_a_source_that_the_daemon_does_not_know_is_told(session: Session) -> None:
    """404: the file is newer than the daemon."""
    session.write(session.head + RULES.replace("web:", "shop:"))
    result = await session.type("send", "v2-build-pending", code=1)

    assert result.stderr == (
        "error: 'shop' answered 404: not found\n"
        f"  fix: the running router knows no such source: visual-router --config {session.config} reload\n"
    )


async def test_a_source_over_its_rate_is_told(session: Session) -> None:
    """429."""
    await use(session)
    await session.type("send", "--source", "limited", "v2-build-pending")
    result = await session.type("send", "--source", "limited", "v2-build-pending", code=1)

    assert "'limited' answered 429" in result.stderr
    assert "over its rate" in result.stderr


async def test_a_file_that_is_no_event_is_told(session: Session) -> None:
    """What the router says of it to strangers is no help."""
    await use(session)
    result = await session.type("send", "--source", "open", "-", stdin=b"not an event", code=1)

    assert result.stderr == (
        "error: 'open' answered 400: bad request\n  fix: send one JSON object, as the provider posts it\n"
    )


def test_a_secret_that_cannot_be_read_here_is_told(shell: Shell) -> None:
    """With how to give it; under systemd only root can."""
    shell.write(GUARDED)
    told = shell.run(
        "send", "--source", "signed", "happo/comparison-diffs-and-added", env={"SECRET": ""}, code=2
    ).stderr

    assert told == (
        "error: 'env:SECRET' is empty; put the secret there\n"
        "  fix: this command reads the secret itself: give it what the daemon was given\n"
    )
    shell.write(GUARDED.replace("env:TOKEN", "credential:token"))
    told = shell.run("send", "--source", "guarded", "percy/build_finished", code=2).stderr

    assert told.endswith("; as root, CREDENTIALS_DIRECTORY=/run/credentials/visual-router.service\n")


def test_samples_are_listed(shell: Shell) -> None:
    """For people and for scripts; no configuration is needed."""
    shell.config.unlink()

    assert shell.run("send", "--list").stdout.splitlines() == samples.names()
    assert json.loads(shell.run("send", "--list", "--json").stdout) == {"samples": samples.names()}


def test_without_an_event_the_list_is_offered(shell: Shell) -> None:
    """Wrong usage."""
    assert "Error: Name an EVENT; --list lists the samples." in shell.run("send", code=2).stderr


def test_a_name_that_several_providers_have_is_told(shell: Shell) -> None:
    """It would be a guess."""
    shell.write(GUARDED)
    names = [name.partition("/")[2] for name in samples.names()]
    shared = {name for name in names if names.count(name) > 1}

    for name in shared:
        assert " is a sample of " in shell.run("send", name, code=2).stderr


async def test_another_program_at_the_address_is_recognised(session: Session) -> None:
    """What it says is not repeated as if it were ours."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        session.write(f"server: {{listen: '127.0.0.1:{port}'}}\n{RULES}")

        def answer() -> None:
            with other.accept()[0] as peer:
                peer.recv(65_536)
                peer.sendall(b"HTTP/1.1 418 Teapot\r\nContent-Length: 3\r\nConnection: close\r\n\r\nhey")

        thread = threading.Thread(target=answer)
        thread.start()
        result = await session.type("send", "v2-build-pending", code=1)
        thread.join()

    assert result.stderr == "error: 'web' answered 418: not an answer of visual-router\n"


def test_a_daemon_that_is_not_running_is_told(shell: Shell, desk_free_port: int) -> None:
    """With the public address."""
    shell.write(f"server: {{listen: '127.0.0.1:{desk_free_port}'}}\n{RULES}")
    told = shell.run("send", "v2-build-pending", code=1).stderr

    assert told.startswith(f"error: no daemon answers at 127.0.0.1:{desk_free_port}: connection refused\n")


@pytest.fixture
def desk_free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
