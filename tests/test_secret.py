"""Secret: only ever a reference in the file, never its value in any output."""

import json

import pytest

from router.secret import Secret, Url, check_url, has_password, is_reference, masked, same

HOW = "use env:NAME, file:/path or credential:NAME"


def refusal(form: type[Secret], text: str) -> str:
    """What the form says to a text that it does not read."""
    with pytest.raises(ValueError, match=r"\S") as caught:
        form.parse(text)
    return str(caught.value)


@pytest.mark.parametrize(
    "text",
    ["env:TOKEN", "env:_x9", "file:/run/secrets/x y", "file:here", "credential:happo", "credential:a.b-c_d"],
)
def test_a_reference_is_read_and_not_resolved(text: str) -> None:
    """Its value comes from elsewhere, later."""
    secret = Secret.parse(text)

    assert secret.reference == text
    assert not secret.resolved
    with pytest.raises(RuntimeError, match=f"^{text} was never resolved$"):
        secret.reveal()


@pytest.mark.parametrize("text", ["hunter2", "ENV:X", "", " env:X", "vault:x", "whsec_hunter2"])
def test_a_secret_in_plain_sight_is_refused_without_repeating_it(text: str) -> None:
    """The message goes to logs that more people read than the file."""
    assert refusal(Secret, text) == f"a secret in plain sight; {HOW}"


@pytest.mark.parametrize("text", ["env:", "file:", "credential:"])
def test_a_reference_to_nothing_is_refused(text: str) -> None:
    """The name was forgotten."""
    assert refusal(Secret, text) == f"'{text}' names nothing; {HOW}"


@pytest.mark.parametrize(
    "text",
    [
        "env:hunter 2",
        "env:$TOKEN",
        "env:${TOKEN}",
        "env:9X",
        "file:a\nb",
        "credential:../x",
        "credential:.x",
        "credential:a/b",
    ],
)
def test_what_cannot_be_a_name_is_refused_without_repeating_it(text: str) -> None:
    """It may be the secret, pasted behind the scheme; a credential never leads out of its directory."""
    assert refusal(Secret, text) == f"what follows '{text.split(':', maxsplit=1)[0]}:' is not a name; {HOW}"


def test_a_resolved_secret_reveals_its_value_and_nothing_else_does() -> None:
    """Not its text, its representation, an error, nor a format string."""
    secret = Secret.parse("env:TOKEN").resolve("hunter2")

    assert secret.resolved
    assert secret.reveal() == "hunter2"
    assert repr(secret) == str(secret) == f"{secret}" == "Secret(env:TOKEN)"
    with pytest.raises(TypeError):
        json.dumps(secret)


def test_secrets_are_equal_if_reference_and_value_are() -> None:
    """A rotated value makes other settings."""
    first = Secret("env:A", "x")

    assert first == Secret("env:A", "x")
    assert hash(first) == hash(Secret("env:A", "x"))
    assert first != Secret("env:A", "y")
    assert first != Secret("env:A")
    assert first != "x"


@pytest.mark.parametrize(
    "text",
    [
        "https://ci.example.com/in",
        "http://localhost:9000",
        "https://example.com/in?page=1&key=team",
        "http://[2001:db8::7]:8080/x",
        "https://nothooks.slack.com.example.com/x",
        "https://mydiscord.com/x",
    ],
)
def test_a_url_without_credentials_may_be_written_out(text: str) -> None:
    """It is its own value, so nothing needs to be resolved."""
    url = Url.parse(text)

    assert url.resolved
    assert url.reveal() == url.reference == text


@pytest.mark.parametrize(
    "text",
    [
        "https://bob:hunter2@example.com/",
        "https://hunter2@example.com/",
        "https://hooks.slack.com/services/T/B/hunter2",
        "https://HOOKS.slack.com./services/T/B/hunter2",
        "https://discord.com/api/webhooks/1/hunter2",
        "https://team.webhook.office.com/webhookb2/hunter2",
        "https://chat.googleapis.com/v1/spaces/x/messages",
        "https://example.com/in?token=hunter2",
        "https://example.com/in?a=b&Access_Token=hunter2",
        "https://example.com/in?sig=hunter2",
        "https://example.com/in?password",
    ],
)
def test_a_url_that_is_a_credential_is_refused_without_repeating_it(text: str) -> None:
    """User information, hosts whose paths are secrets, and query keys that say what they hold."""
    assert refusal(Url, text) == f"a URL with credentials in plain sight; {HOW}"


def test_a_url_may_stand_behind_a_reference() -> None:
    """And then it prints as its reference until it is known, and as its host afterwards."""
    url = Url.parse("env:HOOK")

    assert not url.resolved
    assert repr(url) == "Url(env:HOOK)"
    assert isinstance(url.resolve("https://x.example.com/hunter2"), Url)
    assert str(url.resolve("https://x.example.com/hunter2")) == "Url(https://x.example.com/…)"


SCHEME = "not an http:// or https:// URL"
HOST = "the URL names no host"
PORT = "the URL's port is no number from 1 to 65535"
FOREIGN = "the URL has a space or another character that no URL has"


@pytest.mark.parametrize(
    ("text", "flaw"),
    [
        ("", SCHEME), ("example.com/in", SCHEME), ("ftp://example.com/", SCHEME), ("https://[::1/", SCHEME),
        ("https://", HOST), ("https:///x", HOST),
        ("https://example.com:99999/", PORT), ("https://example.com:0/", PORT), ("https://a.com:x/", PORT),
        ("https://exämple.com/", FOREIGN), ("https://example.com/a b", FOREIGN),
        ("https://exa\tmple.com/", FOREIGN),
        ("https://example.com/\r\nX: y", FOREIGN), ("https:\\\\example.com", FOREIGN),
        ("https://example.com\\@evil.com/", FOREIGN),
    ],
)  # fmt: skip
def test_what_is_no_url_is_refused_without_repeating_it(text: str, flaw: str) -> None:
    """It may be a secret that landed in the wrong variable."""
    with pytest.raises(ValueError, match=f"^{flaw}; write https://host/path$"):
        check_url(text)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://user:pw@example.com:8443/a/b?c=d", "https://example.com:8443/…"),
        ("https://example.com/?c=d", "https://example.com/…"),
        ("https://example.com/", "https://example.com"),
        ("http://[::1]:80", "http://[::1]:80"),
    ],
)
def test_a_masked_url_is_scheme_host_and_port(url: str, shown: str) -> None:
    """With a mark that there is more."""
    assert masked(url) == shown


def test_a_reference_is_known_by_its_scheme() -> None:
    """Also a malformed one: it is never taken for text."""
    assert is_reference("env:")
    assert is_reference("file:x")
    assert not is_reference("environment")


@pytest.mark.parametrize("form", [Secret, Url])
def test_every_form_describes_itself(form: type[Secret]) -> None:
    """For the JSON Schema, and for what is missing."""
    assert form.schema["type"] == "string"
    assert form.schema["description"]


@pytest.mark.parametrize(
    ("given", "right"),
    [("token", True), ("Token", False), ("toke", False), ("tokens", False), ("", False), ("\udcff", False)],
)
def test_only_the_very_text_is_the_secret(given: str, right: bool) -> None:
    """Bytes that are no UTF-8 compare too."""
    assert same(given, "token") is right


def test_nothing_is_never_the_secret() -> None:
    """Not even where the secret is empty."""
    assert not same("", "")


@pytest.mark.parametrize(
    ("url", "held"),
    [
        ("postgresql://u:p@h/db", True),
        ("postgresql://u@h/db?sslmode=require&password=p", True),
        ("postgresql://u@h/db?passfile=/p", False),
        ("sqlite:var/journal.db", False),
        ("postgresql://[h/db", False),
    ],
)
def test_a_password_in_a_url_is_seen(url: str, held: bool) -> None:
    """Before the host or behind the question mark."""
    assert has_password(url) is held
