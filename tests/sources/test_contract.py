"""What every source promises, over all of the table: a new one is tested by being listed."""

import contextlib
import importlib
import json
import pkgutil
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from multidict import CIMultiDict, CIMultiDictProxy

import router.sources
from router.errors import BadSignature, Undecodable
from router.sources import SOURCES, samples
from router.sources.source import Defaults, Source
from router.units import Duration
from tests.sources.cases import CASES, NOW, PAYLOADS, SECRET, check_shape, document, payload, secrets, source

BODY = b'{"event": "build", "build": {"number": 1}}'
each_provider = pytest.mark.parametrize("provider", SOURCES)
each_case = pytest.mark.parametrize("case", CASES)


def headers(**extra: str) -> CIMultiDictProxy[str]:
    """Headers as the server hands them over."""
    return CIMultiDictProxy(CIMultiDict({"Content-Type": "application/json", **extra}))


def refused(found: Source, sent: Any, body: bytes = BODY, now: float = NOW) -> bool:
    """Whether the request is refused as badly signed; any other error is the test's failure."""
    try:
        found.verify(sent, body, now)
    except BadSignature:
        return True
    return False


def flips(text: str) -> Iterator[str]:
    """Every text that differs in one bit of one character."""
    for place, letter in enumerate(text):
        for bit in range(8):
            yield text[:place] + chr(ord(letter) ^ 1 << bit) + text[place + 1 :]


def test_every_source_there_is_stands_in_the_table() -> None:
    """A file that nobody listed cannot be configured."""
    for module in pkgutil.iter_modules(router.sources.__path__):
        importlib.import_module(f"router.sources.{module.name}")

    assert set(Source.__subclasses__()) == set(SOURCES.values())
    assert all(name == kind.provider for name, kind in SOURCES.items())


@each_case
def test_every_event_that_has_a_kind_is_one_that_the_provider_documents(case: str) -> None:
    """So that a rule with another name can be doubted."""
    provider = case.partition("/")[0]
    found = source(provider).decode(payload(case), NOW)

    assert found.kind == "unknown" or (found.event or "").lower() in SOURCES[provider].events


@each_provider
def test_every_source_implements_the_whole_contract(provider: str) -> None:
    """What the common part cannot know is refused there and given by each source."""
    bare = Source()
    for unknown in (
        lambda: bare.verify({}, BODY, NOW),
        lambda: bare.sign(BODY, NOW),
        lambda: bare.decode(BODY, NOW),
        lambda: bare.renumber({}, 1),
    ):
        with pytest.raises(NotImplementedError):
            unknown()
    for method in ("verify", "sign", "decode", "renumber"):
        assert method in vars(SOURCES[provider])


@each_provider
def test_every_source_has_payloads_samples_and_a_page(provider: str) -> None:
    """Its docstring says where to click and what signs; its samples can be sent."""
    page = SOURCES[provider].__doc__ or ""

    assert "https://<host>/hooks/<source>" in page
    assert "secret" in page
    assert list((PAYLOADS / provider).glob("*.json"))
    assert [name for name in samples.names() if name.startswith(f"{provider}/")]


@each_provider
def test_what_a_source_signs_it_accepts(provider: str) -> None:
    """In a plain mapping and in the server's, under any spelling of the header's name."""
    found = source(provider)
    signed = found.sign(BODY, NOW)
    (name,) = signed

    found.verify(signed, BODY, NOW)
    found.verify(headers(**{name.lower(): signed[name]}), BODY, NOW)


@each_provider
def test_any_of_several_secrets_will_do_while_rotating(provider: str) -> None:
    """The old one until it is taken out, the new one from the start; the first signs."""
    both = source(provider, secret=secrets("new", "old"))

    both.verify(source(provider, secret=secrets("new")).sign(BODY, NOW), BODY, NOW)
    both.verify(source(provider, secret=secrets("old")).sign(BODY, NOW), BODY, NOW)
    assert both.sign(BODY, NOW) == source(provider, secret=secrets("new")).sign(BODY, NOW)
    assert refused(
        source(provider, secret=secrets("new")), source(provider, secret=secrets("old")).sign(BODY, NOW)
    )


@each_provider
def test_missing_foreign_and_repeated_signatures_are_refused(provider: str) -> None:
    """Whoever does not know the secret is a stranger."""
    found = source(provider)
    ((name, value),) = found.sign(BODY, NOW).items()
    foreign = source(provider, secret=secrets("guess")).sign(BODY, NOW)[name]

    assert refused(found, headers())
    assert refused(found, headers(**{name: ""}))
    assert refused(found, headers(**{name: foreign}))
    assert refused(found, CIMultiDictProxy(CIMultiDict([(name, value), (name, value)])))
    assert refused(found, CIMultiDictProxy(CIMultiDict([(name, foreign), (name, value)])))
    assert refused(found, {name: f"{value}, {value}"})


@each_provider
def test_a_source_without_a_secret_refuses_everything_unless_it_is_unsigned(provider: str) -> None:
    """A forgotten secret must not open the door."""
    signed = source(provider).sign(BODY, NOW)
    forgotten = source(provider, secret=())
    unsigned = source(provider, secret=(), unsigned=True)

    assert refused(forgotten, signed)
    assert refused(forgotten, headers())
    assert forgotten.sign(BODY, NOW) == {}
    unsigned.verify(headers(), b"\xff\xfe", NOW)
    assert unsigned.sign(BODY, NOW) == {}


@each_provider
def test_every_shorter_signature_is_refused(provider: str) -> None:
    """A right beginning is no signature."""
    found = source(provider)
    ((name, value),) = found.sign(BODY, NOW).items()

    assert all(refused(found, {name: value[:length]}) for length in range(len(value)))


@each_provider
def test_every_changed_bit_of_the_signature_is_refused(provider: str) -> None:
    """Not one bit is open to choice, the case of a hex digit included."""
    found = source(provider)
    ((name, value),) = found.sign(BODY, NOW).items()

    assert all(refused(found, {name: changed}) for changed in flips(value))


@each_provider
def test_every_changed_bit_of_the_body_is_refused(provider: str) -> None:
    """The signature is over the raw bytes. With those of the signature itself: over 10,000 changes."""
    found = source(provider)
    body = (payload(next(case for case in CASES if case.startswith(provider))) * 3)[:1200]
    signed = found.sign(body, NOW)

    for place in range(len(body)):
        for bit in range(8):
            changed = body[:place] + bytes([body[place] ^ 1 << bit]) + body[place + 1 :]
            assert refused(found, signed, changed)
    assert refused(found, signed, body + b"\n")
    assert refused(found, signed, body[:-1])
    assert refused(found, signed, b"")


@each_provider
@given(value=st.text(st.characters(codec=None), max_size=200), body=st.binary(max_size=50))
@settings(max_examples=150)
def test_garbage_is_a_bad_signature_and_never_another_error(provider: str, value: str, body: bytes) -> None:
    """Verification is total: strangers cannot choose our exceptions."""
    found = source(provider)
    ((name, right),) = found.sign(body, NOW).items()

    assert refused(found, {name: value}, body) or value == right
    assert refused(found, {name: right[:20] + value + right[20:]}, body) or value == ""


@each_provider
@given(body=st.binary(max_size=60) | st.text().map(lambda text: text.encode("utf-8", "surrogatepass")))
@settings(max_examples=150)
def test_random_bytes_are_an_event_or_undecodable(provider: str, body: bytes) -> None:
    """No body makes decoding fail in another way."""
    with contextlib.suppress(Undecodable):
        check_shape(source(provider).decode(body, NOW), provider, body)


# Names that mean something to one provider or another, so that random documents reach into every reader.
KEYS = st.sampled_from(
    [
        "event", "type", "version", "build", "review", "reviewDecision", "data", "project",
        "number", "status", "id", "result", "branch", "attributes", "relationships", "included",
        "state", "review-state", "web-url", "webUrl", "diffs", "hash", "compareUrl", "equal",
        "action", "comparison", "author", "summary", "text",
    ]
)  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS | st.text(), inner, max_size=6),
    max_leaves=20,
)


@each_provider
@given(document=st.dictionaries(KEYS | st.text(), JSON, max_size=8))
@settings(max_examples=80)
def test_any_json_object_decodes(provider: str, document: dict[str, Any]) -> None:
    """Vendors change without notice: any object from a verified sender is an event."""
    body = json.dumps(document).encode()

    check_shape(source(provider).decode(body, NOW), provider, body)


@each_provider
@pytest.mark.parametrize(
    "body", [b"", b"[]", b"null", b"7", b'"x"', b"{", b'{"a": NaN}', b"\xff", b"\xef\xbb\xbf{}"]
)
def test_what_is_no_json_object_is_undecodable(provider: str, body: bytes) -> None:
    """The one reason to refuse the body of a verified sender."""
    with pytest.raises(Undecodable):
        source(provider).decode(body, NOW)


@each_provider
def test_an_empty_object_is_an_unknown_event(provider: str) -> None:
    """Nothing is known of it but that it came."""
    event = source(provider).decode(b"{}", NOW)

    assert (event.kind, event.status, event.event) == ("unknown", "unknown", None)


@each_case
def test_every_beginning_of_a_body_is_undecodable(case: str) -> None:
    """A connection may break anywhere."""
    found, body = source(case.partition("/")[0]), payload(case).rstrip()
    for length in range(0, len(body), 7):
        with pytest.raises(Undecodable):
            found.decode(body[:length], NOW)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of everything inside a JSON value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in inner:
        yield (*path, key)
        yield from places(child, (*path, key))


def put(value: Any, path: tuple[Any, ...], replacement: Any) -> tuple[Any, Any]:
    """Put a replacement at a path (`...` takes the place away); returns its container and what was there."""
    for key in path[:-1]:
        value = value[key]
    before = value[path[-1]]
    if replacement is ...:
        del value[path[-1]]
    else:
        value[path[-1]] = replacement
    return value, before


@each_case
def test_every_field_may_be_of_any_type(case: str) -> None:
    """A wrong type costs its own field; the event stands."""
    provider = case.partition("/")[0]
    found, whole = source(provider), document(case)
    for path in list(places(whole)):
        for replacement in (None, 7, -1, 10**30, 1.5, True, "", "a\0b", [], ["x"], {}, {"data": 5}):
            container, before = put(whole, path, replacement)
            body = json.dumps(whole).encode()
            check_shape(found.decode(body, NOW), provider, body)
            container[path[-1]] = before


@each_case
def test_every_field_may_be_missing(case: str) -> None:
    """Nothing but the braces is required."""
    provider = case.partition("/")[0]
    found = source(provider)
    for path in places(document(case)):
        whole = document(case)
        put(whole, path, ...)
        body = json.dumps(whole).encode()
        check_shape(found.decode(body, NOW), provider, body)


@pytest.mark.parametrize(
    "case",
    [
        "chromatic/v2-build-pending",
        "chromatic/v2-review-decision-pending",
        "percy/ping",
        "happo/flake-reported",
    ],
)
def test_every_field_may_be_a_megabyte(case: str) -> None:
    """Long values pass; what is a key in the journal is cut to a digest."""
    provider = case.partition("/")[0]
    found, whole = source(provider), document(case)
    for path in list(places(whole)):
        container, before = put(whole, path, "x" * (1 << 20))
        body = json.dumps(whole).encode()
        check_shape(found.decode(body, NOW), provider, body)
        container[path[-1]] = before


@each_provider
def test_defaults_fill_only_what_is_absent(provider: str) -> None:
    """The operator knows what the provider does not say, and never better than the provider."""
    given_defaults = Defaults(branch="trunk", project="shop", author="nobody")
    found = source(provider, defaults=given_defaults)
    empty = found.decode(b"{}", NOW)

    assert (empty.branch, empty.project, empty.author) == ("trunk", "shop", "nobody")
    for case in (each for each in CASES if each.startswith(provider)):
        plain, filled = (each.decode(payload(case), NOW) for each in (source(provider), found))
        assert filled.branch == (plain.branch or "trunk")
        assert filled.project == (plain.project or "shop")
        assert filled.author == (plain.author or "nobody")


@each_provider
def test_labels_are_those_of_the_settings(provider: str) -> None:
    """Each event has a map of its own."""
    found = source(provider, labels={"team": "design"})

    first, second = found.decode(b"{}", NOW), found.decode(b"{}", NOW)

    assert first.labels == second.labels == {"team": "design"}
    assert first.labels is not second.labels


@each_provider
def test_the_window_of_a_resend_is_the_providers_unless_it_is_set(provider: str) -> None:
    """`dedupe` overrules the default, nought included."""
    assert source(provider).window == SOURCES[provider].default_dedupe
    assert source(provider, dedupe=Duration(0)).window == 0


@each_provider
def test_a_source_never_shows_its_secret(provider: str) -> None:
    """A settings struct ends up in messages sooner or later."""
    assert SECRET not in repr(source(provider))
