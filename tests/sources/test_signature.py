"""Signatures: vectors, and Chromatic's token field by field."""

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest
from multidict import CIMultiDict

from router.errors import BadSignature
from router.sources.signature import check_hex, check_token, sign_hex, sign_token, sole
from tests.sources.cases import NOW, SECRET, secrets

BODY = b'{"event":"build"}'
ISSUED = int(NOW)
HEAD: dict[str, Any] = {"alg": "HS256", "typ": "JWT"}
CLAIMS: dict[str, Any] = {"iss": "chromatic", "iat": ISSUED, "sha256": hashlib.sha256(BODY).hexdigest()}
# Secret `kittens`, from the tests of a public consumer of Percy's webhook.
KITTENS = "45673a3837ff0209008f56e7310dfb5620b0824b3fb9ff02c0a7e838d0433b6f"


def segment(part: object) -> str:
    """One part of a token; text is taken as JSON that is already written."""
    written = part if isinstance(part, str) else json.dumps(part)
    return base64.urlsafe_b64encode(written.encode("utf-8", "surrogatepass")).rstrip(b"=").decode()


def mac(signed: str, secret: str = SECRET) -> str:
    """The third part of a token."""
    digest = hmac.new(secret.encode(), signed.encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def token(head: object = None, claims: object = None, secret: str = SECRET) -> str:
    """A token that is rightly signed, whatever it says."""
    signed = f"{segment(HEAD if head is None else head)}.{segment(CLAIMS if claims is None else claims)}"
    return f"{signed}.{mac(signed, secret)}"


def refusal(text: str, now: float = NOW) -> str:
    """Why a token is refused."""
    with pytest.raises(BadSignature) as caught:
        check_token(secrets(SECRET), text, BODY, now, "chromatic")
    return str(caught.value)


def test_the_digest_is_that_of_other_implementations() -> None:
    """A published vector, not one of our own making."""
    body = bytes([0, 1, 2, 3])

    check_hex(secrets("kittens"), KITTENS, body)
    assert sign_hex(secrets("kittens")[0], body) == KITTENS
    check_hex(secrets("kittens"), f"sha256={KITTENS}", body, "sha256=")


@pytest.mark.parametrize(
    ("value", "prefix"),
    [
        ("", ""),
        (KITTENS.upper(), ""),
        (f" {KITTENS}", ""),
        (f"{KITTENS}, {KITTENS}", ""),
        (f"sha256={KITTENS}", ""),
        (KITTENS, "sha256="),
        (f"sha256=sha256={KITTENS}", "sha256="),
        (f"SHA256={KITTENS}", "sha256="),
        ("é" * 64, ""),
        ("\udcff" * 64, ""),
        ("," * 8192, ""),
    ],
)
def test_one_digest_has_one_spelling(value: str, prefix: str) -> None:
    """Anything but the exact text is refused, and nothing raises anything else."""
    with pytest.raises(BadSignature):
        check_hex(secrets("kittens"), value, bytes([0, 1, 2, 3]), prefix)


def test_a_secret_that_is_not_utf_8_signs_with_its_own_bytes() -> None:
    """The environment hands such bytes over escaped."""
    expected = hmac.new(b"k\xff", BODY, hashlib.sha256).hexdigest()

    assert sign_hex(secrets("k\udcff")[0], BODY) == expected


def test_a_header_that_stands_twice_is_refused() -> None:
    """Nobody may choose which of two signatures counts, not even two equal ones."""
    with pytest.raises(BadSignature, match=r"^the header 'X-Sig' is there 2 times$"):
        sole(CIMultiDict([("X-Sig", "a"), ("x-sig", "a")]), "X-Sig")


@pytest.mark.parametrize("headers", [{}, CIMultiDict()])
def test_a_header_that_is_missing_is_refused(headers: Any) -> None:
    """Absence is not an empty signature."""
    with pytest.raises(BadSignature, match=r"^the header 'X-Sig' is missing$"):
        sole(headers, "X-Sig")


@pytest.mark.parametrize("headers", [{"X-Sig": "a"}, CIMultiDict({"x-sig": "a"})])
def test_a_header_that_stands_once_is_found(headers: Any) -> None:
    """In a plain mapping and in a multidict."""
    assert sole(headers, "X-Sig") == "a"


def test_a_token_by_another_implementation_is_accepted() -> None:
    """Written here by hand, in the documented form."""
    check_token(secrets("old", SECRET), token(), BODY, NOW, "chromatic")


def test_a_token_of_ours_has_the_documented_form() -> None:
    """`alg`, `iss`, `iat` and `sha256`, and no more."""
    head, claims, signature = sign_token(secrets(SECRET)[0], BODY, NOW, "chromatic").split(".")

    assert json.loads(base64.urlsafe_b64decode(head + "==")) == HEAD
    assert json.loads(base64.urlsafe_b64decode(claims + "==")) == CLAIMS
    assert signature == mac(f"{head}.{claims}")


def test_further_claims_are_ignored() -> None:
    """The vendor announces that it adds fields."""
    check_token(secrets(SECRET), token(claims=CLAIMS | {"aud": "us"}), BODY, NOW, "chromatic")


@pytest.mark.parametrize("seconds", [-300, 0, 300])
def test_a_token_is_valid_for_five_minutes_either_way(seconds: int) -> None:
    """Clocks differ; a replay after that is refused."""
    check_token(secrets(SECRET), token(), BODY, ISSUED + seconds, "chromatic")


@pytest.mark.parametrize("seconds", [-301, -300.01, 300.01, 301, 10**9, float("nan"), float("inf")])
def test_a_token_is_refused_outside_of_that_time(seconds: float) -> None:
    """Too old or too new."""
    assert refusal(token(), ISSUED + seconds) == "the token is too old or too new; is the clock right?"


@pytest.mark.parametrize(
    "issued", [None, True, str(ISSUED), float(ISSUED), [ISSUED], 10**30, -(10**30), 10**1500, -1]
)
def test_the_time_of_a_token_is_an_integer(issued: object) -> None:
    """A text, a float or a boolean is no time, and an enormous number is no crash."""
    found = refusal(token(claims=CLAIMS | {"iat": issued}))

    assert found == "the token is too old or too new; is the clock right?"


@pytest.mark.parametrize(
    "head",
    [
        {"typ": "JWT"},
        {},
        *(
            HEAD | {"alg": name}
            for name in ("none", "None", "", "hs256", "HS384", "HS512", "RS256", None, ["HS256"], True, {})
        ),
        *(HEAD | {name: "x"} for name in ("kid", "jku", "jwk", "x5u", "crit", "zip")),
    ],
)
def test_only_the_documented_header_is_accepted(head: object) -> None:
    """The sender must not choose algorithm or key."""
    assert refusal(token(head)) == "the token's header is not that of HS256"


@pytest.mark.parametrize("issuer", [None, "Chromatic", "chromatic ", ["chromatic"], ""])
def test_only_the_documented_issuer_is_accepted(issuer: object) -> None:
    """Who shares a secret with another service must not be taken for it."""
    assert refusal(token(claims=CLAIMS | {"iss": issuer})) == "the token is by another issuer"


@pytest.mark.parametrize("digest", [None, "", CLAIMS["sha256"][:63], 5, ["a"], "é" * 64, "\ud800" * 64])
def test_a_token_without_a_digest_is_refused(digest: object) -> None:
    """Without it the token would sign any body."""
    assert refusal(token(claims=CLAIMS | {"sha256": digest})) == "the token holds no digest of the body"


@pytest.mark.parametrize("digest", ["0" * 64, CLAIMS["sha256"].upper()])
def test_a_token_for_another_body_is_refused(digest: str) -> None:
    """The token is bound to the bytes it came with."""
    assert refusal(token(claims=CLAIMS | {"sha256": digest})) == "the token is for another body"


@pytest.mark.parametrize(
    ("head", "claims"),
    [
        (None, '{"iat":1,' + json.dumps(CLAIMS)[1:]),
        ('{"alg":"none","alg":"HS256"}', None),
        (None, "[]"),
        ("7", None),
        (None, "{"),
        (None, ""),
        (None, "[" * 2000),
        (None, "\udc80"),
    ],
)
def test_a_token_whose_parts_are_not_plain_objects_is_refused(head: object, claims: object) -> None:
    """A key that stands twice means one thing to us and another to the next reader."""
    text = token(head, claims)
    expected = "the signature is not a token" if claims == "" else "the token does not decode"

    assert refusal(text) == expected


def test_a_part_of_an_impossible_length_is_refused() -> None:
    """Base64 never has one character left over."""
    signed = f"{segment(HEAD)}.aaaaa"

    assert refusal(f"{signed}.{mac(signed)}") == "the token does not decode"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "garbage",
        "..",
        token().rpartition(".")[0],
        token().rpartition(".")[0] + ".",
        f"{token()}.x",
        f"{token()}=",
        f"{token()} ",
        f"{token()}\n",
        f"Bearer {token()}",
        token().replace(".", ",", 1),
        f"é{token()}",
        f"\udcff{token()}",
        f"{segment(HEAD)}=.{segment(CLAIMS)}.{mac('x')}",
        "," * 8192,
        token(claims=CLAIMS | {"x": "x" * 100_000}),
    ],
)
def test_what_has_not_the_form_of_a_token_is_refused(text: str) -> None:
    """Three parts, no padding, no more than is needed."""
    assert refusal(text) == "the signature is not a token"


def test_a_token_by_a_foreign_secret_is_refused() -> None:
    """The secret is all that makes it Chromatic's."""
    assert refusal(token(secret="guess")) == "the token is not signed by a known secret"


def test_the_unused_bits_of_a_token_cannot_be_chosen() -> None:
    """The last character has two bits to spare: only one of its four spellings is the signature."""
    text = token()
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    accepted = []
    for letter in alphabet:
        try:
            check_token(secrets(SECRET), text[:-1] + letter, BODY, NOW, "chromatic")
            accepted.append(letter)
        except BadSignature:
            pass

    assert accepted == [text[-1]]
