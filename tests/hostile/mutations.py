"""Hostile requests without end: case n of a seed is always the same bytes, and says what may be answered."""

import base64
import copy
import hashlib
import hmac
import json
import random
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from tests.hostile.pieces import HEADERS, METHODS, ODD_VALUES, SPLINTERS, VALUES, VECTORS
from tests.process.harness import PAYLOADS, chromatic_headers, happo_headers, percy_headers

SECRETS = {"CHROMATIC": "c-fuzz-secret-1", "PERCY": "p-fuzz-secret-2", "HAPPO": "h-fuzz-secret-3"}
TOKEN = "t-fuzz-token-4"
PROVIDERS = ("chromatic", "percy", "happo")
BODIES = {
    name: [path.read_bytes() for path in sorted((PAYLOADS / name).glob("*.json"))] for name in PROVIDERS
}
SHORT = {
    name: [json.dumps(json.loads(body), separators=(",", ":")).encode() for body in bodies]
    for name, bodies in BODIES.items()
}
SIGNATURE = {"chromatic": "X-Webhook-Signature", "percy": "X-Percy-Digest", "happo": "X-Happo-Signature"}
ANYTHING = frozenset({202, 400, 401, 404, 405, 408, 413, 415, 429, 503})
NEVER_ACCEPTED = ANYTHING - {202}
JUDGED = frozenset({202, 400})

Chance = random.Random
Fields = list[tuple[str, bytes]]


class Case(NamedTuple):
    """One hostile deed: bytes, and the statuses that may answer them.

    `alone`: it may break the framing and needs a connection of its own. `cut`: the sender leaves without
    waiting for an answer.
    """

    kind: str
    wire: bytes
    allowed: frozenset[int]
    alone: bool = False
    cut: bool = False


def case(seed: int, number: int) -> Case:
    """The case of that number."""
    chance = Chance(f"{seed}:{number}")
    kind = chance.choices(list(KINDS), [weight for weight, _ in KINDS.values()])[0]
    return KINDS[kind][1](chance)


def request(path: bytes, headers: Fields, body: bytes, method: bytes = b"POST") -> bytes:
    """A request with a right length."""
    lines = [method + b" " + path + b" HTTP/1.1", b"Host: x"]
    lines += [name.encode("latin-1") + b": " + value for name, value in headers]
    lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join([*lines, b"", b""]) + body


def signed(provider: str, body: bytes) -> Fields:
    """The headers that the provider would send."""
    key = SECRETS[provider.upper()]
    match provider:
        case "chromatic":
            found = chromatic_headers(body, key, time.time())
        case "percy":
            found = percy_headers(body, key)
        case _:
            found = happo_headers(body, key)
    return [(name, value.encode()) for name, value in found.items()]


def _picked(chance: Chance) -> tuple[str, bytes]:
    """A provider and one of its documented bodies, as short as JSON allows."""
    provider = chance.choice(PROVIDERS)
    # The document is an object with something in it; one more member at its end makes it another one.
    return provider, chance.choice(SHORT[provider])[:-1] + b',"fuzz":%d}' % chance.getrandbits(60)


def _honest(chance: Chance) -> Case:
    provider, body = _picked(chance)
    return Case(
        "honest", request(f"/hooks/{provider}".encode(), signed(provider, body), body), frozenset({202})
    )


def _forged(chance: Chance) -> Case:
    """A right signature with something wrong, never accepted; the answer does not tell what was wrong."""
    provider, body = _picked(chance)
    name, right = signed(provider, body)[0]
    headers: Fields = [(name, right)]
    match chance.randrange(8):
        case 0:
            headers = []
        case 1:
            headers = [(name, _flipped_digit(chance, right))]
        case 2:
            headers = [(name, right[: chance.randrange(len(right))])]
        case 3:
            headers = [(name, right), (name, chance.choice([right, b"x", b""]))]
        case 4:
            headers = [(name, _noise(chance, chance.randrange(1, 300)))]
        case 5:
            headers = [(name, right + chance.choice([b",", b"=", b"0", b" x", b"\xe9", b"," * 3000]))]
        case 6:
            body = _flipped_bit(chance, body)
        case _ if provider == "chromatic":
            headers = [(name, _confused_token(chance, body))]
        case _:
            other = chance.choice([each for each in PROVIDERS if each != provider])
            headers = signed(other, body)
    return Case("forged", request(f"/hooks/{provider}".encode(), headers, body), frozenset({401}))


def _confused_token(chance: Chance, body: bytes) -> bytes:
    """A token signed by the right secret that says something a verifier must not accept."""
    head: Any = {"alg": "HS256", "typ": "JWT"}
    claims: Any = {"iss": "chromatic", "iat": int(time.time()), "sha256": hashlib.sha256(body).hexdigest()}
    odd = [
        None,
        [],
        {},
        1,
        -1,
        1.5,
        10**30,
        True,
        "",
        "none",
        "HS384",
        "RS256",
        ["HS256"],
        "HS256 ",
        "\udcff",
    ]
    match chance.randrange(6):
        case 0:
            head["alg"] = chance.choice(odd)
        case 1:
            head[chance.choice(["kid", "jku", "x5u", "crit", "b64"])] = chance.choice(odd)
        case 2:
            claims["iat"] = chance.choice(
                [*odd, str(claims["iat"]), claims["iat"] + chance.choice([999, -999])]
            )
        case 3:
            claims[chance.choice(["iss", "sha256"])] = chance.choice(odd)
        case 4:
            head = chance.choice(odd)
        case _:
            claims = chance.choice(odd)
    parts = [_base64url(json.dumps(part).encode()) for part in (head, claims)]
    mac = hmac.digest(SECRETS["CHROMATIC"].encode(), b".".join(parts), "sha256")
    if chance.random() < 0.1:
        parts.append(b"x")
    return b".".join([*parts, _base64url(mac)])


def _twisted(chance: Chance) -> Case:
    """A signed body that is no longer the documented one: still an event, or a 400."""
    provider, body = _picked(chance)
    allowed = JUDGED
    match chance.randrange(5):
        case 0:
            for _ in range(chance.randrange(1, 6)):
                body = _damaged(chance, body)
        case 1:
            body = body[: chance.randrange(len(body))]
            allowed = frozenset({400})
        case 2:
            body = chance.choice(VECTORS)
        case _:
            document = json.loads(body)
            for _ in range(chance.randrange(1, 4)):
                _replace_somewhere(chance, document)
            body = json.dumps(document).encode("utf-8", "surrogatepass")
            allowed = frozenset({202})
    return Case("twisted", request(f"/hooks/{provider}".encode(), signed(provider, body), body), allowed)


def _replace_somewhere(chance: Chance, document: dict[str, Any]) -> None:
    """Put something odd, or nothing, in the place of a value at any depth."""
    here: Any = document
    while True:
        keys = list(here) if isinstance(here, dict) else list(range(len(here)))
        if not keys:
            return
        key = chance.choice(keys)
        if isinstance(here[key], dict | list) and here[key] and chance.random() < 0.8:
            here = here[key]
            continue
        if chance.random() < 0.2:
            del here[key]
        else:
            here[key] = copy.deepcopy(chance.choice(ODD_VALUES))
        return


def _dressed(chance: Chance) -> Case:
    """Headers that nobody sends: they change nothing, or the request is refused."""
    provider, body = _picked(chance)
    headers = signed(provider, body)
    for _ in range(chance.randrange(1, 6)):
        name = chance.choice(HEADERS) if chance.random() < 0.8 else _token(chance)
        headers.insert(chance.randrange(len(headers) + 1), (name, chance.choice(VALUES)))
    query = chance.choice([b"", b"?", b"?a=b", b"?%ff=%00", b"?" + b"k=v&" * 400, b"?=&&==", b"?\xe2\x82"])
    path = f"/hooks/{provider}".encode() + query
    return Case("dressed", request(path, headers, body), ANYTHING, alone=True)


def _lost(chance: Chance) -> Case:
    """Paths and methods that lead nowhere, with the right signature for elsewhere."""
    provider, body = _picked(chance)
    name = provider.encode()
    path = chance.choice(
        [
            b"/",
            b"//",
            b"/hooks",
            b"/hooks/",
            b"/hooks//" + name,
            b"/hooks/" + name + b"//",
            b"/hooks/" + name + b"/x",
            b"/hooks/" + name.upper(),
            b"/hooks/" + name + b"%00",
            b"/hooks/../hooks/" + name,
            b"/hooks/%2e%2e/" + name,
            b"/hooks%2f" + name,
            b"/hooks/" + name + b";a=b",
            b"/hooks/open",
            b"/hooks/open/",
            b"/hooks/open/" + TOKEN.encode()[:-1],
            b"/hooks/open/%ff%fe",
            b"/hooks/open/" + TOKEN.encode() + b"//",
            b"/hooks/%F0%9F%92%A9",
            b"/hooks/%zz",
            b"/hooks/" + b"a" * 7000,
            b"/" + b"/".join([b"x"] * 2000),
            b"/metrics",
            b"/healthz",
            b"/api/v1/events",
            b"http://127.0.0.1/hooks/nobody",
            b"/hooks/" + _escaped(chance, _noise(chance, 8)),
            b"/hooks/" + _token(chance).encode(),
        ]
    )
    method = b"POST" if chance.random() < 0.6 else chance.choice(METHODS)
    headers = signed(provider, body)
    allowed = frozenset({400, 401, 404, 405})
    # What a method like CONNECT means for the bytes behind it is the parser's affair.
    return Case("lost", request(path, headers, body, method), allowed, alone=method != b"POST")


def _framed(chance: Chance) -> Case:
    """Bytes changed anywhere in a request, chunked or not, with what may follow it."""
    provider, body = _picked(chance)
    body = body[:400]
    whole = request(f"/hooks/{provider}".encode(), signed(provider, body), body)
    if chance.random() < 0.4:
        head = whole.partition(b"Content-Length")[0] + b"Transfer-Encoding: chunked\r\n\r\n"
        whole = head + _chunked(chance, body)
    for _ in range(chance.randrange(4)):
        whole = _damaged(chance, whole) if chance.random() < 0.5 else _framing_damaged(chance, whole)
    if chance.random() < 0.2:
        whole += _noise(chance, chance.randrange(60))
    return Case("framed", whole, ANYTHING, alone=True)


def _cut(chance: Chance) -> Case:
    """A request of which only the beginning comes, from a sender that leaves."""
    provider, body = _picked(chance)
    whole = request(f"/hooks/{provider}".encode(), signed(provider, body), body)
    return Case("cut", whole[: chance.randrange(len(whole))], ANYTHING, alone=True, cut=True)


def _chunked(chance: Chance, body: bytes) -> bytes:
    """The body in chunks of any size, sometimes with extensions and trailers, sometimes with wrong sizes."""
    found = b""
    while body:
        size = min(len(body), chance.choice([1, 2, 16, 100, 1000]))
        shown = size if chance.random() < 0.95 else chance.choice([0, size + 1, size * 2, 1 << 40, 1 << 63])
        extension = chance.choice([b"", b"", b"", b";a=b", b";\xff", b";" + b"x" * 100])
        found += b"%x" % shown + extension + b"\r\n" + body[:size] + b"\r\n"
        body = body[size:]
    return found + b"0\r\n" + b"A: b\r\n" * chance.choice([0, 0, 1, 300]) + b"\r\n"


def _framing_damaged(chance: Chance, whole: bytes) -> bytes:
    """A splinter of HTTP at the border of a line, or anywhere."""
    if chance.random() < 0.6:
        borders = [at for at, byte in enumerate(whole) if byte == _NEWLINE]
        at = chance.choice(borders) + 1 if borders else 0
    else:
        at = chance.randrange(len(whole) + 1)
    return whole[:at] + chance.choice(SPLINTERS) + whole[at:]


def _damaged(chance: Chance, whole: bytes) -> bytes:
    """One small damage anywhere: a byte changed, gone or added, a piece doubled or cut out."""
    if not whole:
        return _noise(chance, 1)
    at = chance.randrange(len(whole))
    until = min(len(whole), at + chance.randrange(1, 30))
    match chance.randrange(5):
        case 0:
            return whole[:at] + bytes([chance.randrange(256)]) + whole[at + 1 :]
        case 1:
            return whole[:at] + whole[at + 1 :]
        case 2:
            return whole[:at] + _noise(chance, 3) + whole[at:]
        case 3:
            return whole[:until] + whole[at:]
        case _:
            return whole[:at] + whole[until:]


def _flipped_bit(chance: Chance, body: bytes) -> bytes:
    at = chance.randrange(len(body))
    return body[:at] + bytes([body[at] ^ 1 << chance.randrange(8)]) + body[at + 1 :]


def _flipped_digit(chance: Chance, value: bytes) -> bytes:
    """One letter of a signature changed into another that looks as good, or into one that does not."""
    at = chance.randrange(len(value))
    others = [letter for letter in b"0123456789abcdefXYZ_-.=" if letter != value[at]]
    return value[:at] + bytes([chance.choice(others)]) + value[at + 1 :]


def _noise(chance: Chance, count: int) -> bytes:
    """Bytes that may stand in a header, most of them odd."""
    return bytes(chance.choice(_NOISE) for _ in range(count))


_NEWLINE = 0x0A
_NOISE = bytes([*range(0x21, 0x7F), *range(0x80, 0x100)])


def _token(chance: Chance) -> str:
    return "".join(chance.choices("abcXYZ-_!~'09", k=chance.randrange(1, 30)))


def _escaped(chance: Chance, raw: bytes) -> bytes:
    return b"".join(b"%%%02x" % byte if chance.random() < 0.9 else b"%" for byte in raw)


def _base64url(raw: bytes) -> bytes:
    return base64.urlsafe_b64encode(raw).rstrip(b"=")


KINDS: dict[str, tuple[int, Callable[[Chance], Case]]] = {
    "honest": (5, _honest),
    "forged": (35, _forged),
    "twisted": (20, _twisted),
    "dressed": (8, _dressed),
    "lost": (12, _lost),
    "framed": (15, _framed),
    "cut": (5, _cut),
}
