"""What every sink in the table promises; a new entry is tested by being one."""

import importlib
import json
import pkgutil
import re
from pathlib import Path

import msgspec
import pytest

import router.sinks
from router.delivery import Dead, Delivered, Hold, Pause, Retry
from router.event import Event
from router.retry import RetryPolicy
from router.sinks import SINKS
from router.sinks.sink import Sink, fingerprint
from router.template.template import SAMPLES, Template
from router.units import Duration, Network, Rate, Wait
from tests.sinks.samples import (
    CANARIES,
    HOSTILE,
    NOW,
    Answers,
    bare,
    delivery,
    one_of,
    reply,
    sample,
    strange,
)

KINDS = sorted(SINKS)


def over_http(kind: str) -> bool:
    """Whether a sink of that type speaks HTTP."""
    return one_of(kind, Path("x")).destination is not None


HTTP = [kind for kind in KINDS if over_http(kind)]


def test_every_sink_is_in_the_table_under_the_name_of_its_file() -> None:
    """A file that nobody can configure is forgotten work."""
    found = {}
    for module in pkgutil.iter_modules(router.sinks.__path__):
        for value in vars(importlib.import_module(f"router.sinks.{module.name}")).values():
            if isinstance(value, type) and issubclass(value, Sink) and value is not Sink:
                found[value.__module__.rpartition(".")[2]] = value

    assert found == SINKS


@pytest.mark.parametrize("kind", KINDS)
def test_a_sink_explains_itself(kind: str) -> None:
    """Its docstring is its page in the reference."""
    assert len((SINKS[kind].__doc__ or "").splitlines()) > 3


@pytest.mark.parametrize("kind", KINDS)
def test_a_sink_is_checked_and_previewed_without_its_secrets(kind: str, tmp_path: Path) -> None:
    """A build server has none of them."""
    sink = one_of(kind, tmp_path)

    assert sink.problems() == []
    assert sink.supersedes in (True, False)
    assert sink.preview(sample(), delivery(), NOW) != ""
    assert [path.name for path in tmp_path.iterdir()] == []


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("event", [*SAMPLES, bare(), sample()], ids=lambda event: event.type)
def test_every_kind_of_event_has_a_preview(kind: str, event: Event, tmp_path: Path) -> None:
    """Whatever fields are absent."""
    assert one_of(kind, tmp_path).preview(event, delivery(), NOW) != ""


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_a_preview_is_safe_to_print(kind: str, text: str, tmp_path: Path) -> None:
    """No control character of a stranger reaches a terminal."""
    shown = one_of(kind, tmp_path).preview(strange(text), delivery(), NOW, Template("{{ title }}"))

    assert [letter for letter in shown if not letter.isprintable() and letter != "\n"] == []


@pytest.mark.parametrize("kind", HTTP)
@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_a_request_is_a_json_object_or_plain_text_with_plain_headers(
    kind: str, text: str, tmp_path: Path
) -> None:
    """Whatever strangers wrote."""
    sink = one_of(kind, tmp_path, resolved=True)
    request = sink.request(strange(text), delivery(), NOW)

    if request.headers["content-type"] == "text/plain; charset=utf-8":
        request.body.decode()
    else:
        assert request.headers["content-type"] == "application/json"
        assert isinstance(json.loads(request.body), dict)
    for name, value in request.headers.items():
        assert name == name.lower()
        assert value.isascii()
        assert value.isprintable()


@pytest.mark.parametrize("kind", HTTP)
def test_a_request_is_pure(kind: str, tmp_path: Path) -> None:
    """The same arguments make the same request, and change nothing."""
    sink = one_of(kind, tmp_path, resolved=True)
    event, message = sample(), Template("{{ payload.build.number }}")
    first = sink.request(event, delivery(), NOW, message)
    first.headers["x-touched"] = "by whoever sent it"

    second = sink.request(event, delivery(), NOW, message)

    assert second == sink.request(sample(), delivery(), NOW, message)
    assert "x-touched" not in second.headers
    assert event == sample()


@pytest.mark.parametrize("kind", KINDS)
def test_a_rules_message_overrides_the_template_and_a_failing_one_is_survived(
    kind: str, tmp_path: Path
) -> None:
    """The operator's words first, the built-in ones if they fail; a preview says so."""
    sink = msgspec.structs.replace(one_of(kind, tmp_path), template=Template("from the sink"))

    assert "from the sink" in sink.preview(sample(), delivery(), NOW)
    overridden = sink.preview(sample(), delivery(), NOW, Template("from the rule: {{ message }}"))
    assert "from the rule: web-app: 14 changes to review on feature/calmer" in overridden
    assert "from the sink" not in overridden
    failed = sink.preview(sample(), delivery(), NOW, Template("{{ build + 1 }}"))
    assert failed.startswith(
        "the template failed at line 1: InvalidOperation; the built-in text stands in for it\n\n"
    )
    assert "14 changes to review on" in failed


@pytest.mark.parametrize("kind", KINDS)
def test_a_template_that_fails_for_some_event_is_a_flaw_of_its_key(kind: str, tmp_path: Path) -> None:
    """Type errors show at load."""
    sink = msgspec.structs.replace(one_of(kind, tmp_path), template=Template("{{ changes + 1 }}"))

    (flaw,) = sink.problems()

    assert flaw.key == "template"
    assert flaw.startswith("the template fails for an event of type 'build.running' at line 1: ")


REMEDY = "set url to where it leads"


@pytest.mark.parametrize("kind", HTTP)
@pytest.mark.parametrize(
    ("status", "headers", "expected"),
    [
        *[(status, {}, Pause(f"answered {status}")) for status in (401, 403, 404, 410)],
        *[(status, {}, Dead(f"answered {status}")) for status in (400, 413, 422)],
        *[
            (status, {}, Retry(f"answered {status}"))
            for status in (100, 304, 402, 405, 408, 409, 418, 425, 500, 501, 502, 503, 504)
        ],
        *[
            (
                status,
                {"Location": "/"},
                Retry(f"answered {status}, a redirect, and none is followed; {REMEDY}"),
            )
            for status in (301, 302, 303, 307, 308)
        ],
        (429, {}, Hold(30.0, "answered 429")),
        (429, {"Retry-After": "7"}, Hold(7.0, "answered 429")),
        (429, {"retry-after": "junk"}, Hold(30.0, "answered 429")),
        (503, {"Retry-After": "120"}, Hold(120.0, "answered 503")),
        (503, {"Retry-After": "Mon, 04 May 2026 03:04:20 GMT"}, Hold(59.1, "answered 503")),
        (400, {"Retry-After": "5"}, Hold(5.0, "answered 400")),
        (403, {"Retry-After": "60"}, Hold(60.0, "answered 403")),
        *[(status, {"Retry-After": "60"}, Pause(f"answered {status}")) for status in (401, 404, 410)],
    ],
)
def test_whose_fault_a_failure_is_decides(
    kind: str, status: int, headers: dict[str, str], expected: object, tmp_path: Path
) -> None:
    """The sink's pauses it, the delivery's is a dead letter, silence is kept, the rest is retried."""
    outcome = one_of(kind, tmp_path).judge(reply(status, b"", headers), NOW)

    if isinstance(outcome, Hold):
        outcome = msgspec.structs.replace(outcome, seconds=round(outcome.seconds, 3))
    assert outcome == expected


@pytest.mark.parametrize("kind", HTTP)
async def test_sending_composes_request_and_judgement(kind: str, tmp_path: Path) -> None:
    """The transport gets the request; the result has outcome, status and what the answer said."""
    sink = one_of(kind, tmp_path, resolved=True)
    line = Answers(reply(200, b"ok\n"))

    result = await sink.send(sample(), delivery(), line, NOW, Template("hello"))

    assert line.sent == [sink.request(sample(), delivery(), NOW, Template("hello"))]
    assert (result.outcome, result.status, result.excerpt) == (Delivered(), 200, "ok")


@pytest.mark.parametrize("kind", HTTP)
@pytest.mark.parametrize("status", [200, 400, 404, 429, 500])
async def test_no_secret_comes_back_from_an_echo(kind: str, status: int, tmp_path: Path) -> None:
    """Answers are kept in the history and shown to whoever asks: not even the token of a header or a URL."""
    sink = one_of(kind, tmp_path, resolved=True)
    unresolved = repr(one_of(kind, tmp_path))
    held = [value for reference, value in CANARIES.items() if reference in unresolved]
    tokens = [re.split(r"[ /]", value)[-1] for value in held]
    echo = Answers(reply(status, f"you sent {held}, that is {tokens}".encode()))

    result = await sink.send(sample(), delivery(), echo, NOW)

    assert held

    assert "you sent" in repr(result)
    assert "c4n4ry" not in repr(result)


@pytest.mark.parametrize("kind", KINDS)
def test_no_secret_is_printed(kind: str, tmp_path: Path) -> None:
    """Not by repr, str, a check, a preview or a fingerprint."""
    sink = one_of(kind, tmp_path, resolved=True)
    told = [repr(sink), str(sink), fingerprint(sink), sink.preview(sample(), delivery(), NOW)]

    assert sink.problems() == []
    assert not [text for text in told if "c4n4ry" in text]


@pytest.mark.parametrize("kind", KINDS)
def test_a_fingerprint_changes_with_every_setting(kind: str, tmp_path: Path) -> None:
    """A pause ends when the settings do; equal settings keep connections and timers."""
    sink = one_of(kind, tmp_path)
    changes = {
        "concurrency": 3,
        "template": Template("x"),
        "timeout": Duration(3),
        "rate": Rate(7, 60.0),
        "max_age": Duration(60),
        "allow_networks": (Network.parse("10.0.0.0/8"),),
        "retry": RetryPolicy((Wait(1),)),
        "ca": "ca.pem",
    }
    others = [msgspec.structs.replace(sink, **{key: value}) for key, value in changes.items()]
    if over_http(kind):
        others.append(one_of(kind, tmp_path, resolved=True))

    assert fingerprint(sink) == fingerprint(one_of(kind, tmp_path))
    assert len({fingerprint(other) for other in (sink, *others)}) == len(others) + 1
