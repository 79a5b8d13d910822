"""Bodies: what an event is tried with: a file, standard input, or a sample that comes with the program.

Owns the choice of the source that reads it.
"""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from router.calling import called
from router.errors import Rejected, Undecodable
from router.event import Event
from router.sources import samples
from router.sources.source import Source
from router.spelling import closest, near


class Body(msgspec.Struct, frozen=True):
    """The bytes, and the provider if they are a sample."""

    raw: bytes
    provider: str | None = None


def read_body(name: str, sources: Mapping[str, Source], source: str | None = None) -> Body:
    """The body of that name: `-`, a file, `<provider>/<sample>`, or a sample's name alone.

    With `source`, a sample is one of its provider's.

    Raises:
        Rejected: there is none.
    """
    providers = {named(sources, source).provider} if source else {each.provider for each in sources.values()}
    if name == "-":
        return Body(_bytes("standard input", sys.stdin.buffer.read))
    try:
        # Whatever can be read: a shell gives what a program prints as /dev/fd/63.
        return Body(_bytes(f"'{name}'", Path(name).read_bytes))
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        return _sample(name, providers)


def source_for(sources: Mapping[str, Source], name: str | None, body: Body) -> Source:
    """The source that reads a body: the one named, or else the only one to understand it.

    Raises:
        Rejected: there is no such source, or none can be told from the others.
    """
    if name is not None:
        chosen = named(sources, name)
        if body.provider not in (None, chosen.provider):
            fitting = [each.name for each in sources.values() if each.provider == body.provider]
            raise Rejected(
                f"this is a sample of {body.provider}, and source '{name}' reads {chosen.provider}",
                f"name a source of {body.provider}: {', '.join(fitting)}"
                if fitting
                else f"take a sample of {chosen.provider}: {called()} send --list",
            )
        return chosen
    able = [each for each in sources.values() if body.provider in (None, each.provider)]
    if len(able) > 1 and body.provider is None:
        able = [each for each in able if decode(each, body.raw, 0.0).kind != "unknown"]
    if len(able) == 1:
        return able[0]
    if not able and body.provider is not None:
        read = " or ".join(sorted({each.provider for each in sources.values()}))
        raise Rejected(
            f"this is a sample of {body.provider}, and no source of the configuration reads {body.provider}",
            f"add a source of type {body.provider}, or take a sample of {read}",
        )
    if not able:
        raise Rejected(
            "no source of the configuration understands this body",
            f"name one with --source: {', '.join(sources) or 'none is configured'}",
        )
    raise Rejected(
        f"{len(able)} sources could read this body",
        f"name one with --source: {', '.join(s.name for s in able)}",
    )


def named(sources: Mapping[str, Source], name: str) -> Source:
    """The source of that name; `Rejected` says which there are."""
    if name not in sources:
        raise Rejected(f"no source is called '{name}'", near(name, sources, "sources"))
    return sources[name]


def decode(source: Source, raw: bytes, now: float, labels: Mapping[str, str] | None = None) -> Event:
    """The event in a body, as the source reads it; a body that no source takes is `Rejected`.

    `labels` are those of the hook's query: the source's own win.
    """
    try:
        event = source.decode(raw, now)
    except Undecodable as error:
        raise Rejected(f"the body is refused: {error}", "providers only ever send JSON objects") from None
    return msgspec.structs.replace(event, labels={**(labels or {}), **event.labels})


def _bytes(what: str, read: Callable[[], bytes]) -> bytes:
    """All of a file; `Rejected` if it is there and cannot be read."""
    try:
        return read()
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        raise
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise Rejected(f"{what} cannot be read: {reason}", _files()) from None


def _sample(name: str, providers: set[str]) -> Body:
    """A sample of that name; without a provider in it, of the first one that has it."""
    provider, slash, sample = name.partition("/")
    if not provider or "." in name or "/" in sample:
        raise Rejected(f"there is no file '{name}'", _files())
    if slash:
        try:
            return Body(samples.load(provider, sample), provider)
        except ValueError as error:
            raise Rejected(f"there is no file '{name}', and {error}", _files()) from None
    for each in sorted(providers):
        try:
            return Body(samples.load(each, name), each)
        except ValueError:
            continue
    known = (each.partition("/") for each in samples.names())
    guess = closest(name, [each[2] for each in known if each[0] in providers])
    meant = "" if guess is None else f"; did you mean '{guess}'?"
    raise Rejected(
        f"there is no file '{name}', and no sample of {' or '.join(sorted(providers))}{meant}", _files()
    )


def _files() -> str:
    return f"write a file, - for standard input, or a sample ({called()} send --list)"
