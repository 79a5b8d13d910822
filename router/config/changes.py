"""Changes: what tells two configurations apart, in the words of the YAML; their digests.

Owns what no reload can change, too. Must not know how a configuration is put into force.
"""

import hashlib
import json
from pathlib import Path

import msgspec

from router.config.document import LONGEST
from router.config.schema import Config
from router.secret import Secret
from router.sinks.sink import spelled


def digest(config: Config) -> str:
    """Of sources, sinks and rules, without the values of secrets: equal where two routers do the same."""
    told = [
        spelled(config.sources, revealing=False),
        spelled(config.sinks, revealing=False),
        config.matcher.digest,
    ]
    return hashlib.sha256(json.dumps(told, default=str).encode()).hexdigest()


def file_digest(path: str) -> str:
    """Of the bytes of a file, whatever they mean; empty where there is no file that can be read twice."""
    file = Path(path)
    try:
        if not file.is_file():
            return ""
        with file.open("rb") as opened:
            return hashlib.sha256(opened.read(LONGEST)).hexdigest()
    except OSError:
        return ""


def changes(old: Config, new: Config) -> list[str]:
    """What a reload puts into force: `sources.<name>`, `sinks.<name>`, `rules`."""
    changed = [
        f"{section}.{name}"
        for section, before, after in (
            ("sources", old.sources, new.sources),
            ("sinks", old.sinks, new.sinks),
        )
        for name in sorted({*before, *after})
        if before.get(name) != after.get(name)
    ]
    if old.matcher.digest != new.matcher.digest:
        changed.append("rules")
    return changed


def needing_restart(started_with: Config, new: Config) -> list[str]:
    """What takes effect only after a restart: `server.<key>`, `journal.<key>`.

    Compared is what the process runs with, not what was loaded last: a pending restart is not forgotten, and
    one that was taken back is not asked for.
    """
    return [
        f"{section}.{field}"
        for section, running, wanted in (
            ("server", started_with.server, new.server),
            ("journal", started_with.journal, new.journal),
        )
        for field in running.__struct_fields__
        if getattr(running, field) != getattr(wanted, field)
    ]


def read_at_start(config: Config) -> list[str]:
    """The secrets of sources and sinks that no reload reads again, by reference."""
    found: set[str] = set()

    def note(value: object) -> None:
        if isinstance(value, Secret) and value.reference.startswith(("env:", "credential:")):
            found.add(value.reference)

    msgspec.to_builtins([config.sources, config.sinks], enc_hook=note)
    return sorted(found)
