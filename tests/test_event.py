"""Event: its derived words, and what is a JSON object."""

import gc
import json
import math
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.event import Event, decode_object


def event(**fields: Any) -> Event:
    """An event of a source called web."""
    return Event(**({"source": "web", "provider": "percy", "received_at": 0.0, "payload": b"{}"} | fields))


def refusal(body: bytes) -> str:
    """Why a body is refused."""
    with pytest.raises(ValueError, match=r".") as caught:
        decode_object(body)
    assert type(caught.value) is ValueError
    return str(caught.value)


def outcome(body: bytes) -> type:
    """What comes of a body: the class of the result or of the error."""
    try:
        return type(decode_object(body))
    except ValueError as error:
        return type(error)


def test_the_type_is_kind_and_status() -> None:
    """The kind alone where there is no status."""
    assert event(kind="build", status="pending").type == "build.pending"
    assert event(kind="ping").type == "ping"


def test_the_thread_is_one_build_or_one_review_of_one_project() -> None:
    """What has no number belongs to no thread."""
    assert event(build="4", project="shop", pull_request=4).thread == "web\nshop\nbuild\n4"
    assert event(pull_request=4).thread == "web\n\nreview\n4"
    assert event().thread is None


def test_a_thread_is_never_too_long_for_a_key() -> None:
    """Whatever names a provider sends; what differs in them differs in the thread."""
    longest = event(build="4", project="p" * (250 - len("web\n\nbuild\n4")))
    assert len(longest.thread or "") == 250
    threads = {
        event(build=build, project=project).thread
        for build in ("4", "4" * 300)
        for project in ("p" * 300, "p" * 299 + "q", None)
    }
    assert len(threads) == 6
    assert all(thread is not None and len(thread) <= 250 for thread in threads)


def test_the_document_is_the_payload() -> None:
    """Rules read `payload.<path>` from it."""
    assert event(payload=b'{"a": [1]}').document == {"a": [1]}


def test_an_undecoded_copy_has_forgotten_the_document() -> None:
    """It takes many times the size of the payload; whoever asks again gets one of their own."""
    found = event(payload=b'{"a": [1]}')
    document = found.document

    assert found.undecoded() == found
    assert found.document is document
    assert found.undecoded().document is not document


@pytest.mark.parametrize(
    ("body", "document"),
    [
        (b"{}", {}),
        (b' {"a": 1}\r\n', {"a": 1}),
        (b'{"a":1,"a":2}', {"a": 2}),
        (b'{"a":"x\\u0000y"}', {"a": "x\0y"}),
        ('{"ключ":"значение"}'.encode(), {"ключ": "значение"}),
        (b'{"a":"\\ud83d\\ude00"}', {"a": "\U0001f600"}),
        (b'{"a":18446744073709551616}', {"a": 2**64}),
        (b'{"a":1e400,"b":-1e400}', {"a": math.inf, "b": -math.inf}),
        (b'{"a":1e400,"a":2}', {"a": 2}),
        (b'{"a":' + b"9" * 100_000 + b"}", {"a": math.inf}),
        (b'{"a":-' + b"9" * 1_000_000 + b"}", {"a": -math.inf}),
        (b'{"a":1e400,"b":' + b"9" * 4300 + b"}", {"a": math.inf, "b": 10**4300 - 1}),
        (b'{"a":"\\ud800"}', {"a": "\ufffd"}),
        (b'{"\\uDC00":"\\ud800\\ud83d\\ude00\\ude00"}', {"\ufffd": "\ufffd\U0001f600\ufffd"}),
        (b'{"a":"\\\\ud800\\\\\\ud800"}', {"a": "\\ud800\\\ufffd"}),
    ],
)
def test_whatever_the_grammar_allows_decodes(body: bytes, document: object) -> None:
    """Numbers beyond every range and half surrogate pairs included: no object may cost its event."""
    found = decode_object(body)

    assert found == document
    assert json.dumps(found, ensure_ascii=False).encode()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "not JSON at line 1, column 1"),
        (b"{} x", "not JSON at line 1, column 4"),
        (b'{"a":01}', "not JSON at line 1, column 7"),
        (b"{'a':1}", "not JSON at line 1, column 2"),
        (b'{\n"a":1,}', "not JSON at line 2, column 7"),
        (b'{"a":"\x01"}', "not JSON at line 1, column 7"),
        (b"\xef\xbb\xbf{}", "not JSON at line 1, column 1"),
        (b"\x00{}", "not JSON at line 1, column 1"),
        (b"[]", "not a JSON object"),
        (b"null", "not a JSON object"),
        (b'"{}"', "not a JSON object"),
        (b"1e400", "not a JSON object"),
        (b'{"a":NaN}', "'NaN' is not JSON"),
        (b'{"a":Infinity}', "'Infinity' is not JSON"),
        (b'{"a":[-Infinity]}', "'-Infinity' is not JSON"),
        (b'{"a":"\xff"}', "not UTF-8"),
        (b'{"a":"\xed\xa0\x80"}', "not UTF-8"),
        ("{}".encode("utf-16"), "not UTF-8"),
        ("{}".encode("utf-16-le"), "not JSON at line 1, column 2"),
        (b"[" * 100_000, "nested deeper than 64 levels"),
        (b'{"a":' * 100_000, "nested deeper than 64 levels"),
        (b'{"n":1e400,"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested deeper than 64 levels"),
    ],
)
def test_what_is_no_object_is_refused_and_the_message_repeats_nothing_of_it(
    body: bytes, message: str
) -> None:
    """One error, with a place to look at where there is one."""
    assert refusal(body) == message


@pytest.mark.parametrize(("opening", "closing"), [(b'{"a":', b"}"), (b"[", b"]"), (b'[0,"[",{"a":', b"}]")])
def test_sixty_four_levels_pass_and_sixty_five_do_not(opening: bytes, closing: bytes) -> None:
    """Objects and lists count alike."""
    per_round = opening.count(b"[") - opening.count(b'"["') + opening.count(b"{")
    rounds = 62 // per_round
    body = b'{"a":' + opening * rounds + b"%s" + closing * rounds + b"}"

    assert decode_object(body % b"[]")
    assert refusal(body % b"[[]]") == "nested deeper than 64 levels"


@pytest.mark.parametrize(
    "body",
    [b'{"a":[' + b"[]," * 200_000 + b"0]}", b'{"a":[' + b"0," * 500_001 + b"0]}"],
)
def test_a_body_of_far_too_many_values_is_refused_before_any_is_made(body: bytes) -> None:
    """A value of two bytes takes fifty times its size, and its decoding holds everybody up."""
    assert refusal(body) == "more than 200000 lists and objects, or 500000 values"


@pytest.mark.parametrize("collecting", [True, False])
def test_the_search_for_garbage_goes_on_after_a_large_body(*, collecting: bool) -> None:
    """As it was before, whether the body is one or not."""
    try:
        if not collecting:
            gc.disable()
        for body in (b'{"a":[' + b"[]," * 99_000 + b"0]}", b'{"a":[' + b"[]," * 99_000):
            with suppress(ValueError):
                decode_object(body)

            assert gc.isenabled() is collecting
    finally:
        gc.enable()


@pytest.mark.parametrize(("sign", "value"), [(b"", math.inf), (b"-", -math.inf)])
def test_an_integer_of_a_million_digits_is_beyond_all_ranges(sign: bytes, value: float) -> None:
    """Its digits are not even looked at: that takes quadratic time."""
    assert decode_object(b'{"a":%b%b}' % (sign, b"9" * 1_000_000)) == {"a": value}


def test_many_brackets_are_not_depth() -> None:
    """A long flat body passes, and so do brackets in texts."""
    assert len(decode_object(b'{"a":[' + b",".join([b'{"b":[]}'] * 5000) + b"]}")["a"]) == 5000
    assert decode_object(b'{"a":"' + b"[" * 5000 + b'"}') == {"a": "[" * 5000}


def test_two_hundred_thousand_keys_pass() -> None:
    """There is no bound on keys but that on the body."""
    document = {str(number): number for number in range(200_000)}

    assert decode_object(json.dumps(document).encode()) == document


@given(body=st.binary(max_size=40) | st.text(max_size=40).map(str.encode))
@settings(max_examples=200)
def test_random_bytes_are_an_object_or_a_value_error(body: bytes) -> None:
    """No other exception comes out."""
    assert outcome(body) in (dict, ValueError)


LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
)
JSON = st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=30)


@given(document=st.dictionaries(st.text(), JSON, max_size=5), beyond=st.booleans())
@settings(max_examples=100)
def test_both_decoders_read_the_same_document(document: dict[str, Any], beyond: bool) -> None:
    """A number beyond every range beside it changes nothing else."""
    body = json.dumps(document | {"beyond": 0}).encode()
    if beyond:
        body = body[:-2] + b"1e999}"

    found = decode_object(body)

    assert found.pop("beyond") == (math.inf if beyond else 0)
    document.pop("beyond", None)
    assert found == document
