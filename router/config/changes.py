"""Changes: what tells two configurations apart, in the words of the YAML; their digest."""

import hashlib
import json

from router.config.schema import Config
from router.sinks.sink import spelled


def digest(config: Config) -> str:
    """Of sources, sinks and rules, without the values of secrets: equal where two routers do the same."""
    told = [
        spelled(config.sources, revealing=False),
        spelled(config.sinks, revealing=False),
        config.matcher.digest,
    ]
    return hashlib.sha256(json.dumps(told, default=str).encode()).hexdigest()


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
