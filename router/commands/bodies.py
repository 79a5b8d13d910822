"""Bodies: what an event is tried with: a file, standard input, or a sample that comes with the program.

Owns the choice of the source that reads it.
"""

import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec

from router.errors import Rejected, Undecodable
from router.event import Event
from router.sources import samples
from router.sources.source import Source
from router.spelling import near

_FILES = "write a file, - for standard input, or a sample (visual-router send --list)"


class Body(msgspec.Struct, frozen=True):
    """The bytes, and the provider if they are a sample."""

    raw: bytes
    provider: str | None = None


def read_body(name: str, sources: Mapping[str, Source], source: str | None = None) -> Body:
    """The body of that name: `-`, a file, `<provider>/<sample>`, or a sample's name alone.

    Raises:
        Rejected: there is none.
    """
    if name == "-":
        return Body(sys.stdin.buffer.read())
    path = Path(name)
    if path.is_file():
        try:
            return Body(path.read_bytes())
        except OSError as error:
            raise Rejected(f"'{name}' cannot be read: {error.strerror}", _FILES) from None
    return _sample(
        name, {sources[source].provider} if source else {each.provider for each in sources.values()}
    )


def source_for(sources: Mapping[str, Source], name: str | None, body: Body) -> Source:
    """The source that reads a body: the one named, or else the only one to understand it.

    Raises:
        Rejected: there is no such source, or none can be told from the others.
    """
    if name is not None:
        if name not in sources:
            raise Rejected(f"no source is called '{name}'", near(name, sources, "sources"))
        return sources[name]
    able = [each for each in sources.values() if body.provider in (None, each.provider)]
    if len(able) > 1 and body.provider is None:
        able = [each for each in able if decode(each, body.raw, 0.0).kind != "unknown"]
    if len(able) == 1:
        return able[0]
    if not able:
        raise Rejected(
            "no source of the configuration understands this body",
            f"name one with --source: {', '.join(sources) or 'none is configured'}",
        )
    raise Rejected(
        f"{len(able)} sources could read this body",
        f"name one with --source: {', '.join(s.name for s in able)}",
    )


def decode(source: Source, raw: bytes, now: float) -> Event:
    """The event in a body, as the source reads it; a body that no source takes is `Rejected`."""
    try:
        return source.decode(raw, now)
    except Undecodable as error:
        raise Rejected(f"the body is refused: {error}", "providers only ever send JSON objects") from None


def _sample(name: str, providers: set[str]) -> Body:
    """A sample of that name; without a provider in it, of the first one that has it."""
    provider, slash, sample = name.partition("/")
    asked = [(provider, sample)] if slash else [(each, name) for each in sorted(providers)]
    refusals = []
    for each, wanted in asked:
        try:
            return Body(samples.load(each, wanted), each)
        except ValueError as error:
            refusals.append(str(error))
    raise Rejected(f"no file '{name}', and {'; '.join(refusals)}", _FILES)
