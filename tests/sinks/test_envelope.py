"""The envelope: what programs read is documented, complete, and the provider's JSON to the last digit."""

import json

import pytest

from router.event import FIELDS
from router.sinks.envelope import envelope, line_of, said
from router.template.template import Template
from tests.sinks.samples import HOSTILE, bare, delivery, sample, strange


def test_the_envelope_has_every_field_of_the_event() -> None:
    """Receivers are written against this."""
    assert json.loads(envelope(sample(), delivery(), None)) == {
        "id": "dlv_0f3k000000001",
        "type": "build.pending",
        "timestamp": "2026-05-04T03:02:01.250Z",
        "data": {
            "provider": "chromatic",
            "source": "chromatic-web",
            "event": "build",
            "kind": "build",
            "status": "pending",
            "provider_status": "PENDING",
            "branch": "feature/calmer",
            "commit": "3f2a9c1d" * 5,
            "project": "web-app",
            "build": "1248",
            "changes": 14,
            "author": "Ada Lovelace",
            "title": "Calmer buttons",
            "url": "https://www.chromatic.com/build?appId=1&number=1248",
            "pull_request": 88,
            "id": "evt_0f3k000000000",
            "labels": {"team": "design"},
            "rule": "main needs eyes",
            "message": None,
            "payload": {"build": {"number": 1248, "price": 1.1, "huge": 123456789012345678901234567890}},
        },
    }


def test_absent_fields_are_null() -> None:
    """A receiver need not ask whether a key is there."""
    body = json.loads(envelope(bare(kind="ping"), delivery(), None))

    assert body["type"] == "ping"
    assert {name for name in FIELDS if body["data"][name] is None} == {*FIELDS} - {
        "provider",
        "source",
        "kind",
    }
    assert (body["data"]["labels"], body["data"]["payload"]) == ({}, {})


@pytest.mark.parametrize(
    "payload",
    [
        b'{"a": 1.10, "b": 1e400, "c": -0.0, "d": 123456789012345678901234567890, "e": 1E5}',
        b'{ "a" : [ ] ,\r\n\t"b":"\\ud800 \\/ \\u0000" }',
        '{"ü": "\u2028\u202e"}'.encode(),
        b'{"a":1,"a":2}',
    ],
)
def test_the_payload_is_the_providers_json_byte_for_byte(payload: bytes) -> None:
    """Digits, spaces, escapes, even what no other program would write so."""
    assert b'"payload":' + payload + b"}}" in envelope(sample(payload=payload), delivery(), None)


def test_a_line_is_one_line_with_the_same_digits() -> None:
    """Line breaks stand only between tokens; nothing else is touched."""
    payload = b'{\r\n  "a": 1.10,\n\n  "b": "x\\ny  z",\n  "c": [\n1,\n2]\n}'
    line = line_of(sample(payload=payload), delivery(), None)

    assert line.endswith(b'"payload":{  "a": 1.10,  "b": "x\\ny  z",  "c": [1,2]}}}\n')
    assert line.count(b"\n") == 1
    assert json.loads(line)["data"]["payload"] == json.loads(payload)


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_a_strangers_text_stays_a_value_on_its_line(text: str) -> None:
    """And arrives as it was written."""
    line = line_of(strange(text), delivery(rule=text), Template("{{ title }}"))
    data = json.loads(line)["data"]

    assert line.count(b"\n") == 1
    assert (
        data["branch"] == data["title"] == data["message"] == data["rule"] == data["payload"]["text"] == text
    )
    assert data["labels"] == {text: text}


def test_the_operators_text_is_the_message() -> None:
    """The built-in sentence where it fails, null where there is none."""
    written = json.loads(envelope(sample(), delivery(), Template("{{ project }}: {{ changes }}")))
    failed = json.loads(envelope(sample(), delivery(), Template("{{ build + 1 }}")))

    assert written["data"]["message"] == "web-app: 14"
    assert failed["data"]["message"] == "web-app: 14 changes to review on feature/calmer"
    assert said(sample(), delivery(), None) == "web-app: 14 changes to review on feature/calmer"
