"""Checks: what is wrong although every field is right by itself.

Owns what concerns more than one field, and the places of what structs find wrong with themselves. Must not
change anything.
"""

import re
import ssl
from ipaddress import ip_address
from urllib.parse import urlsplit

import msgspec

from router.addresses import HostKind, canonical_host, permit
from router.config.draft import Draft, entries_of, texts_of
from router.config.nodes import Entry, Map, Node, Text
from router.config.paths import check_paths
from router.config.problems import Problems, clip
from router.config.reader import TRUE, fields_of
from router.config.rules import title
from router.config.secrets import reason_of
from router.rules.elsewhere import choices
from router.secret import Secret, has_password
from router.server.settings import unsayable
from router.sinks import SINKS
from router.sinks.sink import Flaw, Sink
from router.sources.source import Source
from router.spelling import closest
from router.template.template import trial

_POSTGRES = ("postgresql", "postgres")
# Settings of which zero would mean that nothing works.
_POSITIVE = ("body_timeout", "in_flight", "keep", "max_body", "concurrency", "timeout", "max_age")
_MOST_AT_ONCE = 1_000
_MOST_ODD = 20  # keys of a source that are compared with those it must have
# Text that only prints fields need not be tried: two thousand rules of it should load at once.
_CANNOT_FAIL = re.compile(r"(?=.{0,2000}\Z)(?:[^{]|\{(?![{%#])|\{\{ *[a-z_]+ *\}\})*", re.DOTALL)


def check(draft: Draft, problems: Problems, *, resolved: bool) -> None:
    """Note everything that is wrong. `resolved`: secrets have values, and files may be looked at."""
    _check_server(draft, problems)
    _check_journal(draft, problems)
    _check_sources(draft, problems)
    for name in draft.sinks:
        _check_sink(draft, name, problems, resolved=resolved)
    check_paths(draft, problems)
    _check_destinations(draft, problems)
    _check_messages(draft, problems)


def _check_server(draft: Draft, problems: Problems) -> None:
    """Who reaches the admin listener is either on this host or has a token."""
    server = draft.server
    _check_positive(draft, server, ("server",), problems)
    if (
        not server.admin.loopback
        and server.admin_token is None
        and "admin_token" not in draft.entries("server")
    ):
        problems.add(
            draft.place("server", "admin"),
            f"'{server.admin}' is open to other hosts; add admin_token: env:NAME, or listen on 127.0.0.1",
        )
    _check_token(draft, server.admin_token, problems)
    both = draft.sound("server", "listen") and draft.sound("server", "admin")
    if both and server.listen == server.admin and server.listen.port != 0:
        place = draft.place("server", "admin" if "admin" in draft.entries("server") else "listen")
        problems.add(place, f"'{server.admin}' is both listen and admin; give admin a port of its own")


def _check_token(draft: Draft, token: Secret | None, problems: Problems) -> None:
    """The token is one that can be sent: with any other everybody would be refused for ever."""
    flaw = None if token is None or not token.resolved else unsayable(token.reveal())
    if token is not None and flaw is not None:
        problems.add(draft.place("server", "admin_token"), f"the token in '{token.reference}' {flaw}")


def _check_journal(draft: Draft, problems: Problems) -> None:
    """The URLs are those of a journal, and hold no password in plain sight."""
    _check_positive(draft, draft.journal, ("journal",), problems)
    _check_journal_url(draft, "url", draft.journal.url, ("sqlite", *_POSTGRES), problems)
    if draft.journal.listen_url is not None:
        _check_journal_url(draft, "listen_url", draft.journal.listen_url, _POSTGRES, problems)


def _check_journal_url(
    draft: Draft, key: str, url: str | Secret, schemes: tuple[str, ...], problems: Problems
) -> None:
    secret = isinstance(url, Secret)
    text = (
        url.reveal() if isinstance(url, Secret) and url.resolved else "" if isinstance(url, Secret) else url
    )
    if not text:
        return
    scheme, _, path = text.partition(":")
    place = draft.place("journal", key)
    shown = "the URL behind the reference" if secret else f"'{clip(scheme)}:…'"
    if not secret and has_password(text):
        problems.add(
            place, "a password in plain sight; use env:NAME, file:/path or credential:NAME for the whole URL"
        )
    elif scheme not in schemes:
        fix = "sqlite:var/journal.db or postgresql://user@host/database"
        fix = fix if "sqlite" in schemes else "postgresql://user@host/database"
        problems.add(place, f"{shown} is no journal; write {fix}")
    elif scheme in _POSTGRES and not _is_url(text):
        problems.add(place, f"{shown} cannot be read as a URL; write postgresql://user@host/database")
    elif scheme == "sqlite" and (not path or path.startswith(("//", ":"))):
        problems.add(
            place, "the journal's path is missing; write sqlite:var/journal.db or sqlite:/var/lib/journal.db"
        )


def _is_url(text: str) -> bool:
    """Whether it has the form scheme://authority/path."""
    try:
        return bool(urlsplit(text).path.strip("/")) and "://" in text
    except ValueError:
        return False


def _check_positive(
    draft: Draft, settings: msgspec.Struct, path: tuple[str, ...], problems: Problems
) -> None:
    """No setting is zero that may not be."""
    for field in _POSITIVE:
        value = getattr(settings, field, None)
        if value is not None and value <= 0:
            place = draft.place(*path, field)
            shown = place.text if isinstance(place, Text) else value
            problems.add(place, f"'{field}: {shown}' would stop everything; write more than 0")


def _check_sources(draft: Draft, problems: Problems) -> None:
    """A source is signed, or its operator says that it is not."""
    for name, entry in draft.entries("sources").items():
        if not isinstance(entry.value, Map):
            continue
        keys = entry.value.entries
        unsigned = keys.get("unsigned")
        says_so = unsigned is not None and isinstance(unsigned.value, Text) and unsigned.value.text == "true"
        called = f"source '{clip(name)}'"
        if says_so and unsigned is not None and "secret" in keys:
            problems.add(unsigned.key, f"{called} has a secret, so it is not unsigned; remove one of the two")
        elif not says_so and "secret" not in keys and not _misspelt(keys, draft.sources.get(name), problems):
            problems.add(
                entry.key,
                f"{called} has no 'secret'; add secret: env:NAME, or 'unsigned: true' if nothing is signed",
            )
    for name, source in draft.sources.items():
        _check_positive(draft, source, ("sources", name), problems)
        both = draft.sound("sources", name, "max_body") and draft.sound("server", "in_flight")
        if both and source.max_body > draft.server.in_flight > 0:
            problems.add(
                draft.place("sources", name, "max_body"),
                f"source '{name}' takes bodies of {source.max_body} bytes, more than server.in_flight "
                f"({draft.server.in_flight}); raise in_flight",
            )


def _misspelt(keys: dict[str, Entry], source: Source | None, problems: Problems) -> bool:
    """Whether it says how it is signed in other words, which are a problem already."""
    unsigned = keys.get("unsigned")
    if unsigned is not None:
        return isinstance(unsigned.value, Text) and unsigned.value.text.lower() in (*TRUE, "true")
    if source is None or problems.full:
        return False
    odd = sorted(keys.keys() - fields_of(type(source)).keys() - {"type"})
    return any(closest(key.lower(), ("secret", "unsigned")) for key in odd[:_MOST_ODD])


def _check_sink(draft: Draft, name: str, problems: Problems, *, resolved: bool) -> None:
    """What the sink says of itself, where it leads, whom it trusts."""
    sink = draft.sinks[name]
    _check_positive(draft, sink, ("sinks", name), problems)
    if sink.concurrency > _MOST_AT_ONCE:
        problems.add(
            draft.place("sinks", name, "concurrency"), f"more than {_MOST_AT_ONCE} at once; write fewer"
        )
    flaws = sink.problems()
    for flaw in flaws:
        problems.add(_place_of(draft, name, flaw), flaw)
    if "url" not in {flaw.key for flaw in flaws}:
        _check_host(draft, sink, problems)
    if sink.ca is not None and resolved:
        from router.transport.trust import trust  # noqa: PLC0415  # brings ssl, which most configurations never need

        try:
            trust(sink.ca)
        except ssl.SSLError:
            problems.add(
                draft.place("sinks", name, "ca"), f"'{clip(sink.ca)}' holds no certificate; it must be PEM"
            )
        except OSError as error:
            place = draft.place("sinks", name, "ca")
            problems.add(place, f"'{clip(sink.ca)}' cannot be read: {reason_of(error)}")


def _place_of(draft: Draft, name: str, flaw: Flaw) -> Node:
    """Where a flaw stands: at the name of an item, or else at the value of the setting."""
    if flaw.item is not None:
        items = entries_of(draft.entries("sinks")[name].value, flaw.key)
        if flaw.item in items:
            return items[flaw.item].key
    return draft.place("sinks", name, flaw.key)


def _check_host(draft: Draft, sink: Sink, problems: Problems) -> None:
    """A URL names its host in plain words, and not one that is always refused."""
    url = sink.destination
    if url is None or not url.resolved:
        return
    try:
        host = urlsplit(url.reveal()).hostname or ""
        kind = canonical_host(host)
    except ValueError as error:
        # The host of a URL behind a reference may be a secret's first half.
        plain = url.reveal() == url.reference
        hidden = f"the host of the URL in {url.reference} is not written as usual"
        message = str(error) if plain else f"{hidden}; write a name, or 192.0.2.7"
        problems.add(draft.place("sinks", sink.name, "url"), message)
        return
    refused = permit(ip_address(host), kind, sink.allow_networks) if kind is HostKind.LITERAL else None
    known = draft.sound("allow_networks") and draft.sound("sinks", sink.name, "allow_networks")
    if refused is not None and known:
        problems.add(draft.place("sinks", sink.name, "url"), refused)


def _check_destinations(draft: Draft, problems: Problems) -> None:
    """Every sink that a rule names is there, and named once."""
    defined = draft.entries("sinks")
    for rule in draft.rule_nodes:
        seen: set[str] = set()
        for name in texts_of(rule, "to"):
            if name.text in seen:
                problems.add(name, f"{title(rule)} names sink '{clip(name.text)}' twice; remove one")
            seen.add(name.text)
            if name.text and not name.absent and name.text not in defined:
                several, near = choices(name.text), problems.guess(name.text, defined)
                advice = f"did you mean '{near}'?" if near else "add it under sinks"
                advice = f"write a list: {several}" if several else advice
                problems.add(name, f"sink '{clip(name.text)}' is not defined; {advice}")


def _check_messages(draft: Draft, problems: Problems) -> None:
    """A rule's text can be rendered for each kind of sink it goes to."""
    types = {name: texts_of(entry.value, "type") for name, entry in draft.entries("sinks").items()}
    kinds = {name: SINKS[texts[0].text] for name, texts in types.items() if texts and texts[0].text in SINKS}
    for rule, node in zip(draft.rules, draft.rule_nodes, strict=True):
        if rule.message is None or _CANNOT_FAIL.fullmatch(rule.message.text):
            continue
        for kind in {kinds[name] for name in rule.to if name in kinds}:
            try:
                trial(rule.message, kind.escape)
            except ValueError as error:
                problems.add(node.entries["message"].value, str(error))
