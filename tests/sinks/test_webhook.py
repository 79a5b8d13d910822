"""Webhook: signed so that the reference library verifies it, with bodies that nobody can break out of."""

import json
import time
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from standardwebhooks import Webhook as Verifier
from standardwebhooks import WebhookVerificationError

from router.errors import Unrenderable
from router.secret import Secret, Url
from router.sinks.sink import fingerprint
from router.sinks.webhook import Webhook, signature, signing_key
from router.template.template import Template
from tests.sinks.samples import HOSTILE, NOW, PAYLOAD, delivery, sample, strange

URL = Url.parse("https://ci.example.com/visual?x=1")
OLD = Secret("env:OLD", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
NEW = Secret("credential:new", "whsec_" + "QUFB" * 16 + "QQ==")
PLAIN = Webhook(name="bot", url=URL)


def test_the_envelope_goes_out_with_its_headers() -> None:
    """The id and the attempt, so that a receiver can drop what it knows; no signature without a secret."""
    request = PLAIN.request(sample(), delivery(), NOW)

    assert (request.method, request.url) == ("POST", "https://ci.example.com/visual?x=1")
    assert request.headers == {
        "content-type": "application/json",
        "user-agent": "visual-router/0.1.0",
        "webhook-id": "dlv_0f3k000000001",
        "webhook-timestamp": "1777863800",
        "visual-router-attempt": "2",
    }
    body = json.loads(request.body)
    assert (body["id"], body["type"]) == ("dlv_0f3k000000001", "build.pending")
    assert body["data"]["message"] is None
    assert PAYLOAD in request.body


def test_the_signature_is_that_of_the_published_vector() -> None:
    """Standard Webhooks 1.0.0, "verifying webhooks"."""
    signed = b'msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{"test": 2432232314}'

    assert signature(signing_key(OLD), signed) == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize("secrets", [(OLD,), (NEW, OLD), (OLD, NEW)])
def test_the_reference_library_verifies_by_every_secret(secrets: tuple[Secret, ...]) -> None:
    """While rotating, a receiver may know either. The library asks the real clock, so this test does too."""
    request = Webhook(url=URL, secret=secrets).request(sample(), delivery(), time.time())

    for secret in secrets:
        assert Verifier(secret.reveal()).verify(request.body, request.headers) == json.loads(request.body)
    assert request.headers["webhook-signature"].count("v1,") == len(secrets)
    with pytest.raises(WebhookVerificationError):
        Verifier("whsec_" + "c3Ry" * 8).verify(request.body, request.headers)
    with pytest.raises(WebhookVerificationError):
        Verifier(OLD.reveal()).verify(request.body + b" ", request.headers)


def test_every_attempt_is_signed_at_its_own_time_under_the_same_id() -> None:
    """A receiver refuses what is old; the id is what it knows a repetition by."""
    sink = Webhook(url=URL, secret=(OLD,))
    first = sink.request(sample(), delivery(claim=1), NOW)
    second = sink.request(sample(), delivery(claim=2), NOW + 300)

    assert first.body == second.body
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.headers["webhook-signature"] != second.headers["webhook-signature"]
    assert (first.headers["visual-router-attempt"], second.headers["visual-router-attempt"]) == ("1", "2")


def test_a_key_that_signed_shows_nowhere() -> None:
    """What is kept of it is no setting: it is neither printed nor compared nor handed on."""
    used, unused = Webhook(url=URL, secret=(OLD,)), Webhook(url=URL, secret=(OLD,))
    used.request(sample(), delivery(), NOW)

    assert used == unused
    assert repr(used) == repr(unused)
    assert fingerprint(used) == fingerprint(unused)
    rotated = msgspec.structs.replace(used, secret=(NEW,))
    again = Webhook(url=URL, secret=(NEW,))
    assert rotated.request(sample(), delivery(), NOW) == again.request(sample(), delivery(), NOW)


@pytest.mark.parametrize("size", [24, 32, 64])
def test_a_key_of_24_to_64_bytes_is_taken(size: int) -> None:
    """What the standard says, no more and no less."""
    secret = Secret("env:KEY", "whsec_" + msgspec.json.encode(b"k" * size).decode()[1:-1])

    assert signing_key(secret) == b"k" * size
    assert Webhook(url=URL, secret=(secret,)).problems() == []


@pytest.mark.parametrize(
    "text",
    [
        "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "whsec_",
        "whsec_" + "QUFB" * 7,
        "whsec_" + "QUFB" * 22,
        "whsec_not base64 at all, but long enough for it",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS",
        "whsec_ÄÖÜ",
        "",
    ],
)
def test_anything_else_is_refused_by_its_reference(text: str) -> None:
    """With the way to make a right one, and without the wrong one."""
    sink = Webhook(url=URL, secret=(OLD, Secret("env:RELEASE_BOT_SECRET", text)))

    (flaw,) = sink.problems()

    assert flaw.key == "secret"
    assert flaw == (
        "env:RELEASE_BOT_SECRET holds no secret of Standard Webhooks; write whsec_ and the base64 of 24 to "
        "64 bytes, as `openssl rand -base64 32` makes it"
    )


def test_headers_are_sent_as_they_are_and_references_as_their_values() -> None:
    """In lower case, after ours, which they may not touch, but for the content type and the agent."""
    sink = Webhook(
        url=URL,
        headers={
            "Authorization": Secret("env:TOKEN", "Bearer t0ken"),
            "X-Team": "design",
            "Content-Type": "application/vnd.ci+json",
        },
    )
    headers = sink.request(sample(), delivery(), NOW).headers

    assert sink.problems() == []
    assert headers["authorization"] == "Bearer t0ken"
    assert headers["x-team"] == "design"
    assert headers["content-type"] == "application/vnd.ci+json"
    assert "t0ken" not in sink.preview(sample(), delivery(), NOW)


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("x y", "a", "a name has letters, digits and -"),
        ("", "a", "a name has letters, digits and -"),
        ("x\r\ny", "a", "a name has letters, digits and -"),
        ("Host", "a", "it belongs to the connection; remove it"),
        ("content-length", "3", "it belongs to the connection; remove it"),
        ("Transfer-Encoding", "chunked", "it belongs to the connection; remove it"),
        ("webhook-id", "a", "visual-router sets it itself; remove it"),
        ("Webhook-Signature", "a", "visual-router sets it itself; remove it"),
        ("visual-router-attempt", "1", "visual-router sets it itself; remove it"),
        ("x-a", "a\r\nx-b: c", "a value is one line of printable ASCII"),
        ("x-a", " a", "a value is one line of printable ASCII"),
        ("x-a", "", "a value is one line of printable ASCII"),
        ("x-a", "ü", "a value is one line of printable ASCII"),
        ("x-a", Secret("env:A", "a\nb"), "env:A holds more than one line of printable ASCII"),
        (
            "Authorization",
            "Bearer abc",
            "a credential in plain sight; use env:NAME, file:/path or credential:NAME",
        ),
        ("X-Api-Key", "abc", "a credential in plain sight; use env:NAME, file:/path or credential:NAME"),
    ],
)
def test_a_header_that_cannot_be_sent_is_a_flaw(name: str, value: str | Secret, reason: str) -> None:
    """Found at load, not at the first event."""
    (flaw,) = Webhook(url=URL, headers={name: value}).problems()

    assert flaw.key == "headers"
    assert flaw == f"header '{name}' cannot be sent: {reason}"


def test_a_header_written_twice_is_a_flaw() -> None:
    """Names of headers have no case."""
    (flaw,) = Webhook(url=URL, headers={"X-A": "1", "x-a": "2"}).problems()

    assert flaw == "header 'x-a' cannot be sent: it stands there twice; names of headers have no case"


def test_an_unresolved_secret_is_no_flaw() -> None:
    """A check on a build server knows none of them."""
    sink = Webhook(url=URL, secret=(Secret("env:A"),), headers={"authorization": Secret("env:B")})

    assert sink.problems() == []


def composed(text: str, **fields: object) -> Any:
    """What a body template makes of an event."""
    sink = Webhook(url=URL, method="PUT", body=Template.parse(text))
    return json.loads(sink.request(sample(**fields), delivery(), NOW, Template("{{ project }}!")).body)


def test_a_body_of_the_operators_own_replaces_the_envelope() -> None:
    """Fields between quotes, whole values by `tojson`, the text as `message`."""
    text = """{
      "state": "{{ 'failure' if status == 'denied' else 'pending' }}",
      "text": "{{ message }}", "count": {{ changes|tojson }}, "labels": {{ labels|tojson }},
      "payload": {{ payload|tojson }}
    }"""

    assert composed(text, status="denied", changes=None) == {
        "state": "failure",
        "text": "web-app!",
        "count": None,
        "labels": {"team": "design"},
        "payload": {"build": {"number": 1248, "price": 1.1, "huge": 123456789012345678901234567890}},
    }


@pytest.mark.parametrize("hostile", HOSTILE, ids=range(len(HOSTILE)))
def test_no_field_breaks_out_of_a_body(hostile: str) -> None:
    """Quotes and backslashes of strangers stay within the quotes that they were printed in."""
    text = '{"a": "{{ title }}", "b": {"c": "{{ branch }}/{{ author }}"}, "m": "{{ message }}"}'
    body = json.loads(
        Webhook(url=URL, body=Template.parse(text)).request(strange(hostile), delivery(), NOW).body
    )

    assert body.keys() == {"a", "b", "m"}
    assert body["a"] == hostile
    assert body["b"] == {"c": f"{hostile}/{hostile}"}


@given(st.text(), st.text())
@settings(max_examples=100)
def test_any_two_fields_stay_apart(title: str, branch: str) -> None:
    """Not even together do they make another key."""
    assert composed('{"a": "{{ title }}", "b": "{{ branch }}"}', title=title, branch=branch) == {
        "a": title,
        "b": branch,
    }


def test_a_body_that_is_not_json_for_some_event_is_a_flaw() -> None:
    """The usual slip: a number that may be absent, printed without `tojson`."""
    (flaw,) = Webhook(url=URL, body=Template('{"n": {{ changes }}}')).problems()

    assert flaw.key == "body"
    assert flaw == (
        "the template fails for an event of type 'build.running': it is not JSON (JSON is malformed: invalid "
        "character (byte 6)); print a whole value by |tojson"
    )


def test_a_body_that_is_not_json_for_this_event_is_unrenderable() -> None:
    """Sent again it would be no better: the delivery is dead, with the reason."""
    sink = Webhook(url=URL, body=Template('{"n": {{ payload.n }}}'))

    with pytest.raises(Unrenderable) as caught:
        sink.request(sample(), delivery(), NOW)

    assert str(caught.value) == (
        "the body cannot be sent: it is not JSON (JSON is malformed: invalid character (byte 6)); "
        "print a whole value by |tojson"
    )
    with pytest.raises(Unrenderable, match="the template failed at line 1: InvalidOperation"):
        Webhook(url=URL, body=Template("{{ 1 / 0 }}")).request(sample(), delivery(), NOW)


def test_a_body_may_hold_a_large_payload() -> None:
    """Its bound is not that of a text: a comparison of Happo lists thousands of snapshots."""
    payload = json.dumps({"list": ["x" * 100] * 10_000}).encode()
    sink = Webhook(url=URL, body=Template('{"payload": {{ payload|tojson }}}'))

    assert len(sink.request(sample(payload=payload), delivery(), NOW).body) > 1_000_000


def test_the_preview_shows_what_would_be_sent_with_every_secret_masked() -> None:
    """Method, host, headers by reference, and the body for people."""
    sink = Webhook(
        url=URL, secret=(OLD, Secret("env:NEXT")), headers={"Authorization": Secret("env:TOKEN", "Bearer x")}
    )

    head, _, body = sink.preview(sample(), delivery(), NOW).partition("\n\n")

    assert head.splitlines() == [
        "POST https://ci.example.com/…",
        "content-type: application/json",
        "user-agent: visual-router/0.1.0",
        "webhook-id: dlv_0f3k000000001",
        "webhook-timestamp: 1777863800",
        "visual-router-attempt: 2",
        "authorization: env:TOKEN",
        "webhook-signature: v1,<env:OLD> v1,<env:NEXT>",
    ]
    assert json.loads(body) == json.loads(sink_body(sink))
    assert Webhook(url=Url("env:U")).preview(sample(), delivery(), NOW).startswith("POST env:U\n")
    resolved = Webhook(url=Url("env:U", "https://user:pw@x.example/"))
    assert resolved.preview(sample(), delivery(), NOW).startswith("POST env:U\n")


def sink_body(sink: Webhook) -> bytes:
    """The body that the same sink sends once its secrets are known."""
    return msgspec.structs.replace(sink, secret=()).request(sample(), delivery(), NOW).body
