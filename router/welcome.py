"""Welcome: what `run` tells at its start: where it listens, which URL belongs to which source, what to try.

Pure. Must not know where the text goes. Never a secret: a token is shown by its place only.
"""

from shlex import quote

from router import __version__
from router.admin.answers import SourceRow
from router.columns import grid, plural
from router.config.schema import Config
from router.sinks.log import Log
from router.sources import samples
from router.sources.source import Source


def welcome(config: Config, public: str, admin: str, command: str = "visual-router") -> str:
    """The start as a person reads it.

    `public` and `admin` are the addresses as the listeners give them; `command` is how this program is called
    (`calling.called`): the line can be pasted.
    """
    counts = (
        plural(len(config.sources), "source"),
        plural(len(config.matcher.rules), "rule"),
        plural(len(config.sinks), "sink"),
    )
    first = public.partition(", ")[0]
    base = first if first.startswith("http") else f"{first} "
    hooks = [
        [f"  {row.name}", row.type, f"{base}{row.hook}", "signed" if row.signed else "unsigned"]
        for row in map(SourceRow.of, config.sources.values())
    ]
    parts = [
        f"visual-router {__version__}: {config.path}, {', '.join(counts)}",
        grid(["  SOURCE", "TYPE", "POST TO", "SIGNATURE"], hooks, None),
        f"  admin  {admin}  /healthz  /readyz  /metrics  /api/v1/status",
    ]
    line = _line_to_try(config, command)
    if line is not None:
        parts.append(f"  try    {line}")
    return "\n" + "\n\n".join(parts) + "\n"


def first_steps(config: Config, command: str) -> dict[str, object]:
    """The same for a log that a program reads: the path of each hook, and the line to try if there is one."""
    hooks = [SourceRow.of(source).hook for source in config.sources.values()]
    return {"hooks": hooks, "try": _line_to_try(config, command)}


def _line_to_try(config: Config, command: str) -> str | None:
    """A command that posts a sample whose way is easily seen; None if there is no sample for any source."""
    choices = [
        (_shown_by(config, source, sample), name, sample)
        for name, source in config.sources.items()
        for sample in samples.names()
        if sample.startswith(f"{source.provider}/")
    ]
    if not choices:
        return None
    _, name, sample = max(choices, key=lambda choice: choice[0])
    return f"{command} send --config {quote(config.path)} --source {name} {sample}"


def _shown_by(config: Config, source: Source, sample: str) -> tuple[bool, bool, int]:
    """How well a sample shows what the rules do: seen in this terminal, worth a look, at many sinks."""
    provider, _, name = sample.partition("/")
    event = source.decode(samples.load(provider, name), 0.0)
    sinks = [route.sink for route in config.matcher.match(event)]
    return any(isinstance(config.sinks[sink], Log) for sink in sinks), event.status == "pending", len(sinks)
